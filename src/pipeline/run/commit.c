/*
 * commit.c
 *		A batch into the target, with all that commits with it.
 *
 * In one transaction: rows, dead letters, checkpoint, counters and pending watermark.  An error that lies in a row sends
 * the batch into isolation (attempts.c), one that another try may not meet is tried again, any other ends the
 * run.
 */
#include "etl.h"

#include "miscadmin.h"
#include "monitor/progress.h"
#include "pipeline/run/commit.h"
#include "pipeline/run/ending.h"
#include "pipeline/run/transaction.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#define MAX_TRIES 5
#define FIRST_PAUSE_MS 50

/* ----------------------------------------------------------------
 *	What commits
 * ---------------------------------------------------------------- */

static const EtlBatch *
batch_of(const EtlBatchLoad *load)
{
	return &load->reading->batch;
}

static void
count_target(EtlRunCounters *c, const EtlLoadOutcome *o)
{
	c->superseded += o->superseded;
	c->loaded += o->loaded;
	c->tombstones += o->tombstones;
	c->deleted += o->deleted;
	c->marked += o->marked;
	c->closed += o->closed;
	c->skipped += o->emitted - o->invalid - o->superseded - o->failed - o->loaded - o->tombstones;
	if (c->inserted < 0)
		return; /* it is not known */
	c->inserted += o->inserted;
	c->updated += o->loaded - o->inserted;
}

/*
 * Rows that were deferred are counted as failed already.  What the query joins may have changed, so that it makes more
 * rows of a record than before.
 */
static void
count_deferred(EtlRunCounters *c, const EtlLoadOutcome *o)
{
	int64 done = o->emitted - o->failed - o->invalid;
	int64 more = Max(done - c->load_failed, 0);

	c->emitted += more;
	c->load_failed += more - done;
	count_target(c, o);
}

static void
count_batch(EtlRunCounters *c, const EtlLoadOutcome *o)
{
	c->batches++;
	c->emitted += o->emitted;
	c->null_watermark += o->null_watermark;
	c->invalid += o->invalid;
	c->load_failed += o->failed;
	count_target(c, o);
}

/* Resolves the dead letters to whose keys rows have come; those that only waited are counted as such rows are. */
static void
settle_keys(EtlBatchLoad *load, EtlRunCounters *c)
{
	int64 waited = EtlKeysSettle(&load->keys);

	c->load_failed -= waited;
	c->superseded += waited;
}

/* Writes how far the source is done when the records before "to" are; returns how many parts that sets aside. */
static int
save_checkpoints(const EtlBatchLoad *load, int to)
{
	int set_aside = 0;
	ListCell *lc;

	foreach (lc, EtlReadingCheckpoints(load->reading, to))
	{
		const EtlCheckpoint *checkpoint = lfirst(lc);

		EtlCatalogSetCheckpoint(load->run->checkpoints, checkpoint);
		set_aside += checkpoint->state == ETL_PART_SET_ASIDE ? 1 : 0;
	}
	return set_aside;
}

/* Where a part is read on, a line that was cut off may be there as a whole now. */
static void
settle_cut_off(const EtlBatchLoad *load, int from, int to)
{
	const EtlBatch *batch = batch_of(load);
	ListCell *lc;

	foreach (lc, batch->resumed)
	{
		const EtlKept *kept = &batch->records[lfirst_int(lc)];
		EtlDeadLetter record = {.source = kept->source,
								.line = kept->line,
								.byte_offset = (int64) kept->offset,
								.raw = EtlRowsText(load->reading->rows, kept)};

		if (lfirst_int(lc) >= from && lfirst_int(lc) < to && kept->line > 0)
			EtlCatalogResolveCutOff(load->run->pipeline->id, load->run->id, &record);
	}
}

/* A record that is only faulty is not gone: its key counts as one that was seen. */
static void
keep_keys(EtlBatchLoad *load, int from, int to)
{
	EtlRemoval *removal = &load->loading.removal;
	MemoryContext old = MemoryContextSwitchTo(batch_of(load)->loading);
	Datum key[INDEX_MAX_KEYS];
	bool null[INDEX_MAX_KEYS];
	ListCell *lc;

	foreach (lc, removal->under_way ? load->rejects.list : NIL)
	{
		const EtlReject *reject = lfirst(lc);

		if (reject->record < from || reject->record >= to || reject->stage == ETL_FAILED_RULE)
			continue;
		if (EtlRejectKey(&load->rejects, reject, key, null))
			EtlRemovalKeep(removal, key, null);
		else if (!reject->all_given)
			EtlRemovalDoubt(removal);
	}
	MemoryContextSwitchTo(old);
}

