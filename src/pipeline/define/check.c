/*
 * check.c
 *		What can be seen to be wrong with a definition before it runs.
 *
 * Each text is parsed alone, to be sure that it is what it should be.  Then it is parsed, analyzed and planned in the
 * statement that will run, with the rights of the owner.  Errors of PostgreSQL itself are left as they are.
 */
#include "etl.h"

#include <ctype.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parser.h"
#include "pipeline/define/check.h"
#include "pipeline/define/lacks.h"
#include "pipeline/source_call.h"
#include "pipeline/user_text.h"
#include "pipeline/watch.h"
#include "scan/names.h"
#include "scan/scan.h"
#include "source/closest.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/plancache.h"
#include "utils/regproc.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* ----------------------------------------------------------------
 *	Parsing and planning
 * ---------------------------------------------------------------- */

/* The one SELECT that a statement is, or that a user's text makes of it; anything else is an error. */
static SelectStmt *
parse_select(EtlUserText *text, const char *what)
{
	List *list;
	SelectStmt *select;

	EtlUserTextEnter(text);
	list = raw_parser(text->statement, RAW_PARSE_DEFAULT);
	EtlUserTextLeave(text);
	if (list_length(list) != 1 || !IsA(linitial_node(RawStmt, list)->stmt, SelectStmt))
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("%s must be one SELECT", what)));
	select = (SelectStmt *) linitial_node(RawStmt, list)->stmt;
	if (select->intoClause != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR), errmsg("%s must not have an INTO clause", what)));
	return select;
}

static bool
may_execute(Oid function, void *context)
{
	if (object_aclcheck(ProcedureRelationId, function, GetUserId(), ACL_EXECUTE) != ACLCHECK_OK)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied for function %s", get_func_name(function)),
						errhint("GRANT EXECUTE ON FUNCTION %s TO %s;", format_procedure(function),
								quote_identifier(GetUserNameFromId(GetUserId(), false)))));
	return false;
}

/* Checks the rights on the functions that a statement calls, which the executor would do. */
static bool
check_functions(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, check_functions, context, 0);
	if (!IsA(node, CoerceViaIO)) /* no rights are needed on input and output functions */
		(void) check_functions_in_node(node, may_execute, context);
	return expression_tree_walker(node, check_functions, context);
}

/* Analyzes and plans a statement, and checks the rights on its functions and tables. */
static Query *
plan_statement(EtlUserText *text)
{
	RawStmt *raw;
	Query *query;

	EtlUserTextEnter(text);
	raw = linitial_node(RawStmt, pg_parse_query(text->statement));
	query = linitial_node(Query,
						  pg_analyze_and_rewrite_fixedparams(raw, text->statement, NULL, 0, NULL));
	(void) check_functions((Node *) query, NULL);
	EtlCheckPermissions(pg_plan_query(copyObject(query), text->statement, 0, NULL));
	EtlUserTextLeave(text);
	return query;
}

void
EtlCheckLoad(const char *statement)
{
	EtlUserText text = {NULL, NULL, statement};

	(void) plan_statement(&text);
}

/* ----------------------------------------------------------------
 *	Source
 * ---------------------------------------------------------------- */

static bool
all_constant(const List *args)
{
	const ListCell *lc;

	foreach (lc, args)
		if (!IsA(lfirst(lc), Const))
			return false;
	return true;
}

/* Whether a source, whose function is in this schema, asks how far earlier runs have come. */
static bool
asks_watermark(Node *node, void *schema)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr))
	{
		Oid function = castNode(FuncExpr, node)->funcid;

		if (get_func_namespace(function) == *(Oid *) schema &&
			strcmp(get_func_name(function), "etl_watermark") == 0)
			return true;
	}
	return expression_tree_walker(node, asks_watermark, schema);
}

