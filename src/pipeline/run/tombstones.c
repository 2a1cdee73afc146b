/*
 * tombstones.c
 *		Keys whose rows were deleted: an older row does not bring one back.
 *
 * What is deleted has left nothing in the target that says how old a row must be not to come back.  So the key of each row that
 * deletes is kept in etl_catalog with its watermark, in the same transaction, for as long as etl.retention; and rows that are
 * loaded later are held against those, a chunk at a time, by hashes of their keys.
 */
#include "etl.h"

#include "miscadmin.h"
#include "pipeline/run/tombstones.h"

/* A row of the chunk, and what was kept of its key before. */
typedef struct Row
{
	EtlKey *key;
	int place;
	bool older;		/* than what has deleted its key */
	int64 replaced; /* the tombstone that is older; 0: there is none */
} Row;

static int
compare_hashes(const void *a, const void *b)
{
	int64 x = ((const Row *) a)->key->hash;
	int64 y = ((const Row *) b)->key->hash;

	return x < y ? -1 : x > y;
}

/* The rows whose keys are known, in the order of their hashes. */
static Row *
rows_of(EtlTombstones *t, const EtlChunk *chunk, int begin, int end, int *n)
{
	Row *rows = palloc_extended(sizeof(Row) * (end - begin + 1), MCXT_ALLOC_HUGE);

	*n = 0;
	for (int i = begin; i < end; i++)
	{
		EtlKey *key = chunk->superseded[i] ? NULL : EtlKeyOfRow(t->keys, chunk, i);

		CHECK_FOR_INTERRUPTS();
		if (key != NULL)
			rows[(*n)++] = (Row){key, i};
	}
	qsort(rows, *n, sizeof(Row), compare_hashes);
	return rows;
}

static List *
find_tombstones(EtlTombstones *t, const Row *rows, int n)
{
	List *hashes = NIL;

	for (int i = 0; i < n; i++)
		if (i == 0 || rows[i].key->hash != rows[i - 1].key->hash)
			hashes = lappend(hashes, psprintf(INT64_FORMAT, rows[i].key->hash));
	return EtlCatalogTombstones(t->keys->run->pipeline->id, hashes);
}

static int
first_of_hash(const Row *rows, int n, int64 hash)
{
	int low = 0;
	int high = n;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (rows[middle].key->hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
hold_against(EtlTombstones *t, Row *rows, int n, const EtlTombstone *tombstone)
{
	for (int i = first_of_hash(rows, n, tombstone->key_hash);
		 i < n && rows[i].key->hash == tombstone->key_hash; i++)
	{
		if (!EtlKeyIsStored(t->keys, rows[i].key, tombstone->key, tombstone->key_type))
			continue;
		if (EtlKeyIsOlder(t->keys, rows[i].key, tombstone->key_order))
			rows[i].older = true;
		else
			rows[i].replaced = tombstone->id;
	}
}

static void
keep(EtlTombstones *t, const Row *row)
{
	EtlDeadLetter stored = {0};
	EtlTombstone tombstone;

	EtlKeysDescribe(t->keys, row->key, &stored);
	tombstone = (EtlTombstone){.key = stored.key,
							   .key_type = stored.key_type,
							   .key_hash = stored.key_hash,
							   .key_order = stored.key_order};
	EtlCatalogAddTombstone(t->keys->run->pipeline->id, &tombstone, row->replaced);
	t->any = true;
}

void
EtlTombstonesMeet(EtlTombstones *t, EtlChunk *chunk, int begin, int end)
{
	ListCell *lc;
	Row *rows;
	int n;

	if (t->keys->n == 0 || t->keys->watermark->attr == NULL)
		return;
	if (!t->looked)
		t->any = EtlCatalogHasTombstones(t->keys->run->pipeline->id);
	t->looked = true;
	if (!t->any && !chunk->buries)
		return;
	rows = rows_of(t, chunk, begin, end, &n);
	foreach (lc, t->any ? find_tombstones(t, rows, n) : NIL)
		hold_against(t, rows, n, lfirst(lc));
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (rows[i].older)
			chunk->superseded[rows[i].place] = true;
		else if (chunk->tombstones[rows[i].place] && rows[i].key->has_order)
			keep(t, &rows[i]);
	}
}
