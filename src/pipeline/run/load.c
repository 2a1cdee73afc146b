/*
 * load.c
 *		One attempt to take a range of a batch into the target.
 *
 *		kept records -> converted rows		once per transaction, faults of values aside
 *		-> the query -> receive_row			rules, keys and watermark are looked at
 *		-> chunk -> the INSERT or MERGE		when the query is done or has given a chunk full
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
#include "pipeline/run/engine.h"
#include "pipeline/run/report.h"
#include "scan/input.h"
#include "scan/scan.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define FEW_ROWS 100 /* for which the plan for few is taken */
#define MAX_CHUNK_BYTES (16 * 1024 * 1024)

/* ----------------------------------------------------------------
 *	Conversion
 * ---------------------------------------------------------------- */

static void
reject_fault(EtlRun *run, int record, const EtlFault *fault)
{
	EtlReject *reject = palloc0(sizeof(EtlReject));

	reject->record = record;
	reject->stage = ETL_FAILED_PARSE;
	reject->sqlstate = fault->sqlstate;
	reject->message = reject->safe_message = fault->message;
	reject->detail = fault->detail;
	EtlAddReject(run, reject);
}

static void
reject_value(EtlRun *run, int record)
{
	const EtlRows *rows = run->rows;
	EtlReject *reject = palloc0(sizeof(EtlReject));

	reject->record = record;
	reject->stage = ETL_FAILED_CONVERT;
	reject->column = rows->columns[rows->fault_column].name;
	reject->value = rows->converting_null ? NULL : pstrdup(rows->text.data);
	reject->sqlstate = rows->fault.sqlstate;
	reject->message = rows->fault.message;
	reject->safe_message = psprintf("column \"%s\": invalid value for type %s", reject->column,
									format_type_be(rows->columns[rows->fault_column].type));
	reject->detail = rows->fault.detail;
	EtlAddReject(run, reject);
}

/*
 * Converts the records, once: what they become lasts as long as the batch, also when the first transaction that
 * tries to load it is aborted.
 */
void
EtlConvertBatch(EtlRun *run)
{
	EtlBatch *batch = &run->batch;
	EtlRows *rows = run->rows;
	int natts = rows->desc->natts;
	int nrows = 0;
	MemoryContext old;

	if (batch->nrows >= 0)
	{
		batch->rejects = list_truncate(batch->rejects, batch->nfaulty);
		return;
	}
	EtlReportStage(ETL_STAGE_CONVERTING, batch->n);
	old = MemoryContextSwitchTo(batch->loading);
	batch->rejects = NIL;
	batch->record_of = palloc(sizeof(int) * (batch->n + 1));
	batch->row_of = palloc(sizeof(int) * (batch->n + 1));
	batch->values = MemoryContextAllocHuge(batch->loading, sizeof(Datum) * natts * (batch->n + 1));
	batch->isnull = MemoryContextAllocHuge(batch->loading, sizeof(bool) * natts * (batch->n + 1));
	for (int i = 0; i < batch->n; i++)
	{
		const EtlKept *kept = &batch->records[i];
		size_t place = (size_t) nrows * natts;

		CHECK_FOR_INTERRUPTS();
		EtlReportDone(i);
		batch->row_of[i] = nrows;
		if (kept->advance != ETL_ROW)
		{
			reject_fault(run, i, &kept->fault);
			continue;
		}
		rows->kind->use(rows, kept);
		rows->kind->fetch(rows, rows->wanted, rows->nwanted, batch->values + place,
						  batch->isnull + place);
		if (rows->faulty)
			reject_value(run, i);
		else
			batch->record_of[nrows++] = i;
	}
	batch->row_of[batch->n] = batch->nrows = nrows;
	batch->nfaulty = list_length(batch->rejects);
	MemoryContextSwitchTo(old);
}

/* ----------------------------------------------------------------
 *	Plans
 * ---------------------------------------------------------------- */

/*
 * The plan of a statement for a number of rows in "window", or for as many as there usually are.  Between
 * SPI_connect and SPI_finish.
 */