/* A source that does not give all there is must not have the rest deleted. */
static void
check_gives_all(const EtlPipeline *pipeline, const EtlScanKind *kind, const FuncExpr *call,
				const EtlArgs *args)
{
	const char *removes = pipeline->mode == ETL_MODE_REPLACE ? "mode => 'replace'" : "deletes";
	Oid schema = get_func_namespace(call->funcid);

	if (!EtlRemoves(pipeline))
		return;
	if (EtlArgFind(args, "max_pages") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the source of a pipeline with %s cannot have max_pages", removes),
				 errdetail("What comes behind these pages would be deleted from the target.")));
	if (kind->look_again != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the source of a pipeline with %s cannot be %s", removes, kind->function),
				 errdetail("It gives what has changed, and what is not there is not gone."),
				 errhint("With delete_when rows say that those of their keys are gone.")));
	if (pipeline->delete_scope == NULL && asks_watermark((Node *) call->args, &schema))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the source of a pipeline with %s cannot call etl_watermark", removes),
				 errdetail("It would give what has changed, and what is not there is not gone."),
				 errhint("Read all of it, or say with delete_scope which rows it gives.")));
}

/*
 * Options of a source that say what becomes of faulty rows: in a pipeline, it says that.  *files is the path or pattern
 * that is read, if that is constant.
 */
static void
check_source_options(const EtlPipeline *pipeline, const EtlScanKind *kind, const FuncExpr *call,
					 char **files)
{
	/* named arguments in their places, and what is constant as constants */
	FuncExpr *simple = castNode(FuncExpr, eval_const_expressions(NULL, (Node *) copyObject(call)));
	EtlArgs *args = EtlArgsOfExpr(simple);
	char *on_error = EtlArgText(args, "on_error");

	if ((on_error != NULL && strcmp(on_error, "fail") != 0) ||
		EtlArgFind(args, "reject_limit") != NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("the source of a pipeline cannot have on_error or reject_limit"),
						errhint("Give them to etl_create_pipeline.")));
	check_gives_all(pipeline, kind, call, args);
	if (pipeline->parallel > 1 && !kind->in_parts)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the source of a pipeline with parallel => %d cannot be %s",
						pipeline->parallel, kind->function),
				 errdetail("Processes that share a run read files, or objects, each its own.")));
	*files = all_constant(simple->args) ? EtlFilesOfSource(kind, args) : NULL;
}

/* Whether a source is written as a query: with what the word FROM would follow, it may be a syntax error. */
static bool
begins_query(const char *source)
{
	static const char *const words[] = {"select", "with", "values", "table"};

	source += strspn(source, " \t\r\n");
	for (int i = 0; i < lengthof(words); i++)
	{
		size_t len = strlen(words[i]);

		if (pg_strncasecmp(source, words[i], len) == 0 && isspace((unsigned char) source[len]))
			return true;
	}
	return *source == '(';
}

static void
raise_no_call(void)
{
	ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
					errmsg("the source of a pipeline must be one function call with its columns"),
					errhint("As in etl_csv('orders.csv') AS t(id bigint, name text). What is "
							"to be done with the rows goes into the query.")));
}

