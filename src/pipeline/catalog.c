/*
 * catalog.c
 *		The definitions of pipelines in etl_catalog, and where the functions of the extension are.
 */
#include "etl.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pipeline/catalog.h"
#include "pipeline/catalog_sql.h"

#define PIPELINE_COLUMNS                                                                         \
	"id, name, owner::oid::bigint, search_path, source, query, target, key, mode, on_conflict, " \
	"watermark, watermark_lag, watermark_max, rules::text, "                                     \
	"ARRAY(SELECT key FROM jsonb_each_text(rules) WITH ORDINALITY AS r(key, value, n) "          \
	"ORDER BY n), "                                                                              \
	"ARRAY(SELECT value FROM jsonb_each_text(rules) WITH ORDINALITY AS r(key, value, n) "        \
	"ORDER BY n), "                                                                              \
	"redact, batch_size::bigint, flush_interval, "                                               \
	"(extract(epoch FROM flush_interval) * 1000)::bigint, on_error, reject_limit, on_shutdown, " \
	"max_runtime, (extract(epoch FROM max_runtime) * 1000)::bigint, enabled::int::bigint, "      \
	"whole::int::bigint, etl_catalog.is_at_home(system_identifier, database)::int::bigint "

static EtlPipeline *
result_pipeline(const EtlSqlEntered *entered)
{
	EtlPipeline *p = MemoryContextAllocZero(entered->caller, sizeof(EtlPipeline));
	List *names = EtlSqlList(entered, 0, 15);
	List *expressions = EtlSqlList(entered, 0, 16);
	MemoryContext old = MemoryContextSwitchTo(entered->caller);
	ListCell *name, *expression;

	forboth (name, names, expression, expressions)
	{
		EtlRule *rule = palloc(sizeof(EtlRule));

		rule->name = lfirst(name);
		rule->expression = lfirst(expression);
		p->rules = lappend(p->rules, rule);
	}
	MemoryContextSwitchTo(old);
	p->id = EtlSqlBigint(0, 1, 0);
	p->name = EtlSqlText(entered, 0, 2);
	p->owner = (Oid) EtlSqlBigint(0, 3, 0);
	p->search_path = EtlSqlText(entered, 0, 4);
	p->source = EtlSqlText(entered, 0, 5);
	p->query = EtlSqlText(entered, 0, 6);
	p->target = EtlSqlText(entered, 0, 7);
	p->key = EtlSqlList(entered, 0, 8);
	p->mode = EtlSqlText(entered, 0, 9);
	p->on_conflict = EtlSqlText(entered, 0, 10);
	p->watermark = EtlSqlText(entered, 0, 11);
	p->watermark_lag = EtlSqlText(entered, 0, 12);
	p->watermark_max = EtlSqlText(entered, 0, 13);
	p->rules_json = EtlSqlText(entered, 0, 14);
	p->redact = EtlSqlList(entered, 0, 17);
	p->batch_size = (int) EtlSqlBigint(0, 18, 0);
	p->flush_interval = EtlSqlText(entered, 0, 19);
	p->flush_ms = EtlSqlBigint(0, 20, 0);
	p->on_error = EtlSqlText(entered, 0, 21);
	p->reject_limit = EtlSqlBigint(0, 22, -1);
	p->on_shutdown = EtlSqlText(entered, 0, 23);
	p->max_runtime = EtlSqlText(entered, 0, 24);
	p->max_runtime_ms = EtlSqlBigint(0, 25, 0);
	p->enabled = EtlSqlBigint(0, 26, 0) != 0;
	p->whole = EtlSqlBigint(0, 27, 0) != 0;
	p->at_home = EtlSqlBigint(0, 28, 0) != 0;
	return p;
}

static EtlPipeline *
find_pipeline(EtlSql *statement, EtlSqlValues *values)
{
	EtlPipeline *pipeline = NULL;
	EtlSqlEntered entered;

	EtlSqlEnter(&entered);
	if (EtlSqlExecute(statement, values) > 0)
		pipeline = result_pipeline(&entered);
	EtlSqlLeave(&entered);
	return pipeline;
}

EtlPipeline *
EtlCatalogFind(const char *name, bool missing_ok)
{
	static EtlSql statement = {
		"SELECT " PIPELINE_COLUMNS "FROM etl_catalog.pipelines WHERE name = $1", 1, {TEXTOID}};
	EtlSqlValues values = {0};
	EtlPipeline *pipeline;

	EtlSqlAddText(&values, name);
	pipeline = find_pipeline(&statement, &values);
	if (pipeline == NULL && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("pipeline \"%s\" does not exist", name),
				 errhint("The view etl_pipelines lists the pipelines that you may see.")));
	return pipeline;
}

