/*
 * runs.c
 *		Runs in etl_catalog, and what they leave for the next one: checkpoints and watermarks.
 */
#include "etl.h"

#include "pipeline/catalog/catalog.h"
#include "pipeline/catalog/sql.h"

/* ----------------------------------------------------------------
 *	Runs
 * ---------------------------------------------------------------- */

static const EtlSqlColumn counter_columns[] = {
#define COUNTER(name, text) {#name, ETL_SQL_BIGINT, offsetof(EtlRunCounters, name), .null = -1},
	ETL_RUN_COUNTERS(COUNTER)
#undef COUNTER
};

/* What is added to them. */
static const EtlSqlColumn more_columns[] = {
#define COUNTER(name, text)                                                   \
	{#name, ETL_SQL_BIGINT, offsetof(EtlRunCounters, name), .nullable = true, \
	 .null = ETL_NOT_COUNTED},
	ETL_RUN_COUNTERS(COUNTER)
#undef COUNTER
};

/*
 * Behind an UPDATE of runs that have ended, named "ended": adds them to the totals of their pipelines, which stay when
 * runs are purged.  How long a crashed run took is not known.
 */
static const char *
add_to_totals(void)
{
	StringInfoData columns, values, sums;

	initStringInfo(&columns);
	initStringInfo(&values);
	initStringInfo(&sums);
	for (int i = ETL_RUN_SUCCEEDED; i < EtlRunStateWords.n; i++)
	{
		const char *state = EtlWordName(&EtlRunStateWords, i);

		appendStringInfo(&columns, ", %s", state);
		appendStringInfo(&values, ", (state = '%s')::int", state);
		appendStringInfo(&sums, ", %s = t.%s + excluded.%s", state, state, state);
	}
	for (int i = 0; i < lengthof(counter_columns); i++)
	{
		const char *name = counter_columns[i].name;

		appendStringInfo(&columns, ", %s", name);
		appendStringInfo(&values, ", coalesce(%s, 0)", name);
		appendStringInfo(&sums, ", %s = t.%s + excluded.%s", name, name, name);
	}
	return psprintf(
		"INSERT INTO etl_catalog.totals AS t (pipeline, seconds, last_seconds, last_finished, "
		"last_success, last_load_began%s) "
		"SELECT pipeline, coalesce(duration, 0), duration, finished_at, "
		"CASE WHEN state = 'succeeded' THEN finished_at END, "
		"CASE WHEN state = 'succeeded' AND kind = 'load' THEN started_at END%s FROM ended, LATERAL "
		"(SELECT greatest(extract(epoch FROM finished_at - started_at), 0)) AS d(duration) "
		"ON CONFLICT (pipeline) DO UPDATE SET seconds = t.seconds + excluded.seconds, "
		"last_seconds = coalesce(excluded.last_seconds, t.last_seconds), "
		"last_finished = coalesce(excluded.last_finished, t.last_finished), "
		"last_success = coalesce(excluded.last_success, t.last_success), "
		"last_load_began = coalesce(excluded.last_load_began, t.last_load_began)%s",
		columns.data, values.data, sums.data);
}

/* The caller holds the lock of the pipeline: whatever else says that it is running has died. */
int64
EtlCatalogStartRun(int64 pipeline, EtlRunKind kind)
{
	static EtlSql crashed;
	static EtlSql start = {"INSERT INTO etl_catalog.runs (pipeline, kind, state, pid, "
						   "started_at) VALUES ($1, $2, 'running', pg_backend_pid(), "
						   "clock_timestamp()) RETURNING id"};

	if (crashed.text == NULL)
		crashed.text =
			EtlSqlKeep(psprintf("WITH ended AS (UPDATE etl_catalog.runs SET state = 'crashed' "
								"WHERE pipeline = $1 AND state = 'running' RETURNING *) %s",
								add_to_totals()));
	(void) EtlSqlRun(&crashed, ETL_VALUES(EtlValueBigint(pipeline)));
	return EtlSqlRunForBigint(
		&start,
		ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(EtlWordName(&EtlRunKindWords, kind))));
}

/*
 * The fence: a run whose lock was taken from it, and which was therefore declared dead by the next one,
 * finds no row here, and must not commit what it has done.
 */
