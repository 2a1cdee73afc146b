/*
 * once.c
 *		Whether a plan reads a scan only once.
 *
 * What is read once need not be kept for a second reading.  The executor does not say: EXEC_FLAG_REWIND is
 * about what had better be cheap, and the inside of a correlated subquery is rescanned without it.  So the
 * plan is searched, along the ways on which nothing is read twice.
 */
#include "etl.h"

#include "nodes/plannodes.h"
#include "scan/scan.h"

static bool
any_is_on_the_way(const List *plans, const Plan *scan)
{
	ListCell *lc;

	foreach (lc, plans)
		if (EtlPlanReadsOnce(lfirst(lc), scan))
			return true;
	return false;
}

/* Is there a way from a plan that is run once down to the scan on which every node is run once? */
bool
EtlPlanReadsOnce(const Plan *plan, const Plan *scan)
{
	if (plan == NULL || plan == scan)
		return plan == scan;
	switch (nodeTag(plan))
	{
		case T_Append:
			return any_is_on_the_way(((const Append *) plan)->appendplans, scan);
		case T_MergeAppend:
			return any_is_on_the_way(((const MergeAppend *) plan)->mergeplans, scan);
		case T_SubqueryScan:
			return EtlPlanReadsOnce(((const SubqueryScan *) plan)->subplan, scan);
		case T_NestLoop:	   /* the inner side comes again for each row of the outer one */
		case T_RecursiveUnion: /* and the recursive one for each round */
			return EtlPlanReadsOnce(plan->lefttree, scan);
		default:
			return EtlPlanReadsOnce(plan->lefttree, scan) ||
				   EtlPlanReadsOnce(plan->righttree, scan);
	}
}
