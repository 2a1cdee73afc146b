/*
 * parallel.c
 *		Processes that share a run.
 *
 *		leader	a batch -> starts workers, if there is more -> batches -> waits for them -> the end of the run
 *		worker	joins -> batches -> its result, or why it failed
 *
 * All that they share is in a segment that the leader makes.  An error of one ends all: the leader raises it as its own, and
 * the others stop behind the batch in hand.
 */
#include "etl.h"

#include "access/htup_details.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "monitor/background.h"
#include "monitor/progress.h"
#include "pipeline/run/ending.h"
#include "pipeline/run/parallel.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/spin.h"
#include "utils/memutils.h"

#define MAX_NAME 4096
#define WORDS (MaxTupleAttributeNumber / BITS_PER_BITMAPWORD + 1)
#define LOOK_MS 1000 /* how often it is seen to that workers are alive */

typedef enum WorkerState
{
	WORKER_ABSENT, /* it has not joined, or not yet */
	WORKER_READS,
	WORKER_SUCCEEDED,
	WORKER_FAILED
} WorkerState;

/* Why a worker has failed, cut to these lengths. */
typedef struct Failure
{
	int sqlstate;
	bool in_source; /* as in EtlRun, all four */
	bool in_rows;
	bool fatal;
	char fatal_reason[256];
	char message[1024];
	char detail[1024];
	char hint[1024];
	char context[1024];
} Failure;

typedef struct Shared
{
	EtlParallelOrder order;
	slock_t mutex;
	ConditionVariable changed;

	bool stop;			  /* nobody is to begin another batch */
	char taken[MAX_NAME]; /* the last part that was taken; "": none was */
	int njoined;
	int nreading; /* processes, the leader included */
	WorkerState states[ETL_MAX_PARALLEL];
	bool reads[ETL_MAX_PARALLEL]; /* of nreading */
	bool failed;				  /* one has, the first of them for this reason */
	Failure failure;

	/* what those that have succeeded give */
	bool incomplete;
	int64 last_letter;
	int64 settles_in;
	bitmapword unseen[WORDS];
} Shared;

struct EtlParallel
{
	EtlParallelOrder order; /* of the leader, before there is a segment */
	char *previous;			/* the part that this process came to last; NULL: it has come to none */
	dsm_segment *segment;	/* NULL: the leader is alone */
	Shared *shared;
	int number; /* of a worker; -1: it is the leader, with these workers: */
	int nworkers;
	BackgroundWorkerHandle *handles[ETL_MAX_PARALLEL];
};

/* ----------------------------------------------------------------
 *	Parts
 * ---------------------------------------------------------------- */

EtlParallel *
EtlParallelCreate(const EtlRun *run, const char *definition)
{
	EtlParallel *parallel = MemoryContextAllocZero(run->context, sizeof(EtlParallel));

	parallel->number = -1;
	parallel->order = (EtlParallelOrder){.database = MyDatabaseId,
										 .owner = run->pipeline->owner,
										 .pipeline = run->pipeline->id,
										 .run = run->id,
										 .instant = run->instant};
	strlcpy(parallel->order.definition, definition, sizeof(parallel->order.definition));
	return parallel;
}

bool
EtlParallelIsShared(const EtlParallel *parallel)
{
	return parallel != NULL && parallel->shared != NULL;
}

/* The order is what keeps a part from being read twice, so it is held against each name. */
static void
check_order(EtlParallel *parallel, const char *part)
{
	if (parallel->previous != NULL && strcmp(part, parallel->previous) <= 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a run in parallel needs the parts of its source in the order of their names"),
			 errdetail("\"%s\" comes behind \"%s\".", part, parallel->previous),
			 errhint("Name them in that order, or set parallel => 1.")));
	if (strlen(part) >= MAX_NAME)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("the name of a part is too long for a run in parallel"),
						errhint("Set parallel => 1.")));
	if (parallel->previous != NULL)
		pfree(parallel->previous);
	parallel->previous = MemoryContextStrdup(GetMemoryChunkContext(parallel), part);
}

