/*
 * whole.c
 *		A whole source in a file, for a query that is to see all of it at once.
 *
 *		a batch of records -> converted rows		-> whole->rows
 *		what cannot be read or converted			-> whole->letters, written with the rows in the end
 *
 * The source is read outside of transactions, as always; only the conversion of each batch needs one, a short
 * one.  So what is spooled belongs to none: the tuplestores hold up to work_mem each in memory, and the rest in
 * temporary files of a resource owner that lasts as long as the run.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "pipeline/run/removal.h"
#include "pipeline/run/whole.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* ----------------------------------------------------------------
 *	Dead letters as tuples: the struct as it is, and behind it the texts that it points to
 * ---------------------------------------------------------------- */

static TupleDesc
letter_desc(void)
{
	TupleDesc desc = CreateTemplateTupleDesc(EtlDeadLetterColumnCount + 1);

	for (int i = 0; i <= EtlDeadLetterColumnCount; i++)
		TupleDescInitBuiltinEntry(desc, i + 1, "", TEXTOID, -1, 0);
	return desc;
}

/* The text that a column of a letter is; NULL: it is none, or there is none. */
static const char **
letter_text(EtlDeadLetter *letter, int i)
{
	const EtlSqlColumn *column = &EtlDeadLetterColumns[i];
	const char **text = (const char **) ((char *) letter + column->offset);

	return column->type == ETL_SQL_TEXT && *text != NULL ? text : NULL;
}

static void
put_letter(EtlWhole *whole, EtlDeadLetter *letter)
{
	Datum *values = palloc0(sizeof(Datum) * (EtlDeadLetterColumnCount + 1));
	bool *isnull = palloc0(sizeof(bool) * (EtlDeadLetterColumnCount + 1));

	values[0] = PointerGetDatum(cstring_to_text_with_len((char *) letter, sizeof(*letter)));
	for (int i = 0; i < EtlDeadLetterColumnCount; i++)
	{
		const char **text = letter_text(letter, i);

		isnull[i + 1] = text == NULL;
		values[i + 1] = text != NULL ? CStringGetTextDatum(*text) : (Datum) 0;
	}
	tuplestore_putvalues(whole->letters, whole->letter_desc, values, isnull);
}

/* The pointers of the stored struct are stale; they only say which texts there are. */
static void
get_letter(TupleTableSlot *slot, EtlDeadLetter *letter)
{
	slot_getallattrs(slot);
	memcpy(letter, VARDATA_ANY(DatumGetPointer(slot->tts_values[0])), sizeof(*letter));
	for (int i = 0; i < EtlDeadLetterColumnCount; i++)
		if (!slot->tts_isnull[i + 1])
			*letter_text(letter, i) = TextDatumGetCString(slot->tts_values[i + 1]);
}

/* ----------------------------------------------------------------
 *	Spooling
 * ---------------------------------------------------------------- */

static Tuplestorestate *
create_store(EtlWhole *whole)
{
	ResourceOwner old = CurrentResourceOwner;
	Tuplestorestate *store;

	CurrentResourceOwner = whole->owner;
	store = tuplestore_begin_heap(true, true, work_mem);
	CurrentResourceOwner = old;
	return store;
}

EtlWhole *
EtlWholeBegin(EtlConverted *converted)
{
	MemoryContext old = MemoryContextSwitchTo(converted->reading->run->context);
	EtlWhole *whole = palloc0(sizeof(EtlWhole));

	whole->converted = converted;
	whole->owner = ResourceOwnerCreate(NULL, "etl whole source");
	whole->rows = create_store(whole);
	whole->letters = create_store(whole);
	whole->rejected = create_store(whole);
	whole->letter_desc = letter_desc();
	MemoryContextSwitchTo(old);
	return whole;
}

/* Only if all went well: a file that could not be written would fail again.  It goes with the process. */
void
EtlWholeEnd(EtlWhole *whole)
{
	tuplestore_end(whole->rows);
	tuplestore_end(whole->letters);
	tuplestore_end(whole->rejected);
	ResourceOwnerDelete(whole->owner);
}

