/*
 * engine.c
 *		A run: batch by batch, each in a transaction of its own.
 *
 *		start		the lock; "started" is committed before any work
 *		open		a transaction: definition, statements, source, checkpoints
 *		batches		fill (no transaction), then load, dead letters, counters, checkpoint, watermark and
 *					commit; an error that lies in a row sends the batch into isolation, one that another
 *					try may not meet is tried again, any other ends the run
 *		finish		rows that waited for others; the watermark is published
 *
 * If the query is to see the whole source, the source is spooled to a file first, and is one batch.
 *
 * All that a batch changes commits together, so a run that dies at any moment goes on, in the next
 * run, exactly behind what is in the target.
 */
#include "etl.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "pipeline/catalog/schedules.h"
#include "pipeline/define/session.h"
#include "pipeline/run/alert.h"
#include "pipeline/run/engine.h"
#include "pipeline/run/lock.h"
#include "pipeline/run/report.h"
#include "pipeline/run/worker.h"
#include "pgstat.h"
#include "source/retry.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#define MAX_TRIES 5
#define FIRST_PAUSE_MS 50

/* ----------------------------------------------------------------
 *	Transactions
 * ---------------------------------------------------------------- */

/* What is allocated from here to the commit goes with the transaction. */
static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	EtlResetSettings();
	StartTransactionCommand();
	EtlBecomeOwner();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
commit(EtlRun *run)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(run->context);
}

/* Within PG_CATCH: ends the failed transaction and gives the error. */
static ErrorData *
abort_transaction(EtlRun *run)
{
	ErrorData *error;

	MemoryContextSwitchTo(run->batch.loading);
	error = CopyErrorData();
	FlushErrorState();
	AbortCurrentTransaction();
	MemoryContextSwitchTo(run->context);
	return error;
}

/* ----------------------------------------------------------------
 *	What commits with a batch
 * ---------------------------------------------------------------- */

/* Writes how far the source is done when the records before "to" are. */
static void
save_checkpoint(EtlRun *run, int to)
{
	List *checkpoints = EtlCheckpointsAt(run, to);
	ListCell *lc;

	foreach (lc, checkpoints)
		EtlCatalogSetCheckpoint(run->pipeline->id, lfirst(lc));
}

static void
count(EtlRunCounters *c, const EtlLoadOutcome *o, int64 read)
{
	c->batches++;
	c->read += read;
	c->emitted += o->emitted;
	c->invalid += o->invalid;
	c->superseded += o->superseded;
	c->load_failed += o->failed;
	c->loaded += o->loaded;
	if (c->inserted >= 0)
	{
		c->inserted += o->inserted;
		c->updated += o->loaded - o->inserted;
	}
	c->skipped += o->emitted - o->invalid - o->superseded - o->failed - o->loaded;
}

/* Commits the records between two numbers, with all that is to be known of them. */
static void
commit_records(EtlRun *run, int from, int to, const EtlLoadOutcome *outcome)
{
	EtlRunCounters counters = run->counters;
	int64 faults = counters.malformed + counters.convert_failed;
	int64 skipped = counters.skipped;

	count(&counters, outcome, to - from);
	EtlSettleRejects(run, from, to, &counters);
	counters.converted += to - from - (counters.malformed + counters.convert_failed - faults);
	save_checkpoint(run, to);
	EtlSavePendingWatermark(run, outcome);
	/* A scan that is complete must not be begun again with the watermark of the one before. */
	if (run->batch.reached_end && to == run->batch.n && run->kind == ETL_RUN_LOAD)
		EtlCatalogPublishWatermark(run->pipeline->id);
	EtlCatalogUpdateRun(run->id, &counters);
	commit(run);

	run->counters = counters;
	run->rejected =
		counters.malformed + counters.convert_failed + counters.invalid + counters.load_failed;
	if (outcome->has_watermark)
		EtlRaiseWatermark(run, &run->has_watermark, &run->watermark, outcome->watermark,
						  run->context);
	run->all_new = run->insert.text != NULL && outcome->loaded > 0 &&
				   outcome->inserted == outcome->loaded && counters.skipped == skipped;
	run->mostly_unchanged =
		run->refresh.text != NULL && outcome->emitted - outcome->loaded > outcome->emitted / 2;
}

