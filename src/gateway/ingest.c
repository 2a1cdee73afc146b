/*
 * ingest.c
 *		etl_ingest(): requests that the gateway takes, as the source of a continuous run.
 *
 * A request is a message (etl_source.h) whose records commit together.  Its number is an offset that goes on from run to run, so that
 * the checkpoint of the pipeline says how many requests it has loaded.
 *
 *		next	the next request of the queue
 *		settle	in the transaction: what became of its records
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
#include "scan/message_rows.h"
#include "source/clock.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#define TOKENS_MS 1000 /* how often they are looked for */
#define PART "requests"

/* A request that is not answered. */
typedef struct Waiting
{
	int64 offset;
	uint64 id; /* 0: nobody waits for it */
} Waiting;

typedef struct IngestScan
{
	EtlSourceScan base;
	int64 pipeline;
	const char *name;
	char *database;
	bool begun;
	EtlIngestQueues queues;
	int64 next;		 /* offset */
	int64 tokens_at; /* on the clock: when they are looked for again */

	/* requests in the order of their offsets */
	Waiting *waiting;
	int nwaiting;
	int max_waiting;

	/* of the transaction under way */
	EtlSourceOutcome *settled;
	int nsettled;
	int max_settled;
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
	if (strlen(resume->name) >= ETL_INGEST_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("the name of a pipeline that takes records must be shorter than %d bytes",
						ETL_INGEST_NAME)));
	ingest->pipeline = resume->pipeline;
	ingest->name = pstrdup(resume->name);
	ingest->database = get_database_name(MyDatabaseId);
}

/* Tokens that are accepted from now on. */
static void
look_for_tokens(IngestScan *ingest)
{
	uint8 tokens[ETL_MAX_TOKENS][ETL_TOKEN_HASH];
	MemoryContext old = CurrentMemoryContext;
	int n;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	n = EtlCatalogIngestTokens(ingest->pipeline, tokens, ETL_MAX_TOKENS);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	EtlIngestSetTokens(own_slot, tokens, n);
	ingest->tokens_at = EtlClock() + TOKENS_MS;
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
wait_for_answer(IngestScan *ingest, uint64 id)
{
	if (ingest->nwaiting == ingest->max_waiting)
	{
		ingest->max_waiting = Max(2 * ingest->max_waiting, 64);
		ingest->waiting =
			ingest->waiting == NULL
				? MemoryContextAlloc(ingest->base.context, sizeof(Waiting) * ingest->max_waiting)
				: repalloc(ingest->waiting, sizeof(Waiting) * ingest->max_waiting);
	}
	ingest->waiting[ingest->nwaiting++] = (Waiting){ingest->next, id};
}

static void
give_request(IngestScan *ingest, const char *data, Size len, EtlMessage *message)
{
	EtlIngestRequest request;

	Assert(len >= sizeof(request));
	memcpy(&request, data, sizeof(request));
	wait_for_answer(ingest, request.id);
	*message = (EtlMessage){.offset = ingest->next++,
							.value = data + sizeof(request),
							.len = len - sizeof(request),
							.timestamp = -1};
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
	if (ingest->queues.segment != NULL)
		result = shm_mq_receive(ingest->queues.requests, &len, &data, true);
	if (result == SHM_MQ_SUCCESS)
	{
		give_request(ingest, data, len, message);
		return ETL_SOURCE_MESSAGE;
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

static void
ingest_settle(EtlSourceScan *scan, const EtlSourceOutcome *outcomes, int n)
{
	IngestScan *ingest = (IngestScan *) scan;

	be_durable();
	if (n > ingest->max_settled)
	{
		if (ingest->settled != NULL)
			pfree(ingest->settled);
		ingest->settled = NULL;
		ingest->settled = MemoryContextAllocHuge(scan->context, sizeof(EtlSourceOutcome) * n);
		ingest->max_settled = n;
	}
	memcpy(ingest->settled, outcomes, sizeof(EtlSourceOutcome) * n);
	ingest->nsettled = n;
}

/* The queue has room for all answers that are due.  If the supervisor is gone, nobody waits for one. */
static void
send_answer(IngestScan *ingest, uint64 id, const EtlSourceOutcome *outcome)
{
	EtlIngestAnswer answer = {.id = id, .loaded = outcome->loaded, .set_aside = outcome->set_aside};

	if (id != 0 && ingest->queues.segment != NULL &&
		shm_mq_send(ingest->queues.answers, sizeof(answer), &answer, true, true) != SHM_MQ_SUCCESS)
		EtlIngestDetach(&ingest->queues);
}

static void
ingest_answer(EtlSourceScan *scan)
{
	IngestScan *ingest = (IngestScan *) scan;
	int done = 0;

	for (int i = 0; i < ingest->nsettled; i++)
	{
		while (done < ingest->nwaiting && ingest->waiting[done].offset < ingest->settled[i].offset)
			done++;
		if (done < ingest->nwaiting && ingest->waiting[done].offset == ingest->settled[i].offset)
			send_answer(ingest, ingest->waiting[done++].id, &ingest->settled[i]);
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
	const EtlSourceOutcome none = {0};

	if (ingest->nwaiting > 0 && ingest->waiting[ingest->nwaiting - 1].offset == message->offset)
		send_answer(ingest, ingest->waiting[--ingest->nwaiting].id, &none);
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
