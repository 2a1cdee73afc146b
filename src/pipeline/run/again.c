/*
 * again.c
 *		Dead letters as the records of a batch.
 *
 * A dead letter holds its record as it was written, so the kind of the source reads it once more.
 */
#include "etl.h"

#include "pipeline/catalog/catalog.h"
#include "pipeline/run/again.h"
#include "pipeline/run/parallel.h"
#include "utils/elog.h"

#define LETTERS_AT_ONCE 10000 /* rows that wait for each other should come together */

static void
fill_batch(EtlReading *reading, List *letters)
{
	EtlBatch *batch = &reading->batch;
	ListCell *lc;

	batch->letters = palloc(sizeof(int64) * (list_length(letters) + 1));
	foreach (lc, letters)
	{
		const EtlDeadLetter *letter = lfirst(lc);
		EtlKept *kept = EtlBatchAdd(batch);

		kept->source = letter->source;
		kept->line = letter->line;
		kept->page = letter->page;
		kept->index = letter->index;
		kept->offset = (uint64) letter->byte_offset;
		kept->data = letter->raw;
		kept->len = strlen(letter->raw);
		kept->header = letter->header;
		kept->is_text = true;
		EtlRowsRevive(reading->rows, kept);
		batch->letters[batch->n - 1] = letter->id;
	}
}

static List *
in_reverse(const List *list)
{
	List *reversed = NIL;
	const ListCell *lc;

	foreach (lc, list)
		reversed = lcons(lfirst(lc), reversed);
	return reversed;
}

/* Of a record that another process has read nobody knows here whether a later one of its key was loaded: it stays as it is. */
static void
leave_out_unknown(EtlBatch *batch, int64 unknown)
{
	int n = 0;

	for (int i = 0; i < batch->n; i++)
	{
		if (batch->positions[i] == unknown)
			continue;
		batch->records[n] = batch->records[i];
		batch->letters[n] = batch->letters[i];
		batch->positions[n++] = batch->positions[i];
	}
	batch->n = n;
}

/* What comes backwards comes in batches whose records are in their order: the last one of a key is the one to load. */
bool
EtlTakeLetters(EtlReading *reading, EtlDeferred *deferred, EtlBatchOf of, int64 *after,
			   bool backwards)
{
	const EtlRun *run = reading->run;
	bool no_doubts = run->overwrite || !run->statements->updates;
	EtlBatch *batch = &reading->batch;
	MemoryContext old = MemoryContextSwitchTo(batch->context);
	List *letters;

	batch->of = of;
	if (of != ETL_OF_DEFERRED)
		letters = EtlCatalogDeadLetters(run->pipeline->id, *after, LETTERS_AT_ONCE,
										of == ETL_OF_LETTERS, no_doubts == (of == ETL_OF_LETTERS));
	else
		letters = EtlCatalogDeadLettersOf(run->pipeline->id, run->id,
										  unpack_sql_state(ERRCODE_FOREIGN_KEY_VIOLATION),
										  deferred->after, *after, backwards, LETTERS_AT_ONCE);
	if (letters != NIL)
		*after = ((EtlDeadLetter *) llast(letters))->id;
	fill_batch(reading, backwards ? in_reverse(letters) : letters);
	if (of == ETL_OF_DEFERRED)
	{
		EtlDeferredPositions(deferred, batch);
		if (EtlParallelIsShared(run->parallel) && run->statements->updates &&
			run->statements->watermark < 0)
			leave_out_unknown(batch, run->counters.read);
	}
	else
		reading->run->taken_in += batch->n;
	MemoryContextSwitchTo(old);
	return letters != NIL;
}
