/*
 * page.c
 *		What the gateway shows of a database: etl_metrics(), made by a short worker that is connected to it.
 *
 *		asked -> a fresh page of that database? -> else a worker makes one -> queue -> pieces, as the program takes them -> answer
 *
 * The supervisor is connected to no database.  All who ask within KEEP_MS have the same page, and there is one worker at a time, so
 * many who ask are no load.  The worker is of the role etl.metrics_role, and can show no more than that may see.
 */
#include "etl.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "gateway/intake.h"
#include "gateway/page.h"
#include "miscadmin.h"
#include "monitor/background.h"
#include "source/clock.h"
#include "source/http/crypto.h"
#include "source/utf8.h"
#include "storage/dsm.h"
#include "storage/shm_mq.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

#define KEEP_MS 3000
#define MAKE_MS (10 * 1000) /* then a worker is ended */
#define LOOK_MS 100			/* how often a worker is looked after that may have failed to start */
#define MAX_READERS 32
#define QUEUE_SIZE ((Size) 64 * 1024)

/* What a worker is told, beside its queue. */
typedef struct PageOrder
{
	char database[NAMEDATALEN];
	char role[NAMEDATALEN];
} PageOrder;

/* A request that is not answered. */
typedef struct Reader
{
	uint32 number;
	char database[NAMEDATALEN];
	size_t sent;
} Reader;

static char *role_setting = "";
static char *token_setting = "";

static EtlFrames *program;
static Reader readers[MAX_READERS];
static int nreaders;

static struct
{
	char database[NAMEDATALEN];
	char *text; /* NULL: there is none */
	size_t len;
	int64 until; /* on the clock: it is fresh */
} page;

static struct
{
	char database[NAMEDATALEN];
	BackgroundWorkerHandle *worker; /* NULL: none is under way */
	dsm_segment *segment;
	shm_mq_handle *queue;
	int64 until;
} making;

/* ----------------------------------------------------------------
 *	Settings
 * ---------------------------------------------------------------- */

static bool
check_token(char **value, void **extra, GucSource source)
{
	size_t len = strlen(*value);

	if (len == 0 || (len == 2 * ETL_TOKEN_HASH && strspn(*value, "0123456789abcdef") == len))
		return true;
	GUC_check_errdetail("It must be a SHA-256 as %d hexadecimal digits in lower case.",
						2 * ETL_TOKEN_HASH);
	return false;
}

