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

#define OPTION(ctype, name, type) {#name, type, offsetof(EtlScheduleDefinition, name)},

const EtlSqlColumn EtlScheduleOptions[] = {ETL_SCHEDULE_OPTIONS(OPTION)};
const int EtlScheduleOptionCount = lengthof(EtlScheduleOptions);

static const EtlSqlColumn definition_columns[] = {
	ETL_SCHEDULE_OPTIONS(OPTION){"pipeline", ETL_SQL_BIGINT,
								 offsetof(EtlScheduleDefinition, pipeline)},
	{"watched", ETL_SQL_TEXT, offsetof(EtlScheduleDefinition, watched)},
};

EtlScheduleDefinition *
EtlScheduleRead(int64 pipeline)
{
	static EtlSql statement = {"SELECT * FROM etl_catalog.schedules WHERE pipeline = $1"};
	List *found;

	found = EtlSqlSelect(&statement, ETL_VALUES(EtlValueBigint(pipeline)), definition_columns,
						 lengthof(definition_columns), sizeof(EtlScheduleDefinition));
	return found != NIL ? linitial(found) : NULL;
}

void
EtlScheduleStore(const EtlScheduleDefinition *definition)
{
	static EtlSql statement;
	const int n = lengthof(definition_columns);

	if (statement.text == NULL)
		statement.text = EtlSqlKeep(psprintf(
			"INSERT INTO etl_catalog.schedules (%1$s) VALUES (%2$s) ON CONFLICT (pipeline) "
			"DO UPDATE SET (%1$s, next_run, retry_at, not_before) = (%2$s, NULL, NULL, NULL)",
			EtlSqlNames(definition_columns, n), EtlSqlParameters(definition_columns, n, 1)));
	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueStruct(definition_columns, n, definition)));
}

void
EtlScheduleDelete(int64 pipeline)
{
	static EtlSql statement = {"DELETE FROM etl_catalog.schedules WHERE pipeline = $1"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline)));
}

void
EtlScheduleAdopt(void)
{
	static EtlSql statement = {
		"UPDATE etl_catalog.schedules AS s SET (state, retry_at, not_before, waiting_since, failures, "
		"retries, last_run, reason) = ('idle', NULL, NULL, NULL, 0, 0, "
		"(SELECT coalesce(max(r.id), 0) FROM etl_catalog.runs r WHERE r.pipeline = s.pipeline), NULL) "
		"FROM etl_catalog.pipelines p WHERE p.id = s.pipeline "
		"AND NOT etl_catalog.is_at_home(p.system_identifier, p.database)"};

	(void) EtlSqlRun(&statement, ETL_NO_VALUES);
}

/* ----------------------------------------------------------------
 *	The scheduler's view
 * ---------------------------------------------------------------- */

#define SCHEDULED(name, type, ...)                             \
	{                                                          \
#name, type, offsetof(EtlScheduled, name), __VA_ARGS__ \
	}
#define TIME(name) SCHEDULED(name, ETL_SQL_TIME, .nullable = true),
#define SCHEDULED_OPTION(ctype, name, type) SCHEDULED(name, type),

/* What the scheduler writes. */
#define WRITTEN                                                                               \
	ETL_TRIGGER_TIMES(TIME)                                                                   \
	TIME(not_before)                                                                          \
	TIME(waiting_since)                                                                       \
	SCHEDULED(state, ETL_SQL_WORD, &EtlScheduleStateWords), SCHEDULED(failures, ETL_SQL_INT), \
		SCHEDULED(retries, ETL_SQL_INT), SCHEDULED(skipped, ETL_SQL_BIGINT),                  \
		SCHEDULED(last_run, ETL_SQL_BIGINT), SCHEDULED(reason, ETL_SQL_TEXT),                 \
		SCHEDULED(blocked, ETL_SQL_TEXT)

