/*
 * engine.c
 *		The phases of a run.
 *
 *		start		the lock; "started" is committed before any work
 *		open		a transaction: definition, statements, source, checkpoints
 *		batches		read (no transaction), then load and commit, each in a transaction of its own
 *		finish		rows that failed their foreign key, once more; what the source has no more is removed, if that is
 *					wanted; the watermark is published
 *
 * If the query is to see the whole source, the source goes into a file first, and is one batch.  A continuous run has no
 * finish: what is there to be done at the end of the source it does whenever it has come there (continuous.c).
 *
 * All that a batch changes commits together, so a run that dies at any moment goes on, in the next
 * run, exactly behind what is in the target.
 */
#include "etl.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pipeline/catalog/schedules.h"
#include "pipeline/define/session.h"
#include "pipeline/run/again.h"
#include "pipeline/run/alert.h"
#include "pipeline/run/aside.h"
#include "pipeline/run/commit.h"
#include "pipeline/run/continuous.h"
#include "pipeline/run/done.h"
#include "pipeline/run/ending.h"
#include "pipeline/run/enrich.h"
#include "pipeline/run/engine.h"
#include "pipeline/run/forget.h"
#include "pipeline/run/lock.h"
#include "pipeline/run/parallel.h"
#include "pipeline/run/range.h"
#include "pipeline/run/reason.h"
#include "pipeline/run/report.h"
#include "pipeline/run/transaction.h"
#include "source/clock.h"
#include "source/glob.h"
#include "source/http/exchange.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* ----------------------------------------------------------------
 *	Start
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
	if (EtlReadsWhole(pipeline) && kind == ETL_RUN_RETRY)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("the dead letters of pipeline \"%s\" cannot be loaded alone",
							   pipeline->name),
						errdetail("Each of its runs loads the whole source at once."),
						errhint("Run the pipeline: each run reads all records again.")));
	if (EtlReadsWhole(pipeline) && kind == ETL_RUN_BACKFILL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("pipeline \"%s\" cannot be backfilled", pipeline->name),
						errdetail("Each of its runs loads the whole source at once.")));
	if (!pipeline->enabled)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("pipeline \"%s\" is paused", pipeline->name),
						errhint("Call etl_resume(%s) first.", quote_literal_cstr(pipeline->name))));
}

/* Takes the lock and commits that the run has started, before any work. */
static void
start_run(EtlRun *run, int64 pipeline)
{
	MemoryContext old;

	EtlBegin();
	EtlCatalogDisown();
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
	if (EtlReadsWhole(run->pipeline))
		run->read_mode = ETL_READ_WHOLE;
	run->checkpoints = pipeline;
	run->id = EtlCatalogStartRun(pipeline, run->kind);
	if (run->pipeline->parallel > 1 && run->kind == ETL_RUN_LOAD)
		run->parallel = EtlParallelCreate(run, EtlCatalogFingerprint(pipeline));
	EtlCommit(run);
}

/* ----------------------------------------------------------------
 *	Open
 * ---------------------------------------------------------------- */

/* A retry loads records that are older than what may have been loaded since. */
static void
be_cautious(EtlRun *run)
{
	ListCell *lc;

	foreach (lc, run->pipeline->targets)
		((EtlPipeline *) lfirst(lc))->cautious = run->kind == ETL_RUN_RETRY && !run->overwrite;
}

static EtlBatchLoad *
open_run(EtlReading *reading)
{
	EtlRun *run = reading->run;
	EtlBatchLoad *load;
	MemoryContext old;

	EtlBegin();
	old = MemoryContextSwitchTo(run->context);
	be_cautious(run);
	run->statements = EtlMakeStatements(run->pipeline);
	MemoryContextSwitchTo(old);
	if (run->statements->updates && !run->statements->tells_inserted)
		run->counters.inserted = run->counters.updated = -1;
	load = EtlBatchLoadCreate(reading);
	EtlSeenOpen(&load->seen);
	if (run->kind == ETL_RUN_LOAD && run->read_mode == ETL_READ_BATCHES &&
		EtlRemoves(run->pipeline))
	{
		run->in_rows = true;
		EtlRemovalBeginScan(&load->loading.removal, &load->loading.emitted.places);
		run->in_rows = false;
	}
	EtlCommit(run);
	return load;
}

