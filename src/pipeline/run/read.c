/*
 * read.c
 *		The source -> records of a batch, outside transactions.
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
#include "miscadmin.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/catalog/schedules.h"
#include "pipeline/done.h"
#include "pipeline/evaluate.h"
#include "pipeline/run/ending.h"
#include "pipeline/run/parallel.h"
#include "pipeline/run/read.h"
#include "pipeline/run/report.h"
#include "pipeline/watch.h"
#include "source/clock.h"
#include "source/loop.h"
#include "utils/memutils.h"

#define MAX_BATCH_BYTES (16 * 1024 * 1024)
#define LONGEST_IDLE_MS 1000

/* How far a part of the source had been read when a record of the batch was its next one. */
typedef struct Mark
{
	int record;
	char *part;
	char *position;
	int64 skipped; /* records behind the position that are done, too */
	int64 rows;	   /* of the part, before that record */
	char *version;
	EtlPartState state;
	char *sqlstate; /* why it is set aside */
	char *message;
} Mark;

/* ----------------------------------------------------------------
 *	Where earlier runs stopped
 * ---------------------------------------------------------------- */

static const char *
find_position(void *arg, const EtlParts *parts, const char *part, bool ahead)
{
	EtlLedger *ledger = &((EtlReading *) arg)->ledger;
	const EtlCheckpoint *checkpoint =
		ahead ? EtlLedgerLook(ledger, part) : EtlLedgerFind(ledger, parts, part);

	return checkpoint != NULL ? checkpoint->position : NULL;
}

/* That counts only while parts may be set aside: else what is wrong with them is to be an error. */
static const char *
refused_version(void *arg, const char *part)
{
	EtlReading *reading = arg;
	const EtlCheckpoint *checkpoint;

	if (reading->run->pipeline->on_bad_part != ETL_BAD_PART_SET_ASIDE)
		return NULL;
	checkpoint = EtlLedgerLook(&reading->ledger, part);
	return checkpoint != NULL && checkpoint->state == ETL_PART_SET_ASIDE ? checkpoint->version
																		 : NULL;
}

/* Of a source that goes back and forth between its parts: what is known of one that was in hand before; NULL: it was not. */
static EtlAlternate *
find_alternate(const EtlReading *reading, const char *part)
{
	ListCell *lc;

	foreach (lc, reading->alternates)
		if (strcmp(((EtlAlternate *) lfirst(lc))->part, part) == 0)
			return lfirst(lc);
	return NULL;
}

/* Leaves the part in hand, and goes on with another one; false: that comes for the first time. */
static bool
go_back(EtlReading *reading, const char *part)
{
	EtlAlternate *left = reading->part != NULL ? find_alternate(reading, reading->part) : NULL;
	EtlAlternate *next = find_alternate(reading, part);
	MemoryContext old = MemoryContextSwitchTo(reading->context);

	if (left != NULL)
		left->rows = reading->part_rows;
	if (next == NULL)
	{
		EtlAlternate *first = palloc0(sizeof(EtlAlternate));

		first->part = pstrdup(part);
		reading->alternates = lappend(reading->alternates, first);
	}
	MemoryContextSwitchTo(old);
	if (next == NULL)
		return false;
	reading->to_skip = 0;
	reading->part_rows = next->rows;
	return true;
}

/*
 * Another part is in hand.  Records behind a position are only known to be done if reading starts at that position (NULL: it
 * does).
 */
static void
change_part(EtlReading *reading, const EtlPartMark *from)
{
	bool known = from->alternates && go_back(reading, from->part);
	EtlCheckpoint *checkpoint = known ? NULL : EtlLedgerLook(&reading->ledger, from->part);
	bool goes_on = checkpoint != NULL &&
				   (from->position == NULL || strcmp(checkpoint->position, from->position) == 0);

	if (reading->part != NULL)
		pfree(reading->part);
	reading->part = MemoryContextStrdup(reading->context, from->part);
	if (known)
		return;
	reading->to_skip = goes_on ? checkpoint->skipped : 0;
	reading->part_rows = goes_on ? checkpoint->rows : 0;
	reading->resumes = goes_on && checkpoint->rows > 0;
	if (checkpoint != NULL && checkpoint->state == ETL_PART_SET_ASIDE)
		reading->ledger.aside--;
}

