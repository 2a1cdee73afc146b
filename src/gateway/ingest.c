/*
 * ingest.c
 *		etl_ingest(): requests that the gateway takes, as the source of a continuous run.
 *
 * A request is a message (etl_source.h) whose records commit together.  Its number is an offset that goes on from run to run, so that
 * the checkpoint of the pipeline says how many requests it has loaded.
 *
 *		next	the next request of the queue
 *		settle	in the transaction: what became of its records, with its Idempotency-Key
 *		answer	behind the commit: that goes to the supervisor
 *
 * The queue ends with the run.  What was in it then is not loaded, and not acknowledged.
 */
#include "etl.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "gateway/gateway.h"
#include "gateway/slots.h"
#include "miscadmin.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/catalog/sql.h"
#include "scan/message_rows.h"
#include "source/clock.h"
#include "source/http/crypto.h"
#include "source/utf8.h"
#include "storage/ipc.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#define TOKENS_MS 1000 /* how often they are looked for */
#define FORGET_MS (60 * 1000)
#define LONGEST_WINDOW_MS (INT64CONST(10) * 365 * 86400 * 1000)
#define PART "requests"

/* A request that is not answered. */
typedef struct Waiting
{
	int64 offset;
	uint64 id; /* 0: nobody waits for it */
	bool has_key;
	EtlIngestKey key;
} Waiting;

typedef struct IngestScan
{
	EtlSourceScan base;
	int64 pipeline;
	const char *name;
	char *database;
	int64 window_ms; /* for which an Idempotency-Key counts */
	bool begun;
	EtlIngestQueues queues;
	int64 next;		 /* offset */
	int64 tokens_at; /* on the clock: when they are looked for again, and */
	int64 forget_at; /* when keys that are too old are removed */

	/* requests in the order of their offsets */
	Waiting *waiting;
	int nwaiting;
	int max_waiting;

	/* of the transaction under way */
	EtlSourceOutcome *settled;
	int nsettled;
	int max_settled;
	EtlIngestKey *keys; /* [max_settled] */
	MemoryContextCallback callback;
} IngestScan;

static int own_slot = -1; /* a process has one run */

/* ----------------------------------------------------------------
 *	Opening
 * ---------------------------------------------------------------- */

static void
release_slot(int code, Datum arg)
{
	if (own_slot >= 0)
		EtlIngestRelease(own_slot);
	own_slot = -1;
}

static void
close_scan(void *arg)
{
	release_slot(0, (Datum) 0);
	EtlIngestDetach(&((IngestScan *) arg)->queues);
}

static int64
read_window(const EtlSourceScan *scan)
{
	char *text = EtlMessageArgument(scan, "dedupe_window");
	int64 ms;

	if (text == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("dedupe_window must not be null")));
	ms = EtlIntervalMs(DirectFunctionCall3(interval_in, CStringGetDatum(text),
										   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	if (ms < 0 || ms > LONGEST_WINDOW_MS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("dedupe_window must be between 0 and 10 years")));
	return ms;
}

static void
ingest_open(EtlSourceScan *scan)
{
	IngestScan *ingest = (IngestScan *) scan;
	const EtlResume *resume = ((const EtlMessageRows *) scan->etl)->json.base.resume;

	if (!scan->follows)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("etl_ingest can only be the source of a continuous pipeline"),
						errhint("Create the pipeline with continuous => true.")));
	if (!EtlGatewayIsOn())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("there is no gateway that could take records"),
						errhint("Set \"etl.listen\", and restart the server.")));
	ingest->name = pstrdup(EtlToUtf8(resume->name)); /* as a URL has it */
	if (strlen(ingest->name) >= ETL_INGEST_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("the name of a pipeline that takes records must be shorter than %d bytes",
						ETL_INGEST_NAME)));
	ingest->window_ms = read_window(scan);
	ingest->pipeline = resume->pipeline;
	ingest->database = get_database_name(MyDatabaseId);
}

/* Tokens that are accepted from now on; now and then also what is to be forgotten. */
static void
look_for_tokens(IngestScan *ingest)
{
	uint8 tokens[ETL_MAX_TOKENS][ETL_TOKEN_HASH];
	MemoryContext old = CurrentMemoryContext;
	bool forgets = EtlClock() >= ingest->forget_at;
	int n;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	n = EtlCatalogIngestTokens(ingest->pipeline, tokens, ETL_MAX_TOKENS);
	if (forgets)
		EtlCatalogForgetIngestKeys(ingest->pipeline, ingest->window_ms);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	EtlIngestSetTokens(own_slot, tokens, n);
	ingest->tokens_at = EtlClock() + TOKENS_MS;
	if (forgets)
		ingest->forget_at = EtlClock() + FORGET_MS;
}