TupleDesc
EtlCheckSource(const EtlPipeline *pipeline, const char *text, char **files)
{
	SelectStmt *select;
	Query *query;
	RangeTblEntry *rte;
	const EtlScanKind *kind = NULL;
	EtlUserText source = {"source of the pipeline", pipeline->source, text};
	Node *call = NULL;

	if (begins_query(pipeline->source))
		raise_no_call();
	select = parse_select(&source, "the source of a pipeline, put behind FROM,");
	if (list_length(select->fromClause) != 1 || !IsA(linitial(select->fromClause), RangeFunction) ||
		select->whereClause != NULL || select->groupClause != NIL || select->sortClause != NIL ||
		select->limitCount != NULL || select->limitOffset != NULL || select->op != SETOP_NONE ||
		select->lockingClause != NIL || select->windowClause != NIL || select->havingClause != NULL)
		raise_no_call();
	query = EtlAnalyzeSource(text);
	(void) check_functions((Node *) query, NULL);
	EtlCheckPermissions(EtlPlanSource(query, text));
	rte = linitial_node(RangeTblEntry, query->rtable);
	if (rte->rtekind == RTE_FUNCTION && list_length(rte->functions) == 1)
		call = linitial_node(RangeTblFunction, rte->functions)->funcexpr;
	if (call != NULL && IsA(call, FuncExpr))
		kind = EtlScanKindOf((FuncExpr *) call);
	if (kind != NULL && kind->keep == NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("%s cannot be the source of a pipeline", kind->function),
						errhint("Pipelines read with %s.", EtlScanSources("and"))));
	if (kind == NULL || rte->funcordinality)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the source of a pipeline must be a call of %s", EtlScanSources("or")),
				 errhint("Name the function itself, not one that calls it.")));
	check_source_options(pipeline, kind, (FuncExpr *) call, files);
	return ExecCleanTypeFromTL(query->targetList);
}

/* ----------------------------------------------------------------
 *	Query
 * ---------------------------------------------------------------- */

static void
check_names(TupleDesc desc)
{
	EtlNames *names = EtlNamesCreate();

	for (int i = 0; i < desc->natts; i++)
		if (!EtlNamesAdd(names, NameStr(TupleDescAttr(desc, i)->attname)))
			ereport(ERROR, (errcode(ERRCODE_DUPLICATE_COLUMN),
							errmsg("the query gives two columns of the name \"%s\"",
								   NameStr(TupleDescAttr(desc, i)->attname))));
}

TupleDesc
EtlCheckQuery(const EtlPipeline *pipeline, const char *statement, Oid target, int **passed)
{
	EtlUserText alone = {"query of the pipeline", pipeline->query, pipeline->query};
	EtlUserText text = {"query of the pipeline", pipeline->query, statement};
	Query *query;
	TupleDesc desc;

	(void) parse_select(&alone, "the query of a pipeline");
	query = plan_statement(&text);
	EtlCheckQueryTree(pipeline, query, target);
	desc = ExecCleanTypeFromTL(query->targetList);
	check_names(desc);
	*passed = palloc(sizeof(int) * (desc->natts + 1));
	for (int i = 0; i < desc->natts; i++)
		(*passed)[i] = EtlPassedColumn(query, i + 1);
	return desc;
}

/* A condition that a user writes, and the statement in which it is analyzed. */
static Query *
check_condition(const char *what, const char *expression, const char *statement, const char *hint)
{
	EtlUserText alone = {what, expression, psprintf("SELECT\n%s\n", expression)};
	EtlUserText text = {what, expression, statement};
	SelectStmt *select = parse_select(&alone, psprintf("%s, put behind SELECT,", what));
	Query *query;
	TupleDesc desc;

	/* Without parentheses it cannot end those that are around it in "statement", where it is an expression then. */
	if (list_length(select->targetList) != 1 || select->fromClause != NIL ||
		select->whereClause != NULL || select->op != SETOP_NONE)
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("%s must be one expression", what)));
	query = plan_statement(&text);
	desc = ExecCleanTypeFromTL(query->targetList);
	if (desc->natts != 1 || TupleDescAttr(desc, 0)->atttypid != BOOLOID)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("%s must be of type %s, not %s", what, "boolean",
							   format_type_be(TupleDescAttr(desc, 0)->atttypid)),
						errhint("%s", hint)));
	return query;
}

void
EtlCheckRule(const EtlRule *rule, const char *statement)
{
	(void) check_condition(psprintf("rule \"%s\"", rule->name), rule->expression, statement,
						   "Write what is true of a good row, such as email IS NOT NULL.");
}

