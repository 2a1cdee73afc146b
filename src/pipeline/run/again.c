/*
 * again.c
 *		Dead letters as the records of a batch.
 *
 * A dead letter holds its record as it was written, so the kind of the source reads it once more.
 */
#include "etl.h"

#include "pipeline/catalog/catalog.h"
#include "pipeline/run/again.h"
#include "utils/elog.h"

#define LETTERS_AT_ONCE 10000 /* rows that wait for each other should come together */

/* Fills the batch; the last letter is *after. */
static bool
take_batch(EtlReading *reading, EtlBatchOf of, List *letters, int64 *after)
{
	EtlBatch *batch = &reading->batch;
	ListCell *lc;

	batch->of = of;
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
		batch->letters[batch->n - 1] = *after = letter->id;
	}
	return letters != NIL;
}

bool
EtlTakeLetters(EtlReading *reading, int64 *after)
{
	MemoryContext old = MemoryContextSwitchTo(reading->batch.context);
	List *letters = EtlCatalogDeadLetters(reading->run->pipeline->id, *after, LETTERS_AT_ONCE);
	bool found = take_batch(reading, ETL_OF_LETTERS, letters, after);

	MemoryContextSwitchTo(old);
	return found;
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

/* What comes backwards comes in batches whose records are in their order: the last one of a key is the one to load. */
bool
EtlTakeDeferred(EtlReading *reading, EtlDeferred *deferred, int64 *after, bool backwards)
{
	const EtlRun *run = reading->run;
	MemoryContext old = MemoryContextSwitchTo(reading->batch.context);
	List *letters;
	bool found;

	letters = EtlCatalogDeadLettersOf(run->pipeline->id, run->id,
									  unpack_sql_state(ERRCODE_FOREIGN_KEY_VIOLATION), *after,
									  backwards, LETTERS_AT_ONCE);
	if (backwards)
		letters = in_reverse(letters);
	found = take_batch(reading, ETL_OF_DEFERRED, letters, after);
	if (backwards && found)
		*after = reading->batch.letters[0];
	EtlDeferredPositions(deferred, &reading->batch);
	MemoryContextSwitchTo(old);
	return found;
}