void
EtlPageInit(void)
{
	DefineCustomStringVariable(
		"etl.metrics_role", "Sets the role whose view of etl_metrics() the gateway shows.",
		"Empty: it shows none.", &role_setting, "", PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("etl.metrics_token",
							   "Sets the SHA-256 of the token with which GET /metrics is asked.",
							   "Empty: nobody may ask.", &token_setting, "", PGC_SIGHUP,
							   GUC_SUPERUSER_ONLY, check_token, NULL, NULL);
}

/* ----------------------------------------------------------------
 *	The worker
 * ---------------------------------------------------------------- */

/* The one text that a statement gives, in the context of SPI. */
static char *
select_text(const char *statement)
{
	if (SPI_execute(statement, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("extension \"etl\" is not in database \"%s\"",
							   ((PageOrder *) MyBgworkerEntry->bgw_extra)->database),
						errhint("Create it there, or ask for the metrics of another database.")));
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

static const char *
make_page(void)
{
	const char *call = select_text(
		"SELECT pg_catalog.format('SELECT %I.etl_metrics()', n.nspname) FROM "
		"pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace "
		"WHERE e.extname = 'etl'");

	return EtlToUtf8(select_text(call));
}

static void
give_page(dsm_segment *segment)
{
	shm_mq *queue = dsm_segment_address(segment);
	shm_mq_handle *handle;
	const char *text;

	shm_mq_set_sender(queue, MyProc);
	handle = shm_mq_attach(queue, segment, NULL);
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	text = make_page();
	(void) shm_mq_send(handle, strlen(text), text, false, true);
	PopActiveSnapshot();
	SPI_finish();
	shm_mq_detach(handle);
}

void
EtlPageMain(Datum arg)
{
	PageOrder order;
	dsm_segment *segment;

	memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof(order));
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(order.database, order.role, 0);
	StartTransactionCommand();
	segment = dsm_attach(DatumGetUInt32(arg));
	if (segment != NULL) /* else nobody waits for it any more */
	{
		give_page(segment);
		dsm_detach(segment);
	}
	CommitTransactionCommand();
}

/* ----------------------------------------------------------------
 *	Making a page
 * ---------------------------------------------------------------- */

static void
answer(uint32 number, uint32 status, uint32 retry_after, const char *text)
{
	EtlFrame frame = {.kind = ETL_FRAME_ANSWER,
					  .number = number,
					  .status = status,
					  .value = retry_after,
					  .len = strlen(text)};

	(void) EtlFramesPut(program, &frame, text); /* without room the program's time limit answers */
}

static void
forget_reader(int i)
{
	readers[i] = readers[--nreaders];
}

/* All that wait for a page that cannot be made. */
static void
refuse_readers(const char *database)
{
	for (int i = nreaders - 1; i >= 0; i--)
	{
		if (strcmp(readers[i].database, database) != 0)
			continue;
		answer(readers[i].number, 503, 1,
			   "{\"error\": \"the metrics could not be made; the server's log says why\"}\n");
		forget_reader(i);
	}
}

static void
drop_page(void)
{
	if (page.text != NULL)
		pfree(page.text);
	page.text = NULL;
}

static void
end_making(void)
{
	if (making.queue != NULL)
		shm_mq_detach(making.queue);
	if (making.segment != NULL)
		dsm_detach(making.segment);
	if (making.worker != NULL)
		pfree(making.worker);
	making.queue = NULL;
	making.segment = NULL;
	making.worker = NULL;
}

/* Starts a worker; false: the server has no room for it. */
static bool
start_making(const char *database)
{
	PageOrder order = {{0}};
	EtlBackground what = {.function = "EtlPageMain",
						  .type = "etl metrics",
						  .subject = making.database,
						  .extra = &order,
						  .extra_len = sizeof(order)};
	shm_mq *queue;

	StaticAssertStmt(sizeof(order) <= BGW_EXTRALEN, "an order must fit");
	drop_page();
	strlcpy(making.database, database, NAMEDATALEN);
	strlcpy(order.database, database, NAMEDATALEN);
	strlcpy(order.role, role_setting, NAMEDATALEN);
	making.segment = dsm_create(QUEUE_SIZE, DSM_CREATE_NULL_IF_MAXSEGMENTS);
	if (making.segment == NULL)
		return false;
	dsm_pin_mapping(making.segment);
	queue = shm_mq_create(dsm_segment_address(making.segment), QUEUE_SIZE);
	shm_mq_set_receiver(queue, MyProc);
	making.queue = shm_mq_attach(queue, making.segment, NULL);
	making.until = EtlClock() + MAKE_MS;
	what.arg = UInt32GetDatum(dsm_segment_handle(making.segment));
	if (!EtlStartBackground(&what, &making.worker))
		return false;
	shm_mq_set_handle(making.queue, making.worker);
	return true;
}

static void
keep_page(const char *text, Size len)
{
	StringInfoData all;

	initStringInfo(&all);
	appendBinaryStringInfo(&all, text, (int) len);
	EtlIntakeMetrics(&all);
	page.text = all.data;
	page.len = all.len;
	page.until = EtlClock() + KEEP_MS;
	strlcpy(page.database, making.database, NAMEDATALEN);
}

/* Takes what the worker has made. */
static void
look_after_making(void)
{
	shm_mq_result result;
	void *text;
	Size len;

	if (making.worker == NULL)
		return;
	result = shm_mq_receive(making.queue, &len, &text, true);
	if (result == SHM_MQ_WOULD_BLOCK && EtlClock() < making.until)
		return;
	if (result == SHM_MQ_SUCCESS)
		keep_page(text, len);
	else
	{
		TerminateBackgroundWorker(making.worker);
		refuse_readers(making.database);
	}
	end_making();
}

/* ----------------------------------------------------------------
 *	Giving it
 * ---------------------------------------------------------------- */

/* Half of the room is left to other answers; true: all of it was given. */
static bool
give_pieces(Reader *reader)
{
	while (program->nout + sizeof(EtlFrame) + ETL_FRAME_DATA <= ETL_FRAME_ROOM / 2)
	{
		EtlFrame frame = {.kind = ETL_FRAME_PIECE,
						  .number = reader->number,
						  .len = (uint32) Min(page.len - reader->sent, ETL_FRAME_DATA)};

		if (frame.len == 0)
		{
			answer(reader->number, 200, 0, "");
			return true;
		}
		(void) EtlFramesPut(program, &frame, page.text + reader->sent);
		reader->sent += frame.len;
	}
	return false;
}

/* Whether somebody has a part of the page: it is kept until he has all of it. */
static bool
give_to_readers(void)
{
	bool is_fresh = EtlClock() < page.until;
	bool is_in_use = false;

	for (int i = nreaders - 1; i >= 0 && page.text != NULL; i--)
	{
		if (strcmp(readers[i].database, page.database) != 0 || (readers[i].sent == 0 && !is_fresh))
			continue;
		if (give_pieces(&readers[i]))
			forget_reader(i);
		else
			is_in_use |= readers[i].sent > 0;
	}
	return is_in_use;
}

/* Whether somebody waits for a page other than the one that is kept. */
static const char *
wanted_database(void)
{
	bool is_fresh = page.text != NULL && EtlClock() < page.until;

	for (int i = 0; i < nreaders; i++)
		if (!is_fresh || strcmp(readers[i].database, page.database) != 0)
			return readers[i].database;
	return NULL;
}

/* ----------------------------------------------------------------
 *	For the supervisor
 * ---------------------------------------------------------------- */

void
EtlPageBegin(EtlFrames *frames)
{
	program = frames;
	nreaders = 0;
}

static bool
is_token(const char *token)
{
	uint8 expected[ETL_TOKEN_HASH];
	uint8 hash[ETL_TOKEN_HASH];

	if (token_setting[0] == '\0' || !EtlSha256(token, strlen(token), hash))
		return false;
	(void) hex_decode(token_setting, 2 * ETL_TOKEN_HASH, (char *) expected);
	return EtlIsSameHash(hash, expected);
}

/* The first of etl.databases; false: there is none. */
static bool
first_database(char *database)
{
	const char *setting = GetConfigOption("etl.databases", true, false);
	char *copy = pstrdup(setting != NULL ? setting : "");
	List *names;
	bool found = SplitIdentifierString(copy, ',', &names) && names != NIL;

	if (found)
		strlcpy(database, linitial(names), NAMEDATALEN);
	list_free(names);
	pfree(copy);
	return found;
}

/* The data are two strings with their ends: the database, empty for the first one, and the token. */
void
EtlPageTake(const EtlFrame *frame, const char *data)
{
	const char *zero = memchr(data, '\0', frame->len);
	Reader *reader = &readers[nreaders];

	if (zero == NULL || data[frame->len - 1] != '\0' || zero == data + frame->len - 1)
		return;
	if (role_setting[0] == '\0' || token_setting[0] == '\0')
		answer(frame->number, 404, 0,
			   "{\"error\": \"not found; the settings are etl.metrics_role and "
			   "etl.metrics_token\"}\n");
	else if (!is_token(zero + 1))
		answer(frame->number, 401, 0, "{\"error\": \"the token is not that of the metrics\"}\n");
	else if (nreaders == MAX_READERS)
		answer(frame->number, 429, 1, "{\"error\": \"too many wait for metrics\"}\n");
	else if (zero - data >= NAMEDATALEN)
		answer(frame->number, 404, 0, "{\"error\": \"no database has such a name\"}\n");
	else
	{
		*reader = (Reader){.number = frame->number};
		strlcpy(reader->database, data, NAMEDATALEN);
		if (data[0] != '\0' || first_database(reader->database))
			nreaders++;
		else
			answer(frame->number, 404, 0, "{\"error\": \"etl.databases is empty\"}\n");
	}
}

void
EtlPageTurn(void)
{
	const char *database;

	look_after_making();
	if (give_to_readers() || making.worker != NULL)
		return;
	database = wanted_database();
	if (database == NULL || start_making(database))
		return;
	end_making();
	refuse_readers(making.database);
}

int
EtlPageWait(void)
{
	return making.worker != NULL || nreaders > 0 ? LOOK_MS : -1;
}