bool
EtlParallelTake(EtlParallel *parallel, const char *part)
{
	Shared *shared = parallel->shared;
	bool mine;

	check_order(parallel, part);
	if (shared == NULL)
		return true;
	SpinLockAcquire(&shared->mutex);
	mine = strcmp(part, shared->taken) > 0;
	if (mine)
		strcpy(shared->taken, part);
	SpinLockRelease(&shared->mutex);
	return mine;
}

/* ----------------------------------------------------------------
 *	The leader
 * ---------------------------------------------------------------- */

/* However the leader goes: nobody begins another batch. */
static void
leader_left(dsm_segment *segment, Datum arg)
{
	Shared *shared = dsm_segment_address(segment);

	ConditionVariableCancelSleep(); /* on what goes with the segment */
	SpinLockAcquire(&shared->mutex);
	shared->stop = true;
	SpinLockRelease(&shared->mutex);
	ConditionVariableBroadcast(&shared->changed);
}

static void
create_segment(EtlParallel *parallel)
{
	Shared *shared;

	parallel->segment = dsm_create(sizeof(Shared), DSM_CREATE_NULL_IF_MAXSEGMENTS);
	if (parallel->segment == NULL)
		return; /* it goes on alone */
	dsm_pin_mapping(parallel->segment);
	shared = dsm_segment_address(parallel->segment);
	memset(shared, 0, sizeof(*shared));
	shared->order = parallel->order;
	shared->nreading = 1;
	SpinLockInit(&shared->mutex);
	ConditionVariableInit(&shared->changed);
	if (parallel->previous != NULL)
		strcpy(shared->taken, parallel->previous);
	memset(shared->unseen, 0xFF, sizeof(shared->unseen));
	on_dsm_detach(parallel->segment, leader_left, (Datum) 0);
	parallel->shared = shared;
}

void
EtlParallelStart(EtlParallel *parallel, const EtlRun *run)
{
	MemoryContext old = MemoryContextSwitchTo(run->context);
	EtlBackground worker = {.function = "EtlParallelWorkerMain",
							.type = "etl parallel worker",
							.subject = run->pipeline->name,
							.notify = true};

	create_segment(parallel);
	if (parallel->segment != NULL)
		worker.arg = UInt32GetDatum(dsm_segment_handle(parallel->segment));
	while (parallel->segment != NULL && parallel->nworkers < run->pipeline->parallel - 1 &&
		   EtlStartBackground(&worker, &parallel->handles[parallel->nworkers]))
		parallel->nworkers++;
	MemoryContextSwitchTo(old);
}

/* Raises what a worker has failed with, and says of the run what that said of its. */
pg_noreturn static void
raise_failure(const Failure *failure, EtlRun *run)
{
	ErrorData *error = MemoryContextAllocZero(run->context, sizeof(ErrorData));

#define KEPT(text) ((text)[0] != '\0' ? MemoryContextStrdup(run->context, text) : NULL)
	error->elevel = ERROR;
	error->sqlerrcode = failure->sqlstate;
	error->message = KEPT(failure->message);
	error->detail = KEPT(failure->detail);
	error->hint = KEPT(failure->hint);
	error->context = KEPT(failure->context);
	run->in_source = failure->in_source;
	run->in_rows = failure->in_rows;
	run->fatal = failure->fatal;
	run->fatal_reason = KEPT(failure->fatal_reason);
#undef KEPT
	error->assoc_context = run->context;
	ThrowErrorData(error);
	pg_unreachable();
}

static void
check_workers(EtlParallel *parallel, EtlRun *run)
{
	Failure failure;
	bool failed;

	SpinLockAcquire(&parallel->shared->mutex);
	failed = parallel->shared->failed;
	SpinLockRelease(&parallel->shared->mutex);
	if (!failed)
		return;
	failure = parallel->shared->failure; /* the first, which stays */
	raise_failure(&failure, run);
}

