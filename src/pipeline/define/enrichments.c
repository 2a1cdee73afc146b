/*
 * enrichments.c
 *		The option "enrich" of a definition: calls of etl_api, one for each key that a batch has.
 *
 * What a call says of its request may depend on columns of the key, and is evaluated for each key by a statement of its own:
 *
 *		SELECT key, arguments of the call FROM batch
 *
 * It is made of "SELECT * FROM batch, call" once that is analyzed, so that the call means what it would mean in a query.  All other
 * arguments are the same for all keys.
 */
#include "etl.h"

#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parser.h"
#include "pipeline/catalog/sql.h"
#include "pipeline/define/enrichments.h"
#include "pipeline/define/phrases.h"
#include "pipeline/run/redact.h"
#include "pipeline/user_text.h"
#include "scan/api_rows.h"
#include "scan/names.h"
#include "scan/scan.h"
#include "source/http/exchange.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#define DEFAULT_CONCURRENCY 16

#define invalid(...) ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg(__VA_ARGS__)))

/* ----------------------------------------------------------------
 *	What the option says
 * ---------------------------------------------------------------- */

/* The text of a member that is a string; a number, as an integer has it. */
static char *
text_of(const EtlEnrichment *enrichment, const char *member, const JsonbValue *value)
{
	if (value->type == jbvNumeric)
		return DatumGetCString(
			DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	if (value->type != jbvString)
		invalid("\"%s\" of enrichment \"%s\" must be a string", member, enrichment->name);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* Names with commas, or in braces. */
static List *
key_of(const EtlEnrichment *enrichment, char *text)
{
	size_t len = strlen(text);
	List *key;

	if (len >= 2 && text[0] == '{' && text[len - 1] == '}')
	{
		text[len - 1] = '\0';
		text++;
	}
	if (!SplitGUCList(text, ',', &key) || key == NIL)
		invalid("\"key\" of enrichment \"%s\" is not a list of names", enrichment->name);
	return key;
}

static int
concurrency_of(const EtlEnrichment *enrichment, const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < 1 || n > ETL_MAX_AT_ONCE)
		invalid("\"concurrency\" of enrichment \"%s\" must be between 1 and %d", enrichment->name,
				ETL_MAX_AT_ONCE);
	return (int) n;
}

static int64
age_of(const EtlEnrichment *enrichment, char *text)
{
	int64 ms = EtlIntervalMs(DirectFunctionCall3(interval_in, CStringGetDatum(text),
												 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));

	if (ms < 0)
		invalid("\"cache\" of enrichment \"%s\" must not be negative", enrichment->name);
	return ms;
}

static void
take_member(EtlEnrichment *enrichment, const char *name, const JsonbValue *value)
{
	char *text = text_of(enrichment, name, value);

	if (strcmp(name, "call") == 0)
		enrichment->call = text;
	else if (strcmp(name, "key") == 0)
		enrichment->key = key_of(enrichment, text);
	else if (strcmp(name, "concurrency") == 0)
		enrichment->concurrency = concurrency_of(enrichment, text);
	else if (strcmp(name, "cache") == 0)
		enrichment->cache = age_of(enrichment, text);
	else if (strcmp(name, "on_error") == 0)
	{
		static const char *const choices[] = {"dead_letter", "null", "fail"};

		enrichment->on_error = EtlChoice("on_error", text, choices, lengthof(choices));
	}
	else
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("an enrichment has no member \"%s\"", name),
						errhint("Its members are call, key, concurrency, cache and on_error.")));
}

static EtlEnrichment *
read_enrichment(char *name, JsonbContainer *members)
{
	EtlEnrichment *enrichment = palloc0(sizeof(EtlEnrichment));
	JsonbIterator *it = JsonbIteratorInit(members);
	JsonbIteratorToken token;
	JsonbValue v;
	char *member = NULL;

	enrichment->name = name;
	enrichment->concurrency = DEFAULT_CONCURRENCY;
	(void) JsonbIteratorNext(&it, &v, true);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			member = pnstrdup(v.val.string.val, v.val.string.len);
		else if (token == WJB_VALUE)
			take_member(enrichment, member, &v);
	}
	if (enrichment->call == NULL || enrichment->key == NIL)
		invalid("enrichment \"%s\" has no \"%s\"", name, enrichment->call == NULL ? "call" : "key");
	return enrichment;
}

