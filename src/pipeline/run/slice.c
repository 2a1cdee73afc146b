/*
 * slice.c
 *		Rows in memory as what etl_batch(), etl_enriched() and etl_emitted() return; and functions that tell of the row in hand.
 */
#include "etl.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "pipeline/run/slice.h"
#include "pipeline/run/report.h"
#include "scan/scan.h"

PG_FUNCTION_INFO_V1(etl_batch);
PG_FUNCTION_INFO_V1(etl_enriched);
PG_FUNCTION_INFO_V1(etl_emitted);
PG_FUNCTION_INFO_V1(etl_count_new);
PG_FUNCTION_INFO_V1(etl_run_instant);
PG_FUNCTION_INFO_V1(etl_has);
PG_FUNCTION_INFO_V1(etl_differs);
PG_FUNCTION_INFO_V1(etl_kept);

typedef struct SliceRows
{
	EtlRows base;
	EtlSlice *slice;
	int next;
	int current;

	/* of a store */
	int reader;
	TupleTableSlot *slot;
	MemoryContextCallback give_back;

	/* of tuples, the columns of the current row */
	Datum *values;
	bool *isnull;
	bool deformed;
} SliceRows;

EtlSlice *EtlBatchSlice = NULL;
EtlSlice *EtlEmittedSlice = NULL;
EtlSlice *EtlEnrichedSlices = NULL;
int EtlEnrichedSliceCount = 0;

pg_noreturn static void
raise_no_batch(const char *function)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("there is no batch"),
					errdetail("Function %s works in the statements of a running pipeline only.",
							  function)));
}

/* The first columns of the slice, or all of them. */
static void
check_columns(const EtlRows *rows, const EtlSlice *slice)
{
	bool same = rows->desc->natts <= slice->desc->natts;

	for (int i = 0; same && i < rows->desc->natts; i++)
		same = TupleDescAttr(rows->desc, i)->atttypid == TupleDescAttr(slice->desc, i)->atttypid;
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("function %s has other columns than the batch has", rows->kind->function)));
}

/* The scan is over, maybe by an error. */
static void
give_reader_back(void *arg)
{
	SliceRows *w = arg;

	w->slice->taken[w->reader] = false;
}

/* Takes a place of its own in the store, so that several scans can go on side by side. */
static void
open_store(SliceRows *w)
{
	EtlSlice *slice = w->slice;

	w->slot = MakeSingleTupleTableSlot(slice->desc, &TTSOpsMinimalTuple);
	while (w->reader < slice->nreaders && slice->taken[w->reader])
		w->reader++;
	if (w->reader == slice->nreaders)
	{
		slice->taken = repalloc(slice->taken, sizeof(bool) * (w->reader + 1));
		(void) tuplestore_alloc_read_pointer(slice->store, EXEC_FLAG_REWIND);
		slice->nreaders++;
	}
	slice->taken[w->reader] = true;
	w->give_back.func = give_reader_back;
	w->give_back.arg = w;
	MemoryContextRegisterResetCallback(w->base.context, &w->give_back);
	tuplestore_select_read_pointer(slice->store, w->reader);
	tuplestore_rescan(slice->store);
}

static void
open_slice(EtlRows *rows, EtlSlice *slice)
{
	SliceRows *w = (SliceRows *) rows;

	if (slice == NULL)
		raise_no_batch(rows->kind->function);
	check_columns(rows, slice);
	w->slice = slice;
	w->next = slice->begin;
	w->values = palloc(sizeof(Datum) * slice->desc->natts);
	w->isnull = palloc(sizeof(bool) * slice->desc->natts);
	for (int i = 0; i < rows->nwanted && slice->reads != NULL; i++)
		slice->reads[rows->wanted[i].column] = true;
	if (slice->store != NULL)
		open_store(w);
}

static void
open_batch(EtlRows *rows)
{
	open_slice(rows, EtlBatchSlice);
}

static void
open_enriched(EtlRows *rows)
{
	int64 number = EtlArgInt(rows->args, "enrichment", -1);

	open_slice(rows,
			   number >= 0 && number < EtlEnrichedSliceCount ? &EtlEnrichedSlices[number] : NULL);
}

static void
open_emitted(EtlRows *rows)
{
	open_slice(rows, EtlEmittedSlice);
}

