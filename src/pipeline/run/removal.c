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
 * An upsert with "deletes" does the same in a transaction of its own, when all batches are committed.  Its keys outlast these
 * transactions, and no more: a run that dies has forgotten them, and the next one reads all of the source again.
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

/* Rows that the target had before, of those that may be deleted.  Between SPI_connect and SPI_finish. */
static int64
count_before(EtlRemoval *removal)
{
	SPIPlanPtr plan;
	bool isnull;

	if (removal->before == NULL)
		return removal->nbefore;
	plan = EtlPlanFor(&removal->count, &removal->keys, 1, 1);
	if (SPI_execute_snapshot(plan, NULL, NULL, removal->before, InvalidSnapshot, true, false, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not count the rows of the target");
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/* In the context of the keys. */
static void
create_keys(EtlRemoval *removal, bool outlasts)
{
	removal->keys.places = EtlPlacesCreate();
	removal->keys.store = tuplestore_begin_heap(true, outlasts, work_mem);
	tuplestore_set_eflags(removal->keys.store, EXEC_FLAG_REWIND);
	removal->keys.nreaders = 1; /* that a tuplestore begins with */
	removal->keys.taken = palloc0(sizeof(bool));
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
	removal->under_way = true;
	removal->ngiven = removal->ncleared = 0;
	removal->cleared = false;
	/* the files of an attempt that failed went with its transaction */
	MemoryContextReset(removal->context);
	if (removal->remove.text == NULL)
		return;
	old = MemoryContextSwitchTo(removal->context);
	create_keys(removal, false);
	*places = removal->keys.places;
	add_rejected(removal, rejected);
	MemoryContextSwitchTo(old);
}

void
EtlRemovalBeginScan(EtlRemoval *removal, EtlPlaces **places)
{
	MemoryContext old = MemoryContextSwitchTo(removal->context);
	ResourceOwner transaction = CurrentResourceOwner;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	removal->before = GetTransactionSnapshot();
	removal->nbefore = count_before(removal);
	removal->before = NULL;
	SPI_finish();
	removal->under_way = true;
	removal->owner = ResourceOwnerCreate(NULL, "etl keys of a scan");
	CurrentResourceOwner = removal->owner;
	create_keys(removal, true);
	CurrentResourceOwner = transaction;
	*places = removal->keys.places;
	MemoryContextSwitchTo(old);
}

void
EtlRemovalKeep(EtlRemoval *removal, Datum *key, bool *null)
{
	MemoryContext old = MemoryContextSwitchTo(removal->context);

	tuplestore_putvalues(removal->keys.store, removal->keys.desc, key, null);
	MemoryContextSwitchTo(old);
}

void
EtlRemovalDoubt(EtlRemoval *removal)
{
	removal->ndoubts++;
}

void
EtlRemovalAdd(EtlRemoval *removal, const Datum *values, const bool *isnull)
{
	const EtlStatements *s = removal->run->statements;
	Datum key[INDEX_MAX_KEYS];
	bool null[INDEX_MAX_KEYS];

	if (!removal->under_way)
		return;
	removal->ngiven++;
	if (removal->remove.text == NULL)
		return;
	for (int k = 0; k < s->nkeys; k++)
	{
		key[k] = values[s->keys[k]];
		null[k] = isnull[s->keys[k]];
	}
	EtlRemovalKeep(removal, key, null);
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
			 errdetail("The target is not emptied, since the source may be empty by mistake."),
			 errhint("If it is meant to be empty, delete the rows of %s.",
					 removal->run->pipeline->target)));
}

static void
check_doubts(const EtlRemoval *removal)
{
	const char *message = "it is not known which rows the source has no more";

	if (removal->ndoubts == 0)
		return;
	end_run(removal->run, message);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg_internal("%s", message),
			 errdetail("Of %lld dead letters the key is not known, so they may be any rows.",
					   (long long) removal->ndoubts),
			 errhint("Correct these records in the source, or leave them out in the query.")));
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
		 errmsg("the run would %s %lld of the %lld rows of %s",
				removal->run->statements->valid_to != NULL ? "close"
				: removal->unmark.text != NULL			   ? "mark"
														   : "delete",
				(long long) lost, (long long) before, removal->run->pipeline->target),
		 errdetail("That is more than delete_limit allows: %s.",
				   removal->run->pipeline->delete_limit),
		 errhint("If these rows are gone from the source by right, set a higher delete_limit for "
				 "this run; '100%%' is none.")));
}

/* A statement over the keys.  Between SPI_connect and SPI_finish. */
static int64
execute_over_keys(EtlRemoval *removal, EtlPlans *plans)
{
	EtlSlice *emitted = EtlEmittedSlice;
	volatile int64 n = 0;

	EtlEmittedSlice = &removal->keys;
	PG_TRY();
	{
		n = (int64) EtlPlanExecute(
			EtlPlanFor(plans, &removal->keys, removal->ngiven, removal->ngiven), None_Receiver);
	}
	PG_FINALLY();
	{
		EtlEmittedSlice = emitted;
	}
	PG_END_TRY();
	return n;
}

void
EtlRemovalUnmark(EtlRemoval *removal)
{
	if (removal->unmark.text == NULL)
		return;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	(void) execute_over_keys(removal, &removal->unmark);
	SPI_finish();
}

int64
EtlRemovalRun(EtlRemoval *removal, int64 loaded)
{
	int64 removed = removal->ncleared;

	if (!removal->under_way)
		return 0;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	check_not_empty(removal);
	check_doubts(removal);
	if (removal->remove.text != NULL)
		removed = execute_over_keys(removal, &removal->remove);
	check_limit(removal, removal->cleared ? removed - loaded : removed);
	SPI_finish();
	if (removal->before != NULL)
		UnregisterSnapshot(removal->before);
	return removed;
}

void
EtlRemovalEndScan(EtlRemoval *removal)
{
	tuplestore_end(removal->keys.store);
	ResourceOwnerDelete(removal->owner);
	removal->under_way = false;
}

void
EtlRemovalOpen(EtlRemoval *removal, EtlRun *run)
{
	removal->run = run;
	removal->remove.text = run->statements->remove;
	removal->unmark.text = run->statements->unmark;
	removal->count.text = run->statements->count;
	removal->keys.desc = run->statements->key_desc;
	removal->keys.instant = run->instant;
	removal->context = AllocSetContextCreate(run->context, "etl removal", ALLOCSET_DEFAULT_SIZES);
}
