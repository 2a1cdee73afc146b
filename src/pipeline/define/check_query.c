/*
 * check_query.c
 *		What the query of a pipeline must not be.
 *
 * A query sees the rows of one batch at a time, so what it says must be the same wherever batches end: each row that
 * it gives is made of one row of the batch.  Aggregates and their kin are not, and neither is what depends on
 * a row not being there.  A pipeline with whole => true may have all of that, since it sees all rows at once.
 *
 * "batch" is a CTE that we have put in front of the query; one of the user's own that reads it is like it.
 */
#include "etl.h"

#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "pipeline/define/check.h"
#include "scan/names.h"

typedef struct QueryCheck
{
	Oid target;
	bool whole;
	List *batches; /* of char *: names of CTEs that hold rows of the batch */
	bool reads_target;
} QueryCheck;

/* ----------------------------------------------------------------
 *	References to the batch
 * ---------------------------------------------------------------- */

typedef struct References
{
	const List *names;
	int n;
} References;

static bool
count_references(Node *node, void *context)
{
	References *references = context;

	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		const RangeTblEntry *rte = (RangeTblEntry *) node;

		references->n += rte->rtekind == RTE_CTE && EtlListHas(references->names, rte->ctename);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, count_references, context,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, count_references, context);
}

static int
references_to(const List *names, Node *node)
{
	References references = {names, 0};

	(void) count_references(node, &references);
	return references.n;
}

/* Adds the names of CTEs that read a CTE in the list. */
static bool
find_batches(Node *node, void *context)
{
	List **names = context;

	if (node == NULL)
		return false;
	if (IsA(node, CommonTableExpr))
	{
		const CommonTableExpr *cte = (CommonTableExpr *) node;

		if (!EtlListHas(*names, cte->ctename) && references_to(*names, cte->ctequery) > 0)
			*names = lappend(*names, cte->ctename);
		return find_batches(cte->ctequery, context);
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_batches, context, 0);
	return expression_tree_walker(node, find_batches, context);
}

/* Whether a table of FROM, or a join of them, has rows of the batch. */
static bool
has_batch(const QueryCheck *check, const Query *query, Node *item)
{
	if (IsA(item, JoinExpr))
		return has_batch(check, query, ((JoinExpr *) item)->larg) ||
			   has_batch(check, query, ((JoinExpr *) item)->rarg);
	if (IsA(item, RangeTblRef))
	{
		RangeTblEntry *rte = rt_fetch(((RangeTblRef *) item)->rtindex, query->rtable);

		return references_to(check->batches, (Node *) rte) > 0 ||
			   references_to(check->batches, (Node *) rte->subquery) > 0;
	}
	return false;
}

/* ----------------------------------------------------------------
 *	What needs all rows
 * ---------------------------------------------------------------- */

/* Whether a row may come out because the batch has none that matches. */
static bool
has_anti_row(const QueryCheck *check, const Query *query, Node *item)
{
	const JoinExpr *join = (JoinExpr *) item;
	ListCell *lc;

	if (IsA(item, FromExpr))
	{
		foreach (lc, ((FromExpr *) item)->fromlist)
			if (has_anti_row(check, query, lfirst(lc)))
				return true;
		return false;
	}
	if (!IsA(item, JoinExpr))
		return false;
	if (join->jointype != JOIN_INNER && join->jointype != JOIN_RIGHT &&
		has_batch(check, query, join->rarg))
		return true;
	if (join->jointype != JOIN_INNER && join->jointype != JOIN_LEFT &&
		has_batch(check, query, join->larg))
		return true;
	return has_anti_row(check, query, join->larg) || has_anti_row(check, query, join->rarg);
}

static bool
has_subquery_over_batch(const QueryCheck *check, const Query *query)
{
	References references = {check->batches, 0};

	(void) query_tree_walker((Query *) query, count_references, &references,
							 QTW_IGNORE_RANGE_TABLE | QTW_IGNORE_CTE_SUBQUERIES);
	return references.n > 0;
}

static bool
is_read_twice(const QueryCheck *check, Query *query)
{
	ListCell *lc;

	foreach (lc, check->batches)
		if (references_to(list_make1(lfirst(lc)), (Node *) query) > 1)
			return true;
	return false;
}

/* What in a query over the batch would mean something else over all rows; NULL: nothing. */
static const char *
needs_all_rows(const QueryCheck *check, Query *query)
{
	if (query->hasAggs || query->groupClause != NIL || query->groupingSets != NIL ||
		query->havingQual != NULL)
		return "an aggregate";
	if (query->distinctClause != NIL)
		return "DISTINCT";
	if (query->hasWindowFuncs)
		return "a window function";
	if (query->limitCount != NULL || query->limitOffset != NULL)
		return "LIMIT or OFFSET";
	if (query->setOperations != NULL)
		return "a set operation";
	if (has_subquery_over_batch(check, query))
		return "a subquery in an expression";
	if (has_anti_row(check, query, (Node *) query->jointree))
		return "an outer join that keeps rows of others";
	return NULL;
}

/* ----------------------------------------------------------------
 *	The query
 * ---------------------------------------------------------------- */

pg_noreturn static void
refuse(const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("the query of a pipeline cannot have %s over the batch", reason),
			 errdetail("A batch holds some of the rows, so the result would depend on where "
					   "batches end."),
			 errhint("Set whole => true: each run reads all of the source and loads it at once.")));
}

static void
check_one_query(const QueryCheck *check, Query *query)
{
	const char *reason;

	if (query->hasModifyingCTE)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("the query of a pipeline cannot modify data"),
						errhint("Write to other tables from a trigger on the target.")));
	if (query->rowMarks != NIL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("the query of a pipeline cannot lock rows (FOR UPDATE and kin)")));
	if (check->whole || references_to(check->batches, (Node *) query) == 0)
		return;
	reason = needs_all_rows(check, query);
	if (reason != NULL)
		refuse(reason);
}

static bool
check_tree(Node *node, void *context)
{
	QueryCheck *check = context;

	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		check->reads_target |= ((RangeTblEntry *) node)->relid == check->target;
		return false;
	}
	if (!IsA(node, Query))
		return expression_tree_walker(node, check_tree, context);
	check_one_query(check, (Query *) node);
	return query_tree_walker((Query *) node, check_tree, context, QTW_EXAMINE_RTES_BEFORE);
}

void
EtlCheckQueryTree(const EtlPipeline *pipeline, Query *query, Oid target)
{
	QueryCheck check = {.target = target, .whole = EtlReadsWhole(pipeline)};

	check.batches = list_make1("batch");
	(void) find_batches((Node *) query, &check.batches);
	(void) check_tree((Node *) query, &check);
	if (!check.whole && is_read_twice(&check, query))
		refuse("a join with itself");
	if (check.reads_target && pipeline->replace_by == ETL_REPLACE_TRUNCATE)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("the query reads the table that replace_by => 'truncate' empties"),
						errhint("Leave replace_by out, so that rows are deleted.")));
	if (check.reads_target)
		ereport(NOTICE, (errmsg("the query reads the table that it loads"),
						 errdetail("It sees the rows of the %s before.",
								   check.whole ? "runs" : "batches")));
}