/* One that was set aside, and is now another process's, is that process's to count. */
static bool
take_part(void *arg, const char *part)
{
	EtlReading *reading = arg;
	const EtlCheckpoint *checkpoint;

	if (EtlParallelTake(reading->run->parallel, part))
		return true;
	checkpoint = EtlLedgerLook(&reading->ledger, part);
	if (checkpoint != NULL && checkpoint->state == ETL_PART_SET_ASIDE)
		reading->ledger.aside--;
	return false;
}

/* A part is begun, or was read this far, or is set aside. */
static void
take_mark(void *arg, const EtlPartMark *from)
{
	EtlReading *reading = arg;
	const EtlCheckpoint *checkpoint;
	const char *position = from->position;
	MemoryContext old;
	Mark *mark;

	if (reading->part == NULL || strcmp(reading->part, from->part) != 0)
		change_part(reading, from);
	if (position == NULL)
	{
		checkpoint = EtlLedgerLook(&reading->ledger, from->part);
		position = checkpoint != NULL ? checkpoint->position : "";
	}
	old = MemoryContextSwitchTo(reading->batch.context);
	mark = palloc0(sizeof(Mark));
	mark->record = reading->batch.n;
	mark->part = pstrdup(from->part);
	mark->position = pstrdup(position);
	mark->skipped = reading->to_skip;
	mark->rows = reading->part_rows;
	mark->version = from->version != NULL ? pstrdup(from->version) : NULL;
	mark->state = from->state;
	reading->marks = lappend(reading->marks, mark);
	MemoryContextSwitchTo(old);
}

/* The last mark is not that of the next record: the checkpoint is. */
static void
go_beyond_mark(const EtlReading *reading, const Mark *mark, int to, EtlCheckpoint *checkpoint)
{
	char *position =
		to < reading->batch.n ? EtlRowsPosition(reading->rows, &reading->batch.records[to]) : NULL;

	checkpoint->rows += to - mark->record;
	if (position != NULL)
		checkpoint->position = position;
	else
		checkpoint->skipped += to - mark->record;
}

List *
EtlReadingCheckpoints(const EtlReading *reading, int to)
{
	List *checkpoints = NIL;
	ListCell *lc;

	foreach (lc, reading->marks)
	{
		const Mark *mark = lfirst(lc);
		const Mark *next = NULL;
		EtlCheckpoint *checkpoint;

		if (mark->record > to)
			break;
		if (lnext(reading->marks, lc) != NULL)
			next = lfirst(lnext(reading->marks, lc));
		if (next != NULL && next->record <= to && strcmp(next->part, mark->part) == 0)
			continue;
		checkpoint = palloc(sizeof(EtlCheckpoint));
		*checkpoint = (EtlCheckpoint){.part = mark->part,
									  .position = mark->position,
									  .skipped = mark->skipped,
									  .rows = mark->rows,
									  .version = mark->version,
									  .state = mark->state,
									  .pending = mark->state == ETL_PART_DONE && reading->when_done,
									  .sqlstate = mark->sqlstate,
									  .message = mark->message};
		if (to > mark->record && (next == NULL || next->record > to))
			go_beyond_mark(reading, mark, to, checkpoint);
		checkpoints = lappend(checkpoints, checkpoint);
	}
	return checkpoints;
}

/* The scheduler must run the pipeline again when the file is no longer written to: there is no event for that. */
static void
take_held(void *arg, int64 ms)
{
	EtlReading *reading = arg;

	ms = Max(ms, 1);
	reading->settles_in = reading->settles_in == 0 ? ms : Min(reading->settles_in, ms);
}

/* What is read next is not what followed the position. */
static void
forget_skipped(void *arg)
{
	EtlReading *reading = arg;

	reading->to_skip = reading->part_rows = 0;
}

static void
count_empty(void *arg)
{
	((EtlReading *) arg)->empty++;
}

/* ----------------------------------------------------------------
 *	Opening
 * ---------------------------------------------------------------- */