/* Tells the source which of the records between two numbers are loaded. */
static void
settle_groups(EtlBatchLoad *load, int from, int to)
{
	const EtlBatch *batch = batch_of(load);
	EtlRows *rows = load->reading->rows;
	bool *rejected;
	ListCell *lc;

	if (batch->of != ETL_OF_SOURCE || rows->kind->settle == NULL)
		return;
	rejected = MemoryContextAllocZero(batch->loading, to - from + 1);
	foreach (lc, load->rejects.list)
	{
		int record = ((EtlReject *) lfirst(lc))->record;

		if (record >= from && record < to)
			rejected[record - from] = true;
	}
	rows->kind->settle(rows, &batch->records[from], rejected, to - from);
}

/* Writes and counts what has become of the records between two numbers, or of a whole source. */
static void
settle_batch(EtlBatchLoad *load, int from, int to, const EtlLoadOutcome *outcome,
			 EtlRunCounters *counters)
{
	EtlRunCounters faults = {0};

	if (load->whole != NULL)
	{
		const EtlRunCounters *taken = &load->whole->counters;

		counters->read += taken->read;
		counters->malformed += taken->malformed;
		counters->convert_failed += taken->convert_failed;
		counters->converted += taken->converted;
		count_batch(counters, outcome);
		EtlWholeSettle(load->whole);
		return;
	}
	EtlRejectsSettle(&load->rejects, from, to, &faults);
	if (batch_of(load)->of == ETL_OF_DEFERRED)
	{
		count_deferred(counters, outcome);
		settle_keys(load, counters);
		return;
	}
	keep_keys(load, from, to);
	settle_groups(load, from, to);
	counters->read += to - from;
	counters->malformed += faults.malformed;
	counters->convert_failed += faults.convert_failed;
	counters->converted += to - from - faults.malformed - faults.convert_failed;
	count_batch(counters, outcome);
	settle_keys(load, counters);
	settle_cut_off(load, from, to);
	counters->parts_set_aside += save_checkpoints(load, to);
	/* Where reading has begun anew it has passed over the same ones. */
	counters->parts_empty = Max(counters->parts_empty, load->reading->empty);
}

/* The same for what was done to a further target, whose counters are those of rows only. */
static EtlRunCounters
count_further(const EtlBatchLoad *load, const EtlFurther *further)
{
	EtlRunCounters counters = further->counters;

	if (batch_of(load)->of == ETL_OF_DEFERRED)
		count_deferred(&counters, &further->done);
	else
		count_batch(&counters, &further->done);
	return counters;
}

static void
save_further(const EtlBatchLoad *load)
{
	ListCell *lc;

	foreach (lc, load->targets.further)
	{
		const EtlFurther *further = lfirst(lc);
		EtlRunCounters counters = count_further(load, further);

		counters = EtlCountersSince(&counters, &further->counters);
		EtlCatalogUpdateRunTarget(load->run->id, further->loading.run->pipeline->target, &counters);
	}
}

/* They are committed. */
static void
keep_further(const EtlBatchLoad *load)
{
	ListCell *lc;

	foreach (lc, load->targets.further)
	{
		EtlFurther *further = lfirst(lc);
		EtlRunCounters counters = count_further(load, further);

		EtlChooserLearn(&further->loading.chooser, further->done.emitted, further->done.loaded,
						further->done.inserted, counters.skipped > further->counters.skipped);
		further->counters = counters;
	}
}

