/*
 * alert.c
 *		NOTIFY etl_alert: a pipeline has failed, or is paused.
 *
 * Any role may listen, so the payload says what etl_status and etl_runs say to pg_monitor, and no more: messages may
 * hold values of rows.
 */
#include "etl.h"

#include "access/xact.h"
#include "pipeline/run/alert.h"
#include "pipeline/catalog/sql.h"
#include "utils/snapmgr.h"

void
EtlAlert(const char *pipeline, const char *event, int64 run, const char *sqlstate)
{
	/* a payload has a limit, names of pipelines have none */
	static EtlSql statement = {"SELECT pg_notify('etl_alert', json_strip_nulls(json_build_object("
							   "'pipeline', left($1, 1000), 'event', $2, 'run', nullif($3, 0), "
							   "'sqlstate', $4))::text)"};
	EtlSqlValues values = {0};

	EtlSqlAddText(&values, pipeline);
	EtlSqlAddText(&values, event);
	EtlSqlAddBigint(&values, run);
	EtlSqlAddText(&values, sqlstate);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) EtlSqlRun(&statement, &values);
	PopActiveSnapshot();
	CommitTransactionCommand();
}
