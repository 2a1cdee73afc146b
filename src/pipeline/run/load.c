/*
 * load.c
 *		One attempt to take a range of a batch into a target.
 *
 *		converted rows -> the query -> receive_row		rules, keys and watermark are looked at
 *		-> chunk -> the INSERT or MERGE					when all queries are done or one has given a chunk full
 *
 * A record that the row of one target makes a dead letter is left out of the chunks of all.  Where it may be in the target
 * already, or it is not known which rows are of it, that row is raised as an error.
 *
 * Each row that the query gives is of the record that it pulled last, if the plan streams: no node between
 * the scan of the batch and the result collects rows.  Where that is not so, a row that breaks a rule is
 * raised as an error, and isolation finds its record.
 */
#include "etl.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pipeline/run/load.h"
#include "pipeline/run/report.h"
#include "pipeline/run/take.h"
#include "scan/input.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define MAX_CHUNK_BYTES (16 * 1024 * 1024)

/* ----------------------------------------------------------------
 *	Chunks into the targets
 * ---------------------------------------------------------------- */

/* A row makes its record a dead letter, rows of which may be loaded by now: isolation tries that record alone. */
pg_noreturn static void
raise_reject(const char *message)
{
	ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION), errmsg_internal("%s", message)));
}

/* Rows are to be left out, and it is not known whether one is of their records: each is tried alone. */
pg_noreturn static void
raise_unknown(const EtlLoading *l)
{
	raise_reject(l->rejects->list != NIL ? ((const EtlReject *) llast(l->rejects->list))->message
										 : "it is not known which record a row is of");
}

/* Leaves out the rows of some records, in the order that there is; returns how many. */
static int
leave_out(EtlLoading *l, const Bitmapset *records)
{
	EtlChunk *chunk = l->chunk;
	int n = 0;
	int i;

	for (i = 0; i < chunk->n; i++)
	{
		int record = chunk->records[i];

		if (record < 0)
			raise_unknown(l);
		if (bms_is_member(record, records))
			continue;
		EtlChunkMove(chunk, i, n++);
	}
	i = chunk->n - n;
	chunk->n = n;
	return i;
}

/* The statements to come are those of a target. */
static void
set_to_work(EtlLoading *l)
{
	l->together->at_work = l;
	EtlBatchSlice = &l->batch;
	EtlEmittedSlice = &l->emitted;
}

/* Of stale records nothing is loaded, which counts as skipped. */
static void
take_within(EtlLoading *l)
{
	const Bitmapset *stale = EtlWithinStale(&l->within);

	if (stale != NULL)
		(void) leave_out(l, stale);
	EtlWithinAdd(&l->within, l->chunk);
}

void
EtlLoadingTake(EtlLoading *l)
{
	if (l->before != NULL)
		EtlLoadingTake(l->before);
	set_to_work(l);
	if (l->together->rejected != NULL)
		l->outcome->invalid += leave_out(l, l->together->rejected);
	if (l->within.remove.text != NULL)
		take_within(l);
	if (l->chunk->n > 0)
		EtlTakeChunk(l);
}

/* ----------------------------------------------------------------
 *	The query
 * ---------------------------------------------------------------- */

/* A row that the query gave, as JSON. */
static char *
row_as_json(const EtlLoading *l, TupleTableSlot *slot)
{
	TupleDesc desc = BlessTupleDesc(l->run->statements->emitted);
	HeapTuple tuple = heap_form_tuple(desc, slot->tts_values, slot->tts_isnull);

	return TextDatumGetCString(DirectFunctionCall1(row_to_json, HeapTupleGetDatum(tuple)));
}

static EtlKey *
passed_key(const EtlLoading *l, int record)
{
	int row = l->converted->row_of[record];
	size_t place = (size_t) row * l->batch.desc->natts;

	return EtlKeyOfPassed(l->rejects->keys, l->converted->values + place,
						  l->converted->isnull + place);
}

/* The key of a row that breaks a rule; that of the record, if the query makes no other row of it. */
static EtlKey *
key_of_row(const EtlLoading *l, TupleTableSlot *slot, int record)
{
	if (record < 0 || l->converted->reading->batch.of != ETL_OF_SOURCE)
		return NULL;
	if (l->rejects->keys->all_passed)
		return passed_key(l, record);
	if (l->keys != l->rejects->keys) /* the row is one of a further target */
		return NULL;
	return EtlKeyOfEmitted(l->keys, slot->tts_values, slot->tts_isnull);
}

