/*
 * kept_token.c
 *		Refresh tokens that a service has put in the place of those in user mappings.
 *
 *		EtlKeptTokenWrite -> DSM segment -> etl_keep_token (a worker) -> row, committed -> the caller goes on
 *
 * The token before is spent, so the new one must not go with a transaction that is rolled back: a short background worker
 * writes it in a transaction of its own, before anybody uses what came with it.  The segment is pinned until the worker has
 * it, so that a query that is cancelled meanwhile loses no token.
 *
 * The table is read and written as a catalog is, without SQL: nobody has a right to it, and no setting, trigger or search
 * path has a say.  It has a row for each mapping whose token was replaced, and rows of a year ago go when one is written.
 */
#include "etl.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "monitor/background.h"
#include "source/catalogs.h"
#include "source/kept_token.h"

/* The functions for users make 1 and 2 of this field of the tag of an advisory lock. */
#define REFRESHES 0x67

#define KEPT_FOR (INT64CONST(366) * USECS_PER_DAY)

/* Columns of the table. */
enum
{
	KEY = 1,
	TOKEN,
	KEPT_AT,
	NCOLUMNS = KEPT_AT
};

/* What the worker is given. */
typedef struct Note
{
	uint8 key[ETL_TOKEN_KEY];
	bool taken; /* the worker has the segment, */
	bool done;	/* and the row is committed */
	char token[FLEXIBLE_ARRAY_MEMBER];
} Note;

typedef struct Hashing
{
	const char *owner;
	uint8 *key;
} Hashing;

typedef struct Reading
{
	const uint8 *key;
	MemoryContext context; /* of the result */
	char *token;
} Reading;

/* PostgreSQL hashes with OpenSSL, whose handles belong to a transaction. */
static void
hash_owner(void *arg)
{
	Hashing *hashing = arg;
	Datum hash =
		DirectFunctionCall1(sha256_bytea, PointerGetDatum(cstring_to_text(hashing->owner)));

	memcpy(hashing->key, VARDATA_ANY(DatumGetByteaPP(hash)), ETL_TOKEN_KEY);
}

void
EtlKeptTokenKey(const char *owner, uint8 *key)
{
	Hashing hashing = {owner, key};

	EtlWithCatalogs(hash_owner, &hashing);
}

static LOCKTAG
tag_of(const uint8 *key)
{
	LOCKTAG tag;
	uint32 words[2];

	memcpy(words, key, sizeof(words));
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, words[0], words[1], REFRESHES);
	return tag;
}

void
EtlKeptTokenLock(const uint8 *key)
{
	LOCKTAG tag = tag_of(key);

	if (RecoveryInProgress())
		ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
						errmsg("cannot use a refresh token on a standby"),
						errdetail("The token service may replace it, and the new one could not be "
								  "kept.")));
	(void) LockAcquire(&tag, ExclusiveLock, true, false);
}

void
EtlKeptTokenUnlock(const uint8 *key)
{
	LOCKTAG tag = tag_of(key);

	(void) LockRelease(&tag, ExclusiveLock, true);
}

/* The table, which is the extension's and of nobody else who has made a schema of this name. */
static Relation
open_table(LOCKMODE mode)
{
	Oid schema = get_namespace_oid("etl_catalog", true);
	Oid table = OidIsValid(schema) ? get_relname_relid("refresh_tokens", schema) : InvalidOid;

	if (!OidIsValid(table) ||
		getExtensionOfObject(RelationRelationId, table) != get_extension_oid("etl", true))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("extension \"%s\" is not installed in this database", "etl")));
	return table_open(table, mode);
}

static Datum
column(Relation table, HeapTuple row, int number)
{
	bool is_null;

	return heap_getattr(row, number, RelationGetDescr(table), &is_null);
}

static bool
has_key(Relation table, HeapTuple row, const uint8 *key)
{
	bytea *its = DatumGetByteaPP(column(table, row, KEY));

	return VARSIZE_ANY_EXHDR(its) == ETL_TOKEN_KEY &&
		   memcmp(VARDATA_ANY(its), key, ETL_TOKEN_KEY) == 0;
}

