/*
 * pipelines.c
 *		The definitions of pipelines in etl_catalog, and where the functions of the extension are.
 */
#include "etl.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/catalog/schedules.h"
#include "pipeline/define/enrichments.h"

#define MEMBER(name, type, ...)                               \
	{                                                         \
#name, type, offsetof(EtlPipeline, name), __VA_ARGS__ \
	}

/* What users set. */
#define OPTIONS                                                                                   \
	MEMBER(owner, ETL_SQL_ROLE), MEMBER(source, ETL_SQL_TEXT), MEMBER(query, ETL_SQL_TEXT),       \
		MEMBER(target, ETL_SQL_TEXT), MEMBER(key, ETL_SQL_TEXTS, .nullable = true),               \
		MEMBER(mode, ETL_SQL_WORD, &EtlModeWords),                                                \
		MEMBER(on_conflict, ETL_SQL_WORD, &EtlOnConflictWords),                                   \
		MEMBER(replace_by, ETL_SQL_WORD, &EtlReplaceByWords), MEMBER(deletes, ETL_SQL_TEXT),      \
		MEMBER(snapshot, ETL_SQL_WORD, &EtlSnapshotWords),                                        \
		MEMBER(missing, ETL_SQL_WORD, &EtlOnLackingWords),                                        \
		MEMBER(evolve, ETL_SQL_WORD, &EtlEvolveWords), MEMBER(delete_when, ETL_SQL_TEXT),         \
		MEMBER(delete_scope, ETL_SQL_TEXT), MEMBER(delete_limit, ETL_SQL_TEXT),                   \
		MEMBER(valid_from, ETL_SQL_TEXT), MEMBER(valid_to, ETL_SQL_TEXT),                         \
		MEMBER(compared, ETL_SQL_TEXTS, .nullable = true), MEMBER(watermark, ETL_SQL_TEXT),       \
		MEMBER(watermark_as, ETL_SQL_WORD, &EtlWatermarkAsWords),                                 \
		MEMBER(watermark_lag, ETL_SQL_TEXT), MEMBER(watermark_max, ETL_SQL_TEXT),                 \
		MEMBER(rules, ETL_SQL_JSON), MEMBER(redact, ETL_SQL_TEXTS), MEMBER(enrich, ETL_SQL_JSON), \
		MEMBER(whole, ETL_SQL_BOOLEAN), MEMBER(parallel, ETL_SQL_INT),                            \
		MEMBER(parts_disjoint, ETL_SQL_BOOLEAN), MEMBER(batch_size, ETL_SQL_INT),                 \
		MEMBER(flush_interval, ETL_SQL_INTERVAL),                                                 \
		MEMBER(on_error, ETL_SQL_WORD, &EtlOnFaultWords),                                         \
		MEMBER(reject_limit, ETL_SQL_BIGINT, .nullable = true, .null = -1),                       \
		MEMBER(on_bad_part, ETL_SQL_WORD, &EtlOnBadPartWords), MEMBER(when_done, ETL_SQL_TEXT),   \
		MEMBER(on_shutdown, ETL_SQL_WORD, &EtlOnShutdownWords),                                   \
		MEMBER(max_runtime, ETL_SQL_INTERVAL), MEMBER(enabled, ETL_SQL_BOOLEAN)

/* What comes of who sets it, and in which session. */
#define AUTHORSHIP                                                        \
	MEMBER(accepted, ETL_SQL_BOOLEAN), MEMBER(search_path, ETL_SQL_TEXT), \
		MEMBER(settings, ETL_SQL_TEXTS)

/* What is written once, when a pipeline is made. */
#define IDENTITY                                                           \
	MEMBER(name, ETL_SQL_TEXT), MEMBER(system_identifier, ETL_SQL_BIGINT), \
		MEMBER(database, ETL_SQL_ROLE)

const EtlSqlColumn EtlPipelineOptions[] = {OPTIONS};
const int EtlPipelineOptionCount = lengthof(EtlPipelineOptions);

static const EtlSqlColumn changed[] = {OPTIONS, AUTHORSHIP};
static const EtlSqlColumn written[] = {OPTIONS, AUTHORSHIP, IDENTITY};
static const EtlSqlColumn columns[] = {OPTIONS, AUTHORSHIP, IDENTITY, MEMBER(id, ETL_SQL_BIGINT)};

static EtlPipeline *
find_pipeline(EtlSql *statement, const char *condition, int n, const EtlSqlValue *values)
{
	List *found;
	EtlPipeline *pipeline;

	if (statement->text == NULL)
		statement->text = EtlSqlKeep(psprintf("SELECT %s FROM etl_catalog.pipelines WHERE %s",
											  EtlSqlNames(columns, lengthof(columns)), condition));
	found = EtlSqlSelect(statement, n, values, columns, lengthof(columns), sizeof(EtlPipeline));
	if (found == NIL)
		return NULL;
	pipeline = linitial(found);
	pipeline->rules_list = EtlRulesOf(pipeline->rules);
	pipeline->enrichments = EtlEnrichmentsOf(pipeline->enrich);
	pipeline->targets = EtlCatalogTargets(pipeline);
	return pipeline;
}

