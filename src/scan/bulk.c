/*
 * bulk.c
 *		INSERT ... SELECT from a scan of ours, many rows at once.
 *
 *		ModifyTable				statement triggers, RETURNING, and the rows that the node below hands on
 *		CustomScan, this one	takes rows into batches (bulk_batch.c), which are inserted together
 *		...						what computes the row to be inserted
 *		CustomScan, a scan		(node.c)
 *
 * ModifyTable inserts row by row.  This node stands below it, keeps each row that can be inserted with others, as COPY
 * would insert it, and hands on the rest, which ModifyTable inserts as ever, when all that was kept before is in the table.
 * Whatever triggers and constraints see, they see in the order in which rows were read.  The node is put only into plans
 * that have nothing else between ModifyTable and the scan, and does nothing if others have put something there since.
 */
#include "etl.h"

#include "commands/explain.h"
#include "executor/executor.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "optimizer/restrictinfo.h"
#include "scan/bulk_batch.h"
#include "scan/scan.h"

typedef struct BulkState
{
	CustomScanState css;
	EtlBulk *bulk; /* NULL: not begun, or */
	bool apart;	   /* another node stands between this one and ModifyTable */
	uint64 ninserted;
} BulkState;

/* ----------------------------------------------------------------
 *	Execution
 * ---------------------------------------------------------------- */

/* What the scan at the bottom reads. */
static EtlRows *
rows_below(PlanState *node)
{
	while (!IsA(node, CustomScanState))
		node = IsA(node, SubqueryScanState) ? ((SubqueryScanState *) node)->subplan
											: outerPlanState(node);
	return EtlScanRows(node);
}

static void
begin_bulk(CustomScanState *node, EState *estate, int eflags)
{
	const Plan *top = estate->es_plannedstmt->planTree;

	((BulkState *) node)->apart = !IsA(top, ModifyTable) || outerPlan(top) != node->ss.ps.plan;
	outerPlanState(node) = ExecInitNode(outerPlan(node->ss.ps.plan), estate, eflags);
}

static EtlBulk *
begin_batches(EState *estate)
{
	Index target = linitial_int(estate->es_plannedstmt->resultRelations);

	return EtlBulkBegin(estate, estate->es_result_relations[target - 1]);
}

static void
insert_batches(BulkState *state)
{
	uint64 n = EtlBulkFlush(state->bulk);

	state->ninserted += n;
	state->css.ss.ps.state->es_processed += n;
}

/* The next row that is not to be inserted with others. */
static TupleTableSlot *
exec_bulk(CustomScanState *node)
{
	BulkState *state = (BulkState *) node;
	PlanState *child = outerPlanState(node);
	EState *estate = node->ss.ps.state;

	if (state->apart)
		return ExecProcNode(child);
	if (state->bulk == NULL)
		state->bulk = begin_batches(estate);
	for (;;)
	{
		TupleTableSlot *slot = ExecProcNode(child);
		EtlBulkStep step = ETL_BULK_UNFIT;

		if (!TupIsNull(slot))
		{
			ResetPerTupleExprContext(estate);
			step = EtlBulkAdd(state->bulk, slot, rows_below(child));
		}
		if (step != ETL_BULK_KEPT)
			insert_batches(state);
		if (step == ETL_BULK_UNFIT)
			return slot;
	}
}

static void
end_bulk(CustomScanState *node)
{
	BulkState *state = (BulkState *) node;

	if (state->bulk != NULL)
		EtlBulkEnd(state->bulk);
	ExecEndNode(outerPlanState(node));
}

/* ModifyTable is not rescanned. */
static void
rescan_bulk(CustomScanState *node)
{
	elog(ERROR, "a bulk insert cannot be executed again");
}

static void
explain_bulk(CustomScanState *node, List *ancestors, ExplainState *es)
{
	if (es->analyze)
		ExplainPropertyUInteger("Rows Inserted", NULL, ((BulkState *) node)->ninserted, es);
}

