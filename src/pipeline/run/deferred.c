/*
 * deferred.c
 *		Rows that failed their foreign key, and what comes to their keys meanwhile.
 *
 * Such a row is tried again after its batch and at the end of the scan.  A later row of the same key supersedes it, unless
 * the later one lacks columns.  So
 * for each of these keys the highest position in the source is kept from which a row was loaded since.
 *
 * What an attempt or a transaction loaded that was rolled back does not count.
 */
#include "etl.h"

#include "pipeline/run/deferred.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#define MAX_ROWS 100000 /* that are known of: a few MB, looked for in each chunk */

static EtlDeferredRow *
add_row(EtlDeferred *deferred)
{
	if (deferred->n == deferred->max)
	{
		deferred->max = Max(64, deferred->max * 2);
		deferred->rows = deferred->rows == NULL
							 ? palloc(sizeof(EtlDeferredRow) * deferred->max)
							 : repalloc(deferred->rows, sizeof(EtlDeferredRow) * deferred->max);
	}
	return &deferred->rows[deferred->n++];
}

static void
copy_key(const EtlChunk *chunk, int from, EtlDeferredRow *to)
{
	const EtlStatements *s = chunk->statements;

	to->values = palloc(sizeof(Datum) * s->nkeys);
	to->isnull = palloc(sizeof(bool) * s->nkeys);
	for (int k = 0; k < s->nkeys; k++)
	{
		Form_pg_attribute attr = TupleDescAttr(s->emitted, s->keys[k]);
		Datum value = EtlChunkKey(chunk, from, k, &to->isnull[k]);

		to->values[k] = to->isnull[k] ? (Datum) 0 : datumCopy(value, attr->attbyval, attr->attlen);
	}
}

static void
defer(EtlDeferred *deferred, int record)
{
	const EtlChunk *chunk = deferred->chunk;
	const EtlStatements *s = chunk->statements;
	int n = chunk->n > 0 ? chunk->n : chunk->loaded;
	MemoryContext old = MemoryContextSwitchTo(deferred->context);

	/* with a watermark, its value decides which row is the later one */
	if (chunk->by == NULL || !s->updates || s->watermark >= 0 ||
		deferred->batch->of == ETL_OF_DEFERRED)
		n = 0;
	for (int i = 0; i < n && deferred->n < MAX_ROWS; i++)
	{
		EtlDeferredRow *row = add_row(deferred);

		copy_key(chunk, i, row);
		row->position = EtlBatchPosition(deferred->batch, record);
		row->letter = 0;
		row->partly = false;
		row->latest = row->attempt = row->committed = -1;
	}
	MemoryContextSwitchTo(old);
}

void
EtlDefer(EtlDeferred *deferred, int record)
{
	for (; deferred != NULL; deferred = deferred->next)
		defer(deferred, record);
}

void
EtlDeferredAs(EtlDeferred *deferred, int record, int64 letter)
{
	int64 position = EtlBatchPosition(deferred->batch, record);

	deferred->any = true;
	deferred->last = Max(deferred->last, letter);
	for (; deferred != NULL; deferred = deferred->next)
		for (int i = deferred->n - 1; i >= 0 && deferred->rows[i].position >= position; i--)
			if (deferred->rows[i].position == position)
				deferred->rows[i].letter = letter;
}

void
EtlDeferredPositions(EtlDeferred *deferred, EtlBatch *batch)
{
	batch->positions = MemoryContextAlloc(batch->context, sizeof(int64) * (batch->n + 1));
	for (int i = 0; i < batch->n; i++)
		batch->positions[i] = deferred->run->counters.read;
	for (; deferred != NULL; deferred = deferred->next)
	{
		int r = 0;

		for (int i = 0; i < batch->n; i++)
		{
			while (r < deferred->n && deferred->rows[r].letter < batch->letters[i])
				r++;
			if (r < deferred->n && deferred->rows[r].letter == batch->letters[i])
				batch->positions[i] = deferred->rows[r].position;
		}
	}
}

/*
 * Of dead letters that are tried again together it must be known which one a row is of, if that matters: the error
 * makes them be tried one by one.
 */
static void
insist_on_record(const EtlDeferred *deferred, const EtlDeferredRow *row, int record, int first)
{
	if (record >= 0 || deferred->batch->of != ETL_OF_DEFERRED ||
		row->latest < EtlBatchPosition(deferred->batch, first))
		return;
	ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION),
					errmsg_internal("it is not known which record a row is of")));
}

/* What the later row lacks may be in this one, and what it has must not be written over: this one stays a dead letter. */
pg_noreturn static void
raise_partly_superseded(void)
{
	ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION),
					errmsg("a later record of the same key was loaded, which lacks columns")));
}

int
EtlDeferredSupersede(EtlDeferred *deferred, int first, int last)
{
	const EtlChunk *chunk = deferred->chunk;
	int superseded = 0;

	for (int r = 0; r < deferred->n; r++)
	{
		EtlDeferredRow *row = &deferred->rows[r];
		int end;

		for (int i = EtlChunkFind(chunk, row->values, row->isnull, &end); i < end; i++)
		{
			int record = chunk->records[i];
			int64 position = EtlBatchPosition(deferred->batch, record >= 0 ? record : last);

			insist_on_record(deferred, row, record, first);
			if (chunk->superseded[i])
				continue;
			if (position < row->latest && row->partly)
				raise_partly_superseded();
			if (position < row->latest)
			{
				chunk->superseded[i] = true;
				superseded++;
			}
			else
			{
				row->attempt = Max(row->attempt, position);
				row->partly |= position > row->position && chunk->lacks[i] != NULL;
			}
		}
	}
	return superseded;
}

void
EtlDeferredForget(EtlDeferred *deferred)
{
	deferred->any = false;
	deferred->after = deferred->last;
	MemoryContextReset(deferred->context);
	for (; deferred != NULL; deferred = deferred->next)
	{
		deferred->rows = NULL;
		deferred->n = deferred->max = deferred->committed = 0;
	}
}

void
EtlDeferredBegin(EtlDeferred *deferred)
{
	for (int i = 0; i < deferred->n; i++)
		deferred->rows[i].attempt = deferred->rows[i].latest;
}

void
EtlDeferredLoaded(EtlDeferred *deferred)
{
	for (int i = 0; i < deferred->n; i++)
		deferred->rows[i].latest = deferred->rows[i].attempt;
}

static void
settle(EtlDeferred *deferred, bool committed)
{
	deferred->n = deferred->committed = committed ? deferred->n : deferred->committed;
	for (int i = 0; i < deferred->n; i++)
	{
		EtlDeferredRow *row = &deferred->rows[i];

		row->latest = row->committed = committed ? row->latest : row->committed;
	}
}

void
EtlDeferredSettle(EtlDeferred *deferred, bool committed)
{
	for (; deferred != NULL; deferred = deferred->next)
		settle(deferred, committed);
}
