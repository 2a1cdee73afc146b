/*
 * rescan.c
 *		Whether a plan may read one of its scans a second time.
 *
 * What cannot be read twice (a download) is kept in a temporary file while it is read, if it may be asked
 * for again.  Most never are, and the executor's flags do not tell: EXEC_FLAG_REWIND is about rewinding
 * cheaply, and a node inside the inner side of a nested loop that takes parameters is scanned again without
 * it.  So this looks at the plan: a node is read again if it is, or is below, the inner side of a nested loop
 * or the recursive side of a union.  Below anything that is not known here, and in subplans, the answer is
 * that it may be.
 */
#include "etl.h"

#include "scan/rescan.h"

typedef enum Place
{
	NOT_THERE,
	READ_ONCE,
	READ_AGAIN,
} Place;

static Place find_in_list(List *plans, const Plan *node, bool again);

static Place
find(const Plan *plan, const Plan *node, bool again)
{
	bool inner_again = again;
	List *children = NIL;
	Place place;

	if (plan == NULL)
		return NOT_THERE;
	if (plan == node)
		return again ? READ_AGAIN : READ_ONCE;
	switch (nodeTag(plan))
	{
		case T_NestLoop:
		case T_RecursiveUnion:
			inner_again = true;
			break;
		case T_Append:
			children = ((const Append *) plan)->appendplans;
			break;
		case T_MergeAppend:
			children = ((const MergeAppend *) plan)->mergeplans;
			break;
		case T_SubqueryScan:
			children = list_make1(((const SubqueryScan *) plan)->subplan);
			break;
		default:
			break;
	}
	place = find(outerPlan(plan), node, again);
	if (place == NOT_THERE)
		place = find(innerPlan(plan), node, inner_again);
	return place != NOT_THERE ? place : find_in_list(children, node, again);
}

static Place
find_in_list(List *plans, const Plan *node, bool again)
{
	ListCell *lc;

	foreach (lc, plans)
	{
		Place place = find(lfirst(lc), node, again);

		if (place != NOT_THERE)
			return place;
	}
	return NOT_THERE;
}

bool
EtlMayRescan(const PlannedStmt *statement, const Plan *node)
{
	return find(statement->planTree, node, false) != READ_ONCE;
}
