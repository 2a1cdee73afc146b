/*
 * plan.c
 *		The plans of the statements of a run, and what they look like.
 *
 * A statement has two generic plans, since the planner is told how many rows there will be: one for few rows, as in the
 * attempts of an isolation, and one for a batch.  Without the first, a run with 50 % updates takes 1.10 times the CPU (see
 * choose.c).
 */
#include "etl.h"

#include "executor/executor.h"
#include "nodes/plannodes.h"
#include "pipeline/run/plan.h"
#include "scan/scan.h"
#include "utils/plancache.h"
#include "utils/resowner.h"

#define FEW_ROWS 100 /* for which the plan for few is taken */

SPIPlanPtr
EtlPlanFor(EtlPlans *plans, EtlSlice *slice, int64 nrows, int64 usual)
{
	bool few = nrows <= FEW_ROWS;
	SPIPlanPtr *plan = few ? &plans->point : &plans->bulk;

	slice->expected = few ? 1 : usual;
	if (*plan == NULL)
	{
		SPIPlanPtr prepared = SPI_prepare(plans->text, 0, NULL);

		if (prepared == NULL || SPI_keepplan(prepared) != 0)
			elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
		*plan = prepared;
	}
	return *plan;
}

uint64
EtlPlanExecute(SPIPlanPtr plan, DestReceiver *dest)
{
	SPIExecuteOptions options = {0};
	int result;

	options.dest = dest;
	result = SPI_execute_plan_extended(plan, &options);
	if (result < 0)
		elog(ERROR, "could not execute a statement: %s", SPI_result_code_string(result));
	return SPI_processed;
}

static bool
is_our_scan(const Plan *plan)
{
	return IsA(plan, CustomScan) && ((const CustomScan *) plan)->methods == &EtlScanMethods;
}

/* Whether a plan gives, for each row that it takes from the one scan at its bottom, all rows at once. */
static bool
streams(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_CustomScan:
			return is_our_scan(plan);
		case T_Result:
		case T_ProjectSet:
		case T_NestLoop:
			return plan->lefttree != NULL && streams(plan->lefttree);
		case T_SubqueryScan:
			return streams(((const SubqueryScan *) plan)->subplan);
		default:
			return false;
	}
}

/* Whether a nested loop's inner side, or a subplan, reads the batch a second time. */
static int
count_scans(const Plan *plan)
{
	int n;

	if (plan == NULL)
		return 0;
	n = is_our_scan(plan) + count_scans(plan->lefttree) + count_scans(plan->righttree);
	if (IsA(plan, SubqueryScan))
		n += count_scans(((const SubqueryScan *) plan)->subplan);
	return n;
}

static bool
stmt_streams(const PlannedStmt *stmt)
{
	return stmt->subplans == NIL && streams(stmt->planTree) && count_scans(stmt->planTree) == 1;
}

/* Whether each row of the batch is looked up by an index. */
static bool
looks_up(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_CustomScan:
			return is_our_scan(plan);
		case T_Result:
		case T_LockRows:
		case T_ModifyTable:
			return plan->lefttree != NULL && looks_up(plan->lefttree);
		case T_NestLoop:
			return looks_up(plan->lefttree) && looks_up(plan->righttree);
		case T_IndexScan:
			return ((const IndexScan *) plan)->indexqual != NIL;
		case T_IndexOnlyScan:
			return ((const IndexOnlyScan *) plan)->indexqual != NIL;
		case T_Append: /* of partitions */
		{
			ListCell *lc;

			foreach (lc, ((const Append *) plan)->appendplans)
				if (!looks_up(lfirst(lc)))
					return false;
			return true;
		}
		default:
			return false;
	}
}

static bool
stmt_looks_up(const PlannedStmt *stmt)
{
	ListCell *lc;

	foreach (lc, stmt->subplans)
		if (!looks_up(lfirst(lc)))
			return false;
	return looks_up(stmt->planTree);
}

static bool
plan_is(SPIPlanPtr plan, bool (*what)(const PlannedStmt *stmt))
{
	CachedPlan *cached = SPI_plan_get_cached_plan(plan);
	PlannedStmt *stmt;
	bool result;

	if (cached == NULL)
		return false;
	stmt = linitial_node(PlannedStmt, cached->stmt_list);
	result = stmt->planTree != NULL && what(stmt);
	ReleaseCachedPlan(cached, CurrentResourceOwner);
	return result;
}

bool
EtlPlanStreams(SPIPlanPtr plan)
{
	return plan_is(plan, stmt_streams);
}

/*
 * While the target is small the planner prefers to read all of it, and the plan would stay like that while it grows.
 */
SPIPlanPtr
EtlPlanToLookUp(EtlPlans *plans, EtlSlice *slice, int64 usual)
{
	SPIPlanPtr plan = EtlPlanFor(plans, slice, 1, usual);

	if (plan_is(plan, stmt_looks_up))
		return plan;
	plans->point = NULL;
	SPI_freeplan(plan);
	return NULL;
}