static void
read_row(void *arg)
{
	Reading *reading = arg;
	Relation table = open_table(AccessShareLock);
	SysScanDesc scan;
	HeapTuple row;

	PushActiveSnapshot(GetTransactionSnapshot());
	scan = systable_beginscan(table, InvalidOid, false, NULL, 0, NULL);
	while ((row = systable_getnext(scan)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (has_key(table, row, reading->key))
			reading->token = MemoryContextStrdup(reading->context,
												 TextDatumGetCString(column(table, row, TOKEN)));
	}
	systable_endscan(scan);
	PopActiveSnapshot();
	table_close(table, AccessShareLock);
}

char *
EtlKeptTokenRead(const uint8 *key)
{
	Reading reading = {key, CurrentMemoryContext};

	EtlWithCatalogs(read_row, &reading);
	return reading.token;
}

/* ----------------------------------------------------------------
 *	Writing
 * ---------------------------------------------------------------- */

static HeapTuple
form_row(Relation table, const Note *note)
{
	bytea *key = palloc(VARHDRSZ + ETL_TOKEN_KEY);
	Datum values[NCOLUMNS];
	bool nulls[NCOLUMNS] = {false};

	SET_VARSIZE(key, VARHDRSZ + ETL_TOKEN_KEY);
	memcpy(VARDATA(key), note->key, ETL_TOKEN_KEY);
	values[KEY - 1] = PointerGetDatum(key);
	values[TOKEN - 1] = CStringGetTextDatum(note->token);
	values[KEPT_AT - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	return heap_form_tuple(RelationGetDescr(table), values, nulls);
}

static void
write_row(const Note *note)
{
	Relation table = open_table(RowExclusiveLock);
	TimestampTz oldest = GetCurrentTimestamp() - KEPT_FOR;
	HeapTuple new_row = form_row(table, note);
	SysScanDesc scan = systable_beginscan(table, InvalidOid, false, NULL, 0, NULL);
	HeapTuple row;

	while ((row = systable_getnext(scan)) != NULL)
	{
		if (has_key(table, row, note->key) ||
			DatumGetTimestampTz(column(table, row, KEPT_AT)) < oldest)
			CatalogTupleDelete(table, &row->t_self);
	}
	systable_endscan(scan);
	CommandCounterIncrement();
	CatalogTupleInsert(table, new_row);
	table_close(table, NoLock);
}

void
etl_keep_token(Datum arg)
{
	dsm_handle handle = DatumGetUInt32(arg);
	dsm_segment *segment;
	Note *note;
	Oid database;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	memcpy(&database, MyBgworkerEntry->bgw_extra, sizeof(database));
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	SetConfigOption("synchronous_commit", "local", PGC_SUSET, PGC_S_OVERRIDE);

	StartTransactionCommand();
	segment = dsm_attach(handle);
	if (!segment)
		elog(ERROR, "the token to keep is gone");
	dsm_pin_mapping(segment);
	dsm_unpin_segment(handle);
	note = dsm_segment_address(segment);
	note->taken = true;
	PushActiveSnapshot(GetTransactionSnapshot());
	write_row(note);
	PopActiveSnapshot();
	CommitTransactionCommand();
	note->done = true;
	dsm_detach(segment);
}

/* Starts the worker for what is in the segment, and waits for its end. */
static void
run_worker(dsm_segment *segment)
{
	Note *note = dsm_segment_address(segment);
	EtlBackground what = {.function = "etl_keep_token",
						  .type = "etl token",
						  .notify = true,
						  .arg = UInt32GetDatum(dsm_segment_handle(segment)),
						  .extra = &MyDatabaseId,
						  .extra_len = sizeof(MyDatabaseId)};
	BackgroundWorkerHandle *handle;

	dsm_pin_segment(segment);
	if (EtlStartBackground(&what, &handle))
		(void) WaitForBackgroundWorkerShutdown(handle);
	if (!note->taken)
		dsm_unpin_segment(dsm_segment_handle(segment));
}

bool
EtlKeptTokenWrite(const uint8 *key, const char *token)
{
	dsm_segment *segment = dsm_create(offsetof(Note, token) + strlen(token) + 1, 0);
	Note *note = dsm_segment_address(segment);
	bool done;

	memcpy(note->key, key, ETL_TOKEN_KEY);
	note->taken = note->done = false;
	strcpy(note->token, token);
	run_worker(segment);
	done = note->done;
	dsm_detach(segment);
	return done;
}
