/*
 * passed.c
 *		The columns of the batch that a query passes on unchanged.
 *
 * Such a column is a reference to a column of a subquery, a CTE or a join, and so on down to etl_batch().  With set
 * operations or grouping, a row is not of one row of the batch.
 */
#include "etl.h"

#include "nodes/nodeFuncs.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "pipeline/define/passed.h"
#include "scan/scan.h"

/* A query, and those around it. */
typedef struct Level
{
	const Query *query;
	const struct Level *outer; /* NULL: it is the outermost */
} Level;

static int passed_expression(const Level *level, const Node *expression);

static int
passed_column(const Level *level, AttrNumber column)
{
	const Query *query = level->query;

	if (query->setOperations != NULL || query->groupClause != NIL || query->groupingSets != NIL ||
		query->hasAggs || query->distinctClause != NIL || column <= 0 ||
		column > list_length(query->targetList))
		return -1;
	return passed_expression(
		level, (Node *) list_nth_node(TargetEntry, query->targetList, column - 1)->expr);
}

static int
passed_in_cte(const Level *level, const RangeTblEntry *rte, AttrNumber column)
{
	ListCell *lc;

	for (Index up = rte->ctelevelsup; up > 0 && level != NULL; up--)
		level = level->outer;
	if (level == NULL || rte->self_reference)
		return -1;
	foreach (lc, level->query->cteList)
	{
		const CommonTableExpr *cte = lfirst(lc);
		const Level inner = {(const Query *) cte->ctequery, level};

		if (strcmp(cte->ctename, rte->ctename) == 0)
			return IsA(cte->ctequery, Query) ? passed_column(&inner, column) : -1;
	}
	return -1;
}

static bool
is_batch(const RangeTblEntry *rte)
{
	const Node *call = linitial_node(RangeTblFunction, rte->functions)->funcexpr;
	const EtlScanKind *kind =
		call != NULL && IsA(call, FuncExpr) ? EtlScanKindOf((const FuncExpr *) call) : NULL;

	return list_length(rte->functions) == 1 && kind != NULL &&
		   strcmp(kind->function, "etl_batch") == 0;
}

static int
passed_expression(const Level *level, const Node *expression)
{
	const Var *var = (const Var *) expression;
	const RangeTblEntry *rte;
	Level inner;

	if (!IsA(expression, Var) || var->varlevelsup != 0 || var->varattno <= 0)
		return -1;
	rte = rt_fetch(var->varno, level->query->rtable);
	inner = (Level){rte->subquery, level};
	switch (rte->rtekind)
	{
		case RTE_SUBQUERY:
			return passed_column(&inner, var->varattno);
		case RTE_CTE:
			return passed_in_cte(level, rte, var->varattno);
		case RTE_JOIN:
			return passed_expression(level, list_nth(rte->joinaliasvars, var->varattno - 1));
		case RTE_FUNCTION:
			return is_batch(rte) ? var->varattno - 1 : -1;
		default:
			return -1;
	}
}

int
EtlPassedColumn(const Query *query, AttrNumber column)
{
	const Level level = {query, NULL};

	return passed_column(&level, column);
}
