/*
 * within.c
 *		Rows of a further target that belong to one record, and that their record has no more (delete_within).
 *
 *		records of the batch, by the key of the first target	-> the rows of the target that belong to them
 *		keys of the rows that the query gave					-> less those with one of them: DELETE
 *
 * A record says all that belongs to it, so the last record of a key counts.  Where a key comes twice in a batch, what is
 * before the second record is loaded first.  With a watermark, a record than which the first target has a newer row is
 * stale: nothing that belongs to it is loaded or deleted.  So is one whose row was superseded while it was a dead letter.  A
 * record that lacks a column which the query of the target reads may only not say what belongs to it: nothing is deleted.
 */
#include "etl.h"

#include "catalog/pg_collation.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "pipeline/run/within.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

/* ----------------------------------------------------------------
 *	Records of one key
 * ---------------------------------------------------------------- */

void
EtlParentsOpen(EtlParents *parents, const EtlConverted *converted)
{
	const EtlStatements *s = converted->reading->run->statements;

	parents->converted = converted;
	parents->n = s->nkeys;
	parents->columns = palloc(sizeof(int) * s->nkeys);
	parents->by = palloc0(sizeof(SortSupportData) * s->nkeys);
	for (int k = 0; k < s->nkeys; k++)
	{
		Form_pg_attribute attr = TupleDescAttr(s->emitted, s->keys[k]);
		SortSupport by = &parents->by[k];

		parents->columns[k] = s->passed[s->keys[k]];
		by->ssup_cxt = CurrentMemoryContext;
		by->ssup_collation = OidIsValid(attr->attcollation) ? C_COLLATION_OID : InvalidOid;
		PrepareSortSupportFromOrderingOp(
			lookup_type_cache(attr->atttypid, TYPECACHE_LT_OPR)->lt_opr, by);
	}
}

void
EtlParentsStartBatch(EtlParents *parents)
{
	parents->previous = NULL;
}

static int
compare_parents(const EtlParents *parents, int a, int b)
{
	const EtlConverted *c = parents->converted;
	int natts = c->reading->run->statements->rows->natts;
	size_t x = (size_t) a * natts;
	size_t y = (size_t) b * natts;
	int result = 0;

	for (int k = 0; k < parents->n && result == 0; k++)
	{
		int column = parents->columns[k];

		result = ApplySortComparator(c->values[x + column], c->isnull[x + column],
									 c->values[y + column], c->isnull[y + column], &parents->by[k]);
	}
	return result;
}

static int
compare_rows(const void *a, const void *b, void *arg)
{
	int x = *(const int *) a;
	int y = *(const int *) b;
	int result = compare_parents(arg, x, y);

	return result != 0 ? result : x < y ? -1 : 1;
}

static void
find_previous(EtlParents *parents)
{
	MemoryContext context = parents->converted->reading->batch.loading;
	int n = parents->converted->n;
	int *order = MemoryContextAlloc(context, sizeof(int) * (n + 1));

	parents->previous = MemoryContextAlloc(context, sizeof(int) * (n + 1));
	for (int i = 0; i < n; i++)
		order[i] = i;
	qsort_arg(order, n, sizeof(int), compare_rows, parents);
	for (int i = 0; i < n; i++)
		parents->previous[order[i]] =
			i > 0 && compare_parents(parents, order[i - 1], order[i]) == 0 ? order[i - 1] : -1;
	pfree(order);
}

int
EtlParentsDistinct(EtlParents *parents, int begin, int end)
{
	const EtlConverted *c = parents->converted;

	if (parents->n == 0)
		return end;
	if (parents->previous == NULL)
		find_previous(parents);
	for (int i = c->row_of[begin]; i < c->row_of[end]; i++)
		if (parents->previous[i] >= c->row_of[begin])
			return c->record_of[i];
	return end;
}

/* ----------------------------------------------------------------
 *	Records that are stale
 * ---------------------------------------------------------------- */

static void
add_stale(EtlWithin *within, int row)
{
	MemoryContext old = MemoryContextSwitchTo(within->context);

	within->stale_rows = bms_add_member(within->stale_rows, row);
	within->stale_records =
		bms_add_member(within->stale_records, within->converted->record_of[row]);
	MemoryContextSwitchTo(old);
}

typedef struct Receiver
{
	DestReceiver dest;
	EtlWithin *within;
} Receiver;

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
receiver_done(DestReceiver *self)
{
}

/* The number of a row of the slice, from 1. */
static bool
receive_stale(TupleTableSlot *slot, DestReceiver *self)
{
	EtlWithin *within = ((Receiver *) self)->within;
	bool isnull;

	add_stale(within,
			  within->batch->begin + (int) DatumGetInt64(slot_getattr(slot, 1, &isnull)) - 1);
	return true;
}

/* Rows of the first target that have waited for others, while later ones of their keys came. */
static void
add_superseded(EtlWithin *within)
{
	const EtlChunk *chunk = within->first;

	for (int i = 0; i < chunk->loaded; i++)
		if (chunk->superseded[i] && chunk->records[i] >= 0)
			add_stale(within, within->converted->row_of[chunk->records[i]]);
}