static void
begin(IngestScan *ingest)
{
	static bool registered = false;
	int64 offset = EtlMessageFind(&ingest->base, "", PART);

	if (!registered)
		before_shmem_exit(release_slot, (Datum) 0);
	registered = true;
	own_slot = EtlIngestClaim(ingest->database, ingest->name);
	if (own_slot < 0)
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						errmsg("too many pipelines take records"),
						errdetail("At most %d can do so at a time.", ETL_INGEST_SLOTS)));
	ingest->callback.func = close_scan;
	ingest->callback.arg = ingest;
	MemoryContextRegisterResetCallback(ingest->base.context, &ingest->callback);
	ingest->next = Max(offset, 0);
	EtlMessageBegin(&ingest->base, 0, PART, ingest->next);
	look_for_tokens(ingest);
	ingest->begun = true;
}

/* The queue has room for all answers that are due.  If the supervisor is gone, nobody waits for one. */
static void
send_answer(IngestScan *ingest, const EtlIngestAnswer *answer)
{
	if (answer->id != 0 && ingest->queues.segment != NULL &&
		shm_mq_send(ingest->queues.answers, sizeof(*answer), answer, true, true) != SHM_MQ_SUCCESS)
		EtlIngestDetach(&ingest->queues);
}

/* ----------------------------------------------------------------
 *	Requests
 * ---------------------------------------------------------------- */

/* Offers queues to the supervisor; those that there were are not used any more. */
static void
offer(IngestScan *ingest)
{
	MemoryContext old = MemoryContextSwitchTo(ingest->base.context);

	EtlIngestDetach(&ingest->queues);
	for (int i = 0; i < ingest->nwaiting; i++)
		ingest->waiting[i].id = 0;
	EtlIngestOffer(own_slot, &ingest->queues);
	MemoryContextSwitchTo(old);
}

static void
wait_for_answer(IngestScan *ingest, const Waiting *waiting)
{
	if (ingest->nwaiting == ingest->max_waiting)
	{
		ingest->max_waiting = Max(2 * ingest->max_waiting, 64);
		ingest->waiting =
			ingest->waiting == NULL
				? MemoryContextAlloc(ingest->base.context, sizeof(Waiting) * ingest->max_waiting)
				: repalloc(ingest->waiting, sizeof(Waiting) * ingest->max_waiting);
	}
	ingest->waiting[ingest->nwaiting++] = *waiting;
}

/* What became of the request whose key this one has, if it came within the window; false: there was none. */
static bool
find_key(const IngestScan *ingest, EtlIngestKey *key)
{
	MemoryContext old = CurrentMemoryContext;
	bool found;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	found = EtlCatalogFindIngestKey(ingest->pipeline, ingest->window_ms, key);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	return found;
}

static bool
is_in_flight(const IngestScan *ingest, const EtlIngestKey *key)
{
	for (int i = 0; i < ingest->nwaiting; i++)
		if (ingest->waiting[i].has_key &&
			memcmp(ingest->waiting[i].key.key, key->key, ETL_TOKEN_HASH) == 0)
			return true;
	return false;
}

/* Whether a request with a key is known already, so that it is answered now; else its body is noted. */
static bool
is_answered(const IngestScan *ingest, EtlIngestKey *key, const char *body, Size len,
			EtlIngestAnswer *answer)
{
	EtlIngestKey earlier = *key;

	if (!EtlSha256(body, len, key->body))
		answer->result = ETL_INGEST_FAULTY;
	else if (is_in_flight(ingest, key))
		answer->result = ETL_INGEST_IN_FLIGHT;
	else if (!find_key(ingest, &earlier))
		return false;
	else if (memcmp(earlier.body, key->body, ETL_TOKEN_HASH) != 0)
		answer->result = ETL_INGEST_OTHER_BODY;
	else
	{
		answer->loaded = earlier.loaded;
		answer->set_aside = earlier.set_aside;
	}
	return true;
}

/* Makes a request a message; false if it need not be loaded. */
static bool
give_request(IngestScan *ingest, const char *data, Size len, EtlMessage *message)
{
	EtlIngestRequest request;
	EtlIngestAnswer answer = {.result = ETL_INGEST_LOADED};
	Waiting waiting = {.offset = ingest->next};
	const char *body = data + sizeof(request);
	Size body_len = len - sizeof(request);

	Assert(len >= sizeof(request));
	memcpy(&request, data, sizeof(request));
	answer.id = waiting.id = request.id;
	waiting.has_key = request.has_key;
	memcpy(waiting.key.key, request.key, sizeof(request.key));
	if (request.has_key && is_answered(ingest, &waiting.key, body, body_len, &answer))
	{
		send_answer(ingest, &answer);
		return false;
	}
	wait_for_answer(ingest, &waiting);
	*message =
		(EtlMessage){.offset = ingest->next++, .value = body, .len = body_len, .timestamp = -1};
	return true;
}

static EtlSourceStep
ingest_next(EtlSourceScan *scan, EtlMessage *message, EtlSourceWait *wait)
{
	IngestScan *ingest = (IngestScan *) scan;
	shm_mq_result result = SHM_MQ_DETACHED;
	void *data;
	Size len;

	if (!ingest->begun)
		begin(ingest);
	if (EtlClock() >= ingest->tokens_at)
		look_for_tokens(ingest);
	while (ingest->queues.segment != NULL &&
		   (result = shm_mq_receive(ingest->queues.requests, &len, &data, true)) == SHM_MQ_SUCCESS)
	{
		if (give_request(ingest, data, len, message))
			return ETL_SOURCE_MESSAGE;
		CHECK_FOR_INTERRUPTS();
	}
	if (result == SHM_MQ_DETACHED)
		offer(ingest);
	*wait = (EtlSourceWait){PGINVALID_SOCKET, TOKENS_MS};
	return ETL_SOURCE_WAIT;
}