static EtlAdvance
advance_in_store(SliceRows *w)
{
	MemoryContext old = MemoryContextSwitchTo(w->base.context);
	bool found;

	tuplestore_select_read_pointer(w->slice->store, w->reader);
	found = tuplestore_gettupleslot(w->slice->store, true, false, w->slot);
	MemoryContextSwitchTo(old);
	if (!found)
		return ETL_NO_MORE_ROWS;
	w->slice->pulled = 0; /* a row, and no matter which */
	EtlReportDone(++w->next - w->slice->begin);
	return ETL_ROW;
}

static EtlAdvance
slice_advance(EtlRows *rows)
{
	SliceRows *w = (SliceRows *) rows;
	EtlSlice *slice = w->slice;

	if (slice->store != NULL)
		return advance_in_store(w);
	while (w->next < slice->end && slice->left_out != NULL && slice->left_out[w->next])
		w->next++;
	if (w->next >= slice->end)
		return ETL_NO_MORE_ROWS;
	w->deformed = false;
	slice->pulled = w->current = w->next++;
	EtlReportDone(w->next - slice->begin);
	return ETL_ROW;
}

/* The columns of the current row. */
static void
locate(SliceRows *w, const Datum **values, const bool **isnull)
{
	const EtlSlice *slice = w->slice;

	if (slice->store != NULL)
	{
		slot_getallattrs(w->slot);
		*values = w->slot->tts_values;
		*isnull = w->slot->tts_isnull;
		return;
	}
	if (slice->tuples == NULL)
	{
		*values = slice->values + (size_t) w->current * slice->desc->natts;
		*isnull = slice->isnull + (size_t) w->current * slice->desc->natts;
		return;
	}
	if (!w->deformed)
	{
		HeapTupleData tuple;

		tuple.t_len = slice->tuples[w->current]->t_len + MINIMAL_TUPLE_OFFSET;
		tuple.t_data =
			(HeapTupleHeader) ((char *) slice->tuples[w->current] - MINIMAL_TUPLE_OFFSET);
		heap_deform_tuple(&tuple, slice->desc, w->values, w->isnull);
		w->deformed = true;
	}
	*values = w->values;
	*isnull = w->isnull;
}

static void
slice_fetch(EtlRows *rows, const EtlWanted *targets, int n, Datum *values, bool *isnull)
{
	const Datum *row_values;
	const bool *row_isnull;

	locate((SliceRows *) rows, &row_values, &row_isnull);
	for (int i = 0; i < n; i++)
	{
		values[targets[i].place] = row_values[targets[i].column];
		isnull[targets[i].place] = row_isnull[targets[i].column];
	}
}

static void
slice_rewind(EtlRows *rows)
{
	SliceRows *w = (SliceRows *) rows;

	w->next = w->slice->begin;
	if (w->slice->store != NULL)
	{
		tuplestore_select_read_pointer(w->slice->store, w->reader);
		tuplestore_rescan(w->slice->store);
	}
}

static void
slice_where(const EtlRows *rows, StringInfo buf)
{
	/* the caller knows which record failed, and reports it */
}

/* The number is that of the row, from 1. */
static void
slice_mark(const EtlRows *rows, EtlRowMark *mark)
{
	mark->number = (uint64) ((const SliceRows *) rows)->slice->pulled + 1;
}

/* The row to suspect. */
static void
slice_recall(EtlRows *rows, const EtlRowMark *mark)
{
	SliceRows *w = (SliceRows *) rows;

	w->slice->pulled = mark != NULL ? (int) mark->number - 1 : w->current;
}

static bool
estimate_slice(const EtlSlice *slice, double *nrows, double *nbytes)
{
	*nrows = slice != NULL ? slice->expected : 10000;
	*nbytes = 0;
	return true;
}

static bool
estimate_batch(const EtlArgs *args, double *nrows, double *nbytes)
{
	return estimate_slice(EtlBatchSlice, nrows, nbytes);
}

/* There are as many keys as rows of the batch at most. */
static bool
estimate_enriched(const EtlArgs *args, double *nrows, double *nbytes)
{
	return estimate_slice(EtlBatchSlice, nrows, nbytes);
}

static bool
estimate_emitted(const EtlArgs *args, double *nrows, double *nbytes)
{
	return estimate_slice(EtlEmittedSlice, nrows, nbytes);
}

static const EtlScanKind batch_kind = {
	.function = "etl_batch",
	.entry = etl_batch,
	.size = sizeof(SliceRows),
	.open = open_batch,
	.advance = slice_advance,
	.fetch = slice_fetch,
	.rewind = slice_rewind,
	.where = slice_where,
	.estimate = estimate_batch,
};