static const EtlSqlColumn written_columns[] = {WRITTEN};
static const EtlSqlColumn scheduled_columns[] = {
	WRITTEN,
	SCHEDULED(pipeline, ETL_SQL_BIGINT),
	SCHEDULED(name, ETL_SQL_TEXT),
	SCHEDULED(owner, ETL_SQL_ROLE),
	SCHEDULED(enabled, ETL_SQL_BOOLEAN),
	SCHEDULED(is_copy, ETL_SQL_BOOLEAN),
	SCHEDULED(obstacle, ETL_SQL_TEXT),
	ETL_SCHEDULE_OPTIONS(SCHEDULED_OPTION) SCHEDULED(is_running, ETL_SQL_BOOLEAN),
	SCHEDULED(after_ready, ETL_SQL_BOOLEAN),
	SCHEDULED(after_missing, ETL_SQL_TEXT),
	SCHEDULED(run, ETL_SQL_BIGINT),
	SCHEDULED(run_state, ETL_SQL_WORD, &EtlRunStateWords),
	SCHEDULED(run_started, ETL_SQL_TIME),
	SCHEDULED(run_flushed, ETL_SQL_BOOLEAN),
	SCHEDULED(version, ETL_SQL_BIGINT),
	SCHEDULED(run_sqlstate, ETL_SQL_TEXT),
	SCHEDULED(run_message, ETL_SQL_TEXT),
};

/* What costs no more with a longer history: only totals and the latest run are looked at. */
List *
EtlScheduleList(void)
{
	static EtlSql statement = {
		"SELECT s.*, p.name, p.owner::oid AS owner, "
		"p.enabled, NOT etl_catalog.is_at_home(p.system_identifier, p.database) AS is_copy, "
		"r.id AS run, r.state AS run_state, r.sqlstate AS run_sqlstate, r.message AS run_message, "
		"r.started_at AS run_started, r.flushed_at IS NOT NULL AS run_flushed, "
		"etl_catalog.is_running(p.id) AS is_running, "
		"(SELECT a.name FROM unnest(s.after) AS a(name) WHERE NOT EXISTS "
		"	(SELECT FROM etl_catalog.pipelines o WHERE o.name = a.name) LIMIT 1) AS after_missing, "
		"cardinality(s.after) > 0 AND NOT EXISTS (SELECT FROM unnest(s.after) AS a(name) "
		"	WHERE NOT EXISTS (SELECT FROM etl_catalog.pipelines o "
		"		LEFT JOIN etl_catalog.totals d ON d.pipeline = o.id WHERE o.name = a.name "
		"		AND greatest(d.last_success, (SELECT max(c.flushed_at) FROM etl_catalog.runs c "
		"			WHERE c.pipeline = o.id AND c.state = 'running')) "
		"			> coalesce(t.last_load_began, '-infinity'))) AS after_ready, "
		"hashtextextended(concat_ws(' ', p.xmin, (SELECT e.xmin FROM pg_extension e WHERE e.extname = 'etl'), "
		"	(SELECT string_agg(concat_ws(' ', g.setdatabase, g.setrole, g.xmin), ' ' ORDER BY g.setdatabase, g.setrole) "
		"	FROM pg_db_role_setting g WHERE g.setrole IN (0, p.owner::oid) AND g.setdatabase IN (0, "
		"		(SELECT b.oid FROM pg_database b WHERE b.datname = current_database())))), 0) AS version, "
		"CASE WHEN a.oid IS NULL THEN 'its owner does not exist any more' "
		"	WHEN NOT a.rolcanlogin THEN format('its owner, role \"%s\", may not log in', a.rolname) "
		"	WHEN NOT has_database_privilege(a.oid, current_database(), 'CONNECT') THEN "
		"		format('its owner, role \"%s\", may not connect to this database', a.rolname) "
		"	END AS obstacle "
		"FROM etl_catalog.schedules s JOIN etl_catalog.pipelines p ON p.id = s.pipeline "
		"LEFT JOIN etl_catalog.totals t ON t.pipeline = p.id "
		"LEFT JOIN pg_catalog.pg_roles a ON a.oid = p.owner::oid "
		"LEFT JOIN LATERAL (SELECT l.id, l.state, l.sqlstate, l.message, l.started_at, l.flushed_at "
		"	FROM etl_catalog.runs l WHERE l.pipeline = p.id AND -l.id < -s.last_run AND l.kind = 'load' "
		"	ORDER BY -l.id LIMIT 1) r ON true "
		"FOR NO KEY UPDATE OF s, p SKIP LOCKED"};

	return EtlSqlSelect(&statement, ETL_NO_VALUES, scheduled_columns, lengthof(scheduled_columns),
						sizeof(EtlScheduled));
}