/* Commits a whole source. */
static void
commit_whole(EtlRun *run, const EtlLoadOutcome *outcome)
{
	EtlRunCounters counters = run->spool->counters;

	count(&counters, outcome, 0);
	EtlSpoolSettle(run);
	EtlSavePendingWatermark(run, outcome);
	EtlCatalogUpdateRun(run->id, &counters);
	commit(run);
	run->counters = counters;
}

/* Rows whose foreign key was missing, again at the end of the run: they were counted already. */
static void
commit_parked(EtlRun *run, int from, int to, const EtlLoadOutcome *outcome)
{
	EtlRunCounters counters = run->counters;
	EtlRunCounters ignored = {0};
	int64 done = outcome->emitted - outcome->failed - outcome->invalid;
	/* what the query joins may have changed, so that it makes more rows of a record than before */
	int64 more = Max(done - counters.load_failed, 0);

	counters.emitted += more;
	counters.load_failed += more - done;
	counters.superseded += outcome->superseded;
	counters.loaded += outcome->loaded;
	if (counters.inserted >= 0)
	{
		counters.inserted += outcome->inserted;
		counters.updated += outcome->loaded - outcome->inserted;
	}
	counters.skipped += done - outcome->superseded - outcome->loaded;
	EtlSettleRejects(run, from, to, &ignored);
	EtlSavePendingWatermark(run, outcome);
	EtlCatalogUpdateRun(run->id, &counters);
	commit(run);
	run->counters = counters;
}

/* ----------------------------------------------------------------
 *	A batch
 * ---------------------------------------------------------------- */

/* Whether another try of the same may succeed soon. */
static bool
is_passing(int sqlstate)
{
	return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_TRANSACTION_ROLLBACK ||
		   sqlstate == ERRCODE_LOCK_NOT_AVAILABLE;
}

static void
wait_before_try(int tries)
{
	static uint32 wait_event = 0;

	if (wait_event == 0)
		wait_event = EtlWaitEventNew("EtlPauseBeforeRetry");
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 FIRST_PAUSE_MS << tries, wait_event);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	EtlTick();
}

/* One transaction; returns the record to go on with. */
static int
load_records(EtlRun *run, int from, bool isolate)
{
	int n = run->batch.n;
	EtlLoadOutcome outcome = {0};
	int to = n;

	run->converted.pulled = run->emitted.pulled = -1;
	run->loading = false;
	run->in_rows = true;
	begin();
	if (run->spool != NULL)
	{
		EtlAttemptWhole(run, &outcome);
		commit_whole(run, &outcome);
		return n;
	}
	EtlConvertBatch(run);
	if (isolate)
		to = EtlIsolate(run, from, &outcome);
	else
		EtlAttempt(run, from, n, &outcome);
	if (run->batch.letters != NULL && run->kind == ETL_RUN_LOAD)
		commit_parked(run, from, to, &outcome);
	else
		commit_records(run, from, to, &outcome);
	return to;
}

/* Of a whole source there is no record to set aside: the row may be made of all of them. */
static void
raise_for_whole(EtlRun *run, ErrorData *error)
{
	if (run->pipeline->redact != NIL)
	{
		error->message = pstrdup(EtlSafeMessage(error));
		error->detail = NULL;
		error->hint = NULL;
		run->in_rows = false; /* what is left of it holds no value */
	}
	if (error->hint == NULL)
		error->hint =
			"The query sees the whole source, so it is not known which record is at fault. Leave such rows "
			"out in the query, or state in rules what makes a row good.";
	ReThrowError(error);
}

/* No attempt has failed, but the commit of all of them: the next one is to be half as large. */
static void
take_fewer(EtlRun *run, ErrorData *error, int rest)
{
	if (run->doomed != NULL)
		ReThrowError(error); /* it has nothing to do with the records */
	if (Min(run->at_most, rest) == 1)
		run->doomed = error;
	else
		run->at_most = Min(run->at_most, rest) / 2;
}

