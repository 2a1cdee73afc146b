/*
 * removal.c
 *		Rows of the target that a source, of which all was read, has no more.
 *
 *		keys of the rows that the query gave		-> keys		-> DELETE of the rows with none of them
 *		keys of records that are dead letters
 *
 * The keys are kept as values of their types, in a tuplestore of the attempt, so that the DELETE is held against exactly what
 * the same transaction has read and loaded.  A record that is faulty is not gone: its row stays as it is.
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

#define NEGLIGIBLE_ROWS 10 /* against fewer, delete_limit is not held */

/* Nothing is deleted, whatever else is wrong; no value is in these messages. */
static void
end_run(EtlRun *run, const char *message)
{
	run->fatal = true;
	run->fatal_reason = MemoryContextStrdup(run->context, message);
}

static int64
count_target(const EtlRemoval *removal)
{
	bool isnull;
	int64 n;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(removal->run->statements->count, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count the rows of the target");
	n = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return n;
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
EtlRemovalBegin(EtlRemoval *removal, Tuplestorestate *rejected)
{
	MemoryContext old;

	if (removal->remove.text == NULL)
		return;
	removal->before = count_target(removal);
	removal->nkeys = 0;
	/* the files of an attempt that failed went with its transaction */
	MemoryContextReset(removal->context);
	old = MemoryContextSwitchTo(removal->context);
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

	if (removal->remove.text == NULL)
		return;
	for (int k = 0; k < s->nkeys; k++)
	{
		key[k] = values[s->keys[k]];
		null[k] = isnull[s->keys[k]];
	}
	old = MemoryContextSwitchTo(removal->context);
	tuplestore_putvalues(removal->keys.store, removal->keys.desc, key, null);
	removal->nkeys++;
	MemoryContextSwitchTo(old);
}

static void
check_not_empty(const EtlRemoval *removal)
{
	const char *message = "the query gave no row, and the target has some";

	if (removal->nkeys > 0 || removal->before == 0)
		return;
	end_run(removal->run, message);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg_internal("%s", message),
			 errdetail(
				 "A replace does not empty its target, since the source may be empty by mistake."),
			 errhint("If it is meant to be empty, delete the rows of %s.",
					 removal->run->pipeline->target)));
}

static void
check_limit(const EtlRemoval *removal, int64 deleted)
{
	const EtlStatements *s = removal->run->statements;

	if (deleted < NEGLIGIBLE_ROWS || (double) deleted <= s->delete_limit * (double) removal->before)
		return;
	end_run(removal->run, "the run would delete more rows than delete_limit allows");
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg("the run would delete %lld of the %lld rows of %s", (long long) deleted,
				(long long) removal->before, removal->run->pipeline->target),
		 errdetail("That is more than delete_limit allows: %s.",
				   removal->run->pipeline->delete_limit),
		 errhint("If these rows are gone from the source by right, set a higher delete_limit for "
				 "this run; '100%%' is none.")));
}

static int64
execute_removal(EtlRemoval *removal)
{
	EtlSlice *emitted = EtlEmittedSlice;
	int64 nrows = Max(removal->nkeys, removal->before);
	volatile int64 deleted = 0;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	EtlEmittedSlice = &removal->keys;
	PG_TRY();
	{
		deleted = (int64) EtlPlanExecute(
			EtlPlanFor(&removal->remove, &removal->keys, nrows, removal->nkeys), None_Receiver);
	}
	PG_FINALLY();
	{
		EtlEmittedSlice = emitted;
	}
	PG_END_TRY();
	SPI_finish();
	return deleted;
}

int64
EtlRemovalRun(EtlRemoval *removal)
{
	int64 deleted;

	if (removal->remove.text == NULL || removal->before == 0)
		return 0;
	check_not_empty(removal);
	deleted = execute_removal(removal);
	check_limit(removal, deleted);
	return deleted;
}

void
EtlRemovalOpen(EtlRemoval *removal, EtlRun *run)
{
	removal->run = run;
	removal->remove.text = run->statements->remove;
	removal->keys.desc = run->statements->key_desc;
	removal->context = AllocSetContextCreate(run->context, "etl removal", ALLOCSET_DEFAULT_SIZES);
}