static const EtlScanKind enriched_kind = {
	.function = "etl_enriched",
	.entry = etl_enriched,
	.size = sizeof(SliceRows),
	.open = open_enriched,
	.advance = slice_advance,
	.fetch = slice_fetch,
	.rewind = slice_rewind,
	.where = slice_where,
	.estimate = estimate_enriched,
};

static const EtlScanKind emitted_kind = {
	.function = "etl_emitted",
	.entry = etl_emitted,
	.size = sizeof(SliceRows),
	.open = open_emitted,
	.advance = slice_advance,
	.fetch = slice_fetch,
	.rewind = slice_rewind,
	.where = slice_where,
	.mark = slice_mark,
	.recall = slice_recall,
	.estimate = estimate_emitted,
};

/* etl_batch() returns setof record: the converted rows of the current batch. */
Datum
etl_batch(PG_FUNCTION_ARGS)
{
	return EtlScanFunction(fcinfo, &batch_kind);
}

/* etl_enriched(enrichment int) returns setof record: what was asked for the keys of the batch. */
Datum
etl_enriched(PG_FUNCTION_ARGS)
{
	return EtlScanFunction(fcinfo, &enriched_kind);
}

/* etl_emitted() returns setof record: what the query gave of them. */
Datum
etl_emitted(PG_FUNCTION_ARGS)
{
	return EtlScanFunction(fcinfo, &emitted_kind);
}

/*
 * etl_count_new() returns boolean: true.  Until 17, MERGE does not tell inserted rows from updated ones; this
 * stands in the condition of the former.
 */
Datum
etl_count_new(PG_FUNCTION_ARGS)
{
	if (EtlEmittedSlice == NULL)
		raise_no_batch("etl_count_new");
	EtlEmittedSlice->counted++;
	PG_RETURN_BOOL(true);
}

/* etl_run_instant() returns timestamptz: the one time at which a run sees its source.  The planner asks for it, too. */
Datum
etl_run_instant(PG_FUNCTION_ARGS)
{
	const EtlSlice *slice = EtlEmittedSlice;

	PG_RETURN_TIMESTAMPTZ(slice != NULL && slice->instant != 0
							  ? slice->instant
							  : GetCurrentTransactionStartTimestamp());
}

/*
 * etl_has(column int) returns boolean: whether the record of the row that etl_emitted() handed out last has a column of the
 * source, from 0.  The statements in which it stands finish each row before they take the next one.
 */
Datum
etl_has(PG_FUNCTION_ARGS)
{
	const EtlSlice *slice = EtlEmittedSlice;
	int column = PG_GETARG_INT32(0);

	if (slice == NULL || slice->pulled < 0)
		raise_no_batch("etl_has");
	PG_RETURN_BOOL(slice->lacks == NULL || !EtlLacks(slice->lacks[slice->pulled], column));
}

/* etl_differs(place tid, differs boolean) returns boolean: the latter; the place of a row that does not is noted. */
Datum
etl_differs(PG_FUNCTION_ARGS)
{
	bool differs = PG_GETARG_BOOL(1);

	if (EtlEmittedSlice == NULL)
		raise_no_batch("etl_differs");
	if (!differs && EtlEmittedSlice->places != NULL)
		EtlPlacesAdd(EtlEmittedSlice->places, (ItemPointer) PG_GETARG_POINTER(0));
	PG_RETURN_BOOL(differs);
}

/* etl_kept(place tid) returns boolean: whether that was noted. */
Datum
etl_kept(PG_FUNCTION_ARGS)
{
	if (EtlEmittedSlice == NULL)
		raise_no_batch("etl_kept");
	PG_RETURN_BOOL(EtlEmittedSlice->places != NULL &&
				   EtlPlacesHas(EtlEmittedSlice->places, (ItemPointer) PG_GETARG_POINTER(0)));
}

bytea *
EtlLacksOf(const int *columns, int n, int natts)
{
	size_t size = VARHDRSZ + (natts + 7) / 8;
	bytea *lacks;

	if (n == 0)
		return NULL;
	lacks = palloc0(size);
	SET_VARSIZE(lacks, size);
	for (int i = 0; i < n; i++)
		((uint8 *) VARDATA(lacks))[columns[i] / 8] |= 1 << columns[i] % 8;
	return lacks;
}

void
EtlSliceInit(void)
{
	EtlScanAddKind(&batch_kind);
	EtlScanAddKind(&enriched_kind);
	EtlScanAddKind(&emitted_kind);
}