void
EtlParallelCheck(EtlParallel *parallel, EtlRun *run)
{
	bool stop;

	if (!EtlParallelIsShared(parallel))
		return;
	if (parallel->number < 0)
	{
		check_workers(parallel, run);
		return;
	}
	SpinLockAcquire(&parallel->shared->mutex);
	stop = parallel->shared->stop;
	SpinLockRelease(&parallel->shared->mutex);
	if (stop)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED), errmsg("the leader of the run has ended")));
}

/* Whether no process of a worker is there any more. */
static bool
all_gone(const EtlParallel *parallel)
{
	pid_t pid;

	for (int i = 0; i < parallel->nworkers; i++)
		if (GetBackgroundWorkerPid(parallel->handles[i], &pid) != BGWH_STOPPED)
			return false;
	return true;
}

static uint32
wait_event(void)
{
	static uint32 event = 0;

	if (event == 0)
		event = EtlWaitEventNew("EtlParallelFinish");
	return event;
}

/* The postmaster tells the end of a worker. */
static void
wait_for_end(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_MS,
					 wait_event());
	ResetLatch(MyLatch);
	EtlTick();
}

void
EtlParallelAwaitRead(EtlParallel *parallel, EtlRun *run)
{
	Shared *shared = parallel->shared;
	bool all;

	SpinLockAcquire(&shared->mutex);
	shared->nreading--;
	if (parallel->number >= 0)
		shared->reads[parallel->number] = false;
	SpinLockRelease(&shared->mutex);
	ConditionVariableBroadcast(&shared->changed);
	for (;;)
	{
		SpinLockAcquire(&shared->mutex);
		all = shared->nreading == 0;
		SpinLockRelease(&shared->mutex);
		if (all)
			break;
		EtlParallelCheck(parallel, run);
		EtlCheckShutdown();
		(void) ConditionVariableTimedSleep(&shared->changed, LOOK_MS, wait_event());
		EtlTick();
	}
	ConditionVariableCancelSleep();
}

void
EtlParallelAwait(EtlParallel *parallel, EtlRun *run, EtlParallelResult *result)
{
	Shared *shared = parallel->shared;
	int i = -1;

	while (!all_gone(parallel))
	{
		check_workers(parallel, run);
		EtlCheckShutdown();
		wait_for_end();
	}
	check_workers(parallel, run);
	result->complete &= !shared->incomplete;
	result->last_letter = Max(result->last_letter, shared->last_letter);
	if (shared->settles_in > 0)
		result->settles_in = result->settles_in == 0 ? shared->settles_in
													 : Min(result->settles_in, shared->settles_in);
	while ((i = bms_next_member(result->unseen, i)) >= 0)
		if ((shared->unseen[i / BITS_PER_BITMAPWORD] &
			 ((bitmapword) 1 << (i % BITS_PER_BITMAPWORD))) == 0)
			result->unseen = bms_del_member(result->unseen, i);
}

void
EtlParallelStop(EtlParallel *parallel)
{
	if (!EtlParallelIsShared(parallel))
		return;
	leader_left(parallel->segment, (Datum) 0);
	for (int i = 0; i < parallel->nworkers; i++)
		TerminateBackgroundWorker(parallel->handles[i]);
	while (!all_gone(parallel))
		wait_for_end();
}

/* ----------------------------------------------------------------
 *	A worker
 * ---------------------------------------------------------------- */

/* However it goes: one that has not said how is one that failed. */
static void
worker_left(dsm_segment *segment, Datum arg)
{
	Shared *shared = dsm_segment_address(segment);
	WorkerState *state = &shared->states[DatumGetInt32(arg)];

	ConditionVariableCancelSleep();
	SpinLockAcquire(&shared->mutex);
	if (*state == WORKER_READS)
	{
		*state = WORKER_FAILED;
		if (!shared->failed)
		{
			shared->failure.sqlstate = ERRCODE_ADMIN_SHUTDOWN;
			strlcpy(shared->failure.message, "a parallel worker of the run ended unexpectedly",
					sizeof(shared->failure.message));
		}
		shared->failed = true;
	}
	if (shared->reads[DatumGetInt32(arg)])
		shared->nreading--;
	SpinLockRelease(&shared->mutex);
	ConditionVariableBroadcast(&shared->changed);
}