/* A replace deletes no row of a record that is only faulty.  Where its key is not known, that cannot be said of any row. */
static void
keep_key(EtlWhole *whole, const EtlReject *reject)
{
	const EtlRejects *rejects = whole->converted->rejects;
	Datum key[INDEX_MAX_KEYS];
	bool null[INDEX_MAX_KEYS];

	if (!EtlRejectKey(rejects, reject, key, null))
		EtlRejectsFail(rejects, reject, ETL_HINT_AT_KEY);
	tuplestore_putvalues(whole->rejected, rejects->run->statements->key_desc, key, null);
}

static void
add_rejects(EtlWhole *whole)
{
	EtlRejects *rejects = whole->converted->rejects;
	EtlRunCounters *counters = &whole->counters;
	ListCell *lc;

	foreach (lc, rejects->list)
	{
		const EtlReject *reject = lfirst(lc);
		EtlDeadLetter letter = {0};

		counters->malformed += reject->stage == ETL_FAILED_PARSE;
		counters->convert_failed += reject->stage == ETL_FAILED_CONVERT;
		EtlRejectsCheckLimit(rejects, ++rejects->rejected, reject);
		if (EtlRemoves(rejects->run->pipeline))
			keep_key(whole, reject);
		EtlRejectsMakeLetter(rejects, reject, &letter);
		put_letter(whole, &letter);
	}
}

static void
free_checkpoint(EtlCheckpoint *checkpoint)
{
	pfree(checkpoint->part);
	pfree(checkpoint->position);
	if (checkpoint->version != NULL)
		pfree(checkpoint->version);
}

/* Keeps the last checkpoint of each part; what a part goes on from is the last one of the batch before. */
static void
keep_checkpoints(EtlWhole *whole)
{
	const EtlReading *reading = whole->converted->reading;
	List *checkpoints = EtlReadingCheckpoints(reading, reading->batch.n);
	MemoryContext old = MemoryContextSwitchTo(reading->run->context);
	ListCell *lc;

	foreach (lc, checkpoints)
	{
		const EtlCheckpoint *from = lfirst(lc);
		EtlCheckpoint *to = whole->checkpoints != NIL ? llast(whole->checkpoints) : NULL;

		if (to == NULL || strcmp(to->part, from->part) != 0)
			whole->checkpoints = lappend(whole->checkpoints, to = palloc0(sizeof(EtlCheckpoint)));
		else
			free_checkpoint(to);
		*to = *from;
		to->part = pstrdup(from->part);
		to->position = pstrdup(from->position);
		to->version = from->version != NULL ? pstrdup(from->version) : NULL;
	}
	MemoryContextSwitchTo(old);
}

void
EtlWholeAdd(EtlWhole *whole)
{
	const EtlConverted *converted = whole->converted;
	const EtlBatch *batch = &converted->reading->batch;
	TupleDesc desc = converted->reading->run->statements->rows;
	MemoryContext old = MemoryContextSwitchTo(batch->loading);

	for (int i = 0; i < converted->n; i++)
		tuplestore_putvalues(whole->rows, desc, converted->values + (size_t) i * desc->natts,
							 converted->isnull + (size_t) i * desc->natts);
	whole->partial |= converted->partial;
	add_rejects(whole);
	keep_checkpoints(whole);
	whole->counters.read += batch->n;
	whole->counters.converted += converted->n;
	MemoryContextSwitchTo(old);
}

/* ----------------------------------------------------------------
 *	Committing
 * ---------------------------------------------------------------- */

static void
write_letters(EtlWhole *whole)
{
	const EtlRun *run = whole->converted->reading->run;
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "etl letter", ALLOCSET_DEFAULT_SIZES);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(whole->letter_desc, &TTSOpsMinimalTuple);

	tuplestore_rescan(whole->letters);
	while (tuplestore_gettupleslot(whole->letters, true, false, slot))
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		EtlDeadLetter letter;

		CHECK_FOR_INTERRUPTS();
		get_letter(slot, &letter);
		(void) EtlCatalogAddDeadLetter(run->pipeline, run->id, &letter);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(context);
}

/*
 * This run has read all there is, so it has the last word on each record: what is still wrong is a dead letter
 * of this run.
 */
void
EtlWholeSettle(EtlWhole *whole)
{
	const EtlRun *run = whole->converted->reading->run;
	ListCell *lc;

	write_letters(whole);
	EtlCatalogResolveBefore(run->pipeline->id, run->id);
	foreach (lc, whole->checkpoints)
		EtlCatalogSetCheckpoint(run->pipeline->id, lfirst(lc));
}