static const CustomExecMethods exec_methods = {
	.CustomName = "EtlBulkInsert",
	.BeginCustomScan = begin_bulk,
	.ExecCustomScan = exec_bulk,
	.EndCustomScan = end_bulk,
	.ReScanCustomScan = rescan_bulk,
	.ExplainCustomScan = explain_bulk,
};

static Node *
create_state(CustomScan *scan)
{
	BulkState *state = (BulkState *) newNode(sizeof(BulkState), T_CustomScanState);

	state->css.methods = &exec_methods;
	return (Node *) state;
}

static const CustomScanMethods methods = {
	.CustomName = "EtlBulkInsert",
	.CreateCustomScanState = create_state,
};

/* ----------------------------------------------------------------
 *	Planning
 * ---------------------------------------------------------------- */

static create_upper_paths_hook_type next_hook = NULL;

static Plan *
plan_bulk(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses,
		  List *custom_plans)
{
	CustomScan *scan = makeNode(CustomScan);

	scan->scan.plan.targetlist = tlist;
	scan->scan.plan.lefttree = linitial(custom_plans);
	scan->custom_scan_tlist = copyObject(tlist);
	scan->flags = path->flags;
	scan->methods = &methods;
	return &scan->scan.plan;
}

static const CustomPathMethods path_methods = {
	.CustomName = "EtlBulkInsert",
	.PlanCustomPath = plan_bulk,
};

/* A volatile function may look into the target, and would not see there all that was inserted before its row. */
static bool
is_plain(List *expressions)
{
	return !contain_volatile_functions_not_nextval((Node *) expressions) &&
		   !contain_subplans((Node *) expressions);
}

/* Whether a path is a scan of ours, with nothing above it but what computes the columns of its rows. */
static bool
is_scan_of_ours(const Path *path)
{
	if (!is_plain(path->pathtarget->exprs) ||
		!is_plain(extract_actual_clauses(path->parent->baserestrictinfo, false)))
		return false;
	switch (nodeTag(path))
	{
		case T_CustomPath:
			return ((const CustomPath *) path)->methods == &EtlScanPathMethods;
		case T_ProjectionPath:
			return is_scan_of_ours(((const ProjectionPath *) path)->subpath);
		case T_ProjectSetPath:
			return is_scan_of_ours(((const ProjectSetPath *) path)->subpath);
		case T_SubqueryScanPath:
			return is_scan_of_ours(((const SubqueryScanPath *) path)->subpath);
		default:
			return false;
	}
}

/* All that a command does is to insert what its SELECT gives. */
static bool
is_plain_insert(const PlannerInfo *root)
{
	const Query *query = root->parse;

	return query->commandType == CMD_INSERT && root->query_level == 1 && query->canSetTag &&
		   query->onConflict == NULL && query->returningList == NIL &&
		   query->withCheckOptions == NIL && query->cteList == NIL;
}

/*
 * The path is one of the result: as one of the scan, it would get a Result above it where a condition is the same for all rows,
 * as the scan below does.
 */
static Path *
bulk_path(Path *subpath, RelOptInfo *result)
{
	CustomPath *path = makeNode(CustomPath);

	path->path = *subpath;
	path->path.type = T_CustomPath;
	path->path.pathtype = T_CustomScan;
	path->path.parent = result;
	path->custom_paths = list_make1(subpath);
	path->methods = &path_methods;
	return &path->path;
}

/* All paths of a statement are complete. */
static void
add_bulk(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input_rel, RelOptInfo *output_rel,
		 void *extra)
{
	ListCell *lc;

	if (next_hook != NULL)
		next_hook(root, stage, input_rel, output_rel, extra);
	if (stage != UPPERREL_FINAL || !is_plain_insert(root))
		return;
	foreach (lc, output_rel->pathlist)
	{
		ModifyTablePath *modify = lfirst(lc);

		if (IsA(modify, ModifyTablePath) && is_scan_of_ours(modify->subpath))
			modify->subpath = bulk_path(modify->subpath, output_rel);
	}
}

void
EtlBulkInit(void)
{
	RegisterCustomScanMethods(&methods);
	next_hook = create_upper_paths_hook;
	create_upper_paths_hook = add_bulk;
}