EtlReading *
EtlReadingCreate(EtlRun *run)
{
	EtlReading *reading = MemoryContextAllocZero(run->context, sizeof(EtlReading));
	EtlBatch *batch = &reading->batch;

	reading->run = run;
	reading->context = AllocSetContextCreate(run->context, "etl scan", ALLOCSET_DEFAULT_SIZES);
	batch->context = AllocSetContextCreate(run->context, "etl batch", ALLOCSET_DEFAULT_SIZES);
	batch->loading = AllocSetContextCreate(run->context, "etl load", ALLOCSET_DEFAULT_SIZES);
	reading->ahead_context =
		AllocSetContextCreate(run->context, "etl record ahead", ALLOCSET_DEFAULT_SIZES);
	batch->size = 1024;
	batch->records = MemoryContextAlloc(run->context, sizeof(EtlKept) * batch->size);
	return reading;
}

void
EtlReadingOpen(EtlReading *reading)
{
	EtlRun *run = reading->run;
	const EtlScanKind *kind;
	EtlArgs *args;
	TupleDesc desc;
	MemoryContext old;

	EtlEvaluateSource(run->statements->open, reading->context, &kind, &args, &desc);
	reading->endless = run->read_mode == ETL_READ_CONTINUOUS && kind->look_again != NULL;
	reading->when_done = run->kind == ETL_RUN_LOAD && EtlDoesWhenDone(run->pipeline);
	if (reading->when_done)
		EtlCheckWhenDone(kind, args);
	reading->resume =
		(EtlResume){.find = find_position,
					.refused = refused_version,
					.takes = run->parallel != NULL ? take_part : NULL,
					.mark = take_mark,
					.held = take_held,
					.forget = forget_skipped,
					.empty = count_empty,
					.arg = reading,
					.pipeline = run->pipeline->id,
					.name = run->pipeline->name,
					.no_source = run->kind == ETL_RUN_RETRY,
					.once = run->pipeline->mode == ETL_MODE_APPEND ||
							run->pipeline->on_conflict == ETL_CONFLICT_ERROR,
					.complete = EtlScansAll(run),
					.removes = run->kind == ETL_RUN_LOAD && EtlRemoves(run->pipeline),
					.newest = EtlScansAll(run) && run->pipeline->snapshot == ETL_SNAPSHOT_NEWEST,
					.continuous = run->read_mode == ETL_READ_CONTINUOUS,
					.undeclared = reading->undeclared,
					.settle_ms = EtlSettleTime};
	reading->watching = run->read_mode == ETL_READ_CONTINUOUS ||
						(run->kind == ETL_RUN_LOAD && EtlScheduleWatches(run->pipeline->id));
	old = MemoryContextSwitchTo(reading->context);
	reading->watched = EtlFilesOfSource(kind, args);
	EtlLedgerOpen(&reading->ledger, run);
	reading->rows = EtlRowsOpenForPipeline(kind, args, desc, &reading->resume);
	MemoryContextSwitchTo(old);
}

void
EtlReadingClose(EtlReading *reading)
{
	MemoryContextReset(reading->context);
	reading->rows = NULL;
	reading->watched = reading->part = NULL;
	reading->marks = reading->alternates = NIL;
	reading->to_skip = reading->part_rows = reading->set_aside = reading->settles_in = 0;
	reading->empty = 0;
	reading->batch.reached_end = reading->has_ahead = reading->resumes = false;
}

/* ----------------------------------------------------------------
 *	Filling
 * ---------------------------------------------------------------- */

