/*
 * runner.c
 *		The process of a run that was due.
 *
 * Its place was claimed by the scheduler that ordered it, and is given back however the process ends; what
 * the run came to is for the next scheduler to read from its row.
 */
#include "etl.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pipeline/catalog/schedules.h"
#include "pipeline/run/engine.h"
#include "pipeline/run/worker.h"
#include "postmaster/bgworker.h"
#include "scheduler/places.h"
#include "scheduler/scheduler.h"
#include "storage/ipc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static EtlTicket ticket;

static void
give_place_back(int code, Datum arg)
{
	EtlEndWork(&ticket);
}

/* The end of a wait of so many ms, on the schedulers' clock. */
static TimestampTz
after_wait(int64 ms)
{
	return TimestampTzPlusMilliseconds(EtlNow(), ms);
}

/*
 * If the source asked for a wait that is too long for a run, the pipeline is parked until then, and the worker is
 * free for others.
 *
 * If the last record of a file was held back, because the file may still be written to, no event tells when that has
 * ended.  So the pipeline that watches it is due again when the file has settled; the time is rounded up, so that
 * many files make few runs.
 */
static void
leave_word(const EtlRunOutcome *outcome)
{
	if (outcome->refused_wait <= 0 && outcome->settles_in <= 0)
		return;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (outcome->refused_wait > 0)
		EtlScheduleSetNotBefore(ticket.pipeline, after_wait(outcome->refused_wait));
	if (outcome->settles_in > 0)
		EtlScheduleSetFilesAt(ticket.pipeline, after_wait((outcome->settles_in / 1000 + 1) * 1000));
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
	EtlRunOutcome outcome;

	memcpy(&ticket, MyBgworkerEntry->bgw_extra, sizeof(ticket));
	if (!EtlBeginWork(&ticket))
		proc_exit(0); /* it took so long to start that the place was given away */
	before_shmem_exit(give_place_back, 0);
	EtlConnectWorker(ticket.database, ticket.owner);
	outcome = EtlRunPipeline(&(EtlRunOrder){.pipeline = ticket.pipeline,
											.kind = ETL_RUN_LOAD,
											.continuous = ticket.pool == ETL_POOL_CONTINUOUS},
							 run_started);
	leave_word(&outcome);
	proc_exit(0);
}