List *
EtlEnrichmentsOf(const char *json)
{
	Jsonb *jsonb = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
	JsonbIterator *it = JsonbIteratorInit(&jsonb->root);
	JsonbIteratorToken token;
	JsonbValue v;
	List *enrichments = NIL;
	char *name = NULL;

	if (!JB_ROOT_IS_OBJECT(jsonb))
		invalid("enrich must be a JSON object");
	(void) JsonbIteratorNext(&it, &v, true);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(v.val.string.val, v.val.string.len);
		else if (token == WJB_VALUE)
		{
			EtlCheckName("name of an enrichment", name);
			if (strcmp(name, "batch") == 0)
				invalid("an enrichment cannot be called \"batch\"");
			if (v.type != jbvBinary || !JsonContainerIsObject(v.val.binary.data))
				invalid("enrichment \"%s\" must be an object", name);
			enrichments = lappend(enrichments, read_enrichment(name, v.val.binary.data));
		}
	}
	return enrichments;
}

/* ----------------------------------------------------------------
 *	Against the batch
 * ---------------------------------------------------------------- */

pg_noreturn static void
raise_no_call(const EtlEnrichment *enrichment)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		 errmsg("enrichment \"%s\" must be a call of etl_api with its columns", enrichment->name),
		 errhint("As in \"etl_api('geo', '/v1/lookup', params => jsonb_build_object('q', "
				 "city)) AS g(lat float8, lon float8)\".")));
}

/* The statement has two tables in FROM, and nothing else that the text could have brought. */
static void
check_form(const EtlEnrichment *enrichment, const RawStmt *raw)
{
	const SelectStmt *select = (const SelectStmt *) raw->stmt;

	if (!IsA(select, SelectStmt) || list_length(select->fromClause) != 2 ||
		!IsA(lsecond(select->fromClause), RangeFunction) || select->whereClause != NULL ||
		select->groupClause != NIL || select->sortClause != NIL || select->limitCount != NULL ||
		select->limitOffset != NULL || select->op != SETOP_NONE || select->lockingClause != NIL ||
		select->windowClause != NIL || select->havingClause != NULL || select->intoClause != NULL)
		raise_no_call(enrichment);
}

/* "SELECT * FROM batch, call", analyzed. */
static Query *
analyze_call(EtlEnrichmentCall *call, TupleDesc batch)
{
	const EtlEnrichment *enrichment = call->enrichment;
	EtlUserText text = {"call of an enrichment", enrichment->call};
	List *list;
	Query *query;

	call->text = psprintf(
		"SELECT * FROM (SELECT * FROM etl_internal.etl_batch() AS batch(%s)) AS batch,\n%s",
		EtlDefinitionList(batch, false), enrichment->call);
	text.statement = call->text;
	EtlUserTextEnter(&text);
	list = raw_parser(call->text, RAW_PARSE_DEFAULT);
	if (list_length(list) != 1)
		raise_no_call(enrichment);
	check_form(enrichment, linitial(list));
	query = linitial_node(
		Query, pg_analyze_and_rewrite_fixedparams(linitial(list), call->text, NULL, 0, NULL));
	EtlUserTextLeave(&text);
	return query;
}

/* The call in the second item of FROM, whose columns are declared in it. */
static FuncExpr *
find_call(EtlEnrichmentCall *call, const Query *query)
{
	const RangeTblEntry *rte = lsecond(query->rtable);
	const RangeTblFunction *function;
	const FuncExpr *expr;

	if (rte->rtekind != RTE_FUNCTION || list_length(rte->functions) != 1 || rte->funcordinality)
		raise_no_call(call->enrichment);
	function = linitial(rte->functions);
	expr = (const FuncExpr *) function->funcexpr;
	if (!IsA(expr, FuncExpr) || EtlScanKindOf(expr) != &EtlApiKind || function->funccolnames == NIL)
		raise_no_call(call->enrichment);
	if (object_aclcheck(ProcedureRelationId, expr->funcid, GetUserId(), ACL_EXECUTE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, "etl_api");
	call->columns = BuildDescFromLists(function->funccolnames, function->funccoltypes,
									   function->funccoltypmods, function->funccolcollations);
	return unconstify(FuncExpr *, expr);
}

static void
set_args(EtlEnrichmentCall *call, const FuncExpr *expr)
{
	HeapTuple proc = SearchSysCache1(PROCOID, ObjectIdGetDatum(expr->funcid));

	call->function = expr->funcid;
	call->args = expand_function_arguments(expr->args, false, expr->funcresulttype, proc);
	ReleaseSysCache(proc);
}

/* Only the request differs between keys: how its answer is read does not. */
static void
check_args(const EtlEnrichmentCall *call)
{
	static const char *const of_key[] = {"path", "params", "body", "headers"};
	EtlArgs *args = EtlArgsFor(call->function, call->args);
	ListCell *lc;

	foreach (lc, call->args)
	{
		const char *name = args->arg[foreach_current_index(lc)].name;
		bool differs = false;

		for (int i = 0; i < lengthof(of_key); i++)
			differs |= strcmp(name, of_key[i]) == 0;
		if (!differs && contain_var_clause(lfirst(lc)))
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							errmsg("argument \"%s\" of enrichment \"%s\" depends on the batch",
								   name, call->enrichment->name),
							errdetail("Only path, params, body and headers may.")));
	}
}

