/*
 * srf.c
 *		Our functions as plain set-returning functions.
 *
 * This is what runs where the planner cannot use the CustomScan: in a SELECT list, among several functions in
 * ROWS FROM, or behind SECURITY DEFINER or SET.  Rows come one per call; in FROM the executor collects
 * them in a tuplestore all the same.
 */
#include "etl.h"

#include "funcapi.h"
#include "scan/scan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/*
 * The type of row_type has no columns that can be read.  Neither has a domain over a composite type: its constraints
 * are about whole rows, and a scan reads only the columns in use.
 */
void
EtlRefuseRowType(Oid type)
{
	ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
					errmsg("row_type must be of a composite type, not %s", format_type_be(type)),
					errhint("Give the row type of a table, as in NULL::orders.")));
}

/* The rows that the call returns, once it is known that it may return them. */
static TupleDesc
call_desc(FunctionCallInfo fcinfo)
{
	Oid type;
	TupleDesc desc;

	switch (get_call_result_type(fcinfo, &type, &desc))
	{
		case TYPEFUNC_COMPOSITE:
			return BlessTupleDesc(desc);
		case TYPEFUNC_RECORD:
			ereport(ERROR,
					(errcode(ERRCODE_SYNTAX_ERROR),
					 errmsg("a column definition list is required for function \"%s\"",
							get_func_name(fcinfo->flinfo->fn_oid)),
					 errhint("Use it in FROM, as in %s(...) AS t(id bigint, name text), or give a "
							 "row type as the first argument.",
							 get_func_name(fcinfo->flinfo->fn_oid))));
			break;
		default:
			EtlRefuseRowType(type);
	}
	return NULL; /* not reached */
}

/* Opens the rows of a call in the memory context that lasts for all its calls. */
static EtlRows *
open_rows(FunctionCallInfo fcinfo, const EtlScanKind *kind)
{
	TupleDesc desc = call_desc(fcinfo);
	Bitmapset *all = bms_add_range(NULL, 0, desc->natts - 1);

	return EtlRowsOpen(kind, EtlArgsOfCall(fcinfo), desc, all, false, 0, NULL);
}

Datum
EtlScanFunction(FunctionCallInfo fcinfo, const EtlScanKind *kind)
{
	FuncCallContext *call;
	EtlRows *rows;
	HeapTuple tuple;
	Datum *values;
	bool *isnull;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		call->user_fctx = open_rows(fcinfo, kind);
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	rows = call->user_fctx;
	if (!EtlRowsNext(rows))
	{
		EtlRowsClose(rows);
		SRF_RETURN_DONE(call);
	}
	values = palloc(sizeof(Datum) * rows->desc->natts);
	isnull = palloc(sizeof(bool) * rows->desc->natts);
	memset(isnull, true, sizeof(bool) * rows->desc->natts);
	EtlRowsFetch(rows, rows->wanted, rows->nwanted, values, isnull);
	tuple = heap_form_tuple(rows->desc, values, isnull);
	SRF_RETURN_NEXT(call, HeapTupleGetDatum(tuple));
}
