/*
 * runner.c
 *		The process of a run that was due.
 *
 * Its place was claimed by the scheduler that ordered it, and is given back however the process ends; what
 * the run came to is for the next scheduler to read from its row.
 */
#include "etl.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/run/engine.h"
#include "pipeline/run/worker.h"
#include "postmaster/bgworker.h"
#include "scheduler/scheduler.h"
#include "scheduler/shared.h"
#include "source/retry.h"
#include "storage/ipc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static EtlTicket ticket;

static void
give_place_back(int code, Datum arg)
{
	EtlEndWork(&ticket);
}

/*
 * The source asked for a wait that is too long for a run: the pipeline is parked until then, and the worker is free
 * for others.
 */
static void
write_wait(void *arg)
{
	Oid types[] = {INT8OID, TIMESTAMPTZOID};
	Datum values[] = {
		Int64GetDatum(ticket.pipeline),
		TimestampTzGetDatum(TimestampTzPlusMilliseconds(EtlNow(), EtlRetryRefusedWait))};

	if (SPI_execute_with_args(
			"UPDATE etl_catalog.schedules SET not_before = $2 WHERE pipeline = $1",
			lengthof(values), types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not park a pipeline");
}

/*
 * A file was read but for its last record, which somebody may be writing.  No event will tell when nobody is any more,
 * so the pipeline that watches it is to look again: when it is still, rounded up, so that many files are few runs.
 */
static void
write_settling(void *arg)
{
	Oid types[] = {INT8OID, TIMESTAMPTZOID};
	Datum values[] = {Int64GetDatum(ticket.pipeline),
					  TimestampTzGetDatum(
						  TimestampTzPlusMilliseconds(EtlNow(), (EtlSettlesIn / 1000 + 1) * 1000))};

	if (SPI_execute_with_args("UPDATE etl_catalog.schedules SET files_at = least(files_at, $2) "
							  "WHERE pipeline = $1 AND watch",
							  lengthof(values), types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not write when files are still");
}

static void
write_for_scheduler(void (*write)(void *arg))
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	EtlCatalogDo(write, NULL);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

static void
run_started(int64 run)
{
}

void
EtlRunnerMain(Datum arg)
{
	memcpy(&ticket, MyBgworkerEntry->bgw_extra, sizeof(ticket));
	if (!EtlBeginWork(&ticket))
		proc_exit(0); /* it took so long to start that the place was given away */
	before_shmem_exit(give_place_back, 0);
	EtlConnectWorker(ticket.database, ticket.owner);
	EtlRunPipeline(ticket.pipeline, ETL_RUN_LOAD, run_started);
	if (EtlRetryRefusedWait > 0)
		write_for_scheduler(write_wait);
	if (EtlSettlesIn > 0)
		write_for_scheduler(write_settling);
	proc_exit(0);
}
