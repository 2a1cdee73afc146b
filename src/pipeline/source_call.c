/*
 * source_call.c
 *		The call that is the source of a pipeline, analyzed and planned.
 *
 * Whoever may create functions in the schema of the extension can make a call of etl_csv ambiguous by another etl_csv.
 * That must not stop pipelines that are there.  So the call is then looked up in etl_internal, where nobody can create: it
 * has a twin of each of these functions, etl_csv_source and so on, with the same arguments, which nobody may call.  The twin that is found is
 * replaced by the function that it stands for, whose rights count.  The same holds for functions of extensions that bring a source of
 * their own: only a superuser can give a function the support function by which they are known.
 */
#include "etl.h"

#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "parser/parse_func.h"
#include "pipeline/source_call.h"
#include "pipeline/user_text.h"
#include "source/closest.h"
#include "tcop/tcopprot.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define PREFIX "SELECT * FROM\n"
#define TWIN "_source" /* what its name has behind the name of the function */

/* Whether a function is of the extension, or streams rows as its functions do. */
static bool
is_ours(Oid function)
{
	static const Oid internal[] = {INTERNALOID};
	List *support = list_make2(makeString("etl_internal"), makeString("etl_scan_support"));

	return getExtensionOfObject(ProcedureRelationId, function) == get_extension_oid("etl", false) ||
		   get_func_support(function) ==
			   LookupFuncName(support, lengthof(internal), internal, false);
}

/* The function of ours that users call by this name, with these arguments; without arguments: any. */
static Oid
find_original(const char *name, const oidvector *arguments)
{
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
			is_ours(proc->oid))
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

/* Whether a name can mean a function that is not ours. */
static bool
is_shared(List *name)
{
	FuncCandidateList candidate = FuncnameGetCandidates(name, -1, NIL, false, false, false, true);

	while (candidate != NULL && is_ours(candidate->oid))
		candidate = candidate->next;
	return candidate != NULL;
}

/* An argument that none of our functions of this name has: PostgreSQL would say that there is no such function. */
static void
check_argument(const char *function, const NamedArgExpr *arg, HeapTuple proc, const char *statement)
{
	EtlClosest closest = {arg->name};
	bool isnull;
	Datum names = SysCacheGetAttr(PROCOID, proc, Anum_pg_proc_proargnames, &isnull);
	char **name;
	int n = isnull ? 0 : get_func_input_arg_names(names, PointerGetDatum(NULL), &name);

	for (int i = 0; i < n; i++)
	{
		if (strcmp(name[i], arg->name) == 0)
			return;
		EtlClosestSee(&closest, name[i]);
	}
	ereport(
		ERROR,
		(errcode(ERRCODE_UNDEFINED_FUNCTION),
		 errmsg("%s has no argument \"%s\"", function, arg->name),
		 closest.name != NULL ? errhint("Perhaps you meant the argument \"%s\".", closest.name) : 0,
		 errposition(pg_mbstrlen_with_len(statement, arg->location) + 1)));
}

static void
check_arguments(const char *name, const FuncCall *call, Oid function, const char *statement)
{
	HeapTuple proc = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	ListCell *lc;

	foreach (lc, call->args)
	{
		const NamedArgExpr *arg = lfirst(lc);

		if (IsA(arg, NamedArgExpr) && strcmp(arg->name, "row_type") != 0)
			check_argument(name, arg, proc, statement);
	}
	ReleaseSysCache(proc);
}

/* Has a call of one of our functions mean the twin, if somebody else has a function of that name. */
static void
name_twin(FuncCall *call, const char *statement)
{
	char *schema, *name;
	List *twin;
	Oid original;

	DeconstructQualifiedName(call->funcname, &schema, &name);
	original = find_original(name, NULL);
	if (!OidIsValid(original) ||
		(schema != NULL && get_namespace_oid(schema, true) != get_func_namespace(original)))
		return;
	check_arguments(name, call, original, statement);
	if (!is_shared(call->funcname))
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

char *
EtlSourceStatement(const char *source)
{
	return psprintf(PREFIX "%s", source);
}

static EtlUserText
user_text_of(const char *statement)
{
	return (EtlUserText){"source of the pipeline", statement + strlen(PREFIX), statement};
}

Query *
EtlAnalyzeSource(const char *statement)
{
	EtlUserText text = user_text_of(statement);
	RawStmt *raw;
	FuncCall *call;
	Query *query;

	EtlUserTextEnter(&text);
	raw = linitial_node(RawStmt, pg_parse_query(statement));
	call = call_in(raw);
	if (call != NULL)
		name_twin(call, statement);
	query = linitial_node(Query, pg_analyze_and_rewrite_fixedparams(raw, statement, NULL, 0, NULL));
	replace_twin(query);
	EtlUserTextLeave(&text);
	return query;
}

PlannedStmt *
EtlPlanSource(const Query *query, const char *statement)
{
	EtlUserText text = user_text_of(statement);
	PlannedStmt *plan;

	EtlUserTextEnter(&text);
	plan = pg_plan_query(copyObject(unconstify(Query *, query)), statement, CURSOR_OPT_NO_SCROLL,
						 NULL);
	EtlUserTextLeave(&text);
	return plan;
}