static SPIPlanPtr
plan_for(EtlPlans *plans, EtlWindow *window, int64 nrows, int64 usual)
{
	bool few = nrows <= FEW_ROWS;
	SPIPlanPtr *plan = few ? &plans->point : &plans->bulk;

	window->expected = few ? 1 : usual;
	if (*plan == NULL)
	{
		SPIPlanPtr prepared = SPI_prepare(plans->text, 0, NULL);

		if (prepared == NULL || SPI_keepplan(prepared) != 0)
			elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
		*plan = prepared;
	}
	return *plan;
}

static uint64
execute_plan(SPIPlanPtr plan, DestReceiver *dest)
{
	SPIExecuteOptions options = {0};
	int result;

	options.dest = dest;
	result = SPI_execute_plan_extended(plan, &options);
	if (result < 0)
		elog(ERROR, "could not execute a statement: %s", SPI_result_code_string(result));
	return SPI_processed;
}

static bool
is_our_scan(const Plan *plan)
{
	return IsA(plan, CustomScan) && ((const CustomScan *) plan)->methods == &EtlScanMethods;
}

/* Whether a plan gives, for each row that it takes from the one scan at its bottom, all rows at once. */
static bool
streams(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_CustomScan:
			return is_our_scan(plan);
		case T_Result:
		case T_ProjectSet:
		case T_NestLoop:
			return plan->lefttree != NULL && streams(plan->lefttree);
		case T_SubqueryScan:
			return streams(((const SubqueryScan *) plan)->subplan);
		default:
			return false;
	}
}

/* Whether a nested loop's inner side, or a subplan, reads the batch a second time. */
static int
count_scans(const Plan *plan)
{
	int n;

	if (plan == NULL)
		return 0;
	n = is_our_scan(plan) + count_scans(plan->lefttree) + count_scans(plan->righttree);
	if (IsA(plan, SubqueryScan))
		n += count_scans(((const SubqueryScan *) plan)->subplan);
	return n;
}

static bool
stmt_streams(const PlannedStmt *stmt)
{
	return stmt->subplans == NIL && streams(stmt->planTree) && count_scans(stmt->planTree) == 1;
}

/* Whether each row of the batch is looked up by an index. */
static bool
looks_up(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_CustomScan:
			return is_our_scan(plan);
		case T_Result:
		case T_ModifyTable:
			return plan->lefttree != NULL && looks_up(plan->lefttree);
		case T_NestLoop:
			return looks_up(plan->lefttree) && looks_up(plan->righttree);
		case T_IndexScan:
			return ((const IndexScan *) plan)->indexqual != NIL;
		case T_IndexOnlyScan:
			return ((const IndexOnlyScan *) plan)->indexqual != NIL;
		case T_Append: /* of partitions */
		{
			ListCell *lc;

			foreach (lc, ((const Append *) plan)->appendplans)
				if (!looks_up(lfirst(lc)))
					return false;
			return true;
		}
		default:
			return false;
	}
}

static bool
stmt_looks_up(const PlannedStmt *stmt)
{
	ListCell *lc;

	foreach (lc, stmt->subplans)
		if (!looks_up(lfirst(lc)))
			return false;
	return looks_up(stmt->planTree);
}

static bool
plan_is(SPIPlanPtr plan, bool (*what)(const PlannedStmt *stmt))
{
	CachedPlan *cached = SPI_plan_get_cached_plan(plan);
	PlannedStmt *stmt;
	bool result;

	if (cached == NULL)
		return false;
	stmt = linitial_node(PlannedStmt, cached->stmt_list);
	result = stmt->planTree != NULL && what(stmt);
	ReleaseCachedPlan(cached, CurrentResourceOwner);
	return result;
}

/* ----------------------------------------------------------------
 *	The load
 * ---------------------------------------------------------------- */

typedef struct Receiver
{
	DestReceiver dest;
	EtlRun *run;
	EtlLoadOutcome *outcome;
	int64 nrows; /* that the query has before it */
} Receiver;

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
receiver_done(DestReceiver *self)
{
}

