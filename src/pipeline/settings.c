/*
 * settings.c
 *		What the layer of pipelines installs when the library is loaded.
 */
#include "etl.h"

#include <limits.h>

#include "miscadmin.h"
#include "pipeline/run/slice.h"
#include "pipeline/pipeline.h"
#include "utils/guc.h"

int EtlSettleTime = 10000;
int EtlMaxParallelWorkers = 4;
int EtlRetention = 30 * 24 * 60;
const char *(*EtlSchedulerObstacle)(const char **hint);

static int max_workers = 4;
static int max_continuous_runs = 4;
static int max_workers_per_role = 0;

int
EtlMaxRuns(EtlPool pool)
{
	return pool == ETL_POOL_CONTINUOUS ? max_continuous_runs : max_workers;
}

int
EtlMaxRunsOf(EtlPool pool, Oid role)
{
	if (superuser_arg(role))
		return INT_MAX;
	if (pool == ETL_POOL_SCHEDULED && max_workers_per_role > 0)
		return max_workers_per_role;
	return Max(EtlMaxRuns(pool) - 1, 1);
}

void
EtlPipelineInit(void)
{
	DefineCustomIntVariable(
		"etl.drain_timeout", "Sets how long a batch in hand may take when the server shuts down.",
		"A batch that takes longer is rolled back; the next run reads it again.", &EtlDrainTimeout,
		4000, 0, 3600 * 1000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"etl.settle_time",
		"Sets how long a file must be still before its last record counts without a line end.",
		"Until then somebody may be writing the rest of that record.", &EtlSettleTime, 10000, 0,
		3600 * 1000, PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"etl.dead_letter_max_bytes", "Sets how much of a record a dead letter keeps.",
		"A record that was cut cannot be tried again.", &EtlDeadLetterMaxBytes, 64 * 1024, 0,
		64 * 1024 * 1024, PGC_USERSET, GUC_UNIT_BYTE, NULL, NULL, NULL);
	DefineCustomIntVariable("etl.retention",
							"Sets for how long runs and resolved dead letters are kept.",
							"Each run removes what is older; 0 keeps all.", &EtlRetention,
							30 * 24 * 60, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"etl.log_interval", "Sets how often a run under way writes a line to the server's log.",
		"Another one tells how it ended; 0 or -1 leaves both out, but for runs "
		"that do not succeed.",
		&EtlLogInterval, 10, -1, 24 * 3600, PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("etl.max_workers", "Sets how many scheduled runs may be under way.",
							"Those that are due beyond that wait for their turn.", &max_workers, 4,
							0, ETL_MAX_WORKERS, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"etl.max_continuous_runs", "Sets how many continuous runs may be under way.",
		"They do not count for etl.max_workers. A role that is no superuser has one less at most.",
		&max_continuous_runs, 4, 0, ETL_MAX_WORKERS, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"etl.max_workers_per_role",
		"Sets how many runs of one role may be under way, scheduled or started by hand.",
		"0 is one less than etl.max_workers, but at least one. Superusers have no such limit.",
		&max_workers_per_role, 0, 0, ETL_MAX_WORKERS, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"etl.max_parallel_workers",
		"Sets how many workers there may be that share runs with others.",
		"A run whose pipeline asks for more goes on with those that there may be.",
		&EtlMaxParallelWorkers, 4, 0, ETL_MAX_WORKERS, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("etl.max_runtime",
							"Sets how long a run may take, whatever its pipeline says.",
							"0 leaves that to the max_runtime of each pipeline.", &EtlMaxRuntime, 0,
							0, INT_MAX, PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	EtlSliceInit();
}
