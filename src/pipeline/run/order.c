/*
 * order.c
 *		The rows of a chunk in the order of their keys.
 *
 * Two runs, or a run and a user, who touch the same rows in the same order wait for each other and do not deadlock;
 * neighbours in the index are touched together; and a key that comes twice shows.  The order need not
 * be that of the index, so texts are compared as bytes.
 */
#include "etl.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "pipeline/run/engine.h"
#include "utils/sortsupport.h"

typedef struct EtlKeys
{
	int n; /* of a row */
	SortSupport by;
	Datum *values; /* [n] of each row */
	bool *isnull;
	const int *order; /* [rows] where they were before */
} EtlKeys;

static int
compare(const EtlKeys *keys, int a, int b)
{
	int result = 0;

	for (int k = 0; k < keys->n && result == 0; k++)
		result = ApplySortComparator(keys->values[a * keys->n + k], keys->isnull[a * keys->n + k],
									 keys->values[b * keys->n + k], keys->isnull[b * keys->n + k],
									 &keys->by[k]);
	return result;
}

/* Of equal rows the one that came first is first. */
static int
compare_rows(const void *a, const void *b, void *arg)
{
	int x = *(const int *) a;
	int y = *(const int *) b;
	int result = compare(arg, x, y);

	return result != 0 ? result : x < y ? -1 : 1;
}

/* The keys of the chunk's rows, in the chunk's memory. */
static void
get_keys(const EtlRun *run, EtlKeys *keys)
{
	const EtlStatements *s = run->statements;
	size_t n = (size_t) run->ntuples * s->nkeys;

	keys->n = s->nkeys;
	keys->by = run->key_order;
	keys->values = MemoryContextAllocHuge(run->chunk, sizeof(Datum) * n);
	keys->isnull = MemoryContextAllocHuge(run->chunk, sizeof(bool) * n);
	for (int i = 0; i < run->ntuples; i++)
	{
		HeapTupleData tuple;

		tuple.t_len = run->tuples[i]->t_len + MINIMAL_TUPLE_OFFSET;
		tuple.t_data = (HeapTupleHeader) ((char *) run->tuples[i] - MINIMAL_TUPLE_OFFSET);
		for (int k = 0; k < s->nkeys; k++)
			keys->values[i * s->nkeys + k] =
				heap_getattr(&tuple, s->keys[k] + 1, s->emitted, &keys->isnull[i * s->nkeys + k]);
	}
}

/* Puts the rows into an order. */
static void
rearrange(EtlRun *run, const int *order)
{
	MinimalTuple *tuples = MemoryContextAlloc(run->chunk, sizeof(MinimalTuple) * run->ntuples);
	int *records = MemoryContextAlloc(run->chunk, sizeof(int) * run->ntuples);

	memcpy(tuples, run->tuples, sizeof(MinimalTuple) * run->ntuples);
	memcpy(records, run->tuple_records, sizeof(int) * run->ntuples);
	for (int i = 0; i < run->ntuples; i++)
	{
		run->tuples[i] = tuples[order[i]];
		run->tuple_records[i] = records[order[i]];
	}
}

/* The first row whose key is not less than one, or that is greater. */
static int
bound(const EtlRun *run, const Datum *values, const bool *isnull, bool greater)
{
	const EtlKeys *keys = run->chunk_keys;
	int low = 0;
	int high = run->ntuples;

	while (low < high)
	{
		int middle = (low + high) / 2;
		size_t at = (size_t) keys->order[middle] * keys->n;
		int result = 0;

		for (int k = 0; k < keys->n && result == 0; k++)
			result = ApplySortComparator(keys->values[at + k], keys->isnull[at + k], values[k],
										 isnull[k], &keys->by[k]);
		if (result < 0 || (greater && result == 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int
EtlFindKey(const EtlRun *run, const Datum *values, const bool *isnull, int *end)
{
	int begin = bound(run, values, isnull, false);

	*end = bound(run, values, isnull, true);
	return begin;
}

bool
EtlOrderChunk(EtlRun *run)
{
	EtlKeys *keys;
	int *order;
	bool ordered = true;
	bool twice = false;

	if (run->key_order == NULL)
		return false;
	run->chunk_keys = keys = MemoryContextAlloc(run->chunk, sizeof(EtlKeys));
	get_keys(run, keys);
	keys->order = order = MemoryContextAlloc(run->chunk, sizeof(int) * run->ntuples);
	for (int i = 0; i < run->ntuples; i++)
	{
		order[i] = i;
		ordered &= i == 0 || compare(keys, i - 1, i) <= 0;
	}
	if (!ordered)
	{
		qsort_arg(order, run->ntuples, sizeof(int), compare_rows, keys);
		rearrange(run, order);
	}
	for (int i = 1; i < run->ntuples && !twice; i++)
		twice = compare(keys, order[i - 1], order[i]) == 0;
	return twice;
}

void
EtlOrderInit(EtlRun *run)
{
	const EtlStatements *s = run->statements;

	if (!s->key_is_plain)
		return;
	run->key_order = MemoryContextAllocZero(run->context, sizeof(SortSupportData) * s->nkeys);
	for (int k = 0; k < s->nkeys; k++)
	{
		Form_pg_attribute attr = TupleDescAttr(s->emitted, s->keys[k]);
		SortSupport by = &run->key_order[k];

		by->ssup_cxt = run->context;
		by->ssup_collation = OidIsValid(attr->attcollation) ? C_COLLATION_OID : InvalidOid;
		PrepareSortSupportFromOrderingOp(
			lookup_type_cache(attr->atttypid, TYPECACHE_LT_OPR)->lt_opr, by);
	}
}
