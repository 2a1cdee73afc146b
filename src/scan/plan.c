/*
 * plan.c
 *		The planner's side of a streaming scan.
 *
 * The hook is called when the planner has found the paths of a relation.  For a function of ours it puts
 * our path in the place of the FunctionScan: a matter of what the scan is, not of what it costs.
 *
 * The node scans no relation (scanrelid 0), so it says itself which columns it gives (custom_scan_tlist):
 * those that the query uses.  The function call is in custom_exprs, where the planner replaces the
 * parameters of a LATERAL call and records what the plan depends on.
 */
#include "etl.h"

#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "scan/scan.h"
#include "utils/lsyscache.h"

static set_rel_pathlist_hook_type next_hook = NULL;

static Plan *plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist,
					   List *clauses, List *custom_plans);

const CustomPathMethods EtlScanPathMethods = {
	.CustomName = "EtlScan",
	.PlanCustomPath = plan_scan,
};

/* The call of a function of ours that is all of a FROM item; NULL for anything else. */
static FuncExpr *
our_call(const RangeTblEntry *rte)
{
	RangeTblFunction *function;

	if (rte->rtekind != RTE_FUNCTION || list_length(rte->functions) != 1)
		return NULL;
	function = linitial_node(RangeTblFunction, rte->functions);
	if (!IsA(function->funcexpr, FuncExpr))
		return NULL;
	return EtlScanKindOf((FuncExpr *) function->funcexpr) != NULL ? (FuncExpr *) function->funcexpr
																  : NULL;
}

static void
cost_scan(CustomPath *path, RelOptInfo *rel, const FuncExpr *call)
{
	double nrows = 0;
	double nbytes = 0;
	Cost per_row = cpu_tuple_cost + rel->baserestrictcost.per_tuple +
				   cpu_operator_cost * list_length(rel->reltarget->exprs);

	if (!EtlScanEstimate(call, &nrows, &nbytes))
		nrows = rel->tuples;
	path->path.startup_cost = rel->baserestrictcost.startup + rel->reltarget->cost.startup;
	path->path.total_cost = path->path.startup_cost + nbytes / BLCKSZ * seq_page_cost +
							per_row * nrows + rel->reltarget->cost.per_tuple * path->path.rows;
}

/*
 * The rows after which the query may stop reading, as LIMIT, EXISTS and cursors do; 0 if it reads to the end,
 * as it does for all that has to see every row first.  One where it is not known how many it will be.
 */
static int
enough_rows(const PlannerInfo *root)
{
	const Query *query = root->parse;

	if (query->sortClause != NIL || query->groupClause != NIL || query->groupingSets != NIL ||
		query->distinctClause != NIL || query->hasAggs || query->hasWindowFuncs)
		return 0;
	if (root->limit_tuples > 0)
		return root->limit_tuples < PG_INT32_MAX ? (int) root->limit_tuples : 0;
	return root->tuple_fraction > 0 ? 1 : 0;
}

/* Whether the input function of a type may be called by a worker of a parallel plan; of domains nobody knows. */
static bool
is_safe_type(Oid type)
{
	Oid element = get_element_type(type);
	Oid function;
	Oid ioparam;

	if (get_typtype(type) != TYPTYPE_BASE && get_typtype(type) != TYPTYPE_ENUM)
		return false;
	getTypeInputInfo(type, &function, &ioparam);
	return func_parallel(function) == PROPARALLEL_SAFE &&
		   (!OidIsValid(element) || is_safe_type(element));
}

static bool
has_safe_types(const FuncExpr *call, const RangeTblFunction *function)
{
	TupleDesc desc = NULL;
	ListCell *lc;
	Oid type;

	foreach (lc, function->funccoltypes)
		if (!is_safe_type(lfirst_oid(lc)))
			return false;
	if (function->funccoltypes == NIL &&
		get_expr_result_type((Node *) call, &type, &desc) != TYPEFUNC_COMPOSITE)
		return false;
	for (int i = 0; desc != NULL && i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped &&
			!is_safe_type(TupleDescAttr(desc, i)->atttypid))
			return false;
	return true;
}

static bool
has_constant_args(const FuncExpr *call)
{
	ListCell *lc;

	foreach (lc, call->args)
		if (!IsA(lfirst(lc), Const))
			return false;
	return true;
}

static const char *
why_query_is_serial(PlannerInfo *root, RelOptInfo *rel)
{
	ListCell *lc;

	foreach (lc, rel->baserestrictinfo)
		if (!is_parallel_safe(root, (Node *) lfirst_node(RestrictInfo, lc)->clause))
			return "a condition is not parallel safe";
	if (!is_parallel_safe(root, (Node *) rel->reltarget->exprs))
		return "an expression is not parallel safe";
	return NULL;
}

/* Why one process must read all rows of a call, or do what the query does with them; NULL: several may. */
static const char *
why_serial(PlannerInfo *root, RelOptInfo *rel, const RangeTblEntry *rte, const FuncExpr *call)
{
	const EtlScanKind *kind = EtlScanKindOf(call);
	const char *reason;

	if (max_parallel_workers_per_gather == 0)
		return "max_parallel_workers_per_gather";
	if (!root->glob->parallelModeOK)
		return "the statement cannot be parallel";
	if (rte->funcordinality)
		return "WITH ORDINALITY";
	if (rel->lateral_relids != NULL)
		return "it is read for each row of another relation";
	if (enough_rows(root) > 0)
		return "LIMIT";
	if (kind->why_whole == NULL)
		return "the function";
	if (!has_constant_args(call))
		return "its arguments are known only when it runs";
	if (!has_safe_types(call, linitial_node(RangeTblFunction, rte->functions)))
		return "the input function of a column is not parallel safe";
	reason = why_query_is_serial(root, rel);
	return reason != NULL ? reason : kind->why_whole(EtlArgsOfExpr(call));
}