EtlParallel *
EtlParallelJoin(dsm_handle handle, MemoryContext context)
{
	EtlParallel *parallel = MemoryContextAllocZero(context, sizeof(EtlParallel));
	bool stop;

	parallel->segment = dsm_attach(handle);
	if (parallel->segment == NULL)
		return NULL;
	parallel->shared = dsm_segment_address(parallel->segment);
	parallel->order = parallel->shared->order;
	SpinLockAcquire(&parallel->shared->mutex);
	stop = parallel->shared->stop;
	if (!stop)
	{
		parallel->number = parallel->shared->njoined++;
		parallel->shared->nreading++;
		parallel->shared->states[parallel->number] = WORKER_READS;
		parallel->shared->reads[parallel->number] = true;
	}
	SpinLockRelease(&parallel->shared->mutex);
	if (stop)
		return NULL;
	on_dsm_detach(parallel->segment, worker_left, Int32GetDatum(parallel->number));
	return parallel;
}

const EtlParallelOrder *
EtlParallelOrderOf(const EtlParallel *parallel)
{
	return &parallel->order;
}

static void
set_state(EtlParallel *parallel, WorkerState state)
{
	SpinLockAcquire(&parallel->shared->mutex);
	parallel->shared->states[parallel->number] = state;
	SpinLockRelease(&parallel->shared->mutex);
}

void
EtlParallelLeft(EtlParallel *parallel)
{
	set_state(parallel, WORKER_ABSENT);
}

void
EtlParallelSucceeded(EtlParallel *parallel, const EtlParallelResult *result)
{
	Shared *shared = parallel->shared;
	bitmapword unseen[WORDS] = {0};
	int i = -1;

	while ((i = bms_next_member(result->unseen, i)) >= 0)
		unseen[i / BITS_PER_BITMAPWORD] |= (bitmapword) 1 << (i % BITS_PER_BITMAPWORD);
	SpinLockAcquire(&shared->mutex);
	shared->incomplete |= !result->complete;
	shared->last_letter = Max(shared->last_letter, result->last_letter);
	if (result->settles_in > 0)
		shared->settles_in = shared->settles_in == 0 ? result->settles_in
													 : Min(shared->settles_in, result->settles_in);
	for (i = 0; i < WORDS; i++)
		shared->unseen[i] &= unseen[i];
	shared->states[parallel->number] = WORKER_SUCCEEDED;
	SpinLockRelease(&shared->mutex);
}

static void
keep_text(char *to, size_t size, const char *text)
{
	size_t len = text != NULL ? pg_mbcliplen(text, strlen(text), size - 1) : 0;

	memcpy(to, text != NULL ? text : "", len);
	to[len] = '\0';
}

void
EtlParallelFailed(EtlParallel *parallel, const EtlRun *run, const ErrorData *error)
{
	const char *ending = EtlShutdownRequested() ? EtlReasonToEnd() : NULL;
	Failure failure = {.sqlstate = ending != NULL ? ERRCODE_ADMIN_SHUTDOWN : error->sqlerrcode,
					   .in_source = run->in_source,
					   .in_rows = run->in_rows,
					   .fatal = run->fatal};

	keep_text(failure.fatal_reason, sizeof(failure.fatal_reason), run->fatal_reason);
	keep_text(failure.message, sizeof(failure.message), ending != NULL ? ending : error->message);
	keep_text(failure.detail, sizeof(failure.detail), error->detail);
	keep_text(failure.hint, sizeof(failure.hint), error->hint);
	keep_text(failure.context, sizeof(failure.context), error->context);
	SpinLockAcquire(&parallel->shared->mutex);
	if (!parallel->shared->failed)
		parallel->shared->failure = failure;
	parallel->shared->failed = true;
	parallel->shared->states[parallel->number] = WORKER_FAILED;
	SpinLockRelease(&parallel->shared->mutex);
	ConditionVariableBroadcast(&parallel->shared->changed);
}
