/*
 * source_call.c
 *		The call that is the source of a pipeline, analyzed and planned.
 *
 * Whoever may create functions in the schema of the extension can make a call of etl_csv ambiguous by another etl_csv.
 * That must not stop pipelines that are there.  So the call is then looked up in etl_internal, where nobody can create: it
 * has a twin of each of these functions, etl_csv_source and so on, with the same arguments, which nobody may call.  The twin that is found is
 * replaced by the function that it stands for, whose rights count.
 */
#include "etl.h"

#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "pipeline/source_call.h"
#include "tcop/tcopprot.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define TWIN "_source" /* what its name has behind the name of the function */

/* The function of the extension that users call by this name, with these arguments; without arguments: any. */
static Oid
find_original(const char *name, const oidvector *arguments)
{
	Oid extension = get_extension_oid("etl", false);
	Oid twins = get_namespace_oid("etl_internal", false);
	CatCList *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	Oid found = InvalidOid;

	for (int i = 0; i < list->n_members && !OidIsValid(found); i++)
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (proc->pronamespace != twins &&
			(arguments == NULL || (proc->proargtypes.dim1 == arguments->dim1 &&
								   memcmp(proc->proargtypes.values, arguments->values,
										  arguments->dim1 * sizeof(Oid)) == 0)) &&
			getExtensionOfObject(ProcedureRelationId, proc->oid) == extension)
			found = proc->oid;
	}
	ReleaseCatCacheList(list);
	return found;
}

/* The call in FROM; NULL: something else is there. */
static FuncCall *
call_in(const RawStmt *raw)
{
	const SelectStmt *select = (const SelectStmt *) raw->stmt;
	const RangeFunction *from;

	if (!IsA(select, SelectStmt) || list_length(select->fromClause) != 1 ||
		!IsA(linitial(select->fromClause), RangeFunction))
		return NULL;
	from = linitial(select->fromClause);
	return IsA(linitial(linitial_node(List, from->functions)), FuncCall)
			   ? linitial(linitial_node(List, from->functions))
			   : NULL;
}

/* Whether a name can mean a function that is not the extension's. */
static bool
is_shared(List *name)
{
	Oid extension = get_extension_oid("etl", false);
	FuncCandidateList candidate = FuncnameGetCandidates(name, -1, NIL, false, false, false, true);

	while (candidate != NULL &&
		   getExtensionOfObject(ProcedureRelationId, candidate->oid) == extension)
		candidate = candidate->next;
	return candidate != NULL;
}

/* Has a call of one of our functions mean the twin, if somebody else has a function of that name. */
static void
name_twin(FuncCall *call)
{
	char *schema, *name;
	List *twin;
	Oid original;

	DeconstructQualifiedName(call->funcname, &schema, &name);
	original = find_original(name, NULL);
	if (!OidIsValid(original) || !is_shared(call->funcname) ||
		(schema != NULL && get_namespace_oid(schema, true) != get_func_namespace(original)))
		return;
	twin = list_make2(makeString("etl_internal"), makeString(psprintf("%s" TWIN, name)));
	if (FuncnameGetCandidates(twin, -1, NIL, false, false, false, true) != NULL)
		call->funcname = twin;
}

/* The function that a twin stands for; any other stays what it is. */
static Oid
original_of(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc twin = (Form_pg_proc) GETSTRUCT(tuple);
	Oid original = InvalidOid;

	if (twin->pronamespace == get_namespace_oid("etl_internal", false) &&
		strlen(NameStr(twin->proname)) > strlen(TWIN))
		original = find_original(
			pnstrdup(NameStr(twin->proname), strlen(NameStr(twin->proname)) - strlen(TWIN)),
			&twin->proargtypes);
	ReleaseSysCache(tuple);
	return OidIsValid(original) ? original : function;
}

static void
replace_twin(Query *query)
{
	RangeTblEntry *rte = linitial(query->rtable);
	Node *call = rte->rtekind == RTE_FUNCTION
					 ? linitial_node(RangeTblFunction, rte->functions)->funcexpr
					 : NULL;

	if (call != NULL && IsA(call, FuncExpr))
		((FuncExpr *) call)->funcid = original_of(((FuncExpr *) call)->funcid);
}

/* What is wrong is shown in the statement, not in the one that called us. */
static void
show_statement(void *statement)
{
	int position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(statement);
	}
	else
		errcontext("SQL statement \"%s\"", (const char *) statement);
}

Query *
EtlAnalyzeSource(const char *statement)
{
	ErrorContextCallback callback = {error_context_stack, show_statement,
									 unconstify(char *, statement)};
	RawStmt *raw;
	FuncCall *call;
	Query *query;

	error_context_stack = &callback;
	raw = linitial_node(RawStmt, pg_parse_query(statement));
	call = call_in(raw);
	if (call != NULL)
		name_twin(call);
	query = linitial_node(Query, pg_analyze_and_rewrite_fixedparams(raw, statement, NULL, 0, NULL));
	replace_twin(query);
	error_context_stack = callback.previous;
	return query;
}

PlannedStmt *
EtlPlanSource(const Query *query, const char *statement)
{
	ErrorContextCallback callback = {error_context_stack, show_statement,
									 unconstify(char *, statement)};
	PlannedStmt *plan;

	error_context_stack = &callback;
	plan = pg_plan_query(copyObject(unconstify(Query *, query)), statement, CURSOR_OPT_NO_SCROLL,
						 NULL);
	error_context_stack = callback.previous;
	return plan;
}
