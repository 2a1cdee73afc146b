/*
 * range.c
 *		The range of the source that a run of a backfill reads.
 *
 *		backfill.c		notes what is to be read: since, until, step
 *		run				the call of the source asks etl_since() and etl_until() for the next range
 *		its end			the note moves on behind that range, in the transaction of the run's end
 *
 * So a backfill that was interrupted goes on with the range that was not read to its end, and inside of it at the checkpoints
 * of that range, which are kept apart from those of the other runs.  The watermark is not moved: it says how far the other
 * runs have come.
 */
#include "etl.h"

#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_oper.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/run/range.h"
#include "pipeline/run/stored.h"
#include "pipeline/source_call.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(etl_since);
PG_FUNCTION_INFO_V1(etl_until);

/* The range that the run of this process reads; since is NULL: it is no backfill. */
static struct
{
	Oid type;
	char *since;
	char *until;
	bool last;
	bool asked;
} range;

/* ----------------------------------------------------------------
 *	Steps
 * ---------------------------------------------------------------- */

static bool
is_before(Oid type, Datum a, Datum b)
{
	Oid compare = lookup_type_cache(type, TYPECACHE_CMP_PROC)->cmp_proc;

	if (!OidIsValid(compare))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("a backfill cannot go over type %s, which has no order",
							   format_type_be(type))));
	return DatumGetInt32(OidFunctionCall2Coll(compare, get_typcollation(type), a, b)) < 0;
}

/* value + step, by an operator of pg_catalog, where the step is an interval or of the same type. */
static Datum
add_step(Oid type, Datum value, const char *step)
{
	const Oid step_types[] = {INTERVALOID, type};
	List *plus = list_make2(makeString("pg_catalog"), makeString("+"));

	if (type == DATEOID) /* with an interval it is a timestamp */
		return DirectFunctionCall1(
			timestamp_date,
			DirectFunctionCall2(date_pl_interval, value, EtlFromText(INTERVALOID, -1, step)));
	for (int i = 0; i < lengthof(step_types); i++)
	{
		Oid oper = OpernameGetOprid(plus, type, step_types[i]);

		if (OidIsValid(oper) && get_op_rettype(oper) == type)
			return OidFunctionCall2(get_opcode(oper), value, EtlFromText(step_types[i], -1, step));
	}
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("a backfill cannot go over type %s", format_type_be(type)),
					errhint("Give since and until as dates, timestamps or numbers.")));
	return (Datum) 0;
}

/* The end of the range that begins at a value: a step further, or the end of all of them. */
static Datum
end_of_range(Oid type, Datum begin, const char *step, Datum until, bool *last)
{
	Datum end = add_step(type, begin, step);

	if (!is_before(type, begin, end))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("step \"%s\" of a backfill does not lead forward", step)));
	*last = !is_before(type, end, until);
	return *last ? until : end;
}

void
EtlRangeCheck(Oid type, Datum since, Datum until, const char *step)
{
	bool last;

	if (!is_before(type, since, until))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("\"since\" of a backfill must be before \"until\"")));
	(void) end_of_range(type, since, step, until, &last);
}

/* ----------------------------------------------------------------
 *	What a source asks for
 * ---------------------------------------------------------------- */

static bool
asks_for_range(const FuncExpr *call)
{
	const char *name = get_func_name(call->funcid);

	return (strcmp(name, "etl_since") == 0 || strcmp(name, "etl_until") == 0) &&
		   getExtensionOfObject(ProcedureRelationId, call->funcid) ==
			   get_extension_oid("etl", false);
}

static bool
find_type(Node *node, void *type)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_type, type, 0);
	if (IsA(node, FuncExpr) && asks_for_range((FuncExpr *) node))
	{
		*(Oid *) type = ((FuncExpr *) node)->funcresulttype;
		return true;
	}
	return expression_tree_walker(node, find_type, type);
}

Oid
EtlRangeType(const EtlPipeline *pipeline)
{
	Oid type = InvalidOid;

	(void) find_type((Node *) EtlAnalyzeSource(EtlSourceStatement(pipeline->source)), &type);
	if (!OidIsValid(type))
		ereport(
			ERROR,
			(errcode(ERRCODE_INDETERMINATE_DATATYPE),
			 errmsg("it is not known of which type a range of pipeline \"%s\" is", pipeline->name),
			 errdetail("The call of its source has neither etl_since(...) nor etl_until(...)."),
			 errhint("Put them into its arguments. If a function that it calls has them, give the "
					 "type of since and until to etl_backfill, as in date '2026-01-01'.")));
	return type;
}

/* ----------------------------------------------------------------
 *	In a run
 * ---------------------------------------------------------------- */

void
EtlRangeOpen(EtlRun *run)
{
	EtlBackfill *backfill = EtlCatalogBackfill(run->pipeline->id);
	Datum end;
	MemoryContext old;

	if (backfill == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the backfill of pipeline \"%s\" has ended", run->pipeline->name)));
	old = MemoryContextSwitchTo(run->context);
	range.type = DatumGetObjectId(DirectFunctionCall1(regtypein, CStringGetDatum(backfill->type)));
	range.since = pstrdup(backfill->next);
	end = end_of_range(range.type, EtlFromStored(range.type, range.since), backfill->step,
					   EtlFromStored(range.type, backfill->until), &range.last);
	range.until = EtlStoredText(range.type, end);
	range.asked = false;
	run->checkpoints = backfill->checkpoints;
	MemoryContextSwitchTo(old);
}

void
EtlRangeCheckAsked(const EtlRun *run)
{
	if (!range.asked)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the source of pipeline \"%s\" does not ask for a range", run->pipeline->name),
			 errdetail("Each range of a backfill would read the same."),
			 errhint("Put etl_since(...) and etl_until(...) into the arguments of its call.")));
}

void
EtlRangeFinish(const EtlRun *run)
{
	EtlCatalogMoveBackfill(run->pipeline->id, range.last ? NULL : range.until);
}

/* ----------------------------------------------------------------
 *	For users
 * ---------------------------------------------------------------- */

/* One end of the range, if there is one; else the argument. */
static Datum
end_or_argument(FunctionCallInfo fcinfo, const char *end)
{
	Oid type = get_fn_expr_argtype(fcinfo->flinfo, 0);

	if (end == NULL)
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		return PG_GETARG_DATUM(0);
	}
	range.asked = true;
	if (type != range.type)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("the backfill goes over type %s, and the source asks for type %s",
							   format_type_be(range.type), format_type_be(type)),
						errhint("Give since and until to etl_backfill as values of type %s.",
								format_type_be(type))));
	return EtlFromStored(type, end);
}

/* etl_since(otherwise anyelement) returns anyelement */
Datum
etl_since(PG_FUNCTION_ARGS)
{
	return end_or_argument(fcinfo, range.since);
}

/* etl_until(otherwise anyelement) returns anyelement */
Datum
etl_until(PG_FUNCTION_ARGS)
{
	return end_or_argument(fcinfo, range.until);
}
