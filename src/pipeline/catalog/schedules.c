/*
 * schedules.c
 *		Schedules in etl_catalog: what users say of them, and what the scheduler has made of that.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "pipeline/catalog/schedules.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* ----------------------------------------------------------------
 *	Definitions
 * ---------------------------------------------------------------- */

#define MEMBER(name, type, ...)                                         \
	{                                                                   \
#name, type, offsetof(EtlScheduleDefinition, name), __VA_ARGS__ \
	}

#define OPTIONS                                                                                   \
	MEMBER(schedule, ETL_SQL_TEXT), MEMBER(timezone, ETL_SQL_TEXT), MEMBER(after, ETL_SQL_TEXTS), \
		MEMBER(watch, ETL_SQL_BOOLEAN), MEMBER(max_failures, ETL_SQL_INT)

const EtlSqlColumn EtlScheduleOptions[] = {OPTIONS};
const int EtlScheduleOptionCount = lengthof(EtlScheduleOptions);

static const EtlSqlColumn definition_columns[] = {MEMBER(pipeline, ETL_SQL_BIGINT), OPTIONS,
												  MEMBER(watched, ETL_SQL_TEXT)};

EtlScheduleDefinition *
EtlScheduleRead(int64 pipeline)
{
	static EtlSql statement = {"SELECT * FROM etl_catalog.schedules WHERE pipeline = $1"};
	EtlSqlValues values = {0};
	List *found;

	EtlSqlAddBigint(&values, pipeline);
	found = EtlSqlSelect(&statement, &values, definition_columns, lengthof(definition_columns),
						 sizeof(EtlScheduleDefinition));
	return found != NIL ? linitial(found) : NULL;
}

void
EtlScheduleStore(const EtlScheduleDefinition *definition)
{
	static EtlSql statement;
	const int n = lengthof(definition_columns);
	EtlSqlValues values = {0};

	if (statement.text == NULL)
		statement.text = EtlSqlText(
			"INSERT INTO etl_catalog.schedules (%1$s) VALUES (%2$s) ON CONFLICT (pipeline) "
			"DO UPDATE SET (%1$s, next_run, not_before, files_at) = (%2$s, NULL, NULL, "
			"CASE WHEN excluded.watch THEN schedules.files_at END)",
			EtlSqlNames(definition_columns, n), EtlSqlParameters(definition_columns, n, 1));
	EtlSqlAddStruct(&values, definition_columns, n, definition);
	(void) EtlSqlRun(&statement, &values);
}

void
EtlScheduleDelete(int64 pipeline)
{
	static EtlSql statement = {"DELETE FROM etl_catalog.schedules WHERE pipeline = $1"};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, pipeline);
	(void) EtlSqlRun(&statement, &values);
}

/* ----------------------------------------------------------------
 *	"after"
 * ---------------------------------------------------------------- */

/* Which pipelines role $2 sees in etl_pipelines. */
#define MAY_SEE(pipeline)                                    \
	"(pg_has_role($2, " pipeline ".owner::oid, 'USAGE') OR " \
	"pg_has_role($2, 'pg_monitor', 'USAGE'))"

static void
add_names_and_role(EtlSqlValues *values, List *names, Oid role)
{
	static const EtlSqlColumn column = {"names", ETL_SQL_TEXTS, 0};

	EtlSqlAddStruct(values, &column, 1, &names);
	EtlSqlAdd(values, OIDOID, ObjectIdGetDatum(role));
}

char *
EtlScheduleUnknown(List *names, Oid role)
{
	static EtlSql statement = {
		"SELECT a.name FROM unnest($1) WITH ORDINALITY AS a(name, n) WHERE NOT EXISTS "
		"(SELECT FROM etl_catalog.pipelines p WHERE p.name = a.name AND " MAY_SEE(
			"p") ") "
				 "ORDER BY a.n LIMIT 1"};
	EtlSqlValues values = {0};

	add_names_and_role(&values, names, role);
	return EtlSqlRunForText(&statement, &values);
}

/*
 * "edge" has each edge once that can be reached from these names, so it costs no more than there are edges; the way
 * back is only looked for if there is one.  It ends, for without this pipeline there is no circle.
 */
char *
EtlScheduleCircle(int64 pipeline, List *names, Oid role)
{
	static EtlSql statement = {
		"WITH RECURSIVE edge(name, next) AS (SELECT NULL::text, a.name FROM unnest($1) AS a(name) "
		"UNION SELECT e.next, n.name FROM edge e "
		"JOIN etl_catalog.pipelines p ON p.name = e.next AND p.id <> $3 "
		"JOIN etl_catalog.schedules s ON s.pipeline = p.id, unnest(s.after) AS n(name)), "
		"way(name, path, n) AS (SELECT p.name, NULL::text, 0 FROM etl_catalog.pipelines p "
		"WHERE p.id = $3 AND EXISTS (SELECT FROM edge e WHERE e.next = p.name) "
		"UNION ALL SELECT e.name, concat_ws(', which runs after ', CASE WHEN w.n = 0 OR EXISTS "
		"(SELECT FROM etl_catalog.pipelines p WHERE p.name = w.name AND " MAY_SEE(
			"p") ") "
				 "THEN w.name ELSE 'one of another role' END, w.path), w.n + 1 "
				 "FROM way w, LATERAL (SELECT e.name FROM edge e WHERE e.next = w.name "
				 "ORDER BY e.name NULLS FIRST LIMIT 1) e WHERE w.name IS NOT NULL) "
				 "SELECT path FROM way WHERE name IS NULL LIMIT 1"};
	EtlSqlValues values = {0};

	add_names_and_role(&values, names, role);
	EtlSqlAddBigint(&values, pipeline);
	return EtlSqlRunForText(&statement, &values);
}

/* ----------------------------------------------------------------
 *	Watched files
 * ---------------------------------------------------------------- */

bool
EtlScheduleWatches(int64 pipeline)
{
	static EtlSql statement = {"SELECT FROM etl_catalog.schedules WHERE pipeline = $1 AND watch"};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, pipeline);
	return EtlSqlRun(&statement, &values) > 0;
}

/* Each update wakes the scheduler, so it is made only for a change. */
void
EtlScheduleSetWatched(int64 pipeline, const char *path)
{
	static EtlSql look = {"SELECT FROM etl_catalog.schedules WHERE pipeline = $1 AND watch "
						  "AND watched IS DISTINCT FROM $2"};
	static EtlSql write = {"UPDATE etl_catalog.schedules SET watched = $2 WHERE pipeline = $1"};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, pipeline);
	EtlSqlAddText(&values, path);
	if (EtlSqlRun(&look, &values) > 0)
		(void) EtlSqlRun(&write, &values);
}
