/*
 * batch.c
 *		Rows in memory as what etl_batch() and etl_emitted() return, and etl_count_new().
 */
#include "etl.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "pipeline/run/batch.h"
#include "pipeline/run/report.h"
#include "scan/scan.h"

PG_FUNCTION_INFO_V1(etl_batch);
PG_FUNCTION_INFO_V1(etl_emitted);
PG_FUNCTION_INFO_V1(etl_count_new);

typedef struct WindowRows
{
	EtlRows base;
	EtlWindow *window;
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
} WindowRows;

EtlWindow *EtlBatchWindow = NULL;
EtlWindow *EtlEmittedWindow = NULL;

pg_noreturn static void
raise_no_batch(const char *function)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("there is no batch"),
					errdetail("Function %s works in the statements of a running pipeline only.",
							  function)));
}

static void
check_columns(const EtlRows *rows, const EtlWindow *window)
{
	bool same = rows->desc->natts == window->desc->natts;

	for (int i = 0; same && i < rows->desc->natts; i++)
		same = TupleDescAttr(rows->desc, i)->atttypid == TupleDescAttr(window->desc, i)->atttypid;
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("function %s has other columns than the batch has", rows->kind->function)));
}

/* The scan is over, maybe by an error. */
static void
give_reader_back(void *arg)
{
	WindowRows *w = arg;

	w->window->taken[w->reader] = false;
}

/* Takes a place of its own in the store, so that several scans can go on side by side. */
static void
open_store(WindowRows *w)
{
	EtlWindow *window = w->window;

	w->slot = MakeSingleTupleTableSlot(window->desc, &TTSOpsMinimalTuple);
	while (w->reader < window->nreaders && window->taken[w->reader])
		w->reader++;
	if (w->reader == window->nreaders)
	{
		window->taken = repalloc(window->taken, sizeof(bool) * (w->reader + 1));
		(void) tuplestore_alloc_read_pointer(window->store, EXEC_FLAG_REWIND);
		window->nreaders++;
	}
	window->taken[w->reader] = true;
	w->give_back.func = give_reader_back;
	w->give_back.arg = w;
	MemoryContextRegisterResetCallback(w->base.context, &w->give_back);
	tuplestore_select_read_pointer(window->store, w->reader);
	tuplestore_rescan(window->store);
}

static void
open_window(EtlRows *rows, EtlWindow *window)
{
	WindowRows *w = (WindowRows *) rows;

	if (window == NULL)
		raise_no_batch(rows->kind->function);
	check_columns(rows, window);
	w->window = window;
	w->next = window->begin;
	w->values = palloc(sizeof(Datum) * rows->desc->natts);
	w->isnull = palloc(sizeof(bool) * rows->desc->natts);
	if (window->store != NULL)
		open_store(w);
}

static void
open_batch(EtlRows *rows)
{
	open_window(rows, EtlBatchWindow);
}

static void
open_emitted(EtlRows *rows)
{
	open_window(rows, EtlEmittedWindow);
}

static EtlAdvance
advance_in_store(WindowRows *w)
{
	MemoryContext old = MemoryContextSwitchTo(w->base.context);
	bool found;

	tuplestore_select_read_pointer(w->window->store, w->reader);
	found = tuplestore_gettupleslot(w->window->store, true, false, w->slot);
	MemoryContextSwitchTo(old);
	if (!found)
		return ETL_NO_MORE_ROWS;
	w->window->pulled = 0; /* a row, and no matter which */
	EtlReportDone(++w->next - w->window->begin);
	return ETL_ROW;
}

static EtlAdvance
window_advance(EtlRows *rows)
{
	WindowRows *w = (WindowRows *) rows;
	EtlWindow *window = w->window;

	if (window->store != NULL)
		return advance_in_store(w);
	while (w->next < window->end && window->left_out != NULL && window->left_out[w->next])
		w->next++;
	if (w->next >= window->end)
		return ETL_NO_MORE_ROWS;
	w->deformed = false;
	window->pulled = w->current = w->next++;
	EtlReportDone(w->next - window->begin);
	return ETL_ROW;
}

/* The columns of the current row. */
static void
locate(WindowRows *w, const Datum **values, const bool **isnull)
{
	const EtlWindow *window = w->window;

	if (window->store != NULL)
	{
		slot_getallattrs(w->slot);
		*values = w->slot->tts_values;
		*isnull = w->slot->tts_isnull;
		return;
	}
	if (window->tuples == NULL)
	{
		*values = window->values + (size_t) w->current * window->desc->natts;
		*isnull = window->isnull + (size_t) w->current * window->desc->natts;
		return;
	}
	if (!w->deformed)
	{
		HeapTupleData tuple;

		tuple.t_len = window->tuples[w->current]->t_len + MINIMAL_TUPLE_OFFSET;
		tuple.t_data =
			(HeapTupleHeader) ((char *) window->tuples[w->current] - MINIMAL_TUPLE_OFFSET);
		heap_deform_tuple(&tuple, window->desc, w->values, w->isnull);
		w->deformed = true;
	}
	*values = w->values;
	*isnull = w->isnull;
}

static void
window_fetch(EtlRows *rows, const EtlWanted *targets, int n, Datum *values, bool *isnull)
{
	const Datum *row_values;
	const bool *row_isnull;

	locate((WindowRows *) rows, &row_values, &row_isnull);
	for (int i = 0; i < n; i++)
	{
		values[targets[i].place] = row_values[targets[i].column];
		isnull[targets[i].place] = row_isnull[targets[i].column];
	}
}

static void
window_rewind(EtlRows *rows)
{
	WindowRows *w = (WindowRows *) rows;

	w->next = w->window->begin;
	if (w->window->store != NULL)
	{
		tuplestore_select_read_pointer(w->window->store, w->reader);
		tuplestore_rescan(w->window->store);
	}
}

static void
window_where(const EtlRows *rows, StringInfo buf)
{
	/* whoever runs the statement knows, and says, which record failed */
}

static bool
estimate_window(const EtlWindow *window, double *nrows, double *nbytes)
{
	*nrows = window != NULL ? window->expected : 10000;
	*nbytes = 0;
	return true;
}

static bool
estimate_batch(const EtlArgs *args, double *nrows, double *nbytes)
{
	return estimate_window(EtlBatchWindow, nrows, nbytes);
}

static bool
estimate_emitted(const EtlArgs *args, double *nrows, double *nbytes)
{
	return estimate_window(EtlEmittedWindow, nrows, nbytes);
}

static const EtlScanKind batch_kind = {
	.function = "etl_batch",
	.entry = etl_batch,
	.size = sizeof(WindowRows),
	.open = open_batch,
	.advance = window_advance,
	.fetch = window_fetch,
	.rewind = window_rewind,
	.where = window_where,
	.estimate = estimate_batch,
};

static const EtlScanKind emitted_kind = {
	.function = "etl_emitted",
	.entry = etl_emitted,
	.size = sizeof(WindowRows),
	.open = open_emitted,
	.advance = window_advance,
	.fetch = window_fetch,
	.rewind = window_rewind,
	.where = window_where,
	.estimate = estimate_emitted,
};

/* etl_batch() returns setof record: the converted rows of the current batch. */
Datum
etl_batch(PG_FUNCTION_ARGS)
{
	return EtlScanFunction(fcinfo, &batch_kind);
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
	if (EtlEmittedWindow == NULL)
		raise_no_batch("etl_count_new");
	EtlEmittedWindow->counted++;
	PG_RETURN_BOOL(true);
}

void
EtlBatchInit(void)
{
	EtlScanAddKind(&batch_kind);
	EtlScanAddKind(&emitted_kind);
}
