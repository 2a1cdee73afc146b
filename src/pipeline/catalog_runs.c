/*
 * catalog_runs.c
 *		Runs in etl_catalog, and what they leave for the next one: checkpoints and watermarks.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "pipeline/catalog.h"
#include "pipeline/catalog_sql.h"
#include "pipeline/totals.h"
#include "utils/builtins.h"

/* ----------------------------------------------------------------
 *	Runs
 * ---------------------------------------------------------------- */

/* The caller holds the lock of the pipeline: whatever else says that it is running has died. */
int64
EtlCatalogStartRun(int64 pipeline, const char *kind)
{
	static EtlSql crashed = {"WITH ended AS (UPDATE etl_catalog.runs SET state = 'crashed' "
							 "WHERE pipeline = $1 AND state = 'running' "
							 "RETURNING *) " ETL_ADD_TO_TOTALS,
							 1,
							 {INT8OID}};
	static EtlSql start = {"INSERT INTO etl_catalog.runs (pipeline, kind, state, pid, "
						   "started_at) VALUES ($1, $2, 'running', pg_backend_pid(), "
						   "clock_timestamp()) RETURNING id",
						   2,
						   {INT8OID, TEXTOID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, pipeline);
	(void) EtlSqlRun(&crashed, &values);
	EtlSqlAddText(&values, kind);
	return EtlSqlRunForBigint(&start, &values);
}

/*
 * The fence: a run whose lock was taken from it, and which was therefore declared dead by the next one,
 * finds no row here, and must not commit what it has done.
 */
void
EtlCatalogUpdateRun(int64 run_id, const EtlRunCounters *c)
{
	static EtlSql statement = {
		"UPDATE etl_catalog.runs SET (batches, read, malformed, convert_failed, converted, "
		"emitted, invalid, superseded, load_failed, loaded, inserted, updated, skipped) "
		"= ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $11 - $12, $13) "
		"WHERE id = $1 AND state = 'running'",
		13,
		{INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID,
		 INT8OID, INT8OID, INT8OID}};
	const int64 counters[] = {c->batches,	  c->read,	  c->malformed, c->convert_failed,
							  c->converted,	  c->emitted, c->invalid,	c->superseded,
							  c->load_failed, c->loaded};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, run_id);
	for (int i = 0; i < lengthof(counters); i++)
		EtlSqlAddBigint(&values, counters[i]);
	if (c->loaded_only)
		EtlSqlAddNull(&values);
	else
		EtlSqlAddBigint(&values, c->inserted);
	EtlSqlAddBigint(&values, c->skipped);
	if (EtlSqlRun(&statement, &values) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("run %lld is no longer the one that runs the pipeline", (long long) run_id),
				 errdetail("Another run has started, or the pipeline was dropped.")));
}

void
EtlCatalogEndRun(int64 run_id, const char *state, const char *sqlstate, const char *message)
{
	static EtlSql statement = {
		"WITH ended AS (UPDATE etl_catalog.runs SET state = $2, sqlstate = $3, message = $4, "
		"finished_at = clock_timestamp() WHERE id = $1 AND state = 'running' "
		"RETURNING *) " ETL_ADD_TO_TOTALS,
		4,
		{INT8OID, TEXTOID, TEXTOID, TEXTOID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, run_id);
	EtlSqlAddText(&values, state);
	EtlSqlAddText(&values, sqlstate);
	EtlSqlAddText(&values, message);
	(void) EtlSqlRun(&statement, &values);
}

void
EtlCatalogRunResult(int64 run_id, Datum *results, bool *isnull, char **sqlstate, char **message)
{
	static EtlSql statement = {
		"SELECT id, state, read, malformed, convert_failed, converted, emitted, invalid, "
		"superseded, load_failed, loaded, inserted, updated, skipped, sqlstate, message "
		"FROM etl_catalog.runs WHERE id = $1",
		1,
		{INT8OID}};
	EtlSqlValues values = {0};
	EtlSqlEntered entered;

	EtlSqlAddBigint(&values, run_id);
	EtlSqlEnter(&entered);
	if (EtlSqlExecute(&statement, &values) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("run %lld does not exist any more", (long long) run_id)));
	for (int i = 0; i < ETL_RUN_RESULTS; i++)
		results[i] = EtlSqlDatum(0, i + 1, &isnull[i]);
	*sqlstate = EtlSqlText(&entered, 0, ETL_RUN_RESULTS + 1);
	*message = EtlSqlText(&entered, 0, ETL_RUN_RESULTS + 2);
	MemoryContextSwitchTo(entered.caller);
	results[1] = CStringGetTextDatum(EtlSqlText(&entered, 0, 2)); /* the others are by value */
	EtlSqlLeave(&entered);
}

