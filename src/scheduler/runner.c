/*
 * runner.c
 *		The process of a run that was due.
 *
 * Its place was claimed by the scheduler that ordered it, and is given back however the process ends; what
 * the run came to is for the next scheduler to read from its row.
 */
#include "etl.h"

#include "miscadmin.h"
#include "pipeline/engine.h"
#include "pipeline/worker.h"
#include "postmaster/bgworker.h"
#include "scheduler/scheduler.h"
#include "scheduler/shared.h"
#include "storage/ipc.h"

static EtlTicket ticket;

static void
give_place_back(int code, Datum arg)
{
	EtlEndWork(&ticket);
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
	EtlRunPipeline(ticket.pipeline, false, run_started);
	proc_exit(0);
}