static void
open_source(EtlReading *reading)
{
	EtlRun *run = reading->run;

	EtlBegin();
	if (run->kind == ETL_RUN_BACKFILL)
		EtlRangeOpen(run);
	run->in_source = true;
	EtlReadingOpen(reading);
	run->in_source = false;
	if (run->kind == ETL_RUN_BACKFILL)
		EtlRangeCheckAsked(run);
	if (reading->watching && reading->watched != NULL)
		EtlScheduleSetWatched(run->pipeline->id, reading->watched);
	EtlCommit(run);
}

/* Whether the source is a pattern, and a file that it found is gone since: there may be others. */
static bool
lost_one_of_many(const EtlReading *reading)
{
	return reading->rows != NULL && reading->watched[EtlGlobPrefix(reading->watched)] != '\0';
}

/*
 * An empty directory is no failure, and a run that was started by the arrival of files may find that they are gone: it has
 * nothing to do.  But a query over the whole source, of which there is none, would have no result.
 */
static bool
found_no_file(const EtlReading *reading, const ErrorData *error)
{
	if (error->sqlerrcode != ERRCODE_UNDEFINED_FILE || reading->watched == NULL)
		return false;
	if (reading->run->read_mode == ETL_READ_CONTINUOUS)
		return true;
	if (reading->part != NULL)
		return false;
	return (reading->watching && !lost_one_of_many(reading)) ||
		   (reading->run->kind != ETL_RUN_RETRY && reading->run->read_mode == ETL_READ_BATCHES &&
			!EtlScansAll(reading->run) && EtlGlobIsEmpty(reading->watched));
}

static void
finish_without_file(const EtlReading *reading)
{
	const EtlRun *run = reading->run;

	EtlBegin();
	if (reading->watching)
		EtlScheduleSetWatched(run->pipeline->id, reading->watched);
	if (run->kind == ETL_RUN_BACKFILL)
		EtlRangeFinish(run);
	EtlCatalogEndRun(run->id, ETL_RUN_SUCCEEDED, NULL, NULL);
	EtlCommit(run);
	EtlReportEnd(ETL_RUN_SUCCEEDED, 0, NULL);
}

/* ----------------------------------------------------------------
 *	Batches
 * ---------------------------------------------------------------- */

/* Marks how far the source was read, if it can still say that. */
static void
mark_position(EtlReading *reading)
{
	PG_TRY();
	{
		EtlRowsTell(reading->rows);
	}
	PG_CATCH();
	{
		(void) EtlAbort(reading->run, reading->batch.loading);
	}
	PG_END_TRY();
}

/* An error of the source says, in its context, which place of it is meant. */
pg_noreturn static void
fail_in_source(EtlRun *run, ErrorData *error)
{
	run->in_source = true;
	ReThrowError(error);
}

static bool
set_part_aside(EtlReading *reading, const ErrorData *error)
{
	EtlRun *run = reading->run;
	bool done;

	if (found_no_file(reading, error))
		return false;
	run->in_source = true; /* which place is meant belongs to the reason */
	done = EtlSetPartAside(reading, error, EtlReasonOf(run, error));
	run->in_source = false;
	return done;
}

/* Whether records come in groups that commit together: of the last one there may be more. */
static bool
has_groups(const EtlReading *reading)
{
	const EtlKept *last = &reading->batch.records[reading->batch.n - 1];

	return EtlRowsAreTogether(reading->rows, last, last);
}

/*
 * Fills a batch.  If the source fails, that is the result: what it gave before is loaded first, so that the next run goes
 * on there.
 */