void
EtlScheduleWrite(const EtlScheduled *row)
{
	static EtlSql statement;
	const int n = lengthof(written_columns);

	if (statement.text == NULL)
		statement.text = EtlSqlKeep(
			psprintf("UPDATE etl_catalog.schedules SET (%s) = (%s) WHERE pipeline = $1",
					 EtlSqlNames(written_columns, n), EtlSqlParameters(written_columns, n, 2)));
	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(row->pipeline),
											EtlValueStruct(written_columns, n, row)));
}

List *
EtlScheduleLooks(void)
{
	static EtlSql statement = {"SELECT pipeline, etl_catalog.is_running(pipeline) AS is_running "
							   "FROM etl_catalog.schedules"};
	static const EtlSqlColumn columns[] = {
		{"pipeline", ETL_SQL_BIGINT, offsetof(EtlScheduleLook, pipeline)},
		{"is_running", ETL_SQL_BOOLEAN, offsetof(EtlScheduleLook, is_running)},
	};

	return EtlSqlSelect(&statement, ETL_NO_VALUES, columns, lengthof(columns),
						sizeof(EtlScheduleLook));
}

List *
EtlRunProcesses(void)
{
	static EtlSql statement = {"SELECT pid, usesysid FROM pg_stat_activity "
							   "WHERE backend_type = 'etl pipeline' AND usesysid IS NOT NULL"};
	static const EtlSqlColumn columns[] = {
		{"pid", ETL_SQL_INT, offsetof(EtlRunProcess, pid)},
		{"usesysid", ETL_SQL_ROLE, offsetof(EtlRunProcess, owner)},
	};

	return EtlSqlSelect(&statement, ETL_NO_VALUES, columns, lengthof(columns),
						sizeof(EtlRunProcess));
}

int64
EtlCountRunsBefore(Oid owner)
{
	static EtlSql statement = {
		"SELECT count(*) FROM pg_stat_activity AS a, pg_stat_activity AS me "
		"WHERE me.pid = pg_backend_pid() AND a.backend_type IN ('etl pipeline', 'etl parallel worker') AND a.usesysid = $1 "
		"AND (a.backend_start, a.pid) < (me.backend_start, me.pid)"};

	return EtlSqlRunForBigint(&statement, ETL_VALUES(EtlValueOid(owner)));
}

int64
EtlCountParallelBefore(void)
{
	static EtlSql statement = {
		"SELECT count(*) FROM pg_stat_activity AS a, pg_stat_activity AS me "
		"WHERE me.pid = pg_backend_pid() AND a.backend_type = 'etl parallel worker' "
		"AND (a.backend_start, a.pid) < (me.backend_start, me.pid)"};

	return EtlSqlRunForBigint(&statement, ETL_NO_VALUES);
}

/* ----------------------------------------------------------------
 *	"after"
 * ---------------------------------------------------------------- */

/* Which pipelines role $2 sees in etl_pipelines. */
#define MAY_SEE(pipeline)                                    \
	"(pg_has_role($2, " pipeline ".owner::oid, 'USAGE') OR " \
	"pg_has_role($2, 'pg_monitor', 'USAGE'))"

