/*
 * fill.c
 *		Raw records into a batch, outside transactions.
 *
 * The source is opened in a short transaction: its call is planned and started as a statement would, only to
 * check rights and to evaluate its arguments.  Then it is read without any plan, and no snapshot is held
 * while files or networks keep us waiting.
 *
 * A mark says how far a part of the source (a file) has been read, and before which record of the batch that
 * was.  So a transaction that commits only the first records of a batch knows the position as well: the
 * last mark at or before the next record, and the number of records in between.
 */
#include "etl.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "jit/jit.h"
#include "miscadmin.h"
#include "pipeline/catalog/schedules.h"
#include "pipeline/run/engine.h"
#include "pipeline/run/report.h"
#include "pipeline/run/worker.h"
#include "scan/scan.h"
#include "source/clock.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define MAX_BATCH_BYTES (16 * 1024 * 1024)

int64 EtlSettlesIn = 0;

/* ----------------------------------------------------------------
 *	Where earlier runs stopped
 * ---------------------------------------------------------------- */

static const EtlCheckpoint *
find_checkpoint(const EtlRun *run, const char *part)
{
	ListCell *lc;

	foreach (lc, run->checkpoints)
	{
		const EtlCheckpoint *checkpoint = lfirst(lc);

		if (strcmp(checkpoint->part, part) == 0)
			return checkpoint;
	}
	return NULL;
}

static const char *
find_position(void *arg, const char *part)
{
	const EtlCheckpoint *checkpoint = find_checkpoint(arg, part);

	return checkpoint != NULL ? checkpoint->position : NULL;
}

/* A part is begun, or was read this far. */
static void
take_mark(void *arg, const char *part, const char *position)
{
	EtlRun *run = arg;
	EtlBatch *batch = &run->batch;
	MemoryContext old = MemoryContextSwitchTo(run->context);
	EtlMark *mark;

	if (run->part == NULL || strcmp(run->part, part) != 0)
	{
		const EtlCheckpoint *checkpoint = find_checkpoint(run, part);

		run->part = pstrdup(part);
		/* what is done behind a position is done as long as reading starts at that position */
		run->to_skip = checkpoint != NULL && strcmp(checkpoint->position, position) == 0
						   ? checkpoint->skipped
						   : 0;
	}
	MemoryContextSwitchTo(batch->context);
	mark = palloc(sizeof(EtlMark));
	mark->record = batch->n;
	mark->part = pstrdup(part);
	mark->position = pstrdup(position);
	mark->skipped = run->to_skip;
	batch->marks = lappend(batch->marks, mark);
	MemoryContextSwitchTo(old);
}

List *
EtlCheckpointsAt(const EtlRun *run, int to)
{
	List *checkpoints = NIL;
	ListCell *lc;

	foreach (lc, run->batch.marks)
	{
		const EtlMark *mark = lfirst(lc);
		const EtlMark *next = NULL;
		EtlCheckpoint *checkpoint;

		if (mark->record > to)
			break;
		if (lnext(run->batch.marks, lc) != NULL)
			next = lfirst(lnext(run->batch.marks, lc));
		if (next != NULL && next->record <= to && strcmp(next->part, mark->part) == 0)
			continue;
		checkpoint = palloc(sizeof(EtlCheckpoint));
		*checkpoint = (EtlCheckpoint){mark->part, mark->position, mark->skipped};
		if (next == NULL || next->record > to)
			checkpoint->skipped += to - mark->record;
		checkpoints = lappend(checkpoints, checkpoint);
	}
	return checkpoints;
}

/* Whoever watches the file is to come back when it is still: no event will tell. */
static void
take_held(void *arg, int64 ms)
{
	EtlSettlesIn = EtlSettlesIn == 0 ? Max(ms, 1) : Min(EtlSettlesIn, Max(ms, 1));
}

/* What is read next is not what followed the position. */
static void
forget_skipped(void *arg)
{
	((EtlRun *) arg)->to_skip = 0;
}

/* ----------------------------------------------------------------
 *	Opening
 * ---------------------------------------------------------------- */

void
EtlEvaluateSource(const char *statement, MemoryContext context, const EtlScanKind **kind,
				  EtlArgs **args, TupleDesc *desc)
{
	List *parsed = pg_parse_query(statement);
	List *queries = pg_analyze_and_rewrite_fixedparams(linitial_node(RawStmt, parsed), statement,
													   NULL, 0, NULL);
	PlannedStmt *plan =
		pg_plan_query(linitial_node(Query, queries), statement, CURSOR_OPT_NO_SCROLL, NULL);
	QueryDesc *query = CreateQueryDesc(plan, statement, GetActiveSnapshot(), InvalidSnapshot,
									   None_Receiver, NULL, NULL, 0);
	MemoryContext old;

	plan->jitFlags = PGJIT_NONE; /* it is not executed, however much there may be to read */
	ExecutorStart(query, 0);
	old = MemoryContextSwitchTo(context);
	EtlScanDetach(query->planstate, kind, args, desc);
	MemoryContextSwitchTo(old);
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
}