Bitmapset *
EtlCheckDeleteWhen(const EtlPipeline *pipeline, const char *statement)
{
	Query *query = check_condition("delete_when", pipeline->delete_when, statement,
								   "Write what is true of a row that deletes, such as op = 'd'.");
	Bitmapset *columns = NULL;
	ListCell *lc;

	foreach (lc, pull_vars_of_level((Node *) query->targetList, 0))
		columns = bms_add_member(columns, ((const Var *) lfirst(lc))->varattno);
	return columns;
}

void
EtlCheckScope(const EtlPipeline *pipeline, const char *statement)
{
	(void) check_condition(
		"delete_scope", pipeline->delete_scope, statement,
		"Write what is true of the rows of the target that the source is to have, such as "
		"region = 'EU'.");
}

/* ----------------------------------------------------------------
 *	Target
 * ---------------------------------------------------------------- */

/* A column that is called nearly so; NULL: none is. */
static const char *
closest_column(TupleDesc desc, const char *name)
{
	EtlClosest closest = {name};

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			EtlClosestSee(&closest, NameStr(TupleDescAttr(desc, i)->attname));
	return closest.name;
}

/* The attribute of the target that has this name; NULL: there is none. */
static Form_pg_attribute
find_attribute(Relation target, const char *name)
{
	AttrNumber attnum = get_attnum(RelationGetRelid(target), name);

	return attnum > 0 ? TupleDescAttr(RelationGetDescr(target), attnum - 1) : NULL;
}

Form_pg_attribute
EtlTargetAttribute(const EtlStatements *s, Relation target, int column)
{
	return TupleDescAttr(RelationGetDescr(target), s->attnums[column] - 1);
}

static void
check_kind(const EtlPipeline *pipeline, Relation target)
{
	char kind = target->rd_rel->relkind;

	if (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE)
		return;
	if ((kind == RELKIND_VIEW || kind == RELKIND_FOREIGN_TABLE) &&
		pipeline->mode == ETL_MODE_APPEND)
		return;
	ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
					errmsg("cannot load into \"%s\"", RelationGetRelationName(target)),
					errdetail_relkind_not_supported(kind),
					errhint("Views with INSTEAD OF triggers and foreign tables can be targets with "
							"mode => 'append'.")));
}

pg_noreturn static void
raise_no_such_column(Relation target, const char *name)
{
	const char *closest = closest_column(RelationGetDescr(target), name);

	ereport(
		ERROR,
		(errcode(ERRCODE_UNDEFINED_COLUMN),
		 errmsg("the query gives column \"%s\", which \"%s\" does not have", name,
				RelationGetRelationName(target)),
		 closest != NULL
			 ? errhint("Perhaps you meant the column \"%s\"; rename it in the query with AS, or "
					   "leave it out.",
					   closest)
			 : errhint("Leave the column out of the query, or rename it there with AS.")));
}

/* PostgreSQL would say so as well, but about a column of a generated statement. */
static void
check_type(Form_pg_attribute emitted, Form_pg_attribute attr, Relation target)
{
	const char *name = quote_identifier(NameStr(attr->attname));
	const char *type = format_type_with_typemod(attr->atttypid, attr->atttypmod);

	if (!can_coerce_type(1, &emitted->atttypid, &attr->atttypid, COERCION_ASSIGNMENT))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of \"%s\" is of type %s, but the query gives type %s",
						NameStr(attr->attname), RelationGetRelationName(target), type,
						format_type_be(emitted->atttypid)),
				 errhint("Declare the column with that type in the source, or cast it in the "
						 "query, as in %s::%s AS %s.",
						 name, type, name)));
}