static ErrorData *
try_fill(EtlReading *reading)
{
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		EtlReadingFill(reading);
	}
	PG_CATCH();
	{
		error = EtlAbort(reading->run, reading->batch.loading);
	}
	PG_END_TRY();
	if (error != NULL && set_part_aside(reading, error))
		return NULL;
	if (error != NULL && (reading->batch.n == 0 || has_groups(reading) ||
						  ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION))
		fail_in_source(reading->run, error);
	if (error != NULL)
		mark_position(reading);
	return error;
}

static ErrorData *
read_batch(EtlBatchLoad *load)
{
	ErrorData *error;

	EtlStartBatch(load);
	EtlReportStage(ETL_STAGE_READING, load->run->pipeline->batch_size);
	error = try_fill(load->reading);
	load->run->taken_in += load->reading->batch.n;
	return error;
}

/* What is not in the source is deleted, so that all of it must have been read. */
static void
check_complete(const EtlReading *reading)
{
	if (EtlRemoves(reading->run->pipeline) && reading->settles_in > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a file of the source may still be written to"),
				 errdetail(
					 "It changed while the run waited for it or read it, or its last record has no "
					 "line end and etl.settle_time has not passed."),
				 errhint("Run the pipeline again when the file is complete.")));
}

/* The whole source into a file, then into the target, in one transaction. */
static void
load_whole_source(EtlBatchLoad *load)
{
	while (!load->reading->batch.reached_end)
	{
		ErrorData *error = read_batch(load);

		if (error != NULL)
			fail_in_source(load->run, error);
		load->run->in_rows = true;
		EtlBegin();
		EtlConvertBatch(&load->converted);
		EtlWholeAdd(load->whole);
		EtlCommit(load->run);
		load->run->in_rows = false;
		EtlCheckShutdown();
	}
	check_complete(load->reading);
	EtlStartBatch(load);
	EtlLoadBatch(load);
	EtlWholeEnd(load->whole);
}

/* Whether a continuous run has found nothing new: it waits in vain, or all parts are as they were. */
static bool
has_nothing(const EtlBatchLoad *load)
{
	const EtlReading *reading = load->reading;

	return load->run->read_mode == ETL_READ_CONTINUOUS && reading->batch.n == 0 &&
		   (reading->endless || reading->marks == NIL);
}

/*
 * Behind a batch: others come to share the run, where there is more to be read, and once it is known that the source has all
 * columns, which nobody could tell by a share of it.
 */
static void
share(EtlBatchLoad *load)
{
	EtlReading *reading = load->reading;
	EtlRun *run = load->run;

	if (run->parallel != NULL && !EtlParallelIsShared(run->parallel) &&
		!reading->batch.reached_end && !EtlRowsMayLack(reading->rows, reading->ever))
	{
		EtlParallelStart(run->parallel, run);
		reading->others = EtlParallelIsShared(run->parallel);
	}
	EtlParallelCheck(run->parallel, run);
}

/* To the end of the source, or, if that has none, until no record has come for a moment. */
static void
load_source(EtlBatchLoad *load)
{
	const EtlReading *reading = load->reading;

	do
	{
		ErrorData *error = read_batch(load);

		if (has_nothing(load))
		{
			EtlDoWhenDone(load->reading, true); /* what an earlier run has left to be done */
			return;
		}
		EtlEnrichBatch(load);
		EtlLoadBatch(load);
		if (!load->run->is_worker)
			EtlDoWhenDone(load->reading, load->reading->batch.reached_end);
		if (error != NULL)
			fail_in_source(load->run, error);
		if (load->run->read_mode == ETL_READ_CONTINUOUS)
			EtlContinuousCommitted(load);
		EtlCheckShutdown();
		share(load);
	} while (!reading->batch.reached_end);
}