static void
find_older(EtlWithin *within)
{
	Receiver receiver = {.within = within};
	int n = within->batch->end - within->batch->begin;

	receiver.dest.receiveSlot = receive_stale;
	receiver.dest.rStartup = receiver_startup;
	receiver.dest.rShutdown = receiver.dest.rDestroy = receiver_done;
	receiver.dest.mydest = DestNone;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	(void) EtlPlanExecute(
		EtlPlanFor(&within->stale, within->batch, n, within->run->pipeline->batch_size),
		&receiver.dest);
	SPI_finish();
}

const Bitmapset *
EtlWithinStale(EtlWithin *within)
{
	if (within->looked)
		return within->stale_records;
	add_superseded(within);
	if (within->stale.text != NULL)
		find_older(within);
	within->looked = true;
	return within->stale_records;
}

/* ----------------------------------------------------------------
 *	What they have no more
 * ---------------------------------------------------------------- */

void
EtlWithinBegin(EtlWithin *within)
{
	MemoryContext old;

	if (within->remove.text == NULL)
		return;
	/* the files of an attempt that failed went with its transaction */
	MemoryContextReset(within->context);
	old = MemoryContextSwitchTo(within->context);
	within->keys.store = tuplestore_begin_heap(true, false, work_mem);
	tuplestore_set_eflags(within->keys.store, EXEC_FLAG_REWIND);
	within->keys.nreaders = 1; /* that a tuplestore begins with */
	within->keys.taken = palloc0(sizeof(bool));
	within->stale_rows = within->stale_records = NULL;
	within->looked = false;
	within->nkeys = 0;
	MemoryContextSwitchTo(old);
}

void
EtlWithinAdd(EtlWithin *within, const EtlChunk *chunk)
{
	int n = within->run->statements->nkeys;
	Datum values[INDEX_MAX_KEYS];
	bool isnull[INDEX_MAX_KEYS];
	MemoryContext old = MemoryContextSwitchTo(within->context);

	for (int i = 0; i < chunk->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int k = 0; k < n; k++)
			values[k] = EtlChunkKey(chunk, i, k, &isnull[k]);
		tuplestore_putvalues(within->keys.store, within->keys.desc, values, isnull);
	}
	within->nkeys += chunk->n;
	MemoryContextSwitchTo(old);
}

/* Whether the record of a row lacks a column that the query reads. */
static bool
lacks_any(const EtlWithin *within, int row)
{
	const EtlStatements *s = within->converted->reading->run->statements;
	int n = s->batch->natts;
	size_t place = (size_t) row * s->rows->natts + n;

	if (s->rows->natts == n || within->converted->isnull[place])
		return false;
	for (int i = 0; i < n; i++)
		if (within->reads[i] && EtlLacks(DatumGetByteaPP(within->converted->values[place]), i))
			return true;
	return false;
}

/* The rows of the batch whose records delete nothing, by their numbers. */
static bool *
left_out(const EtlWithin *within, const Bitmapset *rejected)
{
	const EtlSlice *batch = within->batch;
	bool *out = MemoryContextAlloc(within->context, batch->end);

	for (int i = batch->begin; i < batch->end; i++)
		out[i] = bms_is_member(i, within->stale_rows) ||
				 bms_is_member(within->converted->record_of[i], rejected) || lacks_any(within, i);
	return out;
}

int64
EtlWithinRun(EtlWithin *within, const Bitmapset *rejected)
{
	EtlSlice *emitted = EtlEmittedSlice;
	int64 nrows = Max(within->nkeys, within->batch->end - within->batch->begin);
	volatile int64 deleted = 0;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	EtlEmittedSlice = &within->keys;
	within->batch->left_out = left_out(within, rejected);
	PG_TRY();
	{
		deleted = (int64) EtlPlanExecute(
			EtlPlanFor(&within->remove, &within->keys, nrows, within->run->pipeline->batch_size),
			None_Receiver);
	}
	PG_FINALLY();
	{
		EtlEmittedSlice = emitted;
		within->batch->left_out = NULL;
	}
	PG_END_TRY();
	SPI_finish();
	tuplestore_end(within->keys.store);
	return deleted;
}

void
EtlWithinOpen(EtlWithin *within, const EtlRun *run, const EtlConverted *converted,
			  const EtlChunk *first, EtlSlice *batch)
{
	within->first = first;
	within->run = run;
	within->converted = converted;
	within->batch = batch;
	within->remove.text = run->statements->delete_within;
	within->stale.text = run->statements->stale;
	within->keys.desc = run->statements->key_desc;
	within->reads =
		MemoryContextAllocZero(run->context, sizeof(bool) * (run->statements->batch->natts + 1));
	within->context = AllocSetContextCreate(run->context, "etl within", ALLOCSET_DEFAULT_SIZES);
}