void
EtlCatalogUpdateRun(int64 run, const EtlRunCounters *more, EtlRunCounters *all)
{
	static EtlSql statement;
	const char *names = EtlSqlNames(counter_columns, lengthof(counter_columns));
	List *updated;

	if (statement.text == NULL)
	{
		StringInfoData sums;

		initStringInfo(&sums);
		for (int i = 0; i < lengthof(counter_columns); i++)
			appendStringInfo(&sums, "%s%s + $%d", i > 0 ? ", " : "", counter_columns[i].name,
							 i + 2);
		statement.text = EtlSqlKeep(psprintf("UPDATE etl_catalog.runs SET (%s) = ROW(%s) "
											 "WHERE id = $1 AND state = 'running' RETURNING %s",
											 names, sums.data, names));
	}
	updated = EtlSqlSelect(
		&statement,
		ETL_VALUES(EtlValueBigint(run), EtlValueStruct(more_columns, lengthof(more_columns), more)),
		counter_columns, lengthof(counter_columns), sizeof(EtlRunCounters));
	if (updated != NIL && all != NULL)
		*all = *(EtlRunCounters *) linitial(updated);
	if (updated == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("run %lld is no longer the one that runs the pipeline", (long long) run),
				 errdetail("Another run has started, or the pipeline was dropped.")));
}

void
EtlCatalogEndRun(int64 run, EtlRunState state, const char *sqlstate, const char *message)
{
	static EtlSql statement;

	if (statement.text == NULL)
		statement.text = EtlSqlKeep(psprintf(
			"WITH ended AS (UPDATE etl_catalog.runs SET state = $2, sqlstate = $3, message = $4, "
			"finished_at = clock_timestamp() WHERE id = $1 AND state = 'running' RETURNING *) %s",
			add_to_totals()));
	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(run),
											EtlValueText(EtlWordName(&EtlRunStateWords, state)),
											EtlValueText(sqlstate), EtlValueText(message)));
}

/* To name the state, though it stays, fires the trigger that wakes the scheduler. */
void
EtlCatalogSetFlushed(int64 run, int64 pipeline)
{
	static EtlSql followed = {
		"SELECT FROM etl_catalog.schedules s JOIN etl_catalog.pipelines p ON p.name = ANY (s.after) "
		"WHERE p.id = $1"};
	static EtlSql quietly = {
		"UPDATE etl_catalog.runs SET flushed_at = clock_timestamp() WHERE id = $1"};
	static EtlSql loudly = {
		"UPDATE etl_catalog.runs SET flushed_at = clock_timestamp(), state = state "
		"WHERE id = $1"};
	bool wake = EtlSqlRun(&followed, ETL_VALUES(EtlValueBigint(pipeline))) > 0;

	(void) EtlSqlRun(wake ? &loudly : &quietly, ETL_VALUES(EtlValueBigint(run)));
}

bool
EtlCatalogRunIsOpen(int64 run)
{
	static EtlSql statement = {"SELECT FROM etl_catalog.runs WHERE id = $1 AND state = 'running'",
							   .latest = true};

	return EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(run))) > 0;
}

bool
EtlCatalogHasOpenRun(int64 pipeline)
{
	static EtlSql statement = {
		"SELECT FROM etl_catalog.runs WHERE pipeline = $1 AND state = 'running'", .latest = true};

	return EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline))) > 0;
}

const EtlRunResult *
EtlCatalogRunResult(int64 run)
{
	static EtlSql statement = {"SELECT * FROM etl_catalog.runs WHERE id = $1"};
	static const EtlSqlColumn columns[] = {
		{"id", ETL_SQL_BIGINT, offsetof(EtlRunResult, id)},
		{"state", ETL_SQL_WORD, offsetof(EtlRunResult, state), &EtlRunStateWords},
		{"sqlstate", ETL_SQL_TEXT, offsetof(EtlRunResult, sqlstate)},
		{"message", ETL_SQL_TEXT, offsetof(EtlRunResult, message)},
#define COUNTER(name, text) \
	{#name, ETL_SQL_BIGINT, offsetof(EtlRunResult, counters.name), .null = -1},
		ETL_RUN_COUNTERS(COUNTER)
#undef COUNTER
			{"missing_columns", ETL_SQL_TEXTS, offsetof(EtlRunResult, missing_columns)},
		{"new_columns", ETL_SQL_TEXTS, offsetof(EtlRunResult, new_columns)},
	};
	List *found;

	found = EtlSqlSelect(&statement, ETL_VALUES(EtlValueBigint(run)), columns, lengthof(columns),
						 sizeof(EtlRunResult));
	if (found == NIL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("run %lld does not exist any more", (long long) run)));
	return linitial(found);
}

/* ----------------------------------------------------------------
 *	Columns that records have
 * ---------------------------------------------------------------- */

void
EtlCatalogSetMissingColumns(int64 run, List *columns)
{
	static EtlSql statement = {"UPDATE etl_catalog.runs SET missing_columns = $2 WHERE id = $1"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(run), EtlValueTexts(columns)));
}

void
EtlCatalogSetNewColumns(int64 run, List *columns)
{
	static EtlSql statement = {"UPDATE etl_catalog.runs SET new_columns = $2 WHERE id = $1"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(run), EtlValueTexts(columns)));
}

