/*
 * dialects.c
 *		The rows of etl_dialects: looked up by name, and checked when they are stored.
 *
 * A lookup reads the table itself: presets are public, and the view that shows them may be anywhere on the
 * user's search_path.
 */
#include "etl.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "scan/api_call.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* The columns of etl_catalog.dialects. */
enum
{
	DIALECT_NAME = 1,
	DIALECT_PRESET,
	DIALECT_OPTIONS
};

/* Of the rows of one name, the one that was not installed with etl. */
Jsonb *
EtlDialectLookUp(const char *name)
{
	Oid schema = get_namespace_oid("etl_catalog", true);
	Oid relid = OidIsValid(schema) ? get_relname_relid("dialects", schema) : InvalidOid;
	Jsonb *options = NULL;
	Relation rel;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple tuple;
	Snapshot snapshot;

	if (!OidIsValid(relid))
		return NULL;
	rel = table_open(relid, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyInit(&key, DIALECT_NAME, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(name));
	key.sk_collation = DEFAULT_COLLATION_OID;
	scan = systable_beginscan(rel, InvalidOid, false, snapshot, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool isnull;
		bool preset =
			DatumGetBool(heap_getattr(tuple, DIALECT_PRESET, RelationGetDescr(rel), &isnull));

		if (options == NULL || !preset)
			options = DatumGetJsonbPCopy(
				heap_getattr(tuple, DIALECT_OPTIONS, RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return options;
}

PG_FUNCTION_INFO_V1(etl_check_dialect);

/*
 * etl_catalog.check_dialect(name text, options jsonb) returns boolean
 *
 * true, or an error that says what is wrong with an option.  Whether they go together is seen when they are used:
 * a row may leave some to the call.
 */
Datum
etl_check_dialect(PG_FUNCTION_ARGS)
{
	EtlDialect dialect;

	if (EtlIsPagination(text_to_cstring(PG_GETARG_TEXT_PP(0))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a dialect cannot be called \"%s\"", text_to_cstring(PG_GETARG_TEXT_PP(0))),
				 errdetail("That is the name of a kind of paging.")));
	EtlCheckName("name of a dialect", text_to_cstring(PG_GETARG_TEXT_PP(0)));
	EtlDialectInit(&dialect);
	EtlApiCallSetOptions(&dialect, PG_GETARG_JSONB_P(1));
	PG_RETURN_BOOL(true);
}