EtlPipeline *
EtlCatalogGet(int64 id)
{
	static EtlSql statement = {
		"SELECT " PIPELINE_COLUMNS "FROM etl_catalog.pipelines WHERE id = $1", 1, {INT8OID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, id);
	return find_pipeline(&statement, &values);
}

/* The columns that a user sets, in the order of the statements below. */
static void
add_definition(EtlSqlValues *values, const EtlPipeline *p)
{
	EtlSqlAddText(values, p->source);
	EtlSqlAddText(values, p->query);
	EtlSqlAddText(values, p->target);
	EtlSqlAddList(values, p->key, true);
	EtlSqlAddText(values, p->mode);
	EtlSqlAddText(values, p->on_conflict);
	EtlSqlAddText(values, p->watermark);
	EtlSqlAddText(values, p->watermark_lag);
	EtlSqlAddText(values, p->watermark_max);
	EtlSqlAddText(values, p->rules_json);
	EtlSqlAddList(values, p->redact, false);
	EtlSqlAddBigint(values, p->batch_size);
	EtlSqlAddText(values, p->flush_interval);
	EtlSqlAddText(values, p->on_error);
	if (p->reject_limit >= 0)
		EtlSqlAddBigint(values, p->reject_limit);
	else
		EtlSqlAddNull(values);
	EtlSqlAddText(values, p->on_shutdown);
	EtlSqlAddText(values, p->max_runtime);
	EtlSqlAdd(values, BoolGetDatum(p->enabled));
	EtlSqlAdd(values, BoolGetDatum(p->whole));
}

#define DEFINITION_TYPES                                                                           \
	TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, \
		TEXTARRAYOID, INT8OID, TEXTOID, TEXTOID, INT8OID, TEXTOID, TEXTOID, BOOLOID, BOOLOID

int64
EtlCatalogInsert(const EtlPipeline *pipeline)
{
	static EtlSql statement = {
		"INSERT INTO etl_catalog.pipelines (source, query, target, key, mode, on_conflict, "
		"watermark, watermark_lag, watermark_max, rules, redact, batch_size, flush_interval, "
		"on_error, reject_limit, on_shutdown, max_runtime, enabled, whole, name, search_path, owner, "
		"system_identifier, database) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11, $12::int, $13::interval, "
		"$14, $15, $16, $17::interval, $18, $19, $20, $21, $22::regrole, $23, $24) RETURNING id",
		24,
		{DEFINITION_TYPES, TEXTOID, TEXTOID, OIDOID, INT8OID, OIDOID}};
	EtlSqlValues values = {0};

	add_definition(&values, pipeline);
	EtlSqlAddText(&values, pipeline->name);
	EtlSqlAddText(&values, pipeline->search_path);
	EtlSqlAdd(&values, ObjectIdGetDatum(pipeline->owner));
	EtlSqlAddBigint(&values, (int64) GetSystemIdentifier());
	EtlSqlAdd(&values, ObjectIdGetDatum(MyDatabaseId));
	return EtlSqlRunForBigint(&statement, &values);
}

void
EtlCatalogUpdate(const EtlPipeline *pipeline)
{
	static EtlSql statement = {
		"UPDATE etl_catalog.pipelines SET (source, query, target, key, mode, on_conflict, "
		"watermark, watermark_lag, watermark_max, rules, redact, batch_size, flush_interval, "
		"on_error, reject_limit, on_shutdown, max_runtime, enabled, whole, owner) "
		"= ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11, $12::int, $13::interval, "
		"$14, $15, $16, $17::interval, $18, $19, $21::regrole) WHERE id = $20",
		21,
		{DEFINITION_TYPES, INT8OID, OIDOID}};
	EtlSqlValues values = {0};

	add_definition(&values, pipeline);
	EtlSqlAddBigint(&values, pipeline->id);
	EtlSqlAdd(&values, ObjectIdGetDatum(pipeline->owner));
	(void) EtlSqlRun(&statement, &values);
}

void
EtlCatalogSetEnabled(int64 id, bool enabled)
{
	static EtlSql statement = {
		"UPDATE etl_catalog.pipelines SET enabled = $2 WHERE id = $1", 2, {INT8OID, BOOLOID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, id);
	EtlSqlAdd(&values, BoolGetDatum(enabled));
	(void) EtlSqlRun(&statement, &values);
}

void
EtlCatalogDelete(int64 id)
{
	static EtlSql statement = {"WITH p AS (DELETE FROM etl_catalog.pipelines WHERE id = $1), "
							   "c AS (DELETE FROM etl_catalog.checkpoints WHERE pipeline = $1), "
							   "w AS (DELETE FROM etl_catalog.watermarks WHERE pipeline = $1), "
							   "r AS (DELETE FROM etl_catalog.runs WHERE pipeline = $1) "
							   "DELETE FROM etl_catalog.dead_letters WHERE pipeline = $1",
							   1,
							   {INT8OID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, id);
	(void) EtlSqlRun(&statement, &values);
}

int64
EtlCatalogAdopt(void)
{
	static EtlSql statement = {"UPDATE etl_catalog.pipelines "
							   "SET system_identifier = $1, database = $2 "
							   "WHERE NOT etl_catalog.is_at_home(system_identifier, database)",
							   2,
							   {INT8OID, OIDOID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, (int64) GetSystemIdentifier());
	EtlSqlAdd(&values, ObjectIdGetDatum(MyDatabaseId));
	return (int64) EtlSqlRun(&statement, &values);
}

char *
EtlCatalogFunctionSchema(void)
{
	static EtlSql statement = {"SELECT quote_ident(nspname) FROM pg_extension AS e "
							   "JOIN pg_namespace AS n ON n.oid = e.extnamespace "
							   "WHERE extname = 'etl'",
							   0};
	EtlSqlValues values = {0};
	EtlSqlEntered entered;
	char *schema = NULL;

	EtlSqlEnter(&entered);
	if (EtlSqlExecute(&statement, &values) > 0)
		schema = EtlSqlText(&entered, 0, 1);
	EtlSqlLeave(&entered);
	if (schema == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("extension \"etl\" does not exist")));
	return schema;
}
