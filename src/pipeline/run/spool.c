/*
 * spool.c
 *		A whole source in a file, for a query that is to see all of it at once.
 *
 *		a batch of records -> converted rows		-> spool->rows
 *		what cannot be read or converted			-> spool->letters, written with the rows in the end
 *
 * The source is read outside of transactions, as always; only the conversion of each batch needs one, a short
 * one.  So what is spooled belongs to none: the tuplestores hold up to work_mem each in memory, and the rest in
 * temporary files of a resource owner that lasts as long as the run.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "pipeline/run/engine.h"
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
put_letter(EtlSpool *spool, EtlDeadLetter *letter)
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
	tuplestore_putvalues(spool->letters, spool->letter_desc, values, isnull);
}

/* The pointers of the struct are those of another time, but tell which texts there are. */
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
create_store(EtlSpool *spool)
{
	ResourceOwner old = CurrentResourceOwner;
	Tuplestorestate *store;

	CurrentResourceOwner = spool->owner;
	store = tuplestore_begin_heap(true, true, work_mem);
	CurrentResourceOwner = old;
	return store;
}

void
EtlSpoolBegin(EtlRun *run)
{
	EtlSpool *spool = MemoryContextAllocZero(run->context, sizeof(EtlSpool));
	MemoryContext old = MemoryContextSwitchTo(run->context);

	spool->owner = ResourceOwnerCreate(NULL, "etl spool");
	spool->rows = create_store(spool);
	spool->letters = create_store(spool);
	spool->letter_desc = letter_desc();
	run->spool = spool;
	run->converted.nreaders = 1; /* that a tuplestore begins with */
	run->converted.taken = palloc0(sizeof(bool));
	MemoryContextSwitchTo(old);
}

/* Only if all went well: a file that could not be written would fail again.  It goes with the process. */
void
EtlSpoolEnd(EtlRun *run)
{
	if (run->spool == NULL)
		return;
	tuplestore_end(run->spool->rows);
	tuplestore_end(run->spool->letters);
	ResourceOwnerDelete(run->spool->owner);
	run->spool = NULL;
}

static void
spool_rejects(EtlRun *run)
{
	EtlRunCounters *counters = &run->spool->counters;
	ListCell *lc;

	foreach (lc, run->batch.rejects)
	{
		const EtlReject *reject = lfirst(lc);
		EtlDeadLetter letter = {0};

		counters->malformed += reject->stage == ETL_FAILED_PARSE;
		counters->convert_failed += reject->stage == ETL_FAILED_CONVERT;
		run->rejected++;
		EtlCheckRejectLimit(run, run->rejected, reject);
		EtlMakeLetter(run, reject, &letter);
		put_letter(run->spool, &letter);
	}
}

/* Keeps the last checkpoint of each part; what a part goes on from is the last one of the batch before. */
static void
keep_checkpoints(EtlRun *run)
{
	EtlSpool *spool = run->spool;
	List *checkpoints = EtlCheckpointsAt(run, run->batch.n);
	MemoryContext old = MemoryContextSwitchTo(run->context);
	ListCell *lc;

	foreach (lc, checkpoints)
	{
		const EtlCheckpoint *from = lfirst(lc);
		EtlCheckpoint *to = spool->checkpoints != NIL ? llast(spool->checkpoints) : NULL;

		if (to == NULL || strcmp(to->part, from->part) != 0)
		{
			to = palloc(sizeof(EtlCheckpoint));
			to->part = pstrdup(from->part);
			spool->checkpoints = lappend(spool->checkpoints, to);
		}
		else
			pfree(to->position);
		to->position = pstrdup(from->position);
		to->skipped = from->skipped;
	}
	MemoryContextSwitchTo(old);
}

void
EtlSpoolBatch(EtlRun *run)
{
	EtlBatch *batch = &run->batch;
	EtlRunCounters *counters = &run->spool->counters;
	TupleDesc desc = run->converted.desc;
	MemoryContext old = MemoryContextSwitchTo(batch->loading);

	for (int i = 0; i < batch->nrows; i++)
		tuplestore_putvalues(run->spool->rows, desc, batch->values + (size_t) i * desc->natts,
							 batch->isnull + (size_t) i * desc->natts);
	spool_rejects(run);
	keep_checkpoints(run);
	counters->read += batch->n;
	counters->converted += batch->nrows;
	MemoryContextSwitchTo(old);
}

/* ----------------------------------------------------------------
 *	Committing
 * ---------------------------------------------------------------- */

static void
write_letters(EtlRun *run)
{
	EtlSpool *spool = run->spool;
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "etl letter", ALLOCSET_DEFAULT_SIZES);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(spool->letter_desc, &TTSOpsMinimalTuple);

	tuplestore_rescan(spool->letters);
	while (tuplestore_gettupleslot(spool->letters, true, false, slot))
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		EtlDeadLetter letter;

		CHECK_FOR_INTERRUPTS();
		get_letter(slot, &letter);
		(void) EtlCatalogAddDeadLetter(run->pipeline->id, run->id, &letter);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(context);
}

/*
 * This run has read all there is, so it has the last word on each record: what is still wrong is a dead letter
 * of its own.
 */
void
EtlSpoolSettle(EtlRun *run)
{
	ListCell *lc;

	EtlCatalogResolveBefore(run->pipeline->id, run->id);
	write_letters(run);
	foreach (lc, run->spool->checkpoints)
		EtlCatalogSetCheckpoint(run->pipeline->id, lfirst(lc));
}