static void
set_up_receiver(Receiver *receiver, bool (*receive)(TupleTableSlot *, DestReceiver *), EtlRun *run,
				EtlLoadOutcome *outcome)
{
	memset(receiver, 0, sizeof(*receiver));
	receiver->dest.receiveSlot = receive;
	receiver->dest.rStartup = receiver_startup;
	receiver->dest.rShutdown = receiver->dest.rDestroy = receiver_done;
	receiver->dest.mydest = DestNone;
	receiver->run = run;
	receiver->outcome = outcome;
}

/* RETURNING of the load: whether the row was inserted. */
static bool
receive_inserted(TupleTableSlot *slot, DestReceiver *self)
{
	bool isnull;

	if (DatumGetBool(slot_getattr(slot, 1, &isnull)) && !isnull)
		((Receiver *) self)->outcome->inserted++;
	return true;
}

/* An ordinal of a row that is the last of its key. */
static bool
receive_winner(TupleTableSlot *slot, DestReceiver *self)
{
	bool isnull;
	int64 ordinal = DatumGetInt64(slot_getattr(slot, 1, &isnull));

	((Receiver *) self)->run->superseded[ordinal - 1] = false;
	return true;
}

/* Marks the rows of the chunk which a later one of the same key makes void. */
static void
find_superseded(EtlRun *run, EtlLoadOutcome *outcome)
{
	Receiver receiver;
	uint64 nwinners;

	run->emitted.left_out = NULL;
	memset(run->superseded, true, run->ntuples);
	set_up_receiver(&receiver, receive_winner, run, outcome);
	nwinners = execute_plan(
		plan_for(&run->winners, &run->emitted, run->ntuples, run->pipeline->batch_size),
		&receiver.dest);
	run->emitted.left_out = run->superseded;
	outcome->superseded += run->ntuples - nwinners;
}

/*
 * The plan for few rows of a statement, which looks each of them up, if it really does; else NULL.  While the target
 * is small the planner prefers to read all of it, and the plan would stay like that while it grows.
 */
static SPIPlanPtr
plan_to_look_up(EtlRun *run, EtlPlans *plans)
{
	SPIPlanPtr plan = plan_for(plans, &run->emitted, 1, run->pipeline->batch_size);

	run->taking = plans;
	if (plan_is(plan, stmt_looks_up))
		return plan;
	run->target_is_small = true;
	plans->point = NULL;
	SPI_freeplan(plan);
	return NULL;
}

/* The plan that takes the chunk to the target, of the statement that suits it best. */
static SPIPlanPtr
choose_plan(EtlRun *run)
{
	bool insert = run->all_new && !run->conflicts;
	SPIPlanPtr plan = NULL;

	if (insert || run->target_is_small)
		;
	else if (run->mostly_unchanged)
		plan = plan_to_look_up(run, &run->refresh);
	else if (run->merge.text != NULL && !run->no_merge)
		plan = plan_to_look_up(run, &run->merge);
	if (plan != NULL)
		return plan;
	run->taking = insert ? &run->insert : &run->load;
	return plan_for(run->taking, &run->emitted, run->ntuples, run->pipeline->batch_size);
}

/* Takes the chunk to the target. */
static void
load_chunk(EtlRun *run, EtlLoadOutcome *outcome)
{
	const EtlStatements *s = run->statements;
	MemoryContext old = CurrentMemoryContext;
	SPIPlanPtr plan;
	bool twice, returns;
	Receiver receiver;
	uint64 n;

	if (run->ntuples == 0)
		return;
	EtlReportStage(ETL_STAGE_LOADING, run->ntuples);
	twice = EtlOrderChunk(run) && s->updates;
	run->loading = true;
	run->emitted.tuples = run->tuples;
	run->emitted.end = run->ntuples;
	run->emitted.pulled = -1;
	run->emitted.left_out = NULL;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (run->dedup || twice)
		find_superseded(run, outcome);
	EtlLeaveOutVoid(run, outcome);
	set_up_receiver(&receiver, receive_inserted, run, outcome);
	plan = choose_plan(run);
	run->emitted.counted = 0;
	returns = s->tells_inserted && (run->taking == &run->load || run->taking == &run->refresh);
	n = execute_plan(plan, returns ? &receiver.dest : None_Receiver);
	outcome->loaded += n;
	if (run->taking == &run->insert || !s->updates)
		outcome->inserted += n;
	else if (run->taking == &run->merge)
		outcome->inserted += run->emitted.counted;
	SPI_finish();
	MemoryContextSwitchTo(old);
	run->emitted.end = 0;
	run->nloaded = run->ntuples;
	run->ntuples = 0;
	run->loading = false;
}

