/*
 * chunk.c
 *		Rows that the query gave and that go to the target together, in the order of their keys.
 *
 * Two runs, or a run and a user, who touch the same rows in the same order wait for each other and do not deadlock;
 * neighbours in the index are touched together; and a key that comes twice shows.  The order need not
 * be that of the index, so texts are compared as bytes.
 */
#include "etl.h"

#include "catalog/pg_collation.h"
#include "pipeline/run/chunk.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

/* A row of the chunk, by the place that it had before, and a key. */
static int
compare_key(const EtlChunk *chunk, int row, const Datum *values, const bool *isnull)
{
	int n = chunk->statements->nkeys;
	size_t at = (size_t) row * n;
	int result = 0;

	for (int k = 0; k < n && result == 0; k++)
		result = ApplySortComparator(chunk->values[at + k], chunk->isnull[at + k], values[k],
									 isnull[k], &chunk->by[k]);
	return result;
}

static int
compare_places(const EtlChunk *chunk, int a, int b)
{
	size_t at = (size_t) b * chunk->statements->nkeys;

	return compare_key(chunk, a, chunk->values + at, chunk->isnull + at);
}

/* As rows of one key follow each other. */
static int
compare_in_order(const EtlChunk *chunk, int a, int b)
{
	int result = compare_places(chunk, a, b);

	if (result != 0 || chunk->by_version == NULL)
		return result;
	return ApplySortComparator(chunk->versions[a], false, chunk->versions[b], false,
							   chunk->by_version);
}

/* Of equal rows the one that came first is first. */
static int
compare_rows(const void *a, const void *b, void *arg)
{
	int x = *(const int *) a;
	int y = *(const int *) b;
	int result = compare_in_order(arg, x, y);

	return result != 0 ? result : x < y ? -1 : 1;
}

static void
get_keys(EtlChunk *chunk)
{
	int nkeys = chunk->statements->nkeys;
	size_t n = (size_t) chunk->n * nkeys;

	chunk->values = MemoryContextAllocHuge(chunk->context, sizeof(Datum) * n);
	chunk->isnull = MemoryContextAllocHuge(chunk->context, sizeof(bool) * n);
	for (int i = 0; i < chunk->n; i++)
		for (int k = 0; k < nkeys; k++)
			chunk->values[i * nkeys + k] = EtlChunkKey(chunk, i, k, &chunk->isnull[i * nkeys + k]);
	if (chunk->by_version == NULL)
		return;
	chunk->versions = MemoryContextAllocHuge(chunk->context, sizeof(Datum) * chunk->n);
	for (int i = 0; i < chunk->n; i++)
	{
		bool isnull;

		chunk->versions[i] = EtlChunkColumn(chunk, i, chunk->statements->watermark, &isnull);
		Assert(!isnull); /* else it is a dead letter */
	}
}

/* Puts the rows into the order. */
static void
rearrange(EtlChunk *chunk)
{
	MinimalTuple *tuples = MemoryContextAlloc(chunk->context, sizeof(MinimalTuple) * chunk->n);
	int *records = MemoryContextAlloc(chunk->context, sizeof(int) * chunk->n);
	bytea **lacks = MemoryContextAlloc(chunk->context, sizeof(bytea *) * chunk->n);
	bool *tombstones = MemoryContextAlloc(chunk->context, chunk->n);

	memcpy(lacks, chunk->lacks, sizeof(bytea *) * chunk->n);
	memcpy(tombstones, chunk->tombstones, chunk->n);
	memcpy(tuples, chunk->tuples, sizeof(MinimalTuple) * chunk->n);
	memcpy(records, chunk->records, sizeof(int) * chunk->n);
	for (int i = 0; i < chunk->n; i++)
	{
		chunk->tuples[i] = tuples[chunk->order[i]];
		chunk->records[i] = records[chunk->order[i]];
		chunk->lacks[i] = lacks[chunk->order[i]];
		chunk->tombstones[i] = tombstones[chunk->order[i]];
	}
}

bool
EtlChunkSort(EtlChunk *chunk)
{
	bool ordered = true;
	bool twice = false;

	if (chunk->by == NULL)
		return false;
	get_keys(chunk);
	chunk->order = MemoryContextAlloc(chunk->context, sizeof(int) * chunk->n);
	for (int i = 0; i < chunk->n; i++)
	{
		chunk->order[i] = i;
		ordered &= i == 0 || compare_in_order(chunk, i - 1, i) <= 0;
	}
	if (!ordered)
	{
		qsort_arg(chunk->order, chunk->n, sizeof(int), compare_rows, chunk);
		rearrange(chunk);
	}
	for (int i = 1; i < chunk->n && !twice; i++)
		twice = compare_places(chunk, chunk->order[i - 1], chunk->order[i]) == 0;
	return twice;
}

