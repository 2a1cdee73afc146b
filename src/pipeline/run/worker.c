/*
 * worker.c
 *		The process of a run, and what may end a run from outside.
 *
 * A run has a background worker of its own, connected as the owner of the pipeline: it is that role's session,
 * so nothing has to be taken back from what the owner's code does in it.
 *
 *		SIGINT		pg_cancel_backend, or the CALL that waits is cancelled: the batch in hand is rolled back
 *		SIGTERM		the server, or pg_terminate_backend: outside a batch the run stops; with a batch in hand it
 *					waits for no more records, and loads those first, if that takes no longer than
 *					etl.drain_timeout
 *		max_runtime	as SIGINT, but the run has failed
 *
 * All of them end as a cancelled query does, so that the run can still write how it ended.
 */
#include "etl.h"

#include <limits.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "pipeline/catalog/schedules.h"
#include "pipeline/define/session.h"
#include "pipeline/run/engine.h"
#include "pipeline/run/report.h"
#include "pipeline/run/worker.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "source/loop.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#define DRAIN_TICK_MS 200

/* More than any run takes, and less than what a timestamp cannot hold. */
#define LONGEST_RUNTIME_MS (INT64CONST(10) * 365 * 86400 * 1000)

int EtlDrainTimeout = 4000;
int EtlMaxRuntime = 0;

static volatile sig_atomic_t shutdown_requested = false;
static volatile sig_atomic_t draining = false; /* a batch is in hand that may be finished */
static volatile sig_atomic_t drain_exceeded = false;
static volatile sig_atomic_t runtime_exceeded = false;
static bool runtime_is_the_servers; /* etl.max_runtime, rather than that of the pipeline */
static TimestampTz shutdown_at;
static TimeoutId drain_timeout;
static TimeoutId runtime_timeout;
static EtlStart *the_start;

/* ----------------------------------------------------------------
 *	What may end a run
 * ---------------------------------------------------------------- */

static void
cancel_run(void)
{
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

static void
handle_sigterm(SIGNAL_ARGS)
{
	int save_errno = errno;

	if (!shutdown_requested)
		shutdown_at = GetCurrentTimestamp();
	shutdown_requested = true;
	EtlLoopHurry = true;
	if (!draining)
		cancel_run();
	SetLatch(MyLatch);
	errno = save_errno;
}

/* While a batch is drained: has it taken too long? */
static void
handle_drain_tick(void)
{
	if (!shutdown_requested ||
		!TimestampDifferenceExceeds(shutdown_at, GetCurrentTimestamp(), EtlDrainTimeout))
		return;
	drain_exceeded = true;
	cancel_run();
}

static void
handle_runtime(void)
{
	runtime_exceeded = true;
	cancel_run();
}

void
EtlEnterBatch(bool drain)
{
	if (!drain)
		return;
	draining = true;
	enable_timeout_every(drain_timeout,
						 TimestampTzPlusMilliseconds(GetCurrentTimestamp(), DRAIN_TICK_MS),
						 DRAIN_TICK_MS);
}

void
EtlLeaveBatch(void)
{
	if (!draining)
		return;
	draining = false;
	disable_timeout(drain_timeout, false);
}

void
EtlCheckShutdown(void)
{
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		EtlSetLogTimeout();
	}
	if (shutdown_requested)
		cancel_run();
	CHECK_FOR_INTERRUPTS();
}

bool
EtlShutdownRequested(void)
{
	return shutdown_requested;
}

void
EtlLimitRuntime(int64 ms)
{
	runtime_is_the_servers = EtlMaxRuntime > 0 && (ms == 0 || EtlMaxRuntime < ms);
	if (runtime_is_the_servers)
		ms = EtlMaxRuntime;
	enable_timeout_at(
		runtime_timeout,
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
									ms > 0 ? Min(ms, LONGEST_RUNTIME_MS) : LONGEST_RUNTIME_MS));
}

void
EtlUnlimitRuntime(void)
{
	disable_timeout(runtime_timeout, false);
}

bool
EtlRuntimeExceeded(void)
{
	return runtime_exceeded;
}

const char *
EtlReasonToEnd(void)
{
	if (runtime_exceeded)
		return runtime_is_the_servers ? "the run took longer than etl.max_runtime"
									  : "the run took longer than max_runtime";
	if (!shutdown_requested)
		return NULL;
	if (drain_exceeded)
		return "the run was stopped, and its batch took longer than etl.drain_timeout";
	return "the run was stopped by a shutdown of the server, pg_terminate_backend or a lower "
		   "etl.max_workers";
}

/* ----------------------------------------------------------------
 *	The process
 * ---------------------------------------------------------------- */

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
	pqsignal(SIGTERM, handle_sigterm);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, owner, 0);
	EtlPinForRun();
	drain_timeout = RegisterTimeout(USER_TIMEOUT, handle_drain_tick);
	runtime_timeout = RegisterTimeout(USER_TIMEOUT, handle_runtime);
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
	most = EtlMaxRunsOf(owner);
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
		proc_exit(0); /* whoever wanted the run has gone */
	the_start = dsm_segment_address(segment);
	EtlConnectWorker(the_start->database, the_start->owner);
	PG_TRY();
	{
		check_crowd(the_start->owner);
		EtlRunPipeline(the_start->pipeline, the_start->kind, run_started);
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