/* ----------------------------------------------------------------
 *	The query
 * ---------------------------------------------------------------- */

/* A row that the query gave, as JSON. */
static char *
row_as_json(const EtlRun *run, TupleTableSlot *slot)
{
	TupleDesc desc = BlessTupleDesc(run->statements->emitted);
	HeapTuple tuple = heap_form_tuple(desc, slot->tts_values, slot->tts_isnull);

	return TextDatumGetCString(DirectFunctionCall1(row_to_json, HeapTupleGetDatum(tuple)));
}

static void
reject_row(EtlRun *run, TupleTableSlot *slot, int record, const char *rule, const char *message,
		   EtlLoadOutcome *outcome)
{
	EtlReject *reject;
	MemoryContext old;

	if (run->spool == NULL && (record < 0 || record == run->split_record))
		ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION), errmsg_internal("%s", message)));
	old = MemoryContextSwitchTo(run->batch.loading);
	reject = palloc0(sizeof(EtlReject));
	reject->record = record;
	if (run->spool != NULL)
		reject->row = row_as_json(run, slot);
	reject->stage = ETL_FAILED_RULE;
	reject->rule = rule;
	reject->sqlstate = ERRCODE_CHECK_VIOLATION;
	reject->message = reject->safe_message = pstrdup(message);
	EtlAddReject(run, reject);
	MemoryContextSwitchTo(old);
	outcome->invalid++;
	if (run->spool != NULL)
		EtlCheckRejectLimit(run, run->rejected + outcome->invalid, reject);
}

/* Holds a row that the query gave against rules, key and watermark; false if it is rejected. */
static bool
check_row(EtlRun *run, TupleTableSlot *slot, int record, EtlLoadOutcome *outcome)
{
	const EtlStatements *s = run->statements;
	int n = s->emitted->natts;
	ListCell *lc;

	foreach (lc, run->pipeline->rules_list)
	{
		const EtlRule *rule = lfirst(lc);
		int i = n + foreach_current_index(lc);

		if (slot->tts_isnull[i] || DatumGetBool(slot->tts_values[i]))
			continue;
		reject_row(run, slot, record, rule->name,
				   psprintf("the row does not fulfil rule \"%s\"", rule->name), outcome);
		return false;
	}
	for (int i = 0; i < s->nkeys && run->pipeline->mode == ETL_MODE_UPSERT && !s->key_takes_null;
		 i++)
	{
		if (!slot->tts_isnull[s->keys[i]])
			continue;
		reject_row(run, slot, record, "key",
				   psprintf("null value in key column \"%s\"",
							NameStr(TupleDescAttr(s->emitted, s->keys[i])->attname)),
				   outcome);
		return false;
	}
	if (s->watermark < 0 || slot->tts_isnull[s->watermark])
		return true;
	if (EtlBeyondMax(run, slot->tts_values[s->watermark]))
	{
		reject_row(run, slot, record, "watermark_max",
				   psprintf("watermark \"%s\" is beyond watermark_max", run->pipeline->watermark),
				   outcome);
		return false;
	}
	EtlRaiseWatermark(run, &outcome->has_watermark, &outcome->watermark,
					  slot->tts_values[s->watermark], run->batch.loading);
	return true;
}

