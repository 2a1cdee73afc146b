/*
 * removal.c
 *		Rows of the target that a source, of which all was read, has no more.
 *
 *		keys of the rows that the query gave		-> keys		-> DELETE of the rows with none of them
 *		keys of records that are dead letters
 *		places of rows that are as they were		-> places	-> ... but for these, which are not looked for
 *
 * The keys are kept as values of their types, in a tuplestore of the attempt, so that the DELETE is held against exactly what
 * the same transaction has read and loaded.  A record that is faulty is not gone: its row stays as it is.  Where all rows are
 * as they were, the DELETE reads the target once, and none of the keys.
 *
 * A row at a place that was noted may have been changed by another transaction meanwhile; then it is at a new place, and is
 * looked for by its key.
 *
 * Without a key all rows are deleted before the first one is loaded.
 *
 * A source that is empty by mistake must not empty the target, so there are limits to what is deleted.
 */
#include "etl.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "pipeline/run/removal.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define NEGLIGIBLE_ROWS 10 /* against fewer, delete_limit is not held */

/* Nothing is deleted, whatever else is wrong; no value is in these messages. */
static void
end_run(EtlRun *run, const char *message)
{
	run->fatal = true;
	run->fatal_reason = MemoryContextStrdup(run->context, message);
}

/* Rows that the target had before the attempt, of those that may be deleted.  Between SPI_connect and SPI_finish. */
static int64
count_before(EtlRemoval *removal)
{
	SPIPlanPtr plan = EtlPlanFor(&removal->count, &removal->keys, 1, 1);
	bool isnull;

	if (SPI_execute_snapshot(plan, NULL, NULL, removal->before, InvalidSnapshot, true, false, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not count the rows of the target");
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

static void
add_rejected(EtlRemoval *removal, Tuplestorestate *rejected)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(removal->keys.desc, &TTSOpsMinimalTuple);

	tuplestore_rescan(rejected);
	while (tuplestore_gettupleslot(rejected, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		tuplestore_puttupleslot(removal->keys.store, slot);
	}
	ExecDropSingleTupleTableSlot(slot);
}

void
EtlRemovalBegin(EtlRemoval *removal, Tuplestorestate *rejected, EtlPlaces **places)
{
	MemoryContext old;

	*places = NULL;
	if (removal->count.text == NULL)
		return;
	removal->before = RegisterSnapshot(GetTransactionSnapshot());
	removal->ngiven = removal->ncleared = 0;
	removal->cleared = false;
	/* the files of an attempt that failed went with its transaction */
	MemoryContextReset(removal->context);
	if (removal->remove.text == NULL)
		return;
	old = MemoryContextSwitchTo(removal->context);
	*places = removal->keys.places = EtlPlacesCreate();
	removal->keys.store = tuplestore_begin_heap(true, false, work_mem);
	tuplestore_set_eflags(removal->keys.store, EXEC_FLAG_REWIND);
	removal->keys.nreaders = 1; /* that a tuplestore begins with */
	removal->keys.taken = palloc0(sizeof(bool));
	add_rejected(removal, rejected);
	MemoryContextSwitchTo(old);
}

void
EtlRemovalAdd(EtlRemoval *removal, const Datum *values, const bool *isnull)
{
	const EtlStatements *s = removal->run->statements;
	Datum key[INDEX_MAX_KEYS];
	bool null[INDEX_MAX_KEYS];
	MemoryContext old;

	removal->ngiven++;
	if (removal->remove.text == NULL)
		return;
	for (int k = 0; k < s->nkeys; k++)
	{
		key[k] = values[s->keys[k]];
		null[k] = isnull[s->keys[k]];
	}
	old = MemoryContextSwitchTo(removal->context);
	tuplestore_putvalues(removal->keys.store, removal->keys.desc, key, null);
	MemoryContextSwitchTo(old);
}

/* The query is under way, and sees the target as it was. */
void
EtlRemovalMakeRoom(EtlRemoval *removal)
{
	const EtlRun *run = removal->run;

	if (run->statements->clear == NULL || removal->cleared)
		return;
	removal->cleared = true;
	if (run->pipeline->replace_by == ETL_REPLACE_TRUNCATE)
		removal->ncleared = count_before(removal);
	if (SPI_execute(run->statements->clear, false, 0) < 0)
		elog(ERROR, "could not delete the rows of the target");
	if (run->pipeline->replace_by == ETL_REPLACE_DELETE)
		removal->ncleared = (int64) SPI_processed;
}

static void
check_not_empty(EtlRemoval *removal)
{
	const char *message = "the query gave no row, and the target has some";

	if (removal->ngiven > 0 || count_before(removal) == 0)
		return;
	end_run(removal->run, message);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg_internal("%s", message),
			 errdetail(
				 "A replace does not empty its target, since the source may be empty by mistake."),
			 errhint("If it is meant to be empty, delete the rows of %s.",
					 removal->run->pipeline->target)));
}

/* "lost" are the rows that the target has had, and not any more. */
static void
check_limit(EtlRemoval *removal, int64 lost)
{
	const EtlStatements *s = removal->run->statements;
	int64 before;

	if (lost < NEGLIGIBLE_ROWS)
		return;
	before = removal->cleared ? removal->ncleared : count_before(removal);
	if ((double) lost <= s->delete_limit * (double) before)
		return;
	end_run(removal->run, "the run would delete more rows than delete_limit allows");
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg("the run would delete %lld of the %lld rows of %s", (long long) lost,
				(long long) before, removal->run->pipeline->target),
		 errdetail("That is more than delete_limit allows: %s.",
				   removal->run->pipeline->delete_limit),
		 errhint("If these rows are gone from the source by right, set a higher delete_limit for "
				 "this run; '100%%' is none.")));
}

/* Between SPI_connect and SPI_finish. */
static int64
remove_others(EtlRemoval *removal)
{
	EtlSlice *emitted = EtlEmittedSlice;
	volatile int64 deleted = 0;

	EtlEmittedSlice = &removal->keys;
	PG_TRY();
	{
		deleted = (int64) EtlPlanExecute(
			EtlPlanFor(&removal->remove, &removal->keys, removal->ngiven, removal->ngiven),
			None_Receiver);
	}
	PG_FINALLY();
	{
		EtlEmittedSlice = emitted;
	}
	PG_END_TRY();
	return deleted;
}

int64
EtlRemovalRun(EtlRemoval *removal, int64 loaded)
{
	int64 deleted = removal->ncleared;

	if (removal->count.text == NULL)
		return 0;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	check_not_empty(removal);
	if (removal->remove.text != NULL)
		deleted = remove_others(removal);
	check_limit(removal, removal->cleared ? deleted - loaded : deleted);
	SPI_finish();
	UnregisterSnapshot(removal->before);
	return deleted;
}

void
EtlRemovalOpen(EtlRemoval *removal, EtlRun *run)
{
	removal->run = run;
	removal->remove.text = run->statements->remove;
	removal->count.text = run->statements->count;
	removal->keys.desc = run->statements->key_desc;
	removal->context = AllocSetContextCreate(run->context, "etl removal", ALLOCSET_DEFAULT_SIZES);
}