void
EtlReadingStartBatch(EtlReading *reading)
{
	EtlBatch *batch = &reading->batch;
	const Mark *mark = reading->marks != NIL ? llast(reading->marks) : NULL;
	MemoryContext done = batch->context;
	EtlPartMark last = {0};

	if (mark != NULL && mark->state == ETL_PART_READING)
	{
		last.part = MemoryContextStrdup(reading->run->context, mark->part);
		last.position = MemoryContextStrdup(reading->run->context, mark->position);
		if (mark->version != NULL)
			last.version = MemoryContextStrdup(reading->run->context, mark->version);
	}
	MemoryContextReset(batch->context);
	MemoryContextReset(batch->loading);
	batch->context = reading->ahead_context;
	reading->ahead_context = done;
	batch->of = ETL_OF_SOURCE;
	batch->n = 0;
	batch->nbytes = 0;
	batch->letters = NULL;
	batch->resumed = NIL;
	batch->position = reading->run->counters.read;
	batch->positions = NULL;
	reading->marks = NIL;
	if (last.part != NULL)
	{
		reading->to_skip = 0;
		take_mark(reading, &last);
		pfree((char *) last.part);
		pfree((char *) last.position);
		if (last.version != NULL)
			pfree((char *) last.version);
	}
}

EtlKept *
EtlBatchAdd(EtlBatch *batch)
{
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
is_full(const EtlReading *reading, int64 until)
{
	const EtlBatch *batch = &reading->batch;

	if (batch->n >= reading->run->pipeline->batch_size || batch->nbytes >= MAX_BATCH_BYTES ||
		(batch->n > 0 && EtlShutdownRequested()))
		return true;
	return batch->n > 0 && batch->n % 64 == 0 && EtlClock() >= until;
}

int
EtlReadingEdge(const EtlReading *reading, int record)
{
	const EtlBatch *batch = &reading->batch;

	while (batch->of == ETL_OF_SOURCE && record > 0 && record < batch->n &&
		   EtlRowsAreTogether(reading->rows, &batch->records[record - 1], &batch->records[record]))
		record++;
	return record;
}

/* Fills in the current record, in a memory context. */
static void
keep_record(const EtlReading *reading, EtlAdvance advance, MemoryContext context, EtlKept *kept)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	EtlRowsKeep(reading->rows, kept);
	kept->advance = advance;
	if (advance != ETL_ROW)
	{
		kept->fault = reading->rows->fault;
		kept->fault.message = pstrdup(kept->fault.message);
		kept->fault.detail = kept->fault.detail != NULL ? pstrdup(kept->fault.detail) : NULL;
	}
	MemoryContextSwitchTo(old);
}

/* A record is in the batch.  With the first one its time begins to run out. */
static void
count_record(EtlReading *reading, const EtlKept *kept, int64 *until)
{
	EtlBatch *batch = &reading->batch;
	/* a part of a whole source is never loaded, so nothing waits for it */
	bool drain = reading->run->read_mode != ETL_READ_WHOLE &&
				 reading->run->pipeline->on_shutdown == ETL_SHUTDOWN_DRAIN;

	batch->nbytes += kept->len + kept->extra;
	reading->part_rows++;
	if (reading->resumes)
	{
		MemoryContext old = MemoryContextSwitchTo(batch->context);

		batch->resumed = lappend_int(batch->resumed, batch->n - 1);
		reading->resumes = false;
		MemoryContextSwitchTo(old);
	}
	EtlReportDone(batch->n);
	if (batch->n > 1)
		return;
	*until = EtlClock() + reading->run->pipeline->flush_interval.ms;
	EtlEnterBatch(drain);
	if (reading->endless)
		EtlReportStage(ETL_STAGE_READING, reading->run->pipeline->batch_size);
}

/* Goes to the next record; false if the batch has waited for it long enough. */
static bool
next_record(EtlReading *reading, int64 until, EtlAdvance *advance)
{
	do
		*advance = EtlRowsAdvance(reading->rows, until);
	while (*advance != ETL_NO_MORE_ROWS && *advance != ETL_ROW_LATE && reading->to_skip-- > 0);
	reading->to_skip = Max(reading->to_skip, 0);
	return *advance != ETL_ROW_LATE;
}

/* Whether there may be a column that no record has had, those of the batch included. */
static bool
may_lack(const EtlReading *reading)
{
	for (int i = 0; i < reading->batch.n && EtlRowsMayLack(reading->rows, reading->ever); i++)
	{
		CHECK_FOR_INTERRUPTS();
		EtlRowsLook(reading->rows, &reading->batch.records[i]);
	}
	return EtlRowsMayLack(reading->rows, reading->ever);
}