static List *
select_columns(EtlSql *statement, int64 pipeline)
{
	static const EtlSqlColumn columns[] = {{"columns", ETL_SQL_TEXTS, 0}};
	List *found = EtlSqlSelect(statement, ETL_VALUES(EtlValueBigint(pipeline)), columns,
							   lengthof(columns), sizeof(List *));

	return found != NIL ? *(List **) linitial(found) : NIL;
}

List *
EtlCatalogSeenColumns(int64 pipeline)
{
	static EtlSql statement = {"SELECT columns FROM etl_catalog.seen_columns WHERE pipeline = $1"};

	return select_columns(&statement, pipeline);
}

List *
EtlCatalogUndeclared(int64 pipeline)
{
	static EtlSql statement = {
		"SELECT undeclared AS columns FROM etl_catalog.seen_columns WHERE pipeline = $1"};

	return select_columns(&statement, pipeline);
}

void
EtlCatalogSetUndeclared(int64 pipeline, List *columns)
{
	static EtlSql statement = {
		"INSERT INTO etl_catalog.seen_columns (pipeline, columns, undeclared) VALUES ($1, '{}', $2) "
		"ON CONFLICT (pipeline) DO UPDATE SET undeclared = excluded.undeclared"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueTexts(columns)));
}

void
EtlCatalogSetSeenColumns(int64 pipeline, List *columns)
{
	static EtlSql statement = {
		"INSERT INTO etl_catalog.seen_columns (pipeline, columns) VALUES ($1, $2) "
		"ON CONFLICT (pipeline) DO UPDATE SET columns = excluded.columns"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueTexts(columns)));
}

/* ----------------------------------------------------------------
 *	Checkpoints and watermarks
 * ---------------------------------------------------------------- */

static const EtlSqlColumn checkpoint_columns[] = {
	{"part", ETL_SQL_TEXT, offsetof(EtlCheckpoint, part)},
	{"position", ETL_SQL_TEXT, offsetof(EtlCheckpoint, position)},
	{"skipped", ETL_SQL_BIGINT, offsetof(EtlCheckpoint, skipped)},
	{"rows", ETL_SQL_BIGINT, offsetof(EtlCheckpoint, rows)},
	{"state", ETL_SQL_WORD, offsetof(EtlCheckpoint, state), &EtlPartStateWords},
	{"version", ETL_SQL_TEXT, offsetof(EtlCheckpoint, version)},
	{"sqlstate", ETL_SQL_TEXT, offsetof(EtlCheckpoint, sqlstate)},
	{"message", ETL_SQL_TEXT, offsetof(EtlCheckpoint, message)},
	{"missing_since", ETL_SQL_TIME, offsetof(EtlCheckpoint, missing_since), .nullable = true},
	{"pending", ETL_SQL_BOOLEAN, offsetof(EtlCheckpoint, pending)},
};

/* What a run needs to know. */
#define CHECKPOINT                                                \
	"SELECT part, position, skipped, rows, state, "               \
	"CASE WHEN state = 'set_aside' THEN version END AS version, " \
	"NULL::text AS sqlstate, NULL::text AS message, missing_since, pending FROM etl_catalog.checkpoints "

List *
EtlCatalogCheckpoints(int64 pipeline, const char *after, int n)
{
	static EtlSql statement = {CHECKPOINT
							   "WHERE pipeline = $1 AND part > $2 ORDER BY part LIMIT $3"};

	return EtlSqlSelect(
		&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(after), EtlValueBigint(n)),
		checkpoint_columns, lengthof(checkpoint_columns), sizeof(EtlCheckpoint));
}

EtlCheckpoint *
EtlCatalogCheckpoint(int64 pipeline, const char *part)
{
	static EtlSql statement = {CHECKPOINT "WHERE pipeline = $1 AND part = $2"};
	List *found =
		EtlSqlSelect(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(part)),
					 checkpoint_columns, lengthof(checkpoint_columns), sizeof(EtlCheckpoint));

	return found != NIL ? linitial(found) : NULL;
}

void
EtlCatalogSetCheckpoint(int64 pipeline, const EtlCheckpoint *checkpoint)
{
	static EtlSql statement;

	if (statement.text == NULL)
		statement.text = EtlSqlKeep(psprintf(
			"INSERT INTO etl_catalog.checkpoints AS c (pipeline, attempts, %s) "
			"VALUES ($1, ($6 = 'set_aside')::int, %s) ON CONFLICT (pipeline, part) DO UPDATE SET "
			"(position, skipped, rows, state, version, missing_since, pending, last_at) = "
			"(excluded.position, excluded.skipped, excluded.rows, excluded.state, excluded.version, "
			"excluded.missing_since, excluded.pending, now()), (attempts, sqlstate, message) = (SELECT CASE excluded.state WHEN 'reading' "
			"THEN c.attempts WHEN 'set_aside' THEN c.attempts + 1 ELSE 0 END, "
			"CASE excluded.state WHEN 'reading' THEN c.sqlstate ELSE excluded.sqlstate END, "
			"CASE excluded.state WHEN 'reading' THEN c.message ELSE excluded.message END)",
			EtlSqlNames(checkpoint_columns, lengthof(checkpoint_columns)),
			EtlSqlParameters(checkpoint_columns, lengthof(checkpoint_columns), 2)));
	(void) EtlSqlRun(
		&statement,
		ETL_VALUES(EtlValueBigint(pipeline),
				   EtlValueStruct(checkpoint_columns, lengthof(checkpoint_columns), checkpoint)));
}

