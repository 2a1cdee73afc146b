/*
 * lacks.c
 *		The columns that a record lacks, on their way through the query of a pipeline.
 *
 * An upsert must not write a column that the record lacks, if the query passes that column through.  So a row of the batch
 * says in one more column what its record lacks.  The query does not know of that column, and "*" must not mean it.  So
 * the query is analyzed without it, and the column is added to each level of the tree between the batch and the result:
 *
 *		trace	from a column of the result down to the batch: through subqueries, CTEs and joins
 *		carry	the same way, and each level gets the column on the way back
 *
 * Then the tree is made a text again.  A level whose rows are not rows of the one below it (aggregates, DISTINCT, UNION) ends
 * the way: its columns are computed.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "pipeline/define/lacks.h"
#include "scan/scan.h"
#include "tcop/tcopprot.h"
#include "utils/ruleutils.h"

/* A query, and those around it. */
typedef struct Level
{
	Query *query;
	const struct Level *outer;
} Level;

/* ----------------------------------------------------------------
 *	Names of joins
 * ---------------------------------------------------------------- */

/* Whether the name of a join stands for a whole row of it. */
static bool
has_row_of_join(Node *node, void *query)
{
	const Var *var = (Var *) node;

	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, has_row_of_join, node, 0);
	if (IsA(node, Var) && var->varattno == 0)
		return var->varlevelsup > 0 ||
			   rt_fetch(var->varno, ((Query *) query)->rtable)->rtekind == RTE_JOIN;
	return expression_tree_walker(node, has_row_of_join, query);
}

/* Takes the names of joins away, which hide those of their tables: columns are then called by these. */
static bool
uncover_tables(Node *node, void *query)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, uncover_tables, node, 0);
	if (IsA(node, JoinExpr))
	{
		JoinExpr *join = (JoinExpr *) node;

		join->alias = NULL;
		rt_fetch(join->rtindex, ((Query *) query)->rtable)->alias = NULL;
	}
	return expression_tree_walker(node, uncover_tables, query);
}

/* ----------------------------------------------------------------
 *	One level
 * ---------------------------------------------------------------- */