/* After an error: how the batch goes on behind the first records, if at all. */
static void
judge_error(EtlRun *run, ErrorData *error, int done, bool *isolate, int *tries)
{
	if (run->fatal || ProcDiePending)
		ReThrowError(error);
	if (EtlLiesInRow(run, error))
	{
		if (EtlTakeOtherStatement(run, error))
			return;
		if (run->spool != NULL)
			raise_for_whole(run, error);
		if (*isolate)
		{
			take_fewer(run, error, run->batch.n - done);
			return;
		}
		run->suspect = EtlSuspect(run);
		*isolate = true;
		return;
	}
	if (!is_passing(error->sqlerrcode) || ++*tries == MAX_TRIES)
		ReThrowError(error);
	wait_before_try(*tries);
}

/* The same, with its error as a value; *done moves on with what was committed. */
static ErrorData *
try_load(EtlRun *run, int *done, bool isolate)
{
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		*done = load_records(run, *done, isolate);
	}
	PG_CATCH();
	{
		error = abort_transaction(run);
	}
	PG_END_TRY();
	run->in_rows = error != NULL;
	EtlSettleParked(run, error == NULL);
	return error;
}

static void
load_batch(EtlRun *run)
{
	int done = 0;
	bool isolate = false;
	int tries = 0;
	ErrorData *error;

	EtlEnterBatch(run->pipeline->on_shutdown == ETL_SHUTDOWN_DRAIN);
	run->at_most = Max(run->batch.n, 1);
	run->doomed = NULL;
	do
	{
		error = try_load(run, &done, isolate);
		if (error != NULL)
			judge_error(run, error, done, &isolate, &tries);
		else
		{
			run->doomed = NULL;
			run->at_most = Min(run->at_most * 2, Max(run->batch.n, 1));
		}
	} while (error != NULL || done < run->batch.n);
	EtlLeaveBatch();
}

/* ----------------------------------------------------------------
 *	A run
 * ---------------------------------------------------------------- */

static void
check_may_run(const EtlPipeline *pipeline, EtlRunKind kind)
{
	if (!EtlIsAtHome(pipeline->system_identifier, pipeline->database))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pipeline \"%s\" belongs to another database, of which this is a copy",
						pipeline->name),
				 errhint("If the copy is to run its pipelines, call etl_adopt().")));
	if (pipeline->whole && kind == ETL_RUN_RETRY)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("the dead letters of pipeline \"%s\" cannot be loaded alone",
							   pipeline->name),
						errdetail("Its query sees the whole source."),
						errhint("Run the pipeline: each run reads all records again.")));
	if (!pipeline->enabled)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("pipeline \"%s\" is paused", pipeline->name),
						errhint("Call etl_resume(%s) first.", quote_literal_cstr(pipeline->name))));
}

/* Takes the lock and says so, for all to see, before any work. */
static void
start(EtlRun *run, int64 pipeline)
{
	MemoryContext old;

	begin();
	old = MemoryContextSwitchTo(run->context);
	run->pipeline = EtlCatalogGet(pipeline);
	MemoryContextSwitchTo(old);
	if (run->pipeline == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("the pipeline does not exist")));
	if (!EtlLockPipeline(pipeline, true))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("pipeline \"%s\" is running already", run->pipeline->name)));
	if (run->pipeline->owner != GetUserId())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("pipeline \"%s\" has just got another owner", run->pipeline->name),
						errhint("Run it again.")));
	check_may_run(run->pipeline, run->kind);
	EtlPinDefinition(run->pipeline);
	run->id = EtlCatalogStartRun(pipeline, run->kind);
	commit(run);
}

static void
open_run(EtlRun *run)
{
	MemoryContext old;

	begin();
	old = MemoryContextSwitchTo(run->context);
	run->statements = EtlMakeStatements(run->pipeline);
	MemoryContextSwitchTo(old);
	EtlLoadInit(run);
	if (run->pipeline->whole)
		EtlSpoolBegin(run);
	EtlWatermarkInit(run);
	EtlOpenSource(run);
	if (run->watching && run->watched != NULL)
		EtlScheduleSetWatched(run->pipeline->id, run->watched);
	commit(run);
}