static void
grow_chunk(EtlRun *run)
{
	run->max_tuples = Max(1024, run->max_tuples * 2);
	run->tuples = repalloc_huge(run->tuples, sizeof(MinimalTuple) * run->max_tuples);
	run->tuple_records = repalloc_huge(run->tuple_records, sizeof(int) * run->max_tuples);
	run->superseded = repalloc_huge(run->superseded, sizeof(bool) * run->max_tuples);
}

/* The record that the row in hand is of; -1: one of several. */
static int
current_record(const EtlRun *run)
{
	const EtlWindow *w = &run->converted;

	if (run->spool != NULL)
		return -1;
	if (w->end - w->begin == 1)
		return run->batch.record_of[w->begin];
	if (!run->query_streams || w->pulled < 0)
		return -1;
	return run->batch.record_of[w->pulled];
}

/*
 * A saved plan is made anew when what it refers to has changed, and "*" or a column of another table may then
 * be something else than what the load was made for.
 */
static void
check_result(DestReceiver *self, int operation, TupleDesc desc)
{
	const EtlRun *run = ((Receiver *) self)->run;
	TupleDesc emitted = run->statements->emitted;
	bool same = desc->natts == emitted->natts + list_length(run->pipeline->rules_list);

	for (int i = 0; same && i < desc->natts; i++)
		same = TupleDescAttr(desc, i)->atttypid ==
			   (i < emitted->natts ? TupleDescAttr(emitted, i)->atttypid : BOOLOID);
	if (!same)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the columns of the query have changed during the run"),
						errdetail("Something that the query refers to was altered."),
						errhint("Run the pipeline again.")));
}

/*
 * A record is loaded with all rows that the query makes of it, or not at all: what is loaded would be there twice
 * when its dead letter is.
 */
static void
leave_out_record(EtlRun *run, int record, EtlLoadOutcome *outcome)
{
	run->rejected_record = record;
	while (record >= 0 && run->ntuples > 0 && run->tuple_records[run->ntuples - 1] == record)
	{
		run->ntuples--;
		outcome->invalid++;
	}
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	Receiver *receiver = (Receiver *) self;
	EtlRun *run = receiver->run;
	int record = current_record(run);
	MemoryContext old;

	slot_getallattrs(slot);
	receiver->outcome->emitted++;
	if (record >= 0 && record == run->rejected_record)
	{
		receiver->outcome->invalid++;
		return true;
	}
	if (!check_row(run, slot, record, receiver->outcome))
	{
		leave_out_record(run, record, receiver->outcome);
		return true;
	}
	if (run->ntuples == run->max_tuples)
		grow_chunk(run);
	old = MemoryContextSwitchTo(run->chunk);
	run->tuple_records[run->ntuples] = record;
	run->tuples[run->ntuples++] =
		EtlFormMinimalTuple(run->statements->emitted, slot->tts_values, slot->tts_isnull);
	MemoryContextSwitchTo(old);
	if (run->ntuples % 1024 == 0 &&
		(run->ntuples >= run->pipeline->batch_size + 1024 ||
		 MemoryContextMemAllocated(run->chunk, false) >= MAX_CHUNK_BYTES))
	{
		run->split_record = record;
		load_chunk(run, receiver->outcome);
		MemoryContextReset(run->chunk);
		run->nloaded = 0;
		EtlReportStage(ETL_STAGE_QUERYING, receiver->nrows);
	}
	return true;
}

/* What is deferred to the end of the transaction is checked now, while it is known whose fault it is. */
static void
check_deferred(void)
{
	ConstraintsSetStmt *stmt = makeNode(ConstraintsSetStmt);

	AfterTriggerSetState(stmt);
}

static void
start_attempt(EtlRun *run, EtlLoadOutcome *outcome)
{
	memset(outcome, 0, sizeof(*outcome));
	/* The rows of an attempt that failed are not there for the query of this one. */
	run->emitted.end = 0;
	MemoryContextReset(run->chunk);
	run->ntuples = run->nloaded = 0;
	run->came = NIL;
	run->loading = false;
	run->converted.pulled = -1;
	run->rejected_record = run->split_record = -1;
}