/* What a value is before it is cast. */
static Node *
without_casts(Node *node)
{
	for (;;)
	{
		if (IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		else if (IsA(node, CoerceViaIO))
			node = (Node *) ((CoerceViaIO *) node)->arg;
		else if (IsA(node, ArrayCoerceExpr))
			node = (Node *) ((ArrayCoerceExpr *) node)->arg;
		else if (IsA(node, CoerceToDomain))
			node = (Node *) ((CoerceToDomain *) node)->arg;
		else if (IsA(node, FuncExpr) && (((FuncExpr *) node)->funcformat == COERCE_EXPLICIT_CAST ||
										 ((FuncExpr *) node)->funcformat == COERCE_IMPLICIT_CAST))
			node = linitial(((FuncExpr *) node)->args);
		else
			return node;
	}
}

/* Whether each row of a query is made of one row of what it reads. */
static bool
keeps_rows(const Query *query)
{
	return query->commandType == CMD_SELECT && query->setOperations == NULL && !query->hasAggs &&
		   query->groupClause == NIL && query->groupingSets == NIL && query->distinctClause == NIL;
}

static bool
is_batch(const RangeTblEntry *rte)
{
	Node *call = rte->rtekind == RTE_FUNCTION && list_length(rte->functions) == 1
					 ? linitial_node(RangeTblFunction, rte->functions)->funcexpr
					 : NULL;
	const EtlScanKind *kind =
		call != NULL && IsA(call, FuncExpr) ? EtlScanKindOf((FuncExpr *) call) : NULL;

	return kind != NULL && strcmp(kind->function, "etl_batch") == 0 && !rte->funcordinality;
}

/* The CTE that a table of FROM means, and the level that has it. */
static CommonTableExpr *
find_cte(const Level *level, const RangeTblEntry *rte, const Level **owner)
{
	ListCell *lc;

	for (Index i = 0; i < rte->ctelevelsup && level != NULL; i++)
		level = level->outer;
	*owner = level;
	foreach (lc, level != NULL ? level->query->cteList : NIL)
	{
		CommonTableExpr *cte = lfirst(lc);

		if (strcmp(cte->ctename, rte->ctename) == 0)
			return cte->cterecursive ? NULL : cte;
	}
	return NULL;
}

/* The query behind a table of FROM, as a level; its query is NULL if there is none. */
static Level
level_below(const Level *level, const RangeTblEntry *rte)
{
	Level below = {NULL, level};
	CommonTableExpr *cte;

	if (rte->rtekind == RTE_SUBQUERY)
		below.query = rte->subquery;
	else if (rte->rtekind == RTE_CTE)
	{
		cte = find_cte(level, rte, &below.outer);
		below.query = cte != NULL ? castNode(Query, cte->ctequery) : NULL;
	}
	if (below.query != NULL && !keeps_rows(below.query))
		below.query = NULL;
	return below;
}

static Node *
target_at(const Query *query, AttrNumber number)
{
	return (Node *) list_nth_node(TargetEntry, query->targetList, number - 1)->expr;
}

/* The column that a value is, below all joins; NULL also behind the name of a join. */
static Var *
as_column(const Level *level, Node *value, bool casts)
{
	for (;;)
	{
		Var *var = (Var *) (casts ? without_casts(value) : value);
		RangeTblEntry *rte;

		if (!IsA(var, Var) || var->varlevelsup > 0 || var->varattno <= 0)
			return NULL;
		if (var->varnosyn > 0 &&
			rt_fetch(var->varnosyn, level->query->rtable)->rtekind == RTE_JOIN &&
			rt_fetch(var->varnosyn, level->query->rtable)->alias != NULL)
			return NULL;
		rte = rt_fetch(var->varno, level->query->rtable);
		if (rte->rtekind != RTE_JOIN)
			return var;
		value = list_nth(rte->joinaliasvars, var->varattno - 1);
	}
}

/* ----------------------------------------------------------------
 *	From the result to the batch
 * ---------------------------------------------------------------- */

/*
 * The column of the batch that a value is, from 0, as it is or also cast, and the tables of FROM that lead to it; -1: of
 * none.
 */
static int
trace(const Level *level, Node *value, bool casts, List **way)
{
	Var *var = as_column(level, value, casts);
	RangeTblEntry *rte;
	Level below;

	check_stack_depth();
	if (var == NULL)
		return -1;
	rte = rt_fetch(var->varno, level->query->rtable);
	*way = lappend(*way, rte);
	if (is_batch(rte))
		return var->varattno - 1;
	below = level_below(level, rte);
	if (below.query == NULL)
		return -1;
	return trace(&below, target_at(below.query, var->varattno), casts, way);
}

/* ----------------------------------------------------------------
 *	And back with the column
 * ---------------------------------------------------------------- */

static void
name_column(RangeTblEntry *rte)
{
	rte->eref->colnames = lappend(rte->eref->colnames, makeString(pstrdup(ETL_LACKS_COLUMN)));
}

/* Adds the column to the batch; its number. */
static AttrNumber
add_to_batch(RangeTblEntry *rte)
{
	RangeTblFunction *function = linitial(rte->functions);

	function->funccolnames = lappend(function->funccolnames, makeString(pstrdup(ETL_LACKS_COLUMN)));
	function->funccoltypes = lappend_oid(function->funccoltypes, BYTEAOID);
	function->funccoltypmods = lappend_int(function->funccoltypmods, -1);
	function->funccolcollations = lappend_oid(function->funccolcollations, InvalidOid);
	function->funccolcount++;
	name_column(rte);
	return function->funccolcount;
}

/* Adds a value to what a query gives, before what only its ORDER BY needs; its number. */
static AttrNumber
add_to_targets(Query *query, Var *value)
{
	ListCell *lc;
	int n = 0;

	foreach (lc, query->targetList)
	{
		TargetEntry *entry = lfirst(lc);

		if (entry->resjunk)
			entry->resno++;
		else
			n++;
	}
	query->targetList =
		list_insert_nth(query->targetList, n,
						makeTargetEntry((Expr *) value, n + 1, pstrdup(ETL_LACKS_COLUMN), false));
	return n + 1;
}

static void
add_to_cte(CommonTableExpr *cte, RangeTblEntry *rte)
{
	cte->ctecolnames = lappend(cte->ctecolnames, makeString(pstrdup(ETL_LACKS_COLUMN)));
	cte->ctecoltypes = lappend_oid(cte->ctecoltypes, BYTEAOID);
	cte->ctecoltypmods = lappend_int(cte->ctecoltypmods, -1);
	cte->ctecolcollations = lappend_oid(cte->ctecolcollations, InvalidOid);
	rte->coltypes = lappend_oid(rte->coltypes, BYTEAOID);
	rte->coltypmods = lappend_int(rte->coltypmods, -1);
	rte->colcollations = lappend_oid(rte->colcollations, InvalidOid);
}

/* The column of the batch that says what a record lacks, as a column beside one that was traced to it. */
static Var *
carry(const Level *level, Node *value)
{
	Var *var = copyObject(as_column(level, value, true));
	RangeTblEntry *rte = rt_fetch(var->varno, level->query->rtable);

	if (is_batch(rte))
		var->varattno = add_to_batch(rte);
	else
	{
		Level below = level_below(level, rte);
		const Level *owner;

		var->varattno =
			add_to_targets(below.query, carry(&below, target_at(below.query, var->varattno)));
		if (rte->rtekind == RTE_CTE)
			add_to_cte(find_cte(level, rte, &owner), rte);
		name_column(rte);
	}
	var->varnosyn = var->varno;
	var->varattnosyn = var->varattno;
	var->vartype = BYTEAOID;
	var->vartypmod = -1;
	var->varcollid = InvalidOid;
	return var;
}

/* ----------------------------------------------------------------
 *	The query
 * ---------------------------------------------------------------- */

TupleDesc
EtlWithLacks(TupleDesc batch)
{
	TupleDesc desc = CreateTemplateTupleDesc(batch->natts + 1);

	for (int i = 1; i <= batch->natts; i++)
		TupleDescCopyEntry(desc, i, batch, i);
	TupleDescInitEntry(desc, batch->natts + 1, ETL_LACKS_COLUMN, BYTEAOID, -1, 0);
	return desc;
}

char *
EtlCarryLacks(const char *query, int n, int *from)
{
	RawStmt *raw = linitial_node(RawStmt, pg_parse_query(query));
	Level top = {parse_analyze_fixedparams(raw, query, NULL, 0, NULL), NULL};
	List *first_way = NIL; /* if the batch is read more than once, one reading of it counts */
	Node *first = NULL;

	if (!has_row_of_join((Node *) top.query, NULL))
		(void) uncover_tables((Node *) top.query, NULL);
	for (int i = 0; i < n; i++)
	{
		Node *value = target_at(top.query, i + 1);
		List *way = NIL;

		from[i] = trace(&top, value, true, &way);
		if (from[i] < 0)
			continue;
		if (first == NULL)
		{
			first_way = way;
			first = value;
		}
		else if (list_length(way) != list_length(first_way) ||
				 list_difference_ptr(way, first_way) != NIL)
			from[i] = -1;
	}
	if (first == NULL)
		return NULL;
	(void) add_to_targets(top.query, carry(&top, first));
	return pg_get_querydef(top.query, false);
}

int
EtlPassedColumn(Query *query, AttrNumber column)
{
	const Level top = {query, NULL};
	List *way = NIL;

	return trace(&top, target_at(query, column), false, &way);
}
