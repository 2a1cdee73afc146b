/*
 * worker.c
 *		The process of a run.
 *
 * A run has a background worker of its own, connected as the owner of the pipeline: it is that role's session,
 * so nothing has to be taken back from what the owner's code does in it.
 */
#include "etl.h"

#include <limits.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "pipeline/catalog/schedules.h"
#include "pipeline/define/session.h"
#include "pipeline/run/ending.h"
#include "pipeline/run/engine.h"
#include "pipeline/run/parallel.h"
#include "pipeline/run/worker.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* What a batch takes, and rows of it, is given back behind it and taken again by the next one: rather more than that. */
#define KEPT_BYTES (32 * 1024 * 1024)

static EtlStart *the_start;

/* Tells the backend that waits for it how the start went. */
static void
answer(int64 run, const ErrorData *error)
{
	EtlStart *start = the_start;

	SpinLockAcquire(&start->mutex);
	start->answered = true;
	start->run = run;
	if (error != NULL)
	{
		start->sqlstate = error->sqlerrcode;
		strlcpy(start->message, error->message, sizeof(start->message));
		strlcpy(start->hint, error->hint != NULL ? error->hint : "", sizeof(start->hint));
	}
	SpinLockRelease(&start->mutex);
	SetLatch(start->starter);
}

static void
run_started(int64 run)
{
	answer(run, NULL);
}

void
EtlConnectWorker(Oid database, Oid owner)
{
	EtlKeepFreedMemory(KEPT_BYTES);
	EtlEndingInit();
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, owner, 0);
	EtlPinForRun();
	EtlEndingConnected();
	pgstat_report_activity(STATE_RUNNING, MyBgworkerEntry->bgw_name);
}

/*
 * One role shall not take all workers of the server.  Each of its runs counts those that connected before it, so of
 * those that come at the same time as many begin as may.
 */
static void
check_crowd(Oid owner)
{
	int most = 0;
	int64 before = 0;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	most = EtlMaxRunsOf(ETL_POOL_SCHEDULED, owner);
	if (most < INT_MAX)
		before = EtlCountRunsBefore(owner);
	if (before >= most)
		ereport(
			ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("role \"%s\" has %lld runs under way, and may not have more",
					GetUserNameFromId(owner, false), (long long) before),
			 errhint("Wait for one of them to end, or have \"etl.max_workers_per_role\" raised.")));
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* The entry of the worker; its argument is the handle of the segment with the EtlStart. */
void
EtlWorkerMain(Datum arg)
{
	dsm_segment *segment = dsm_attach(DatumGetUInt32(arg));

	if (segment == NULL)
		proc_exit(0); /* the backend that wanted the run has ended */
	the_start = dsm_segment_address(segment);
	EtlConnectWorker(the_start->database, the_start->owner);
	PG_TRY();
	{
		check_crowd(the_start->owner);
		(void) EtlRunPipeline(&(EtlRunOrder){.pipeline = the_start->pipeline,
											 .kind = the_start->kind,
											 .overwrite = the_start->overwrite},
							  run_started);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(TopMemoryContext);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		if (!the_start->answered)
			answer(0, error);
		else
			ThrowErrorData(error);
	}
	PG_END_TRY();
	proc_exit(0);
}

/* Whether a parallel worker may take part: neither its role nor all such workers have more processes than they may. */
static bool
may_take_part(Oid owner)
{
	bool may;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	may = EtlCountRunsBefore(owner) < EtlMaxRunsOf(ETL_POOL_SCHEDULED, owner) &&
		  EtlCountParallelBefore() < EtlMaxParallelWorkers;
	PopActiveSnapshot();
	CommitTransactionCommand();
	return may;
}

/* The entry of a worker that shares a run (parallel.h); its argument is the handle of the segment. */
void
EtlParallelWorkerMain(Datum arg)
{
	EtlParallel *parallel = EtlParallelJoin(DatumGetUInt32(arg), TopMemoryContext);
	const EtlParallelOrder *order;

	if (parallel == NULL)
		proc_exit(0); /* the leader has ended */
	order = EtlParallelOrderOf(parallel);
	EtlConnectWorker(order->database, order->owner);
	if (may_take_part(order->owner))
		EtlRunShare(parallel);
	else
		EtlParallelLeft(parallel);
	proc_exit(0);
}
