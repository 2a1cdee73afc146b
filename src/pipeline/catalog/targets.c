/*
 * targets.c
 *		Further targets of pipelines in etl_catalog, and what runs have done to them.
 */
#include "etl.h"

#include "pipeline/catalog/catalog.h"

#define OPTION(name, type, ...)                               \
	{                                                         \
#name, type, offsetof(EtlPipeline, name), __VA_ARGS__ \
	}

const EtlSqlColumn EtlTargetOptions[] = {
	OPTION(target, ETL_SQL_TEXT),
	OPTION(query, ETL_SQL_TEXT),
	OPTION(key, ETL_SQL_TEXTS, .nullable = true),
	OPTION(mode, ETL_SQL_WORD, &EtlModeWords),
	OPTION(on_conflict, ETL_SQL_WORD, &EtlOnConflictWords),
	OPTION(rules, ETL_SQL_JSON),
	OPTION(delete_within, ETL_SQL_TEXTS, .nullable = true),
};
const int EtlTargetOptionCount = lengthof(EtlTargetOptions);

/* A further target as a pipeline: all that it does not say is as the pipeline says it. */
static EtlPipeline *
as_pipeline(const EtlPipeline *pipeline, const EtlPipeline *said)
{
	EtlPipeline *target = palloc(sizeof(EtlPipeline));

	*target = *pipeline;
	target->further = true;
	target->target = said->target;
	target->query = said->query;
	target->key = said->key;
	target->mode = said->mode;
	target->on_conflict = said->on_conflict;
	target->rules = said->rules;
	target->rules_list = EtlRulesOf(said->rules);
	target->delete_within = said->delete_within;
	target->delete_when = target->delete_scope = NULL;
	target->deletes = ETL_DELETES_KEEP;
	target->targets = NIL;
	return target;
}

List *
EtlCatalogTargets(const EtlPipeline *pipeline)
{
	static EtlSql statement;
	List *targets = NIL;
	List *found;
	ListCell *lc;

	if (statement.text == NULL)
		statement.text = EtlSqlKeep(
			psprintf("SELECT %s FROM etl_catalog.targets WHERE pipeline = $1 ORDER BY position",
					 EtlSqlNames(EtlTargetOptions, EtlTargetOptionCount)));
	found = EtlSqlSelect(&statement, ETL_VALUES(EtlValueBigint(pipeline->id)), EtlTargetOptions,
						 EtlTargetOptionCount, sizeof(EtlPipeline));
	foreach (lc, found)
		targets = lappend(targets, as_pipeline(pipeline, lfirst(lc)));
	return targets;
}

void
EtlCatalogAddTarget(int64 pipeline, const EtlPipeline *target)
{
	static EtlSql statement;

	if (statement.text == NULL)
		statement.text = EtlSqlKeep(psprintf(
			"INSERT INTO etl_catalog.targets (pipeline, position, %s) SELECT $1, "
			"(SELECT coalesce(max(position), 0) + 1 FROM etl_catalog.targets WHERE pipeline = $1), %s",
			EtlSqlNames(EtlTargetOptions, EtlTargetOptionCount),
			EtlSqlParameters(EtlTargetOptions, EtlTargetOptionCount, 2)));
	(void) EtlSqlRun(&statement,
					 ETL_VALUES(EtlValueBigint(pipeline),
								EtlValueStruct(EtlTargetOptions, EtlTargetOptionCount, target)));
}

void
EtlCatalogDropTarget(int64 pipeline, const char *target)
{
	static EtlSql statement = {
		"DELETE FROM etl_catalog.targets WHERE pipeline = $1 AND target = $2"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(target)));
}

#define COUNT(name)                                                                    \
	{                                                                                  \
#name, ETL_SQL_BIGINT, offsetof(EtlRunCounters, name), .nullable = true,       \
															   .null = ETL_NOT_COUNTED \
	}

void
EtlCatalogUpdateRunTarget(int64 run, const char *target, const EtlRunCounters *more)
{
	static const EtlSqlColumn columns[] = {COUNT(emitted),	   COUNT(invalid), COUNT(superseded),
										   COUNT(load_failed), COUNT(loaded),  COUNT(inserted),
										   COUNT(updated),	   COUNT(skipped), COUNT(deleted)};
	static EtlSql statement;

	if (statement.text == NULL)
	{
		const char *names = EtlSqlNames(columns, lengthof(columns));
		const char *values = EtlSqlParameters(columns, lengthof(columns), 3);
		StringInfoData sums;

		initStringInfo(&sums);
		for (int i = 0; i < lengthof(columns); i++)
			appendStringInfo(&sums, "%st.%s + excluded.%s", i > 0 ? ", " : "", columns[i].name,
							 columns[i].name);
		statement.text = EtlSqlKeep(psprintf(
			"INSERT INTO etl_catalog.run_targets AS t (run, target, %s) VALUES ($1, $2, %s) "
			"ON CONFLICT (run, target) DO UPDATE SET (%s) = ROW(%s)",
			names, values, names, sums.data));
	}
	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(run), EtlValueText(target),
											EtlValueStruct(columns, lengthof(columns), more)));
}
