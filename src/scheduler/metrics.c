/*
 * metrics.c
 *		What etl_metrics() tells of the server: workers, the scheduler, and requests over http; and whether there is a
 *		scheduler for this database.
 *
 * The rest of it is SQL on the tables of etl_catalog.
 */
#include "etl.h"

#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "monitor/counters.h"
#include "pipeline/pipeline.h"
#include "scheduler/scheduler.h"
#include "scheduler/shared.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(etl_server_metrics);
PG_FUNCTION_INFO_V1(etl_scheduler_obstacle);

static void
put(FunctionCallInfo fcinfo, const char *metric, double value)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum values[] = {CStringGetTextDatum(metric), Float8GetDatum(value)};
	bool nulls[] = {false, false};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
put_counter(FunctionCallInfo fcinfo, const char *metric, EtlCounter counter, double unit)
{
	uint64 value;

	if (EtlReadCounter(counter, &value))
		put(fcinfo, metric, (double) value * unit);
}

/* etl_catalog.server_metrics() returns (metric, value); without values that are not counted. */
Datum
etl_server_metrics(PG_FUNCTION_ARGS)
{
	char *database = get_database_name(MyDatabaseId);
	EtlSchedulerState state;

	InitMaterializedSRF(fcinfo, 0);
	if (EtlGetSchedulerState(database, &state))
	{
		put(fcinfo, "etl_workers_running", state.workers[ETL_POOL_SCHEDULED]);
		put(fcinfo, "etl_workers_max", EtlMaxRuns(ETL_POOL_SCHEDULED));
		put(fcinfo, "etl_continuous_running", state.workers[ETL_POOL_CONTINUOUS]);
		put(fcinfo, "etl_continuous_max", EtlMaxRuns(ETL_POOL_CONTINUOUS));
	}
	if (!RecoveryInProgress()) /* on a standby none is wanted */
		put(fcinfo, "etl_scheduler_up", state.looks_after && EtlEnabled);
	put_counter(fcinfo, "etl_http_requests_total", ETL_HTTP_REQUESTS, 1);
	put_counter(fcinfo, "etl_http_retries_total", ETL_HTTP_RETRIES, 1);
	put_counter(fcinfo, "etl_http_received_bytes_total", ETL_HTTP_BYTES, 1);
	put_counter(fcinfo, "etl_http_wait_seconds_total", ETL_HTTP_WAITED, 0.001);
	return (Datum) 0;
}

static const char *
obstacle(const char **hint)
{
	EtlSchedulerState state;

	*hint = NULL;
	if (RecoveryInProgress())
		return NULL; /* the primary sees to it */
	if (!EtlGetSchedulerState(get_database_name(MyDatabaseId), &state))
	{
		*hint =
			"Put etl into \"shared_preload_libraries\", and this database into \"etl.databases\".";
		return "the library is not preloaded";
	}
	if (!EtlEnabled)
		return "etl.enabled is off";
	if (EtlMaxRuns(ETL_POOL_SCHEDULED) == 0)
		return "etl.max_workers is 0";
	if (state.looks_after)
		return NULL;
	*hint = "Put this database into \"etl.databases\".";
	return "this database is not in etl.databases";
}

void
EtlObstacleInit(void)
{
	EtlSchedulerObstacle = obstacle;
}

/* etl_catalog.scheduler_obstacle() returns text */
Datum
etl_scheduler_obstacle(PG_FUNCTION_ARGS)
{
	const char *hint;
	const char *text = obstacle(&hint);

	if (text == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(text));
}
