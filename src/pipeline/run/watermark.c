/*
 * watermark.c
 *		How far the data goes: the highest value of a column that grows.
 *
 * Each batch leaves the highest value so far as "pending"; it is published when the scan is complete, since a
 * source need not give its rows in that order.
 */
#include "etl.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/run/lock.h"
#include "pipeline/run/parallel.h"
#include "pipeline/run/stored.h"
#include "pipeline/run/watermark.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(etl_watermark);
PG_FUNCTION_INFO_V1(etl_watermark_typed);

static Datum
copy_value(const EtlWatermark *w, Datum value, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Datum copy = datumCopy(value, w->attr->attbyval, w->attr->attlen);

	MemoryContextSwitchTo(old);
	return copy;
}

bool
EtlWatermarkIsHigher(const EtlWatermark *w, Datum a, Datum b)
{
	return DatumGetInt32(FunctionCall2Coll((FmgrInfo *) &w->compare, w->attr->attcollation, a, b)) >
		   0;
}

/* Beyond it a value must be a mistake, and would keep the watermark from moving for ever. */
static EtlHighest
find_max(const EtlPipeline *pipeline, Oid type)
{
	Datum tomorrow = TimestampTzGetDatum(GetCurrentTimestamp() + USECS_PER_DAY);
	EtlHighest max = {.known = true};

	if (pipeline->watermark_max != NULL)
		max.value = EtlFromText(type, -1, pipeline->watermark_max);
	else if (type == TIMESTAMPTZOID)
		max.value = tomorrow;
	else if (type == TIMESTAMPOID)
		max.value = DirectFunctionCall1(timestamptz_timestamp, tomorrow);
	else if (type == DATEOID)
		max.value = DirectFunctionCall1(timestamptz_date, tomorrow);
	else
		max.known = false;
	return max;
}

void
EtlWatermarkOpen(EtlWatermark *w, const EtlRun *run)
{
	char *pending;

	w->run = run;
	if (run->statements->watermark < 0)
		return;
	w->attr = TupleDescAttr(run->statements->emitted, run->statements->watermark);
	fmgr_info_cxt(lookup_type_cache(w->attr->atttypid, TYPECACHE_CMP_PROC)->cmp_proc, &w->compare,
				  run->context);
	w->max = find_max(run->pipeline, w->attr->atttypid);
	if (w->max.known)
		w->max.value = copy_value(w, w->max.value, run->context);
	pending = EtlCatalogWatermark(run->pipeline->id, true);
	if (pending != NULL)
		EtlWatermarkRaise(w, &w->highest, EtlFromStored(w->attr->atttypid, pending), run->context);
}

bool
EtlWatermarkBeyondMax(const EtlWatermark *w, Datum value)
{
	return w->max.known && EtlWatermarkIsHigher(w, value, w->max.value);
}

void
EtlWatermarkRaise(const EtlWatermark *w, EtlHighest *highest, Datum value, MemoryContext context)
{
	if (highest->known && !EtlWatermarkIsHigher(w, value, highest->value))
		return;
	if (highest->known && !w->attr->attbyval)
		pfree(DatumGetPointer(highest->value));
	highest->value = copy_value(w, value, context);
	highest->known = true;
}

/* As a time of the run's time zone; infinity if it is none, or none that a timestamptz can hold. */
static TimestampTz
as_time(Oid type, Datum value)
{
	int overflow = 0;
	TimestampTz at = DT_NOEND;

	if (type == TIMESTAMPTZOID)
		return DatumGetTimestampTz(value);
	if (type == TIMESTAMPOID)
		at = timestamp2timestamptz_opt_overflow(DatumGetTimestamp(value), &overflow);
	else if (type == DATEOID)
		at = date2timestamptz_opt_overflow(DatumGetDateADT(value), &overflow);
	return overflow == 0 ? at : DT_NOEND;
}

/* Whether another process that shares the run has raised it as high.  If not, no other does before this transaction ends. */
static bool
others_are_higher(const EtlWatermark *w, const char *type, Datum value)
{
	const char *pending = EtlCatalogLockPending(w->run->pipeline->id, type);

	return pending != NULL &&
		   !EtlWatermarkIsHigher(w, value, EtlFromStored(w->attr->atttypid, pending));
}

void
EtlWatermarkSave(const EtlWatermark *w, const EtlHighest *raised)
{
	const char *type;

	if (!raised->known ||
		(w->highest.known && !EtlWatermarkIsHigher(w, raised->value, w->highest.value)))
		return;
	type = format_type_extended(w->attr->atttypid, -1, FORMAT_TYPE_FORCE_QUALIFY);
	if (EtlParallelIsShared(w->run->parallel) && others_are_higher(w, type, raised->value))
		return;
	EtlCatalogSetPending(w->run->pipeline->id, type,
						 EtlStoredText(w->attr->atttypid, raised->value),
						 as_time(w->attr->atttypid, raised->value));
}

/* ----------------------------------------------------------------
 *	For users
 * ---------------------------------------------------------------- */

/* etl_watermark(name text) returns text: the highest value of complete scans */
Datum
etl_watermark(PG_FUNCTION_ARGS)
{
	EtlPipeline *pipeline = EtlFindOwnPipeline(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	char *value = EtlCatalogWatermark(pipeline->id, false);

	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(value));
}

/* value - lag, by an operator of pg_catalog, where lag is an interval or a number. */
static Datum
less_lag(Oid type, Datum value, const char *lag)
{
	const Oid lag_types[] = {INTERVALOID, type};
	List *minus = list_make2(makeString("pg_catalog"), makeString("-"));

	if (type == DATEOID) /* minus an interval it is a timestamp */
		return DirectFunctionCall1(
			timestamp_date,
			DirectFunctionCall2(date_mi_interval, value, EtlFromText(INTERVALOID, -1, lag)));
	for (int i = 0; i < lengthof(lag_types); i++)
	{
		Oid oper = OpernameGetOprid(minus, type, lag_types[i]);

		if (OidIsValid(oper) && get_op_rettype(oper) == type)
			return OidFunctionCall2(get_opcode(oper), value, EtlFromText(lag_types[i], -1, lag));
	}
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("cannot subtract a watermark_lag from type %s", format_type_be(type)),
					errhint("Give the default of etl_watermark the type of the watermark.")));
	return (Datum) 0;
}

/* etl_watermark(name text, "default" anyelement) returns anyelement: typed, and less watermark_lag */
Datum
etl_watermark_typed(PG_FUNCTION_ARGS)
{
	Oid type = get_fn_expr_argtype(fcinfo->flinfo, 1);
	EtlPipeline *pipeline;
	char *highest;
	Datum value;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	pipeline = EtlFindOwnPipeline(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	highest = EtlCatalogWatermark(pipeline->id, false);
	if (highest == NULL)
	{
		if (PG_ARGISNULL(1))
			PG_RETURN_NULL();
		return PG_GETARG_DATUM(1);
	}
	value = EtlFromStored(type, highest);
	if (pipeline->watermark_lag != NULL)
		value = less_lag(type, value, pipeline->watermark_lag);
	return value;
}