/* ----------------------------------------------------------------
 *	Checkpoints and watermarks
 * ---------------------------------------------------------------- */

List *
EtlCatalogCheckpoints(int64 pipeline)
{
	static EtlSql statement = {"SELECT part, position, skipped FROM etl_catalog.checkpoints "
							   "WHERE pipeline = $1 ORDER BY part",
							   1,
							   {INT8OID}};
	EtlSqlValues values = {0};
	EtlSqlEntered entered;
	List *list = NIL;
	uint64 n;

	EtlSqlAddBigint(&values, pipeline);
	EtlSqlEnter(&entered);
	n = EtlSqlExecute(&statement, &values);
	for (uint64 i = 0; i < n; i++)
	{
		EtlCheckpoint *checkpoint = MemoryContextAlloc(entered.caller, sizeof(EtlCheckpoint));
		MemoryContext old;

		checkpoint->part = EtlSqlText(&entered, i, 1);
		checkpoint->position = EtlSqlText(&entered, i, 2);
		checkpoint->skipped = EtlSqlBigint(i, 3, 0);
		old = MemoryContextSwitchTo(entered.caller);
		list = lappend(list, checkpoint);
		MemoryContextSwitchTo(old);
	}
	EtlSqlLeave(&entered);
	return list;
}

void
EtlCatalogSetCheckpoint(int64 pipeline, const EtlCheckpoint *checkpoint)
{
	static EtlSql statement = {
		"INSERT INTO etl_catalog.checkpoints (pipeline, part, position, skipped) "
		"VALUES ($1, $2, $3, $4) ON CONFLICT (pipeline, part) "
		"DO UPDATE SET position = excluded.position, skipped = excluded.skipped",
		4,
		{INT8OID, TEXTOID, TEXTOID, INT8OID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, pipeline);
	EtlSqlAddText(&values, checkpoint->part);
	EtlSqlAddText(&values, checkpoint->position);
	EtlSqlAddBigint(&values, checkpoint->skipped);
	(void) EtlSqlRun(&statement, &values);
}

char *
EtlCatalogWatermark(int64 pipeline, bool pending)
{
	static EtlSql statement = {
		"SELECT CASE WHEN $2 THEN pending ELSE value END FROM etl_catalog.watermarks "
		"WHERE pipeline = $1",
		2,
		{INT8OID, BOOLOID}};
	EtlSqlValues values = {0};
	EtlSqlEntered entered;
	char *value = NULL;

	EtlSqlAddBigint(&values, pipeline);
	EtlSqlAdd(&values, BoolGetDatum(pending));
	EtlSqlEnter(&entered);
	if (EtlSqlExecute(&statement, &values) > 0)
		value = EtlSqlText(&entered, 0, 1);
	EtlSqlLeave(&entered);
	return value;
}

void
EtlCatalogSetPending(int64 pipeline, const char *type, const char *value)
{
	static EtlSql statement = {
		"INSERT INTO etl_catalog.watermarks (pipeline, type, pending) VALUES ($1, $2, $3) "
		"ON CONFLICT (pipeline) DO UPDATE SET type = excluded.type, pending = excluded.pending",
		3,
		{INT8OID, TEXTOID, TEXTOID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, pipeline);
	EtlSqlAddText(&values, type);
	EtlSqlAddText(&values, value);
	(void) EtlSqlRun(&statement, &values);
}

void
EtlCatalogPublishWatermark(int64 pipeline)
{
	static EtlSql statement = {"UPDATE etl_catalog.watermarks SET value = pending "
							   "WHERE pipeline = $1 AND value IS DISTINCT FROM pending",
							   1,
							   {INT8OID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, pipeline);
	(void) EtlSqlRun(&statement, &values);
}

void
EtlCatalogReset(int64 pipeline)
{
	static EtlSql statement = {
		"WITH c AS (DELETE FROM etl_catalog.checkpoints WHERE pipeline = $1) "
		"DELETE FROM etl_catalog.watermarks WHERE pipeline = $1",
		1,
		{INT8OID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, pipeline);
	(void) EtlSqlRun(&statement, &values);
}