/* Whoever waits for files to arrive may find none, or none any more: then there is nothing to do. */
static bool
found_no_file(const EtlRun *run, const ErrorData *error)
{
	return run->watching && run->watched != NULL && run->part == NULL &&
		   error->sqlerrcode == ERRCODE_UNDEFINED_FILE;
}

static void
finish_without_file(EtlRun *run)
{
	begin();
	EtlScheduleSetWatched(run->pipeline->id, run->watched);
	EtlCatalogEndRun(run->id, ETL_RUN_SUCCEEDED, NULL, NULL);
	commit(run);
	EtlReportEnd(ETL_RUN_SUCCEEDED, 0);
}

/*
 * Rows that failed their foreign key, once more: what they refer to may have come later in this run.  They may also
 * refer to each other, in either direction.
 */
static void
retry_parked_rows(EtlRun *run, bool backwards)
{
	int64 after = backwards ? PG_INT64_MAX : 0;
	bool found = run->parked;

	while (found)
	{
		begin();
		found = EtlNextParked(run, &after, backwards);
		commit(run);
		if (found)
			load_batch(run);
		EtlCheckShutdown();
	}
	run->batch.letters = NULL;
}

/* All of the source into a file, then into the target, in one transaction. */
static void
load_whole_source(EtlRun *run)
{
	while (!run->batch.reached_end)
	{
		EtlStartBatch(run);
		EtlReportStage(ETL_STAGE_READING, run->pipeline->batch_size);
		EtlFillBatch(run);
		run->in_rows = true;
		begin();
		EtlConvertBatch(run);
		EtlSpoolBatch(run);
		commit(run);
		run->in_rows = false;
		EtlCheckShutdown();
	}
	EtlStartBatch(run);
	load_batch(run);
}

/* Marks how far the source was read, if that can still be told. */
static void
tell(EtlRun *run)
{
	PG_TRY();
	{
		run->rows->kind->tell(run->rows);
	}
	PG_CATCH();
	{
		(void) abort_transaction(run);
	}
	PG_END_TRY();
}

/*
 * Fills a batch.  If the source fails, that is the result: what it gave before is loaded first, so that the next run goes
 * on there.
 */
static ErrorData *
try_fill(EtlRun *run)
{
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		EtlFillBatch(run);
	}
	PG_CATCH();
	{
		error = abort_transaction(run);
	}
	PG_END_TRY();
	if (error != NULL && (run->batch.n == 0 ||
						  ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION))
		ReThrowError(error);
	if (error != NULL)
		tell(run);
	return error;
}

static void
load_source(EtlRun *run)
{
	int64 failed;

	while (!run->batch.reached_end)
	{
		ErrorData *error;

		EtlStartBatch(run);
		EtlReportStage(ETL_STAGE_READING, run->pipeline->batch_size);
		error = try_fill(run);
		load_batch(run);
		if (error != NULL)
			ReThrowError(error);
		EtlCheckShutdown();
	}
	failed = run->counters.load_failed;
	retry_parked_rows(run, true);
	if (run->counters.load_failed < failed)
		retry_parked_rows(run, false);
}

static void
load_letters(EtlRun *run)
{
	int64 after = 0;
	bool found = true;

	while (found)
	{
		begin();
		found = EtlNextLetters(run, &after);
		commit(run);
		if (found)
			load_batch(run);
		EtlCheckShutdown();
	}
}

static void
finish(EtlRun *run)
{
	begin();
	if (run->kind == ETL_RUN_LOAD)
		EtlCatalogPublishWatermark(run->pipeline->id);
	EtlCatalogUpdateRun(run->id, &run->counters);
	EtlCatalogEndRun(run->id, ETL_RUN_SUCCEEDED, NULL, NULL);
	if (EtlRetention > 0)
		(void) EtlCatalogPurge(run->pipeline->id, psprintf("%d minutes", EtlRetention), false);
	commit(run);
	EtlReportEnd(ETL_RUN_SUCCEEDED, 0);
}