static void
ingest_rewind(EtlSourceScan *scan)
{
	elog(ERROR, "requests cannot be read again");
}

/* ----------------------------------------------------------------
 *	Answers
 * ---------------------------------------------------------------- */

/* What is answered with 200 must not be lost, whatever the role's settings say. */
static void
be_durable(void)
{
	if (synchronous_commit == SYNCHRONOUS_COMMIT_OFF)
		(void) set_config_option("synchronous_commit", "local", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
}

/* Room for what becomes of so many requests. */
static void
make_room(IngestScan *ingest, int n)
{
	if (n <= ingest->max_settled)
		return;
	if (ingest->settled != NULL)
	{
		pfree(ingest->settled);
		pfree(ingest->keys);
	}
	ingest->max_settled = 0;
	ingest->settled = MemoryContextAllocHuge(ingest->base.context, sizeof(EtlSourceOutcome) * n);
	ingest->keys = MemoryContextAllocHuge(ingest->base.context, sizeof(EtlIngestKey) * n);
	ingest->max_settled = n;
}

/* The keys of the requests that are settled commit with them. */
static void
add_keys(IngestScan *ingest)
{
	int w = 0;
	int n = 0;

	for (int i = 0; i < ingest->nsettled; i++)
	{
		const EtlSourceOutcome *outcome = &ingest->settled[i];

		while (w < ingest->nwaiting && ingest->waiting[w].offset < outcome->offset)
			w++;
		if (w == ingest->nwaiting || ingest->waiting[w].offset != outcome->offset ||
			!ingest->waiting[w].has_key)
			continue;
		ingest->keys[n] = ingest->waiting[w].key;
		ingest->keys[n].loaded = outcome->loaded;
		ingest->keys[n++].set_aside = outcome->set_aside;
	}
	if (n > 0)
		EtlCatalogAddIngestKeys(ingest->pipeline, ingest->keys, n);
}

static void
ingest_settle(EtlSourceScan *scan, const EtlSourceOutcome *outcomes, int n)
{
	IngestScan *ingest = (IngestScan *) scan;

	be_durable();
	make_room(ingest, n);
	memcpy(ingest->settled, outcomes, sizeof(EtlSourceOutcome) * n);
	ingest->nsettled = n;
	add_keys(ingest);
}

static void
ingest_answer(EtlSourceScan *scan)
{
	IngestScan *ingest = (IngestScan *) scan;
	int done = 0;

	for (int i = 0; i < ingest->nsettled; i++)
	{
		const EtlSourceOutcome *outcome = &ingest->settled[i];

		while (done < ingest->nwaiting && ingest->waiting[done].offset < outcome->offset)
			done++;
		if (done < ingest->nwaiting && ingest->waiting[done].offset == outcome->offset)
			send_answer(ingest, &(EtlIngestAnswer){.id = ingest->waiting[done++].id,
												   .loaded = outcome->loaded,
												   .set_aside = outcome->set_aside});
	}
	ingest->nsettled = 0;
	ingest->nwaiting -= done;
	if (done > 0)
		memmove(ingest->waiting, ingest->waiting + done, sizeof(Waiting) * ingest->nwaiting);
}

/* It is the latest request; nothing of it is to be committed. */
static void
ingest_empty(EtlSourceScan *scan, const EtlMessage *message)
{
	IngestScan *ingest = (IngestScan *) scan;
	EtlIngestAnswer answer = {.result = ETL_INGEST_LOADED};

	if (ingest->nwaiting == 0 || ingest->waiting[ingest->nwaiting - 1].offset != message->offset)
		return;
	answer.id = ingest->waiting[--ingest->nwaiting].id;
	send_answer(ingest, &answer);
}

/* ----------------------------------------------------------------
 *	The function
 * ---------------------------------------------------------------- */

PG_FUNCTION_INFO_V1(etl_ingest);

static const EtlSourceKind kind = {
	.version = ETL_SOURCE_VERSION,
	.function = "etl_ingest",
	.entry = etl_ingest,
	.size = sizeof(IngestScan),
	.open = ingest_open,
	.next = ingest_next,
	.rewind = ingest_rewind,
	.settle = ingest_settle,
	.answer = ingest_answer,
	.empty = ingest_empty,
};

void
EtlIngestSourceInit(void)
{
	EtlSourceApiOfVersion(ETL_SOURCE_VERSION)->add(&kind);
}

/*
 * etl_ingest(format text, ...) returns setof record
 * etl_ingest(row_type anyelement, format text, ...) returns setof anyelement
 *
 * Records that are pushed by HTTP.
 */
Datum
etl_ingest(PG_FUNCTION_ARGS)
{
	return EtlSourceApiOfVersion(ETL_SOURCE_VERSION)->rows(fcinfo, &kind);
}