/*
 * Adds the path by which several processes read the rows, or says why there is none.  As a plain function it is restricted to the leader, because whoever
 * calls it reads all rows; so the relation is not one for parallel plans yet.
 */
static void
add_divided_path(PlannerInfo *root, RelOptInfo *rel, const RangeTblEntry *rte, const FuncExpr *call,
				 CustomPath *whole)
{
	const char *reason = why_serial(root, rel, rte, call);
	CustomPath *path;
	double nrows;
	double nbytes;
	double processes;
	Cost reading;
	int workers;

	if (reason == NULL && !EtlScanEstimate(call, &nrows, &nbytes))
		reason = "it is not known how large the source is";
	workers = reason != NULL ? 0
							 : compute_parallel_worker(rel, nbytes / BLCKSZ, -1,
													   max_parallel_workers_per_gather);
	if (reason == NULL && workers <= 0)
		reason = "the source is small";
	whole->custom_private = list_make1(makeString(pstrdup(reason != NULL ? reason : "its cost")));
	if (reason != NULL)
		return;
	processes = workers;
	if (parallel_leader_participation)
		processes += Max(0, 1.0 - 0.3 * workers); /* as PostgreSQL has it */
	path = makeNode(CustomPath);
	memcpy(path, whole, sizeof(*path));
	path->custom_private = list_make1(makeString(pstrdup("")));
	reading = nbytes / BLCKSZ * seq_page_cost;
	path->path.parallel_safe = path->path.parallel_aware = true;
	path->path.parallel_workers = workers;
	path->path.rows = clamp_row_est(path->path.rows / processes);
	path->path.total_cost = path->path.startup_cost + reading +
							(path->path.total_cost - path->path.startup_cost - reading) / processes;
	rel->consider_parallel = true;
	add_partial_path(rel, &path->path);
}

static void
replace_path(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	FuncExpr *call;
	CustomPath *path;

	if (next_hook != NULL)
		next_hook(root, rel, rti, rte);
	call = our_call(rte);
	if (call == NULL || IS_DUMMY_REL(rel))
		return;

	path = makeNode(CustomPath);
	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = rel->reltarget;
	path->path.param_info = get_baserel_parampathinfo(root, rel, rel->lateral_relids);
	path->path.parallel_safe = false;
	path->path.rows = path->path.param_info != NULL ? path->path.param_info->ppi_rows : rel->rows;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->methods = &EtlScanPathMethods;
	cost_scan(path, rel, call);

	rel->pathlist = list_make1(path);
	rel->partial_pathlist = NIL;
	add_divided_path(root, rel, rte, call, path);
}

/* The variables of the function that the query reads, each once. */
static List *
used_variables(RelOptInfo *rel, List *clauses)
{
	List *all = pull_var_clause((Node *) rel->reltarget->exprs, PVC_RECURSE_PLACEHOLDERS);
	List *used = NIL;
	ListCell *lc;

	all = list_concat(all, pull_var_clause((Node *) clauses, PVC_RECURSE_PLACEHOLDERS));
	foreach (lc, all)
	{
		Var *var = lfirst_node(Var, lc);

		if (var->varno == (int) rel->relid)
			used = list_append_unique(used, var);
	}
	return used;
}

/*
 * The columns of the scan tuple.  Where the query reads a whole row, that stands behind all columns in their
 * order, of which it is made; a dropped one has a null in its place.
 */
static List *
scan_columns(RelOptInfo *rel, RangeTblEntry *rte, List *clauses)
{
	List *used = used_variables(rel, clauses);
	List *all = NIL;
	ListCell *lc;

	foreach (lc, used)
	{
		Var *var = lfirst_node(Var, lc);

		if (var->varattno != 0)
			continue;
		EtlExpandRTE(rte, rel->relid, &all);
		return lappend(all, var);
	}
	return used;
}

static Plan *
plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses,
		  List *custom_plans)
{
	CustomScan *scan = makeNode(CustomScan);
	RangeTblEntry *rte = planner_rt_fetch(rel->relid, root);
	RangeTblFunction *function = linitial_node(RangeTblFunction, rte->functions);
	ListCell *lc;

	clauses = extract_actual_clauses(clauses, false);
	foreach (lc, scan_columns(rel, rte, clauses))
	{
		int number = foreach_current_index(lc) + 1;

		scan->custom_scan_tlist = lappend(
			scan->custom_scan_tlist, makeTargetEntry(copyObject(lfirst(lc)), number, NULL, false));
	}
	scan->scan.plan.targetlist = tlist;
	scan->scan.plan.qual = clauses;
	scan->scan.scanrelid = 0;
	scan->flags = path->flags;
	scan->custom_exprs = list_make1(copyObject(function->funcexpr));
	scan->custom_private = list_concat(
		list_make3(makeBoolean(rte->funcordinality), makeInteger(function->funccolcount),
				   function->funccolnames),
		list_make5(function->funccoltypes, function->funccoltypmods, function->funccolcollations,
				   makeInteger(enough_rows(root)), linitial(path->custom_private)));
	scan->methods = &EtlScanMethods;
	return &scan->scan.plan;
}

void
EtlPlanInit(void)
{
	next_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = replace_path;
}
