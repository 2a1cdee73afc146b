/*
 * ending.c
 *		What may end a run from outside.
 *
 *		SIGINT		pg_cancel_backend, or the CALL that waits is cancelled: the current batch is rolled back
 *		SIGTERM		the server, or pg_terminate_backend: between batches the run stops; within a batch it stops
 *					reading and loads the records that it has, if that takes no longer than
 *					etl.drain_timeout
 *		max_runtime	as SIGINT, but the run has failed
 *
 * A continuous run also asks itself to stop, as by SIGTERM, so that it starts anew:
 *
 *		a reload	of the server's configuration
 *		DROP DATABASE, and what else wants no session in the database: it waits for 5 s, holding a lock
 *
 * The scheduler sees whether its definition or the extension has changed.
 *
 * All of them end as a cancelled query does, so that the run can still write how it ended.
 */
#include "etl.h"

#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pipeline/pipeline.h"
#include "pipeline/run/ending.h"
#include "pipeline/run/report.h"
#include "postmaster/interrupt.h"
#include "source/clock.h"
#include "source/loop.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#define DRAIN_TICK_MS 200
#define LOOK_MS 500

/* More than any run takes, and less than what a timestamp cannot hold. */
#define LONGEST_RUNTIME_MS (INT64CONST(10) * 365 * 86400 * 1000)

int EtlDrainTimeout = 4000;
int EtlMaxRuntime = 0;

static volatile sig_atomic_t shutdown_requested = false;
static volatile sig_atomic_t draining = false; /* the current batch may be finished */
static volatile sig_atomic_t drain_exceeded = false;
static volatile sig_atomic_t runtime_exceeded = false;
static const char
	*own_reason; /* why this process has asked itself to shut down; NULL: it has not */
static bool runtime_is_the_servers; /* etl.max_runtime, rather than that of the pipeline */
static TimestampTz shutdown_at;
static TimeoutId drain_timeout;
static TimeoutId runtime_timeout;

static void
cancel_run(void)
{
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

static void
request_shutdown(void)
{
	if (!shutdown_requested)
		shutdown_at = GetCurrentTimestamp();
	shutdown_requested = true;
	EtlLoopHurry = true;
	if (!draining)
		cancel_run();
}

static void
handle_sigterm(SIGNAL_ARGS)
{
	int save_errno = errno;

	request_shutdown();
	SetLatch(MyLatch);
	errno = save_errno;
}

/* As if it was asked for from outside; the reason is a constant. */
static void
shut_down(const char *reason)
{
	if (!shutdown_requested)
		own_reason = reason;
	request_shutdown();
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

/* Whether a lock is held that sessions of this database must not begin under. */
static bool
database_is_wanted(void)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
	if (LockAcquire(&tag, RowExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	(void) LockRelease(&tag, RowExclusiveLock, true);
	return false;
}

void
EtlLookForEnding(void)
{
	static int64 next_look = 0;

	if (ConfigReloadPending)
		shut_down("the configuration of the server was reloaded");
	if (EtlClock() < next_look)
		return;
	next_look = EtlClock() + LOOK_MS;
	if (database_is_wanted())
		shut_down("somebody wants the database without sessions, as for DROP DATABASE");
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
	if (own_reason != NULL)
		return own_reason;
	return "the run was stopped by a shutdown of the server, pg_terminate_backend, a lower "
		   "etl.max_workers or etl.max_continuous_runs, or because a continuous pipeline was changed";
}

void
EtlEndingInit(void)
{
	pqsignal(SIGTERM, handle_sigterm);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
}

void
EtlEndingConnected(void)
{
	drain_timeout = RegisterTimeout(USER_TIMEOUT, handle_drain_tick);
	runtime_timeout = RegisterTimeout(USER_TIMEOUT, handle_runtime);
}