char *
EtlScheduleUnknown(List *names, Oid role)
{
	static EtlSql statement = {
		"SELECT a.name FROM unnest($1) WITH ORDINALITY AS a(name, n) WHERE NOT EXISTS "
		"(SELECT FROM etl_catalog.pipelines p WHERE p.name = a.name AND " MAY_SEE(
			"p") ") "
				 "ORDER BY a.n LIMIT 1"};

	return EtlSqlRunForText(&statement, ETL_VALUES(EtlValueTexts(names), EtlValueOid(role)));
}

char *
EtlScheduleFollowers(const char *name, Oid role)
{
	static EtlSql statement = {
		"SELECT string_agg(format('\"%s\"', p.name), ', ' ORDER BY p.name) "
		"FROM etl_catalog.schedules s JOIN etl_catalog.pipelines p ON p.id = s.pipeline "
		"WHERE $1 = ANY (s.after) AND " MAY_SEE("p")};

	return EtlSqlRunForText(&statement, ETL_VALUES(EtlValueText(name), EtlValueOid(role)));
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

	return EtlSqlRunForText(
		&statement, ETL_VALUES(EtlValueTexts(names), EtlValueOid(role), EtlValueBigint(pipeline)));
}

/* ----------------------------------------------------------------
 *	Watched files
 * ---------------------------------------------------------------- */

bool
EtlScheduleWatches(int64 pipeline)
{
	static EtlSql statement = {"SELECT FROM etl_catalog.schedules WHERE pipeline = $1 AND watch"};

	return EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline))) > 0;
}

/* Each update wakes the scheduler, so it is made only for a change. */
void
EtlScheduleSetWatched(int64 pipeline, const char *path)
{
	static EtlSql look = {"SELECT FROM etl_catalog.schedules WHERE pipeline = $1 AND watch "
						  "AND watched IS DISTINCT FROM $2"};
	static EtlSql write = {"UPDATE etl_catalog.schedules SET watched = $2 WHERE pipeline = $1"};

	if (EtlSqlRun(&look, ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(path))) > 0)
		(void) EtlSqlRun(&write, ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(path)));
}

List *
EtlScheduleWatched(void)
{
	static EtlSql statement = {
		"SELECT s.pipeline, s.watched FROM etl_catalog.schedules s "
		"JOIN etl_catalog.pipelines p ON p.id = s.pipeline "
		"JOIN pg_catalog.pg_roles a ON a.oid = p.owner::oid "
		"WHERE s.watch AND octet_length(s.watched) BETWEEN 1 AND 4095 AND p.enabled "
		"AND etl_catalog.is_at_home(p.system_identifier, p.database) "
		"AND pg_has_role(a.oid, 'pg_read_server_files', 'USAGE') ORDER BY s.pipeline"};
	static const EtlSqlColumn columns[] = {
		{"pipeline", ETL_SQL_BIGINT, offsetof(EtlWatched, pipeline)},
		{"watched", ETL_SQL_TEXT, offsetof(EtlWatched, path)},
	};

	return EtlSqlSelect(&statement, ETL_NO_VALUES, columns, lengthof(columns), sizeof(EtlWatched));
}

/* ----------------------------------------------------------------
 *	What a run leaves for the scheduler
 * ---------------------------------------------------------------- */

void
EtlScheduleSetNotBefore(int64 pipeline, TimestampTz time)
{
	static EtlSql statement = {
		"UPDATE etl_catalog.schedules SET not_before = $2 WHERE pipeline = $1"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueTime(time)));
}

void
EtlScheduleSetFilesAt(int64 pipeline, TimestampTz time)
{
	static EtlSql statement = {"UPDATE etl_catalog.schedules SET files_at = least(files_at, $2) "
							   "WHERE pipeline = $1 AND watch"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueTime(time)));
}