char *
EtlCatalogFingerprint(int64 id)
{
	static EtlSql statement = {
		"SELECT md5(p::text || coalesce((SELECT string_agg(t::text, '' ORDER BY t.position) "
		"FROM etl_catalog.targets AS t WHERE t.pipeline = p.id), '')) "
		"FROM etl_catalog.pipelines AS p WHERE p.id = $1"};

	return EtlSqlRunForText(&statement, ETL_VALUES(EtlValueBigint(id)));
}

void
EtlRaiseNoPipeline(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("pipeline \"%s\" does not exist", name),
			 errhint("The view etl_pipelines lists the pipelines that you may see.")));
}

EtlPipeline *
EtlCatalogFind(const char *name, bool missing_ok)
{
	static EtlSql statement;
	EtlPipeline *pipeline;

	pipeline = find_pipeline(&statement, "name = $1", ETL_VALUES(EtlValueText(name)));
	if (pipeline == NULL && !missing_ok)
		EtlRaiseNoPipeline(name);
	return pipeline;
}

EtlPipeline *
EtlCatalogFindToChange(const char *name)
{
	static EtlSql statement;

	return find_pipeline(&statement, "name = $1 FOR NO KEY UPDATE", ETL_VALUES(EtlValueText(name)));
}

EtlPipeline *
EtlCatalogGet(int64 id)
{
	static EtlSql statement;

	return find_pipeline(&statement, "id = $1", ETL_VALUES(EtlValueBigint(id)));
}

int64
EtlCatalogInsert(const EtlPipeline *pipeline)
{
	static EtlSql statement;

	if (statement.text == NULL)
		statement.text =
			EtlSqlKeep(psprintf("INSERT INTO etl_catalog.pipelines (%s) VALUES (%s) RETURNING id",
								EtlSqlNames(written, lengthof(written)),
								EtlSqlParameters(written, lengthof(written), 1)));
	return EtlSqlRunForBigint(&statement,
							  ETL_VALUES(EtlValueStruct(written, lengthof(written), pipeline)));
}

void
EtlCatalogUpdate(const EtlPipeline *pipeline)
{
	static EtlSql statement;

	if (statement.text == NULL)
		statement.text =
			EtlSqlKeep(psprintf("UPDATE etl_catalog.pipelines SET (%s) = (%s) WHERE id = $1",
								EtlSqlNames(changed, lengthof(changed)),
								EtlSqlParameters(changed, lengthof(changed), 2)));
	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline->id),
											EtlValueStruct(changed, lengthof(changed), pipeline)));
}

void
EtlCatalogSetEnabled(int64 id, bool enabled)
{
	static EtlSql statement = {"UPDATE etl_catalog.pipelines SET enabled = $2 WHERE id = $1"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(id), EtlValueBoolean(enabled)));
}

void
EtlCatalogDelete(int64 id)
{
	static EtlSql statement = {
		"WITH p AS (DELETE FROM etl_catalog.pipelines WHERE id = $1), "
		"c AS (DELETE FROM etl_catalog.checkpoints WHERE pipeline = $1 OR pipeline = "
		"(SELECT b.checkpoints FROM etl_catalog.backfills AS b WHERE b.pipeline = $1)), "
		"w AS (DELETE FROM etl_catalog.watermarks WHERE pipeline = $1), "
		"r AS (DELETE FROM etl_catalog.runs WHERE pipeline = $1), "
		"e AS (DELETE FROM etl_catalog.enriched WHERE pipeline = $1) "
		"DELETE FROM etl_catalog.dead_letters WHERE pipeline = $1"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(id)));
}

bool
EtlIsAtHome(int64 system_identifier, Oid database)
{
	return (uint64) system_identifier == GetSystemIdentifier() && database == MyDatabaseId;
}

int64
EtlCatalogAdopt(void)
{
	static EtlSql statement = {"UPDATE etl_catalog.pipelines "
							   "SET system_identifier = $1, database = $2 "
							   "WHERE NOT etl_catalog.is_at_home(system_identifier, database)"};

	EtlScheduleAdopt();
	return (int64) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint((int64) GetSystemIdentifier()),
													EtlValueOid(MyDatabaseId)));
}

void
EtlCatalogDisown(void)
{
	static EtlSql statement = {
		"UPDATE etl_catalog.pipelines SET owner = 0::oid WHERE id IN "
		"(SELECT p.id FROM etl_catalog.pipelines AS p WHERE p.owner::oid <> 0::oid "
		"AND NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = p.owner::oid) "
		"FOR NO KEY UPDATE OF p SKIP LOCKED)"};

	(void) EtlSqlRun(&statement, ETL_NO_VALUES);
}

int64
EtlCatalogCountOrphans(void)
{
	static EtlSql statement = {
		"SELECT count(*) FROM etl_catalog.pipelines AS p "
		"WHERE NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = p.owner)"};

	return EtlSqlRunForBigint(&statement, ETL_NO_VALUES);
}