static void
check_columns(EtlStatements *s, Relation target)
{
	s->attnums = palloc(sizeof(AttrNumber) * s->emitted->natts);
	for (int i = 0; i < s->emitted->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(s->emitted, i)->attname);
		Form_pg_attribute attr = find_attribute(target, name);

		if (attr == NULL)
			raise_no_such_column(target, name);
		if (attr->attgenerated != '\0')
			ereport(ERROR, (errcode(ERRCODE_GENERATED_ALWAYS),
							errmsg("column \"%s\" of \"%s\" is a generated column", name,
								   RelationGetRelationName(target)),
							errhint("Leave the column out of the query.")));
		check_type(TupleDescAttr(s->emitted, i), attr, target);
		s->attnums[i] = attr->attnum;
		s->given = bms_add_member(s->given, attr->attnum);
	}
}

/* The query's column of a name; an error if there is none. */
static int
emitted_column(const EtlStatements *s, const char *name, const char *what)
{
	const char *closest;

	for (int i = 0; i < s->emitted->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(s->emitted, i)->attname), name) == 0)
			return i;
	closest = closest_column(s->emitted, name);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("%s \"%s\" is no column of the query", what, name),
			 closest != NULL ? errhint("Perhaps you meant the column \"%s\".", closest) : 0));
	return -1;
}

/* Whether a condition is that versions of a history are open. */
static bool
is_of_open(const EtlStatements *s, Relation target, const char *condition)
{
	List *clauses = make_ands_implicit(stringToNode(condition));
	const NullTest *test = list_length(clauses) == 1 ? linitial(clauses) : NULL;

	return test != NULL && IsA(test, NullTest) && test->nulltesttype == IS_NULL &&
		   IsA(test->arg, Var) &&
		   ((const Var *) test->arg)->varattno ==
			   get_attnum(RelationGetRelid(target), EtlValidTo(s->pipeline));
}

/* Whether an index has all rows, or those of a history that are open, among which no NULL equals another. */
static bool
has_rows_of_load(const EtlStatements *s, Relation target, HeapTuple index)
{
	bool isnull;
	Datum condition = SysCacheGetAttr(INDEXRELID, index, Anum_pg_index_indpred, &isnull);

	if (s->valid_to == NULL)
		return isnull;
	return !isnull && !((Form_pg_index) GETSTRUCT(index))->indnullsnotdistinct &&
		   is_of_open(s, target, TextDatumGetCString(condition));
}

/* Whether ON CONFLICT (key) will find this index. */
static bool
index_fits(const EtlPipeline *pipeline, const EtlStatements *s, Relation target, Oid indexid,
		   bool *takes_null)
{
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	Form_pg_index index;
	bool fits;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for index %u", indexid);
	index = (Form_pg_index) GETSTRUCT(tuple);
	fits = index->indisunique && index->indisvalid && index->indimmediate &&
		   index->indnkeyatts == list_length(pipeline->key) && has_rows_of_load(s, target, tuple) &&
		   heap_attisnull(tuple, Anum_pg_index_indexprs, NULL);
	for (int i = 0; fits && i < index->indnkeyatts; i++)
		fits = EtlListHas(
			pipeline->key,
			NameStr(TupleDescAttr(RelationGetDescr(target), index->indkey.values[i] - 1)->attname));
	*takes_null = index->indnullsnotdistinct;
	ReleaseSysCache(tuple);
	return fits;
}

/* Whether an index has the collations and the equality that its columns have by default. */
static bool
index_has_defaults(Relation target, Oid indexid)
{
	Relation index = index_open(indexid, AccessShareLock);
	bool defaults = true;

	for (int i = 0; defaults && i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		Form_pg_attribute attr =
			TupleDescAttr(RelationGetDescr(target), index->rd_index->indkey.values[i] - 1);
		TypeCacheEntry *type = lookup_type_cache(attr->atttypid, TYPECACHE_BTREE_OPFAMILY);

		defaults = index->rd_indcollation[i] == attr->attcollation &&
				   index->rd_opfamily[i] == type->btree_opf;
	}
	index_close(index, NoLock);
	return defaults;
}