/* Whether it is not known which row of the target a row is: of any it could be said that the source has it no more. */
static bool
may_be_any_row(const EtlLoading *l, TupleTableSlot *slot)
{
	const EtlStatements *s = l->run->statements;
	bool null = false;

	for (int k = 0; k < s->nkeys && !s->key_takes_null; k++)
		null |= slot->tts_isnull[s->keys[k]];
	return (null || s->nkeys == 0) && EtlRemoves(l->run->pipeline);
}

/* Whether targets before this one have rows of any record. */
static bool
is_early(const EtlLoading *l)
{
	return l->before != NULL && l->together->early;
}

static void
reject_row(EtlLoading *l, TupleTableSlot *slot, int record, const char *rule, const char *message,
		   EtlLoadOutcome *outcome)
{
	bool whole = l->run->read_mode == ETL_READ_WHOLE;
	EtlReject *reject;
	MemoryContext old;

	if (!whole && (record < 0 || record == l->split_record || is_early(l)))
		raise_reject(message);
	old = MemoryContextSwitchTo(l->converted->reading->batch.loading);
	reject = palloc0(sizeof(EtlReject));
	reject->record = record;
	reject->row = whole ? row_as_json(l, slot) : NULL;
	reject->stage = ETL_FAILED_RULE;
	reject->rule = rule;
	reject->sqlstate = ERRCODE_CHECK_VIOLATION;
	reject->message = reject->safe_message = pstrdup(message);
	reject->key = key_of_row(l, slot, record);
	if (may_be_any_row(l, slot) && whole)
		EtlRejectsFail(l->rejects, reject, ETL_HINT_AT_KEY);
	else if (may_be_any_row(l, slot))
		EtlRemovalDoubt(&l->removal);
	EtlRejectsAdd(l->rejects, reject);
	MemoryContextSwitchTo(old);
	outcome->invalid++;
	if (whole)
		EtlRejectsCheckLimit(l->rejects, l->rejects->rejected + outcome->invalid, reject);
}

/* Holds a row that the query gave against rules, unless it deletes, key and watermark; false if it is rejected. */
static bool
check_row(EtlLoading *l, TupleTableSlot *slot, int record, bool tombstone, EtlLoadOutcome *outcome)
{
	const EtlRun *run = l->run;
	const EtlStatements *s = run->statements;
	int n = s->emitted->natts;
	ListCell *lc;

	foreach (lc, run->pipeline->rules_list)
	{
		const EtlRule *rule = lfirst(lc);
		int i = n + foreach_current_index(lc);

		if (tombstone || slot->tts_isnull[i] || DatumGetBool(slot->tts_values[i]))
			continue;
		reject_row(l, slot, record, rule->name,
				   psprintf("the row does not fulfil rule \"%s\"", rule->name), outcome);
		return false;
	}
	if (s->valid_from != NULL && s->watermark >= 0 && slot->tts_isnull[s->watermark])
	{
		reject_row(l, slot, record, "watermark",
				   psprintf("null value in watermark column \"%s\"", run->pipeline->watermark),
				   outcome);
		return false;
	}
	for (int i = 0; i < s->nkeys && EtlUpserts(run->pipeline) && !s->key_takes_null; i++)
	{
		if (!slot->tts_isnull[s->keys[i]])
			continue;
		reject_row(l, slot, record, "key",
				   psprintf("null value in key column \"%s\"",
							NameStr(TupleDescAttr(s->emitted, s->keys[i])->attname)),
				   outcome);
		return false;
	}
	if (l->watermark->attr == NULL || slot->tts_isnull[s->watermark])
		return true;
	if (EtlWatermarkBeyondMax(l->watermark, slot->tts_values[s->watermark]))
	{
		reject_row(l, slot, record, "watermark_max",
				   psprintf("watermark \"%s\" is beyond watermark_max", run->pipeline->watermark),
				   outcome);
		return false;
	}
	EtlWatermarkRaise(l->watermark, &outcome->watermark, slot->tts_values[s->watermark],
					  l->converted->reading->batch.loading);
	return true;
}