void
EtlCatalogSetMissing(int64 pipeline, List *parts, bool missing)
{
	static EtlSql statement = {"UPDATE etl_catalog.checkpoints "
							   "SET missing_since = CASE WHEN $3 THEN now() END "
							   "WHERE pipeline = $1 AND part = ANY ($2) "
							   "AND (missing_since IS NULL) = $3"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueTexts(parts),
											EtlValueBoolean(missing)));
}

List *
EtlCatalogPending(int64 pipeline, const char *after, int n)
{
	static EtlSql statement = {
		"SELECT part, position FROM etl_catalog.checkpoints WHERE pipeline = $1 AND pending "
		"AND part > $2 ORDER BY part LIMIT $3"};

	return EtlSqlSelect(
		&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(after), EtlValueBigint(n)),
		checkpoint_columns, 2, sizeof(EtlCheckpoint));
}

void
EtlCatalogSetDone(int64 pipeline, List *parts)
{
	static EtlSql statement = {"UPDATE etl_catalog.checkpoints SET pending = false "
							   "WHERE pipeline = $1 AND part = ANY ($2)"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueTexts(parts)));
}

/* What has no version is never the same. */
int64
EtlCatalogRetryParts(int64 pipeline, const char *part)
{
	static EtlSql statement = {
		"UPDATE etl_catalog.checkpoints SET version = NULL "
		"WHERE pipeline = $1 AND state = 'set_aside' AND ($2 IS NULL OR part = $2)"};

	return (int64) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(part)));
}

void
EtlCatalogForgetMissing(int64 pipeline, int minutes)
{
	static EtlSql statement = {"DELETE FROM etl_catalog.checkpoints WHERE pipeline = $1 "
							   "AND missing_since < now() - make_interval(mins => $2::int)"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueBigint(minutes)));
}

char *
EtlCatalogWatermark(int64 pipeline, bool pending)
{
	static EtlSql statement = {
		"SELECT CASE WHEN $2 THEN pending ELSE value END FROM etl_catalog.watermarks "
		"WHERE pipeline = $1"};

	return EtlSqlRunForText(&statement,
							ETL_VALUES(EtlValueBigint(pipeline), EtlValueBoolean(pending)));
}

void
EtlCatalogSetPending(int64 pipeline, const char *type, const char *value, TimestampTz at)
{
	static EtlSql statement = {
		"INSERT INTO etl_catalog.watermarks (pipeline, type, pending, pending_at) "
		"VALUES ($1, $2, $3, $4) ON CONFLICT (pipeline) DO UPDATE "
		"SET type = excluded.type, pending = excluded.pending, pending_at = excluded.pending_at"};
	EtlSqlValue time = EtlValueTime(at);

	time.isnull = TIMESTAMP_NOT_FINITE(at); /* 0 is a time, too */
	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(type),
											EtlValueText(value), time));
}

char *
EtlCatalogLockPending(int64 pipeline, const char *type)
{
	static EtlSql row = {"INSERT INTO etl_catalog.watermarks (pipeline, type) VALUES ($1, $2) "
						 "ON CONFLICT DO NOTHING"};
	static EtlSql statement = {
		"SELECT pending FROM etl_catalog.watermarks WHERE pipeline = $1 FOR UPDATE"};

	(void) EtlSqlRun(&row, ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(type)));
	return EtlSqlRunForText(&statement, ETL_VALUES(EtlValueBigint(pipeline)));
}

void
EtlCatalogPublishWatermark(int64 pipeline)
{
	static EtlSql statement = {
		"UPDATE etl_catalog.watermarks SET value = pending, value_at = pending_at "
		"WHERE pipeline = $1 AND value IS DISTINCT FROM pending"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline)));
}

void
EtlCatalogReset(int64 pipeline)
{
	static EtlSql statement = {
		"WITH c AS (DELETE FROM etl_catalog.checkpoints WHERE pipeline = $1), "
		"t AS (DELETE FROM etl_catalog.tombstones WHERE pipeline = $1) "
		"DELETE FROM etl_catalog.watermarks WHERE pipeline = $1"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline)));
}