/* Waits for the record behind the batch, or the end of the source, unless the server shuts down. */
static void
look_ahead(EtlReading *reading)
{
	EtlAdvance advance;

	while (!next_record(reading, EtlClock() + reading->run->pipeline->flush_interval.ms, &advance))
		if (EtlShutdownRequested())
			return;
	reading->batch.reached_end = advance == ETL_NO_MORE_ROWS;
	if (reading->batch.reached_end)
		return;
	memset(&reading->ahead, 0, sizeof(EtlKept));
	keep_record(reading, advance, reading->ahead_context, &reading->ahead);
	reading->has_ahead = true;
}

/* There are no records for now.  Waits until there may be some; false if the batch has waited long enough. */
static bool
wait_for_more(EtlReading *reading, int64 until)
{
	int64 at = reading->rows->kind->look_again(reading->rows);

	EtlLookForEnding();
	if (EtlLoopIsOver(until))
		return false;
	if (reading->batch.n == 0)
		EtlReportStage(ETL_STAGE_WAITING, 0);
	until = Min(until, EtlClock() + LONGEST_IDLE_MS);
	EtlLoopTurn(at == ETL_FOREVER ? until : Min(at, until));
	return true;
}

/* When a batch that has no record yet is given up: only where others are to be heard in between. */
static int64
first_until(const EtlReading *reading)
{
	return reading->endless ? EtlClock() + LONGEST_IDLE_MS : ETL_FOREVER;
}

static void
fill(EtlReading *reading)
{
	EtlBatch *batch = &reading->batch;
	int64 until = first_until(reading);
	EtlAdvance advance;

	if (reading->has_ahead)
	{
		*EtlBatchAdd(batch) = reading->ahead;
		reading->has_ahead = false;
		count_record(reading, &reading->ahead, &until);
	}
	while ((!is_full(reading, until) || EtlRowsGoOn(reading->rows)) &&
		   next_record(reading, until, &advance))
	{
		EtlKept *kept;

		if (advance == ETL_NO_MORE_ROWS && reading->endless)
		{
			if (!wait_for_more(reading, until))
				break;
			continue;
		}
		if (advance == ETL_NO_MORE_ROWS)
		{
			batch->reached_end = true;
			return;
		}
		kept = EtlBatchAdd(batch);
		keep_record(reading, advance, batch->context, kept);
		count_record(reading, kept, &until);
	}
	MemoryContextSwitchTo(batch->context); /* a scan without an end would keep what that needs */
	EtlRowsTell(reading->rows);
	MemoryContextSwitchTo(reading->context);
	if (reading->run->read_mode != ETL_READ_WHOLE && !reading->endless && may_lack(reading))
		look_ahead(reading);
}

/*
 * Reads until the batch is full, or its first record has waited for flush_interval, or the server shuts down.  From the
 * first record on, a shutdown waits until the batch is loaded.  Of a source without an end it may be empty, when none has
 * come for a moment.
 *
 * While there is a column that no record of any run has had, the records before the end of the source must not be loaded
 * until that is judged: else the next run would find none to judge by.  So it has to be known whether more follow.
 */
void
EtlReadingFill(EtlReading *reading)
{
	MemoryContext old = MemoryContextSwitchTo(reading->context);

	fill(reading);
	MemoryContextSwitchTo(old);
}

/* ----------------------------------------------------------------
 *	Parts that cannot be read
 * ---------------------------------------------------------------- */

bool
EtlReadingLeave(EtlReading *reading, const char *sqlstate, const char *message)
{
	Mark *mark;

	if (!EtlRowsLeave(reading->rows))
		return false;
	mark = llast(reading->marks);
	mark->sqlstate = MemoryContextStrdup(reading->batch.context, sqlstate);
	mark->message = MemoryContextStrdup(reading->batch.context, message);
	reading->to_skip = 0;
	reading->set_aside++;
	return true;
}

bool
EtlReadingIsComplete(const EtlReading *reading)
{
	return reading->batch.reached_end && !reading->others && reading->set_aside == 0 &&
		   reading->ledger.aside == 0;
}