/* The record of the current row; -1: one of several. */
static int
current_record(const EtlLoading *l)
{
	const EtlSlice *slice = &l->batch;

	if (l->run->read_mode == ETL_READ_WHOLE)
		return -1;
	if (slice->end - slice->begin == 1)
		return l->converted->record_of[slice->begin];
	if (!l->query_streams || slice->pulled < 0)
		return -1;
	return l->converted->record_of[slice->pulled];
}

/*
 * A saved plan is made anew when what it refers to has changed, and "*" or a column of another table may then
 * be something else than what the load was made for.
 */
static void
check_result(DestReceiver *self, int operation, TupleDesc desc)
{
	const EtlLoading *l = ((EtlReceiver *) self)->loading;
	const EtlRun *run = l->run;
	TupleDesc emitted = run->statements->emitted;
	int n = emitted->natts + run->statements->nconditions;
	bool same = desc->natts == n + (l->partial ? 1 : 0);

	for (int i = 0; same && i < n; i++)
		same = TupleDescAttr(desc, i)->atttypid ==
			   (i < emitted->natts ? TupleDescAttr(emitted, i)->atttypid : BOOLOID);
	if (!same)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the columns of the query have changed during the run"),
						errdetail("Something that the query refers to was altered."),
						errhint("Run the pipeline again.")));
}

/* The record that was rejected last has more rows, which may have other keys. */
static void
forget_key(const EtlLoading *l)
{
	if (!l->rejects->keys->all_passed)
		((EtlReject *) llast(l->rejects->list))->key = NULL;
}

static void
note_rejected(const EtlLoading *l, int record)
{
	MemoryContext old = MemoryContextSwitchTo(l->converted->reading->batch.loading);

	l->together->rejected = bms_add_member(l->together->rejected, record);
	MemoryContextSwitchTo(old);
}

/* Whether a row is of a record that is a dead letter by now. */
static bool
is_rejected(const EtlLoading *l, int record)
{
	if (record < 0 && l->together->rejected != NULL && l->run->read_mode != ETL_READ_WHOLE)
		raise_unknown(l);
	return record >= 0 && bms_is_member(record, l->together->rejected);
}

/*
 * A record is loaded with all rows that the query makes of it, or not at all: what is loaded would be there twice
 * when its dead letter is.
 */
static void
leave_out_record(EtlLoading *l, int record, EtlLoadOutcome *outcome)
{
	EtlChunk *chunk = l->chunk;

	l->rejected_record = record;
	if (record >= 0)
		note_rejected(l, record);
	while (record >= 0 && chunk->n > 0 && chunk->records[chunk->n - 1] == record)
	{
		chunk->n--;
		outcome->invalid++;
		forget_key(l);
	}
}

static bool
is_full(const EtlLoading *l)
{
	const EtlChunk *chunk = l->chunk;

	return chunk->n % 1024 == 0 &&
		   (chunk->n >= l->run->pipeline->batch_size + 1024 ||
			MemoryContextMemAllocated(chunk->context, false) >= MAX_CHUNK_BYTES);
}

/* What the record of a row lacks that the row is to be loaded without, in the current memory context; NULL: nothing. */
static bytea *
lacks_of(const EtlLoading *l, const TupleTableSlot *slot)
{
	const EtlStatements *s = l->run->statements;
	int place = s->emitted->natts + s->nconditions;
	bytea *lacks;

	if (!l->partial || slot->tts_isnull[place])
		return NULL;
	lacks = DatumGetByteaPP(slot->tts_values[place]);
	for (int i = 0; i < s->emitted->natts; i++)
		if (s->from[i] >= 0 && EtlLacks(lacks, s->from[i]))
			return DatumGetByteaPCopy(slot->tts_values[place]);
	return NULL;
}

/* Whether delete_when is true of a row: the condition behind the rules. */
static bool
is_tombstone(const EtlLoading *l, const TupleTableSlot *slot)
{
	const EtlStatements *s = l->run->statements;
	int place = s->emitted->natts + s->nconditions - 1;

	return s->bury != NULL && !slot->tts_isnull[place] && DatumGetBool(slot->tts_values[place]);
}