/* The first row whose key is not less than one, or that is greater. */
static int
bound(const EtlChunk *chunk, const Datum *values, const bool *isnull, bool greater)
{
	int low = 0;
	int high = chunk->n;

	while (low < high)
	{
		int middle = (low + high) / 2;
		int result = compare_key(chunk, chunk->order[middle], values, isnull);

		if (result < 0 || (greater && result == 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int
EtlChunkFind(const EtlChunk *chunk, const Datum *values, const bool *isnull, int *end)
{
	*end = bound(chunk, values, isnull, true);
	return bound(chunk, values, isnull, false);
}

int
EtlChunkDistinct(const EtlChunk *chunk, int begin)
{
	int end = begin + 1;

	while (chunk->by != NULL && end < chunk->n &&
		   compare_places(chunk, chunk->order[end - 1], chunk->order[end]) != 0)
		end++;
	return end;
}

static void
enlarge(EtlChunk *chunk)
{
	chunk->max = Max(1024, chunk->max * 2);
	chunk->tuples = repalloc_huge(chunk->tuples, sizeof(MinimalTuple) * chunk->max);
	chunk->records = repalloc_huge(chunk->records, sizeof(int) * chunk->max);
	chunk->superseded = repalloc_huge(chunk->superseded, sizeof(bool) * chunk->max);
	chunk->tombstones = repalloc_huge(chunk->tombstones, sizeof(bool) * chunk->max);
	chunk->left_out = repalloc_huge(chunk->left_out, sizeof(bool) * chunk->max);
	chunk->lacks = repalloc_huge(chunk->lacks, sizeof(bytea *) * chunk->max);
}

void
EtlChunkAdd(EtlChunk *chunk, int record, MinimalTuple tuple, bytea *lacks, bool tombstone)
{
	if (chunk->n == chunk->max)
		enlarge(chunk);
	chunk->partial |= lacks != NULL;
	chunk->buries |= tombstone;
	chunk->lacks[chunk->n] = lacks;
	chunk->tombstones[chunk->n] = tombstone;
	chunk->records[chunk->n] = record;
	chunk->tuples[chunk->n++] = tuple;
}

void
EtlChunkMove(EtlChunk *chunk, int from, int to)
{
	chunk->records[to] = chunk->records[from];
	chunk->tuples[to] = chunk->tuples[from];
	chunk->lacks[to] = chunk->lacks[from];
	chunk->tombstones[to] = chunk->tombstones[from];
}

void
EtlChunkReset(EtlChunk *chunk)
{
	MemoryContextReset(chunk->context);
	chunk->n = chunk->loaded = 0;
	chunk->buries = false;
	chunk->partial = false;
}

static void
order_by(SortSupport by, Form_pg_attribute attr, bool as_bytes, MemoryContext context)
{
	by->ssup_cxt = context;
	by->ssup_collation =
		as_bytes && OidIsValid(attr->attcollation) ? C_COLLATION_OID : attr->attcollation;
	PrepareSortSupportFromOrderingOp(lookup_type_cache(attr->atttypid, TYPECACHE_LT_OPR)->lt_opr,
									 by);
}

void
EtlChunkOpen(EtlChunk *chunk, const EtlStatements *statements, MemoryContext context)
{
	chunk->statements = statements;
	chunk->context = AllocSetContextCreate(context, "etl chunk", ALLOCSET_DEFAULT_SIZES);
	chunk->tuples = MemoryContextAlloc(context, sizeof(MinimalTuple));
	chunk->records = MemoryContextAlloc(context, sizeof(int));
	chunk->superseded = MemoryContextAlloc(context, sizeof(bool));
	chunk->tombstones = MemoryContextAlloc(context, sizeof(bool));
	chunk->left_out = MemoryContextAlloc(context, sizeof(bool));
	chunk->lacks = MemoryContextAlloc(context, sizeof(bytea *));
	if (!statements->key_is_plain)
		return;
	chunk->by = MemoryContextAllocZero(context, sizeof(SortSupportData) * (statements->nkeys + 1));
	for (int k = 0; k < statements->nkeys; k++)
		order_by(&chunk->by[k], TupleDescAttr(statements->emitted, statements->keys[k]), true,
				 context);
	if (statements->valid_from == NULL || statements->watermark < 0)
		return;
	chunk->by_version = &chunk->by[statements->nkeys];
	order_by(chunk->by_version, TupleDescAttr(statements->emitted, statements->watermark), false,
			 context);
}