static int
key_column(const EtlPipeline *pipeline, const EtlEnrichment *enrichment, TupleDesc batch,
		   const char *name)
{
	int i = 0;

	while (i < batch->natts && strcmp(NameStr(TupleDescAttr(batch, i)->attname), name) != 0)
		i++;
	if (i == batch->natts)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("key column \"%s\" of enrichment \"%s\" is no column of the source",
							   name, enrichment->name)));
	if (pipeline->redact != NIL && EtlMayHoldRedacted(pipeline, name))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("key column \"%s\" of enrichment \"%s\" may hold what is redacted",
							   name, enrichment->name),
						errdetail("Keys are sent to another server, and kept in the cache.")));
	return i;
}

/* Whether the request depends on a column that is none of the key: one request would not do for all of its records. */
static void
check_columns(const EtlEnrichmentCall *call, TupleDesc batch, const Bitmapset *key)
{
	List *vars = pull_var_clause((Node *) call->args, 0);
	ListCell *lc;

	foreach (lc, vars)
	{
		const Var *var = lfirst(lc);

		if (var->varlevelsup == 0 && !bms_is_member(var->varattno - 1, key))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("enrichment \"%s\" reads column \"%s\", which is not in its key",
								   call->enrichment->name,
								   var->varattno > 0
									   ? NameStr(TupleDescAttr(batch, var->varattno - 1)->attname)
									   : "batch")));
	}
}

static void
add_target(Query *query, Expr *expr)
{
	query->targetList =
		lappend(query->targetList,
				makeTargetEntry(expr, list_length(query->targetList) + 1, "column", false));
}

/* Has the statement give key and arguments, and read the batch alone. */
static void
set_keys(const EtlPipeline *pipeline, EtlEnrichmentCall *call, Query *query, TupleDesc batch)
{
	TupleDesc columns = call->columns;
	Bitmapset *key = NULL;
	ListCell *lc;

	if (query->hasSubLinks)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("enrichment \"%s\" cannot have a subquery", call->enrichment->name),
						errdetail("What is asked for may depend on its key alone.")));
	call->nkeys = list_length(call->enrichment->key);
	call->relation = CreateTemplateTupleDesc(call->nkeys + columns->natts);
	query->targetList = NIL;
	foreach (lc, call->enrichment->key)
	{
		int i = key_column(pipeline, call->enrichment, batch, lfirst(lc));
		Form_pg_attribute attr = TupleDescAttr(batch, i);

		key = bms_add_member(key, i);
		TupleDescCopyEntry(call->relation, foreach_current_index(lc) + 1, batch, i + 1);
		add_target(query, (Expr *) makeVar(1, i + 1, attr->atttypid, attr->atttypmod,
										   attr->attcollation, 0));
	}
	for (int i = 0; i < columns->natts; i++)
		TupleDescCopyEntry(call->relation, call->nkeys + i + 1, columns, i + 1);
	check_columns(call, batch, key);
	foreach (lc, call->args)
		add_target(query, lfirst(lc));
	query->rtable = list_truncate(query->rtable, 1);
	query->jointree->fromlist = list_truncate(query->jointree->fromlist, 1);
	call->keys = query;
}

List *
EtlCheckEnrichments(const EtlPipeline *pipeline, TupleDesc batch)
{
	List *calls = NIL;
	ListCell *lc;

	foreach (lc, pipeline->enrichments)
	{
		EtlEnrichmentCall *call = palloc0(sizeof(EtlEnrichmentCall));
		Query *query;

		call->enrichment = lfirst(lc);
		query = analyze_call(call, batch);
		set_args(call, find_call(call, query));
		check_args(call);
		set_keys(pipeline, call, query, batch);
		(void) pg_plan_query(copyObject(call->keys), call->text, 0, NULL);
		calls = lappend(calls, call);
	}
	return calls;
}

char *
EtlEnrichmentRelations(List *calls)
{
	StringInfoData text;
	ListCell *lc;

	initStringInfo(&text);
	foreach (lc, calls)
	{
		const EtlEnrichmentCall *call = lfirst(lc);
		const char *name = quote_identifier(call->enrichment->name);

		appendStringInfo(&text,
						 ", %s AS NOT MATERIALIZED (SELECT * FROM etl_internal.etl_enriched(%d) "
						 "AS relation(%s))",
						 name, foreach_current_index(lc), EtlDefinitionList(call->relation, false));
	}
	return text.data;
}