static bool
has_no_watermark(const EtlLoading *l, const TupleTableSlot *slot)
{
	int watermark = l->run->statements->watermark;

	return watermark >= 0 && slot->tts_isnull[watermark];
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	EtlReceiver *receiver = (EtlReceiver *) self;
	EtlLoading *l = receiver->loading;
	int record = current_record(l);
	bool tombstone;
	MemoryContext old;

	slot_getallattrs(slot);
	tombstone = is_tombstone(l, slot);
	l->outcome->emitted++;
	l->outcome->null_watermark += has_no_watermark(l, slot);
	EtlRemovalAdd(&l->removal, slot->tts_values, slot->tts_isnull);
	if (is_rejected(l, record))
	{
		l->outcome->invalid++;
		if (record == l->rejected_record)
			forget_key(l);
		return true;
	}
	if (!check_row(l, slot, record, tombstone, l->outcome))
	{
		leave_out_record(l, record, l->outcome);
		return true;
	}
	old = MemoryContextSwitchTo(l->chunk->context);
	EtlChunkAdd(
		l->chunk, record,
		EtlFormMinimalTuple(l->run->statements->emitted, slot->tts_values, slot->tts_isnull),
		lacks_of(l, slot), tombstone);
	MemoryContextSwitchTo(old);
	if (is_full(l))
	{
		l->split_record = record;
		l->together->early = true;
		EtlLoadingTake(l);
		EtlChunkReset(l->chunk);
		EtlReportStage(ETL_STAGE_QUERYING, receiver->nrows);
	}
	return true;
}

void
EtlCheckDeferred(void)
{
	ConstraintsSetStmt *stmt = makeNode(ConstraintsSetStmt);

	AfterTriggerSetState(stmt);
}

void
EtlLoadingStart(EtlLoading *l, EtlLoadOutcome *outcome)
{
	memset(outcome, 0, sizeof(*outcome));
	l->outcome = outcome;
	/* The rows of an attempt that failed are not there for the query of this one. */
	l->emitted.end = 0;
	EtlChunkReset(l->chunk);
	EtlDeferredBegin(l->deferred);
	EtlKeysBegin(l->keys);
	l->to_target = l->complete = false;
	l->batch.pulled = -1;
	l->rejected_record = l->split_record = -1;
	l->together->rejected = NULL;
	l->together->early = false;
}

/* The query over "nrows" rows of the batch. */
static void
query_batch(EtlLoading *l, int64 nrows, int64 usual, bool partial)
{
	EtlReceiver receiver;
	SPIPlanPtr plan;

	set_to_work(l);
	EtlReportStage(ETL_STAGE_QUERYING, nrows);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	l->partial = partial && l->partial_transform.text != NULL;
	plan = EtlPlanFor(l->partial ? &l->partial_transform : &l->transform, &l->batch, nrows, usual);
	l->query_streams = EtlPlanStreams(plan);
	EtlReceiverSet(&receiver, receive_row, l);
	receiver.nrows = nrows;
	receiver.dest.rStartup = check_result;
	l->batch.reads = l->within.reads;
	(void) EtlPlanExecute(plan, &receiver.dest);
	l->batch.reads = NULL;
	SPI_finish();
	l->complete = true;
}

void
EtlLoadingGoOn(EtlLoading *l, int begin, int end)
{
	EtlSlice *slice = &l->batch;

	l->together->early = false;
	slice->values = l->converted->values;
	slice->isnull = l->converted->isnull;
	slice->begin = l->converted->row_of[begin];
	slice->end = l->converted->row_of[end];
	EtlWithinBegin(&l->within);
}

void
EtlLoadingQuery(EtlLoading *l)
{
	const EtlSlice *slice = &l->batch;

	if (slice->begin < slice->end)
		query_batch(l, slice->end - slice->begin, l->run->pipeline->batch_size,
					l->converted->partial);
}

void
EtlLoadingRemove(EtlLoading *l)
{
	if (l->within.remove.text == NULL || l->batch.begin == l->batch.end)
		return;
	set_to_work(l);
	l->outcome->deleted += EtlWithinRun(&l->within, l->together->rejected);
}

void
EtlLoadingSucceeded(EtlLoading *l)
{
	EtlDeferredLoaded(l->deferred);
	EtlKeysSucceeded(l->keys);
	EtlChunkReset(l->chunk);
}

/* An error in here is not one of a row of the batch. */
static void
remove_gone(EtlLoading *l, EtlLoadOutcome *outcome)
{
	int pulled = l->batch.pulled;

	l->batch.pulled = -1;
	EtlRemovalUnmark(&l->removal);
	*(l->run->statements->unmark != NULL ? &outcome->marked : &outcome->deleted) =
		EtlRemovalRun(&l->removal, outcome->loaded);
	l->batch.pulled = pulled;
}