/* The query over "nrows" rows of the window, and what it gives into the target. */
static void
load_window(EtlRun *run, int64 nrows, int64 usual, EtlLoadOutcome *outcome)
{
	Receiver receiver;
	SPIPlanPtr plan;

	EtlReportStage(ETL_STAGE_QUERYING, nrows);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = plan_for(&run->transform, &run->converted, nrows, usual);
	run->query_streams = plan_is(plan, stmt_streams);
	set_up_receiver(&receiver, receive_row, run, outcome);
	receiver.nrows = nrows;
	receiver.dest.rStartup = check_result;
	(void) execute_plan(plan, &receiver.dest);
	SPI_finish();
	load_chunk(run, outcome);
	check_deferred();
}

void
EtlAttempt(EtlRun *run, int begin, int end, EtlLoadOutcome *outcome)
{
	EtlWindow *w = &run->converted;

	start_attempt(run, outcome);
	w->values = run->batch.values;
	w->isnull = run->batch.isnull;
	w->begin = run->batch.row_of[begin];
	w->end = run->batch.row_of[end];
	if (w->begin < w->end)
		load_window(run, w->end - w->begin, run->pipeline->batch_size, outcome);
	EtlCame(run);
	MemoryContextReset(run->chunk);
	run->nloaded = 0;
}

/* A query that sees all there is may say something about nothing, so it is run then, too. */
void
EtlAttemptWhole(EtlRun *run, EtlLoadOutcome *outcome)
{
	int64 nrows = run->spool->counters.converted;

	start_attempt(run, outcome);
	run->converted.store = run->spool->rows;
	load_window(run, nrows, nrows, outcome);
	run->converted.store = NULL;
}

int
EtlSuspect(const EtlRun *run)
{
	const EtlWindow *w = &run->converted;

	if (run->loading)
		return run->emitted.pulled >= 0 ? run->tuple_records[run->emitted.pulled] : -1;
	return w->pulled >= w->begin && w->pulled < w->end ? run->batch.record_of[w->pulled] : -1;
}

bool
EtlLiesInRow(const EtlRun *run, const ErrorData *error)
{
	const EtlWindow *w = run->loading ? &run->emitted : &run->converted;

	return !run->fatal && EtlIsRowFault(error->sqlerrcode) && w->pulled >= 0;
}

/*
 * ON CONFLICT costs half as much again as a plain INSERT, so while all keys are new it is left out, until one is
 * there already.  So is it for MERGE, which costs less, too, until somebody else has just inserted a key.  Keys
 * that become the same only in the target make us look for the last row of each beforehand.
 */
bool
EtlTakeOtherStatement(EtlRun *run, const ErrorData *error)
{
	bool *flag = run->taking == &run->insert  ? &run->conflicts
				 : run->taking == &run->merge ? &run->no_merge
											  : NULL;

	if (error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION && run->loading && flag != NULL)
		return *flag = true;
	if (error->sqlerrcode == ERRCODE_CARDINALITY_VIOLATION && !run->dedup &&
		run->statements->winners != NULL)
		return run->dedup = true;
	return false;
}

void
EtlLoadInit(EtlRun *run)
{
	const EtlStatements *s = run->statements;

	if (s->updates && !s->tells_inserted)
		run->counters.inserted = run->counters.updated = -1;
	run->converted.desc = s->batch;
	run->emitted.desc = s->emitted;
	EtlBatchWindow = &run->converted;
	EtlEmittedWindow = &run->emitted;
	EtlOrderInit(run);
	run->transform.text = s->transform;
	run->load.text = s->load;
	run->insert.text = s->insert;
	run->refresh.text = s->refresh;
	run->merge.text = s->merge;
	run->winners.text = s->winners;
	run->chunk = AllocSetContextCreate(run->context, "etl chunk", ALLOCSET_DEFAULT_SIZES);
	run->tuples = MemoryContextAlloc(run->context, sizeof(MinimalTuple));
	run->tuple_records = MemoryContextAlloc(run->context, sizeof(int));
	run->superseded = MemoryContextAlloc(run->context, sizeof(bool));
}