/* Dead letters of a retry, or rows of this run that were deferred, batch by batch. */
static void
load_again(EtlBatchLoad *load, EtlBatchOf of, bool backwards)
{
	int64 after = backwards ? PG_INT64_MAX : 0;
	bool found;

	load->loading.chooser.only_new = of == ETL_OF_DOUBTS;
	do
	{
		EtlStartBatch(load);
		EtlBegin();
		EtlKeysLook(&load->keys);
		found = EtlTakeLetters(load->reading, &load->deferred, of, &after, backwards);
		EtlCommit(load->run);
		if (found)
		{
			EtlEnrichBatch(load);
			EtlLoadBatch(load);
		}
		EtlCheckShutdown();
	} while (found);
}

/*
 * Rows that failed their foreign key, once more: what they refer to may have come later in this run.  They may also
 * refer to each other, in either direction.
 */
static void
load_deferred(EtlBatchLoad *load)
{
	int64 failed = load->run->counters.load_failed;

	if (load->deferred.any)
		load_again(load, ETL_OF_DEFERRED, true);
	if (load->run->counters.load_failed < failed)
		load_again(load, ETL_OF_DEFERRED, false);
}

/* What this process has done of a run that others share. */
static EtlParallelResult
own_result(const EtlBatchLoad *load)
{
	const EtlReading *reading = load->reading;

	return (EtlParallelResult){.complete = reading->set_aside == 0 && reading->ledger.aside == 0,
							   .last_letter = load->deferred.any ? load->deferred.last : 0,
							   .settles_in = reading->settles_in,
							   .unseen = EtlSeenUnseen(&load->seen)};
}

/*
 * Which of two rows of a key is the later one only the process knows that has read them, unless a watermark says so; it tries
 * its rows again then, when all have read what they may refer to.
 */
static bool
loads_own_deferred(const EtlRun *run)
{
	return run->statements->updates && run->statements->watermark < 0;
}

static void
load_own_deferred(EtlBatchLoad *load)
{
	EtlRun *run = load->run;

	if (!EtlParallelIsShared(run->parallel) || !loads_own_deferred(run))
		return;
	EtlParallelAwaitRead(run->parallel, run);
	load_deferred(load);
	load->deferred.any = false;
}

/* Waits for the others, and goes on as if all had been read here. */
static void
await_others(EtlBatchLoad *load)
{
	EtlReading *reading = load->reading;
	EtlRun *run = load->run;
	EtlRunCounters more = EtlCountersSince(&run->counters, &run->counters);
	EtlParallelResult result;

	if (!EtlParallelIsShared(run->parallel))
		return;
	result = own_result(load);
	EtlParallelAwait(run->parallel, run, &result);
	reading->others = !result.complete;
	reading->settles_in = result.settles_in;
	load->deferred.any = result.last_letter > 0;
	load->deferred.last = result.last_letter;
	EtlSeenKeepUnseen(&load->seen, result.unseen);
	EtlBegin();
	more.columns_missing = EtlSeenSave(&load->seen, EtlReadingIsComplete(reading));
	EtlCatalogUpdateRun(run->id, &more, &run->counters);
	EtlCommit(run);
	EtlDoWhenDone(reading, true);
}

/* What there is of the source. */
static void
load_available(EtlBatchLoad *load)
{
	if (load->reading->rows == NULL)
		open_source(load->reading);
	load_source(load);
	load_deferred(load);
	EtlDeferredForget(&load->deferred);
	EtlCheckDone(load->reading);
}

/* The same; false if a file of it is not there, or not any more. */
static bool
try_available(EtlBatchLoad *load)
{
	EtlReading *reading = load->reading;
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		load_available(load);
	}
	PG_CATCH();
	{
		error = EtlAbort(load->run, reading->batch.loading);
	}
	PG_END_TRY();
	if (error != NULL && !found_no_file(reading, error))
		ReThrowError(error);
	load->run->in_source = false;
	return error == NULL;
}