/* A query that sees all there is may say something about nothing, so it is run then, too. */
void
EtlAttemptWhole(EtlLoading *l, EtlWhole *whole, EtlLoadOutcome *outcome)
{
	int64 nrows = whole->counters.converted;

	EtlLoadingStart(l, outcome);
	EtlRemovalBegin(&l->removal, whole->rejected, &l->emitted.places);
	l->batch.store = whole->rows;
	query_batch(l, nrows, nrows, whole->partial);
	EtlLoadingTake(l);
	l->batch.store = NULL;
	remove_gone(l, outcome);
	EtlCheckDeferred();
}

/* ----------------------------------------------------------------
 *	After an error
 * ---------------------------------------------------------------- */

EtlKey *
EtlLoadingKey(const EtlLoading *l, int record)
{
	const EtlChunk *chunk = l->chunk;
	int n = chunk->n > 0 ? chunk->n : chunk->loaded;
	EtlKey *key = NULL;

	if (l->converted->reading->batch.of != ETL_OF_SOURCE)
		return NULL;
	if (l->keys->all_passed)
		return passed_key(l, record);
	if (n == 1 && l->complete) /* the query has given all rows of the record */
	{
		TupleTableSlot *slot =
			MakeSingleTupleTableSlot(l->run->statements->emitted, &TTSOpsMinimalTuple);

		ExecStoreMinimalTuple(chunk->tuples[0], slot, false);
		slot_getallattrs(slot);
		key = EtlKeyOfEmitted(l->keys, slot->tts_values, slot->tts_isnull);
		ExecDropSingleTupleTableSlot(slot);
	}
	return key;
}

int
EtlSuspect(const EtlLoading *any)
{
	const EtlLoading *l = any->together->at_work;
	const EtlSlice *slice = &l->batch;

	if (l->to_target)
		return l->emitted.pulled >= 0 ? l->chunk->records[l->emitted.pulled] : -1;
	if (slice->pulled < slice->begin || slice->pulled >= slice->end)
		return -1;
	return l->converted->record_of[slice->pulled];
}

bool
EtlLiesInRow(const EtlLoading *first, const ErrorData *error)
{
	const EtlLoading *l = first->together->at_work;
	const EtlSlice *slice = l->to_target ? &l->emitted : &l->batch;

	return !first->run->fatal && EtlIsRowFault(error->sqlerrcode) && slice->pulled >= 0;
}

/* Keys that are equal only in the target, not here: from now on the last row of each is found by a query. */
bool
EtlTakeOtherStatement(const EtlLoading *any, const ErrorData *error)
{
	EtlLoading *l = any->together->at_work;

	if (l->to_target && EtlChooseOther(&l->chooser, error->sqlerrcode))
		return true;
	if (error->sqlerrcode == ERRCODE_CARDINALITY_VIOLATION && !l->dedup && l->winners.text != NULL)
		return l->dedup = true;
	return false;
}

/* ----------------------------------------------------------------
 *	Beginning
 * ---------------------------------------------------------------- */

void
EtlLoadingBegin(EtlLoading *l)
{
	l->batch.pulled = l->emitted.pulled = -1;
	l->to_target = false;
	set_to_work(l);
	EtlKeysBeginTransaction(l->keys);
}

/* A function of the user that runs during conversion sees no rows. */
void
EtlLoadingStartBatch(EtlLoading *l)
{
	l->batch.begin = l->batch.end = 0;
	l->chooser.target_is_small = false;
}

void
EtlLoadingOpen(EtlLoading *l)
{
	EtlRun *run = l->run;

	l->batch.desc = run->statements->rows;
	l->batch.nreaders = 1; /* that a tuplestore begins with */
	l->batch.taken = MemoryContextAllocZero(run->context, sizeof(bool));
	l->emitted.desc = run->statements->emitted;
	l->emitted.instant = run->instant;
	l->transform.text = run->statements->full.transform;
	l->partial_transform.text = run->statements->partial.transform;
	l->winners.text = run->statements->winners;
	l->bury.text = run->statements->bury;
	l->tombstones.keys = l->keys;
	EtlChooserOpen(&l->chooser, run);
	EtlRemovalOpen(&l->removal, run);
	if (run->pipeline->further)
		EtlWithinOpen(&l->within, run, l->converted, l->rejects->deferred->chunk, &l->batch);
}