/* Whether keys that the query gives are equal as they will be in the target, as bytes if they are texts. */
static bool
gives_plain_keys(const EtlStatements *s, Relation target)
{
	for (int i = 0; i < s->nkeys; i++)
	{
		Form_pg_attribute from = TupleDescAttr(s->emitted, s->keys[i]);
		Form_pg_attribute to = EtlTargetAttribute(s, target, s->keys[i]);

		if (from->atttypid != to->atttypid ||
			(to->atttypmod != -1 && from->atttypmod != to->atttypmod) ||
			(OidIsValid(to->attcollation) && !get_collation_isdeterministic(to->attcollation)))
			return false;
	}
	return true;
}

/* The condition of the index that a history needs. */
static const char *
of_open(const EtlStatements *s)
{
	return s->valid_to != NULL ? psprintf(" WHERE %s IS NULL", s->valid_to) : "";
}

/* How there can be a unique index on the key: in a partitioned table it has to have all of the partition key. */
static const char *
index_hint(const EtlPipeline *pipeline, const EtlStatements *s, Relation target,
		   const char *columns)
{
	PartitionKey by = RelationGetPartitionKey(target);

	for (int i = 0; by != NULL && i < get_partition_natts(by); i++)
	{
		AttrNumber attnum = get_partition_col_attnum(by, i); /* 0: an expression */
		char *key = pg_get_partkeydef_columns(RelationGetRelid(target), false);

		if (attnum == 0)
			return psprintf("It is partitioned by (%s), and over an expression PostgreSQL has no "
							"unique index.",
							key);
		if (!EtlListHas(pipeline->key,
						NameStr(TupleDescAttr(RelationGetDescr(target), attnum - 1)->attname)))
			return psprintf("It is partitioned by (%s), and a unique index needs all of these "
							"columns: add them to the key.",
							key);
	}
	return psprintf("CREATE UNIQUE INDEX ON %s (%s)%s;", pipeline->target, columns, of_open(s));
}

static void
check_index(const EtlPipeline *pipeline, EtlStatements *s, Relation target)
{
	StringInfoData columns;
	bool found = false;
	ListCell *lc;

	foreach (lc, RelationGetIndexList(target))
		if (index_fits(pipeline, s, target, lfirst_oid(lc), &s->key_takes_null))
		{
			found = true;
			s->key_has_defaults |= index_has_defaults(target, lfirst_oid(lc));
		}
	s->key_is_plain = s->key_has_defaults && gives_plain_keys(s, target);
	if (found && (EtlRemoves(pipeline) || s->valid_to != NULL) && !s->key_has_defaults)
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("the unique index of \"%s\" on the key compares it in a way of its own",
					RelationGetRelationName(target)),
			 errhint(
				 "For mode => 'replace' or 'history' and for deletes, create one with the default operator classes "
				 "and the collations of the columns.")));
	if (found)
		return;
	initStringInfo(&columns);
	foreach (lc, pipeline->key)
		appendStringInfo(&columns, "%s%s", columns.len > 0 ? ", " : "",
						 quote_identifier(lfirst(lc)));
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
		 errmsg("\"%s\" has no unique index on (%s)%s", RelationGetRelationName(target),
				columns.data, of_open(s)),
		 s->valid_to == NULL
			 ? errdetail("An upsert needs a valid, immediate, non-partial unique index on exactly "
						 "the columns of the key.")
			 : errdetail("Of a key one version holds at a time, so a history needs a valid unique "
						 "index on exactly the columns of the key, of the rows that have no end."),
		 errhint("%s", index_hint(pipeline, s, target, columns.data))));
}

static void
check_key(const EtlPipeline *pipeline, EtlStatements *s, Relation target)
{
	ListCell *lc;

	s->keys = palloc(sizeof(int) * (list_length(pipeline->key) + 1));
	foreach (lc, pipeline->key)
		s->keys[s->nkeys++] = emitted_column(s, lfirst(lc), "key column");
	if (EtlUpserts(pipeline))
		check_index(pipeline, s, target);
}