/* Only an error ends it, be it one that says that it was asked to. */
pg_noreturn static void
load_continuously(EtlBatchLoad *load)
{
	for (;;)
	{
		int64 began = EtlClock();

		if (try_available(load))
			EtlContinuousRest(load);
		if (!load->reading->endless)
		{
			EtlReadingClose(load->reading);
			EtlContinuousPause(load, began);
		}
	}
}

/*
 * All of the source was read and loaded, in batches: deletes, or marks, what it has no more.  Rows that are there again are as
 * any others, whatever else is wrong.
 */
static void
remove_gone(EtlBatchLoad *load)
{
	EtlRun *run = load->run;
	EtlRemoval *removal = &load->loading.removal;
	EtlRunCounters counters = run->counters;
	EtlRunCounters more;

	if (!removal->under_way)
		return;
	EtlStartBatch(load);
	run->in_rows = true; /* the condition, a trigger or a constraint may be what fails */
	EtlBegin();
	EtlRemovalUnmark(removal);
	EtlCommit(run);
	check_complete(load->reading);
	EtlBegin();
	*(run->statements->valid_to != NULL ? &counters.closed
	  : run->statements->unmark != NULL ? &counters.marked
										: &counters.deleted) += EtlRemovalRun(removal, 0);
	EtlCatalogResolveBefore(run->pipeline->id, run->id);
	more = EtlCountersSince(&counters, &run->counters);
	EtlCatalogUpdateRun(run->id, &more, NULL);
	EtlCommit(run);
	run->in_rows = false;
	run->counters = counters;
	EtlRemovalEndScan(removal);
}

/* ----------------------------------------------------------------
 *	Finish
 * ---------------------------------------------------------------- */

