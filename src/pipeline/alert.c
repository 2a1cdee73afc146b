/*
 * alert.c
 *		NOTIFY etl_alert: a pipeline has failed, or is paused.
 *
 * Any role may listen, so the payload says what etl_status and etl_runs say to pg_monitor, and no more: messages may
 * hold values of rows.
 */
#include "etl.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "pipeline/alert.h"
#include "pipeline/catalog.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

typedef struct Alert
{
	const char *pipeline;
	const char *event;
	int64 run;
	const char *sqlstate;
} Alert;

static void
notify(void *arg)
{
	const Alert *alert = arg;
	Oid types[] = {TEXTOID, TEXTOID, INT8OID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(alert->pipeline), CStringGetTextDatum(alert->event),
					  Int64GetDatum(alert->run),
					  CStringGetTextDatum(alert->sqlstate != NULL ? alert->sqlstate : "")};
	const char nulls[] = {' ', ' ', alert->run != 0 ? ' ' : 'n',
						  alert->sqlstate != NULL ? ' ' : 'n'};

	/* a payload has a limit, names of pipelines have none */
	if (SPI_execute_with_args("SELECT pg_notify('etl_alert', json_strip_nulls(json_build_object("
							  "'pipeline', left($1, 1000), 'event', $2, 'run', $3, "
							  "'sqlstate', $4))::text)",
							  lengthof(types), types, values, nulls, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not notify");
}

void
EtlAlert(const char *pipeline, const char *event, int64 run, const char *sqlstate)
{
	Alert alert = {pipeline, event, run, sqlstate};

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	EtlCatalogDo(notify, &alert);
	PopActiveSnapshot();
	CommitTransactionCommand();
}
