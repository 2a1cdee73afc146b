/*
 * alert.c
 *		NOTIFY etl_alert: a pipeline has failed, is paused, or has found what its owner should see.
 *
 * Any role may listen, so the payload holds numbers only: who may see the pipeline finds its name in etl_pipelines, and
 * the run, with its SQLSTATE and message, in etl_runs.
 */
#include "etl.h"

#include "access/xact.h"
#include "pipeline/run/alert.h"
#include "pipeline/catalog/sql.h"
#include "utils/snapmgr.h"

void
EtlAlert(const char *event, int64 pipeline, int64 run)
{
	static EtlSql statement = {"SELECT pg_notify('etl_alert', json_strip_nulls(json_build_object("
							   "'event', $1, 'pipeline', $2, 'run', nullif($3, 0)))::text)"};

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) EtlSqlRun(
		&statement, ETL_VALUES(EtlValueText(event), EtlValueBigint(pipeline), EtlValueBigint(run)));
	PopActiveSnapshot();
	CommitTransactionCommand();
}