static bool
is_text(Oid type)
{
	char category;
	bool preferred;

	get_type_category_preferred(getBaseType(type), &category, &preferred);
	return category == TYPCATEGORY_STRING;
}

/* The query's values are compared with each other, and an upsert compares them with those of the target, as its type. */
static void
check_watermark_as(const EtlPipeline *pipeline, const EtlStatements *s, Relation target)
{
	Form_pg_attribute emitted = TupleDescAttr(s->emitted, s->watermark);
	Form_pg_attribute kept = EtlTargetAttribute(s, target, s->watermark);
	bool kept_as_text = EtlUpserts(pipeline) && is_text(kept->atttypid);
	const char *name = quote_identifier(pipeline->watermark);

	if (!is_text(emitted->atttypid) && !kept_as_text)
	{
		if (pipeline->watermark_as == ETL_WATERMARK_TEXT)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("watermark \"%s\" is of type %s, which is not compared as text",
							pipeline->watermark, format_type_be(emitted->atttypid)),
					 errhint("Give watermark_as => 'value', or cast it to text in the query.")));
		return;
	}
	if (pipeline->watermark_as == ETL_WATERMARK_VALUE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 is_text(emitted->atttypid)
					 ? errmsg("watermark \"%s\" is of type %s", pipeline->watermark,
							  format_type_be(emitted->atttypid))
					 : errmsg("watermark \"%s\" is of type %s in the target", pipeline->watermark,
							  format_type_be(kept->atttypid)),
				 errdetail("Text is compared letter by letter: '9' is more than '10', and times "
						   "with different offsets are not compared as times."),
				 is_text(emitted->atttypid)
					 ? errhint("Cast it in the query, as in %s::timestamptz AS %s; or give "
							   "watermark_as => 'text' if the order of the letters is meant.",
							   name, name)
					 : errhint("Give the column the type of the query's, %s; or watermark_as => "
							   "'text' if the order of the letters is meant.",
							   format_type_be(emitted->atttypid))));
}

static void
check_watermark(const EtlPipeline *pipeline, EtlStatements *s, Relation target)
{
	Oid type;

	if (pipeline->watermark == NULL)
		return;
	s->watermark = emitted_column(s, pipeline->watermark, "watermark");
	type = TupleDescAttr(s->emitted, s->watermark)->atttypid;
	if (!OidIsValid(lookup_type_cache(type, TYPECACHE_CMP_PROC)->cmp_proc))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("watermark \"%s\" is of type %s, which has no order",
							   pipeline->watermark, format_type_be(type)),
						errhint("Take a column that grows, such as the time of the last change.")));
	check_watermark_as(pipeline, s, target);
	if (pipeline->watermark_max != NULL)
	{
		Oid input, ioparam;

		getTypeInputInfo(type, &input, &ioparam);
		(void) OidInputFunctionCall(input, pipeline->watermark_max, ioparam, -1);
	}
}

/* Columns whose values are to be kept secret must be there. */
static void
check_redact(const EtlPipeline *pipeline, const EtlStatements *s)
{
	ListCell *lc;

	foreach (lc, pipeline->redact)
	{
		bool found = false;

		for (int i = 0; i < s->batch->natts; i++)
			found |= strcmp(NameStr(TupleDescAttr(s->batch, i)->attname), lfirst(lc)) == 0;
		if (!found)
		{
			const char *closest = closest_column(s->batch, lfirst(lc));

			ereport(
				ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" to redact is no column of the source", (char *) lfirst(lc)),
				 closest != NULL ? errhint("Perhaps you meant the column \"%s\".", closest) : 0));
		}
	}
}

void
EtlCheckTarget(const EtlPipeline *pipeline, EtlStatements *s, Relation target)
{
	check_kind(pipeline, target);
	check_columns(s, target);
	check_key(pipeline, s, target);
	check_watermark(pipeline, s, target);
	check_redact(pipeline, s);
}