/* Ends the transaction under way, which has taken the records between two numbers to the target. */
static void
commit_batch(EtlBatchLoad *load, int from, int to, const EtlLoadOutcome *outcome)
{
	EtlRun *run = load->run;
	EtlWatermark *watermark = &load->watermark;
	EtlRunCounters counters = run->counters;
	EtlRunCounters more;
	EtlRunCounters all; /* by all processes that share the run */
	bool skips;
	bool complete = batch_of(load)->of == ETL_OF_SOURCE && EtlReadingIsComplete(load->reading) &&
					to == batch_of(load)->n;

	settle_batch(load, from, to, outcome, &counters);
	if (batch_of(load)->of == ETL_OF_SOURCE)
	{
		counters.columns_missing = EtlSeenSave(&load->seen, complete);
		counters.columns_new = EtlSeenSaveNew(&load->seen);
	}
	if (run->kind != ETL_RUN_BACKFILL)
		EtlWatermarkSave(watermark, &outcome->watermark);
	/*
	 * A scan that is complete must not be begun again with the watermark of the one before.  One without an end is never
	 * begun again, so nothing depends on it.
	 */
	if ((complete || load->reading->endless) && run->kind != ETL_RUN_BACKFILL)
		EtlCatalogPublishWatermark(run->pipeline->id);
	more = EtlCountersSince(&counters, &run->counters);
	EtlCatalogUpdateRun(run->id, &more, &all);
	save_further(load);
	EtlCommit(run);
	if (batch_of(load)->of == ETL_OF_SOURCE)
		EtlRowsCommitted(load->reading->rows, to == batch_of(load)->n);

	keep_further(load);
	skips = counters.skipped > run->counters.skipped;
	run->counters = counters;
	load->rejects.rejected = EtlCountRejected(&all) - load->rejects.before;
	if (outcome->watermark.known)
		EtlWatermarkRaise(watermark, &watermark->highest, outcome->watermark.value, run->context);
	EtlChooserLearn(&load->loading.chooser, outcome->emitted, outcome->loaded, outcome->inserted,
					skips);
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
load_records(EtlBatchLoad *load, int from)
{
	EtlLoading *loading = &load->loading;
	EtlLoadOutcome outcome = {0};
	int to;

	EtlTargetsBegin(&load->targets);
	load->run->in_rows = true;
	EtlBegin();
	if (load->whole == NULL)
		EtlConvertBatch(&load->converted);
	if (batch_of(load)->of == ETL_OF_SOURCE && EtlReadingIsComplete(load->reading))
		EtlSeenJudge(&load->seen);
	if (load->whole != NULL)
	{
		EtlAttemptWhole(loading, load->whole, &outcome);
		to = batch_of(load)->n;
	}
	else
		to = EtlAttemptsRun(&load->attempts, from, &outcome);
	commit_batch(load, from, to, &outcome);
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

/* After an error: whether and how the batch goes on behind the first records. */
static void
judge_error(EtlBatchLoad *load, ErrorData *error, int done, int *tries)
{
	if (load->run->fatal || ProcDiePending)
		ReThrowError(error);
	if (EtlLiesInRow(&load->loading, error))
	{
		if (EtlTakeOtherStatement(&load->loading, error))
			return;
		if (load->whole != NULL)
			raise_for_whole(load->run, error);
		EtlAttemptsFailed(&load->attempts, error, done);
		return;
	}
	if (!is_passing(error->sqlerrcode) || ++*tries == MAX_TRIES)
		ReThrowError(error);
	wait_before_try(*tries);
}

/* The same, with its error as a value; *done moves on with what was committed. */
static ErrorData *
try_load(EtlBatchLoad *load, int *done)
{
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		*done = load_records(load, *done);
	}
	PG_CATCH();
	{
		error = EtlAbort(load->run, batch_of(load)->loading);
	}
	PG_END_TRY();
	load->run->in_rows = error != NULL;
	EtlDeferredSettle(&load->deferred, error == NULL);
	return error;
}

void
EtlLoadBatch(EtlBatchLoad *load)
{
	int done = 0;
	int tries = 0;
	ErrorData *error;

	EtlEnterBatch(load->run->pipeline->on_shutdown == ETL_SHUTDOWN_DRAIN);
	EtlAttemptsStartBatch(&load->attempts);
	do
	{
		error = try_load(load, &done);
		if (error != NULL)
			judge_error(load, error, done, &tries);
		else
			EtlAttemptsCommitted(&load->attempts);
	} while (error != NULL || done < batch_of(load)->n);
	EtlLeaveBatch();
}

void
EtlStartBatch(EtlBatchLoad *load)
{
	EtlReadingStartBatch(load->reading);
	EtlConvertedReset(&load->converted);
	EtlTargetsStartBatch(&load->targets);
}

EtlBatchLoad *
EtlBatchLoadCreate(EtlReading *reading)
{
	EtlRun *run = reading->run;
	EtlBatchLoad *load = MemoryContextAllocZero(run->context, sizeof(EtlBatchLoad));

	load->run = run;
	load->reading = reading;
	EtlChunkOpen(&load->chunk, run->statements, run->context);
	load->deferred = (EtlDeferred){
		.run = run,
		.batch = &reading->batch,
		.chunk = &load->chunk,
		.context = AllocSetContextCreate(run->context, "etl deferred", ALLOCSET_DEFAULT_SIZES)};
	load->rejects = (EtlRejects){
		.run = run, .reading = reading, .deferred = &load->deferred, .keys = &load->keys};
	load->converted = (EtlConverted){.reading = reading, .rejects = &load->rejects, .n = -1};
	EtlWatermarkOpen(&load->watermark, run);
	EtlKeysOpen(&load->keys, reading, &load->watermark);
	load->loading = (EtlLoading){.run = run,
								 .converted = &load->converted,
								 .rejects = &load->rejects,
								 .deferred = &load->deferred,
								 .watermark = &load->watermark,
								 .keys = &load->keys,
								 .chunk = &load->chunk};
	EtlTargetsOpen(&load->targets, &load->loading);
	load->attempts.targets = &load->targets;
	load->seen = (EtlSeen){.run = run, .reading = reading};
	if (run->read_mode == ETL_READ_WHOLE)
		load->whole = EtlWholeBegin(&load->converted);
	return load;
}