/* In a transaction. */
void
EtlOpenSource(EtlRun *run)
{
	const EtlScanKind *kind;
	EtlArgs *args;
	TupleDesc desc;
	MemoryContext old;

	EtlEvaluateSource(run->statements->open, run->context, &kind, &args, &desc);
	run->resume.find = find_position;
	run->resume.mark = take_mark;
	run->resume.held = take_held;
	run->resume.forget = forget_skipped;
	run->resume.arg = run;
	run->resume.no_source = run->kind == ETL_RUN_RETRY;
	run->resume.once =
		run->pipeline->mode == ETL_MODE_APPEND || run->pipeline->on_conflict == ETL_CONFLICT_ERROR;
	run->resume.settle_ms = EtlSettleTime;
	run->watching = run->kind == ETL_RUN_LOAD && EtlScheduleWatches(run->pipeline->id);
	old = MemoryContextSwitchTo(run->context);
	run->watched = EtlFilesOfSource(kind, args);
	/* what depends on all of the source needs all of it, each time */
	if (run->spool == NULL)
		run->checkpoints = EtlCatalogCheckpoints(run->pipeline->id);
	run->rows = EtlRowsOpenForPipeline(kind, args, desc, &run->resume);
	MemoryContextSwitchTo(old);
}

/* ----------------------------------------------------------------
 *	Filling
 * ---------------------------------------------------------------- */

/* Empties the batch.  Its last mark is where the next one begins. */
void
EtlStartBatch(EtlRun *run)
{
	EtlBatch *batch = &run->batch;
	EtlMark last = {0};

	if (batch->marks != NIL)
	{
		last = *(EtlMark *) llast(batch->marks);
		last.part = MemoryContextStrdup(run->context, last.part);
		last.position = MemoryContextStrdup(run->context, last.position);
	}
	/* What a user's code reads while the next one is converted is not there any more. */
	run->converted.begin = run->converted.end = 0;
	run->target_is_small = false;
	MemoryContextReset(batch->context);
	MemoryContextReset(batch->loading);
	batch->rejects = NIL;
	batch->nrows = -1;
	batch->n = 0;
	batch->nbytes = 0;
	batch->marks = NIL;
	batch->position = run->counters.read;
	batch->positions = NULL;
	if (last.part != NULL)
	{
		run->to_skip = 0;
		take_mark(run, last.part, last.position);
		pfree(last.part);
		pfree(last.position);
	}
}

EtlKept *
EtlAddRecord(EtlRun *run)
{
	EtlBatch *batch = &run->batch;

	if (batch->n == batch->size)
	{
		batch->size *= 2;
		batch->records = repalloc_huge(batch->records, sizeof(EtlKept) * batch->size);
	}
	memset(&batch->records[batch->n], 0, sizeof(EtlKept));
	return &batch->records[batch->n++];
}

/* The clock is looked at now and then where records come fast; where they are waited for, the wait has an end. */
static bool
is_full(const EtlRun *run, int64 until)
{
	const EtlBatch *batch = &run->batch;

	if (batch->n >= run->pipeline->batch_size || batch->nbytes >= MAX_BATCH_BYTES ||
		(batch->n > 0 && EtlShutdownRequested()))
		return true;
	return batch->n > 0 && batch->n % 64 == 0 && EtlClock() >= until;
}

static void
keep_record(EtlRun *run, EtlAdvance advance)
{
	EtlBatch *batch = &run->batch;
	MemoryContext old = MemoryContextSwitchTo(batch->context);
	EtlKept *kept = EtlAddRecord(run);

	run->rows->kind->keep(run->rows, kept);
	kept->advance = advance;
	if (advance != ETL_ROW)
	{
		kept->fault = run->rows->fault;
		kept->fault.message = pstrdup(kept->fault.message);
		kept->fault.detail = kept->fault.detail != NULL ? pstrdup(kept->fault.detail) : NULL;
	}
	batch->nbytes += kept->len + kept->extra;
	MemoryContextSwitchTo(old);
}

/* Goes to the next record; false if the batch has waited for it long enough. */
static bool
next_record(EtlRun *run, int64 until, EtlAdvance *advance)
{
	do
		*advance = EtlRowsAdvance(run->rows, until);
	while (*advance != ETL_NO_MORE_ROWS && *advance != ETL_NOTHING_YET && run->to_skip-- > 0);
	run->to_skip = Max(run->to_skip, 0);
	return *advance != ETL_NOTHING_YET;
}

/*
 * Reads until the batch is full, or its first record has waited for flush_interval, or the server wants us to go: from
 * the first record on there is something to be brought home before that.
 */
void
EtlFillBatch(EtlRun *run)
{
	EtlBatch *batch = &run->batch;
	/* what is part of a whole is nothing to be brought home */
	bool drain = run->spool == NULL && run->pipeline->on_shutdown == ETL_SHUTDOWN_DRAIN;
	int64 until = ETL_FOREVER;
	EtlAdvance advance;

	while (!is_full(run, until) && next_record(run, until, &advance))
	{
		if (advance == ETL_NO_MORE_ROWS)
		{
			batch->reached_end = true;
			return;
		}
		keep_record(run, advance);
		EtlReportDone(batch->n);
		if (batch->n > 1)
			continue;
		until = EtlClock() + run->pipeline->flush_interval.ms;
		EtlEnterBatch(drain);
	}
	run->rows->kind->tell(run->rows);
}