static void
finish_run(EtlReading *reading)
{
	const EtlRun *run = reading->run;
	EtlRunCounters none = EtlCountersSince(&run->counters, &run->counters);

	EtlBegin();
	if (run->kind == ETL_RUN_LOAD && EtlReadingIsComplete(reading))
		EtlCatalogPublishWatermark(run->pipeline->id);
	if (run->kind == ETL_RUN_BACKFILL && EtlReadingIsComplete(reading))
		EtlRangeFinish(run);
	EtlCatalogUpdateRun(run->id, &none, NULL); /* the fence */
	EtlCatalogEndRun(run->id, ETL_RUN_SUCCEEDED, NULL, NULL);
	EtlForget(reading);
	EtlCommit(run);
	EtlReportEnd(ETL_RUN_SUCCEEDED, 0, NULL);
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

/* Writes how the run ended. */
static void
write_failure(EtlRun *run, const ErrorData *error)
{
	EtlRunState state = state_after(error);
	char *reason = EtlReasonForLog(run, error);

	EtlBegin();
	if (EtlParallelIsShared(run->parallel))
		run->counters = EtlCatalogRunResult(run->id)->counters; /* of all that have shared it */
	EtlCatalogEndRun(run->id, state, unpack_sql_state(error->sqlerrcode), EtlReasonOf(run, error));
	EtlCommit(run);
	EtlReportEnd(state, error->sqlerrcode, reason);
	if (state == ETL_RUN_FAILED && EtlExchangeRefusedWait() == 0)
		EtlAlert("failed", run->pipeline->id, run->id);
	MemoryContextSwitchTo(run->context);
}

static EtlRun *
create_run(const EtlRunOrder *order)
{
	MemoryContext context =
		AllocSetContextCreate(TopMemoryContext, "etl run", ALLOCSET_DEFAULT_SIZES);
	EtlRun *run = MemoryContextAllocZero(context, sizeof(EtlRun));

	run->context = context;
	run->kind = order->kind;
	run->read_mode = order->continuous ? ETL_READ_CONTINUOUS : ETL_READ_BATCHES;
	run->overwrite = order->overwrite;
	run->instant = order->continuous ? 0 : GetCurrentTimestamp();
	return run;
}

static void
execute_run(EtlReading *reading)
{
	EtlBatchLoad *load = open_run(reading);

	if (reading->run->read_mode == ETL_READ_CONTINUOUS)
		load_continuously(load);
	open_source(reading);
	if (reading->run->kind == ETL_RUN_RETRY)
	{
		load_again(load, ETL_OF_LETTERS, false);
		load_again(load, ETL_OF_DOUBTS, false);
	}
	else if (reading->run->read_mode == ETL_READ_WHOLE)
		load_whole_source(load);
	else
	{
		load_source(load);
		load_own_deferred(load);
		await_others(load);
		load_deferred(load);
		remove_gone(load);
		EtlCheckDone(reading);
	}
	finish_run(reading);
}

EtlRunOutcome
EtlRunPipeline(const EtlRunOrder *order, void (*started)(int64 run_id))
{
	EtlRun *run = create_run(order);
	EtlReading *reading = EtlReadingCreate(run);
	ErrorData *volatile error = NULL;

	start_run(run, order->pipeline);
	started(run->id);
	if (run->read_mode != ETL_READ_CONTINUOUS)
		EtlLimitRuntime(run->pipeline->max_runtime.ms);
	EtlReportBegin(run);
	PG_TRY();
	{
		execute_run(reading);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		error = EtlAbort(run, run->context);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	EtlLeaveBatch();
	EtlUnlimitRuntime();
	if (error != NULL)
		EtlParallelStop(run->parallel);
	if (error != NULL && run->read_mode != ETL_READ_CONTINUOUS && found_no_file(reading, error))
		finish_without_file(reading);
	else if (error != NULL)
		write_failure(run, error);
	else if (run->counters.parts_set_aside > 0)
		EtlAlert("set_aside", run->pipeline->id, run->id);
	if (run->counters.columns_new > 0 && run->read_mode != ETL_READ_CONTINUOUS)
		EtlAlert("new_columns", run->pipeline->id, run->id);
	EtlBatchSlice = EtlEmittedSlice = NULL;
	EtlEnrichedSliceCount = 0;
	return (EtlRunOutcome){EtlExchangeRefusedWait(), reading->settles_in};
}

/* ----------------------------------------------------------------
 *	A share of a run
 * ---------------------------------------------------------------- */

/* Takes over the definition of a run; false: the run has ended, or the definition has changed since it began. */
static bool
join_run(EtlRun *run, const EtlParallelOrder *order)
{
	MemoryContext old;
	const char *definition;
	bool same;

	EtlBegin();
	old = MemoryContextSwitchTo(run->context);
	definition = EtlCatalogFingerprint(order->pipeline);
	same = definition != NULL && strcmp(definition, order->definition) == 0 &&
		   EtlCatalogRunIsOpen(order->run);
	if (same)
	{
		run->pipeline = EtlCatalogGet(order->pipeline);
		run->checkpoints = order->pipeline;
		EtlPinDefinition(run->pipeline);
	}
	MemoryContextSwitchTo(old);
	EtlCommit(run);
	return same;
}

static void
execute_share(EtlReading *reading)
{
	EtlBatchLoad *load = open_run(reading);
	EtlParallelResult result;

	reading->others = true;
	open_source(reading);
	load_source(load);
	load_own_deferred(load);
	result = own_result(load);
	EtlParallelSucceeded(reading->run->parallel, &result);
}

void
EtlRunShare(EtlParallel *parallel)
{
	const EtlParallelOrder *order = EtlParallelOrderOf(parallel);
	EtlRun *run = create_run(&(EtlRunOrder){.pipeline = order->pipeline, .kind = ETL_RUN_LOAD});
	EtlReading *reading = EtlReadingCreate(run);

	run->id = order->run;
	run->instant = order->instant;
	run->parallel = parallel;
	run->is_worker = true;
	PG_TRY();
	{
		if (!join_run(run, order))
			EtlParallelLeft(parallel);
		else
		{
			EtlReportBegin(run);
			execute_share(reading);
		}
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		EtlParallelFailed(parallel, run, EtlAbort(run, run->context));
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	EtlLeaveBatch();
}