static EtlRunState
state_after(const ErrorData *error)
{
	if (EtlShutdownRequested())
		return ETL_RUN_STOPPED;
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED && !EtlRuntimeExceeded())
		return ETL_RUN_CANCELLED;
	return ETL_RUN_FAILED;
}

/*
 * What is told of the error that ended a run.  If values are to be kept secret, there is no detail, and nothing of what
 * the owner's code says but the form of its message.
 */
static char *
reason_of(const EtlRun *run, const ErrorData *error)
{
	bool redact = run->pipeline->redact != NIL;
	const char *to_end = EtlReasonToEnd();
	StringInfoData reason;

	initStringInfo(&reason);
	if (to_end != NULL && (EtlRuntimeExceeded() || error->sqlerrcode == ERRCODE_QUERY_CANCELED))
		appendStringInfoString(&reason, to_end);
	else if (redact && run->in_rows && !run->fatal)
		appendStringInfoString(&reason, EtlSafeMessage(error));
	else
		appendStringInfoString(&reason, error->message);
	if (error->detail != NULL && (!redact || run->fatal))
		appendStringInfo(&reason, "\n%s", error->detail);
	if (error->hint != NULL && !(redact && run->in_rows))
		appendStringInfo(&reason, "\n%s", error->hint);
	if (run->fatal && error->context != NULL)
		appendStringInfo(&reason, "\n%s", error->context);
	return reason.data;
}

/* Writes how the run ended; the server's log gets no message, which could show a record. */
static void
fail(EtlRun *run, const ErrorData *error)
{
	char *reason = reason_of(run, error);

	begin();
	EtlCatalogEndRun(run->id, state_after(error), unpack_sql_state(error->sqlerrcode), reason);
	commit(run);
	EtlReportEnd(state_after(error), error->sqlerrcode);
	if (state_after(error) == ETL_RUN_FAILED && EtlRetryRefusedWait == 0)
		EtlAlert("failed", run->pipeline->id, run->id);
	MemoryContextSwitchTo(run->context);
}

static EtlRun *
create_run(EtlRunKind kind)
{
	MemoryContext context =
		AllocSetContextCreate(TopMemoryContext, "etl run", ALLOCSET_DEFAULT_SIZES);
	EtlRun *run = MemoryContextAllocZero(context, sizeof(EtlRun));

	run->context = context;
	run->kind = kind;
	run->suspect = -2;
	run->batch.context = AllocSetContextCreate(context, "etl batch", ALLOCSET_DEFAULT_SIZES);
	run->batch.loading = AllocSetContextCreate(context, "etl load", ALLOCSET_DEFAULT_SIZES);
	run->batch.size = 1024;
	run->batch.records = MemoryContextAlloc(context, sizeof(EtlKept) * run->batch.size);
	return run;
}

/*
 * Runs a pipeline in this process.  An error before the run has begun is raised; *run_id is set once it has, and
 * then nothing is raised any more: how it ended is in its row.
 */
void
EtlRunPipeline(int64 pipeline, EtlRunKind kind, void (*started)(int64 run_id))
{
	EtlRun *run = create_run(kind);
	ErrorData *volatile error = NULL;

	start(run, pipeline);
	started(run->id);
	EtlLimitRuntime(run->pipeline->max_runtime.ms);
	EtlReportBegin(run);
	PG_TRY();
	{
		open_run(run);
		if (kind == ETL_RUN_RETRY)
			load_letters(run);
		else if (run->spool != NULL)
			load_whole_source(run);
		else
			load_source(run);
		finish(run);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		error = abort_transaction(run);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	EtlLeaveBatch();
	EtlUnlimitRuntime();
	if (error == NULL)
		EtlSpoolEnd(run);
	if (error != NULL && found_no_file(run, error))
		finish_without_file(run);
	else if (error != NULL)
		fail(run, error);
	EtlBatchWindow = EtlEmittedWindow = NULL;
}
