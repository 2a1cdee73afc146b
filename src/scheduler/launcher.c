/*
 * launcher.c
 *		Starts a scheduler for a database when something may be due there.
 *
 * The launcher is the one process of ours that is always there.  It is connected to no database and knows
 * nothing but their names, times and the schedulers under way, so there is little that could stop it, and
 * nothing with which it could be in anyone's way.  It looks at a database
 *
 *		- at the time that its last scheduler named, or after a minute (the clock may have been set),
 *		- when a user's change was committed there, or a run has ended,
 *
 * and later and later, up to a minute, while its schedulers fail: the database may not exist.
 */
#include "etl.h"

#include <limits.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "monitor/background.h"
#include "pipeline/pipeline.h"
#include "postmaster/interrupt.h"
#include "scheduler/places.h"
#include "scheduler/scheduler.h"
#include "scheduler/shared.h"
#include "scheduler/watches.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#define LONGEST_WAIT_MS (60 * 1000)
#define RESTART_AFTER_S 5

bool EtlEnabled = true;
static char *databases_setting = "";
static int clock_shift = 0;

/* A database, as the launcher sees it. */
typedef struct Entry
{
	char name[NAMEDATALEN];
	TimestampTz due;
	int failures;					   /* of schedulers, in a row */
	BackgroundWorkerHandle *scheduler; /* NULL: none is under way */
} Entry;

static Entry *entries;
static int nentries;

static BackgroundWorkerHandle *watcher; /* NULL: none that we have started is under way */
static TimestampTz watcher_due = DT_NOBEGIN;

/* ----------------------------------------------------------------
 *	Settings
 * ---------------------------------------------------------------- */

TimestampTz
EtlNow(void)
{
	return GetCurrentTimestamp() + clock_shift * USECS_PER_SEC;
}

static bool
check_databases(char **value, void **extra, GucSource source)
{
	char *copy = pstrdup(*value);
	List *names;

	if (!SplitIdentifierString(copy, ',', &names))
	{
		GUC_check_errdetail("List syntax is invalid.");
		return false;
	}
	if (list_length(names) > ETL_MAX_DATABASES)
	{
		GUC_check_errdetail("There may be up to %d databases.", ETL_MAX_DATABASES);
		return false;
	}
	return true;
}

static void
define_settings(void)
{
	DefineCustomStringVariable(
		"etl.databases", "Names the databases whose pipelines are scheduled.", NULL,
		&databases_setting, "", PGC_SIGHUP, GUC_LIST_INPUT, check_databases, NULL, NULL);
	DefineCustomBoolVariable("etl.enabled", "Starts pipelines at their times.", NULL, &EtlEnabled,
							 true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("etl.clock_shift",
							"Sets by how much the scheduler's clock differs from the server's.",
							"This is for tests.", &clock_shift, 0, -INT_MAX, INT_MAX, PGC_SIGHUP,
							GUC_UNIT_S | GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL, NULL, NULL, NULL);
}

void
EtlLauncherInit(void)
{
	EtlBackground launcher = {
		.function = "EtlLauncherMain", .type = "etl launcher", .restart_after = RESTART_AFTER_S};

	define_settings();
	if (process_shared_preload_libraries_in_progress)
		(void) EtlStartBackground(&launcher, NULL);
}

static bool
has_entry(const char *name)
{
	for (int i = 0; i < nentries; i++)
	{
		if (strcmp(entries[i].name, name) == 0)
			return true;
	}
	return false;
}

/* Takes over etl.databases.  A scheduler of a database that is no longer in it may end in peace. */
static void
list_databases(void)
{
	Entry *old = entries;
	int nold = nentries;
	char *copy = pstrdup(databases_setting);
	char *names[ETL_MAX_DATABASES];
	List *list;
	ListCell *lc;

	if (!SplitIdentifierString(copy, ',', &list))
		elog(ERROR, "invalid list in etl.databases");
	entries = MemoryContextAllocZero(TopMemoryContext, sizeof(Entry) * ETL_MAX_DATABASES);
	nentries = 0;
	foreach (lc, list)
	{
		Entry *entry = &entries[nentries];

		if (has_entry(lfirst(lc)))
			continue; /* said twice */
		strlcpy(entry->name, lfirst(lc), NAMEDATALEN);
		entry->due = DT_NOBEGIN;
		for (int i = 0; i < nold; i++)
		{
			if (strcmp(old[i].name, entry->name) == 0)
				entry->scheduler = old[i].scheduler;
		}
		names[nentries++] = entry->name;
	}
	EtlListDatabases(names, nentries);
	if (old != NULL)
		pfree(old);
}

/* ----------------------------------------------------------------
 *	Schedulers
 * ---------------------------------------------------------------- */

static void
say_exhausted(void)
{
	if (EtlSetExhausted(true))
		ereport(LOG, (errmsg("etl waits: all background workers of the server are in use"),
					  errhint("Raise \"max_worker_processes\".")));
}

/* Starts a process of ours, and keeps its handle; without room it is to be started later. */
static BackgroundWorkerHandle *
start(EtlBackground *what, TimestampTz *due)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext); /* for the handle */
	BackgroundWorkerHandle *handle = NULL;

	what->notify = true;
	if (!EtlStartBackground(what, &handle))
	{
		handle = NULL;
		*due = EtlNow() + 10 * USECS_PER_SEC;
		say_exhausted();
	}
	MemoryContextSwitchTo(old);
	return handle;
}

static void
start_scheduler(Entry *entry)
{
	EtlBackground scheduler = {.function = "EtlSchedulerMain",
							   .type = "etl scheduler",
							   .subject = entry->name,
							   .extra = entry->name,
							   .extra_len = NAMEDATALEN};

	entry->scheduler = start(&scheduler, &entry->due);
}

/* A scheduler has ended: when to look at its database again. */
static void
end_scheduler(Entry *entry)
{
	EtlReport report;

	pfree(entry->scheduler);
	entry->scheduler = NULL;
	if (EtlTakeReport(entry->name, &report))
	{
		entry->failures = 0;
		entry->due = report.next;
	}
	else
	{
		entry->due = EtlNow() + Min(INT64CONST(1000) << entry->failures, LONGEST_WAIT_MS) * 1000;
		entry->failures = Min(entry->failures + 1, 10);
	}
}

static void
look_after(Entry *entry, TimestampTz now)
{
	pid_t pid;

	if (entry->scheduler != NULL && GetBackgroundWorkerPid(entry->scheduler, &pid) == BGWH_STOPPED)
		end_scheduler(entry);
	if (!EtlEnabled || entry->scheduler != NULL)
		return;
	if (EtlTakeWake(entry->name) && entry->failures == 0)
		entry->due = now;
	if (entry->due <= now)
		start_scheduler(entry);
}

/* ----------------------------------------------------------------
 *	The watcher
 * ---------------------------------------------------------------- */

/* Starts the watcher, when there are files to watch and none runs. */
static void
start_watcher(void)
{
	EtlBackground what = {.function = "EtlWatcherMain", .type = "etl watcher", .apart = true};

	watcher = start(&what, &watcher_due);
}

/* A watcher that has ended for an unknown reason is started again after a short time. */
static void
look_after_watcher(TimestampTz now)
{
	bool left;
	pid_t pid;

	if (watcher != NULL && GetBackgroundWorkerPid(watcher, &pid) == BGWH_STOPPED)
	{
		pfree(watcher);
		watcher = NULL;
		(void) EtlHasWatcher(&left);
		watcher_due = left ? now : now + RESTART_AFTER_S * USECS_PER_SEC;
	}
	if (EtlEnabled && watcher == NULL && watcher_due <= now && EtlHasWatches() &&
		!EtlHasWatcher(&left))
		start_watcher();
}

/* ----------------------------------------------------------------
 *	The loop
 * ---------------------------------------------------------------- */

static void
take_in_settings(void)
{
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	list_databases();
	EtlStopExcessWorkers();
}

/* Milliseconds until something may be due. */
static long
time_to_wait(TimestampTz now)
{
	long wait = LONGEST_WAIT_MS;

	for (int i = 0; i < nentries && EtlEnabled; i++)
	{
		if (entries[i].scheduler == NULL) /* else its end wakes us */
			wait = Min(wait, TimestampDifferenceMilliseconds(now, entries[i].due));
	}
	if (EtlEnabled && watcher == NULL && watcher_due > now && EtlHasWatches())
		wait = Min(wait, TimestampDifferenceMilliseconds(now, watcher_due));
	return wait;
}

static void
unset_launcher(int code, Datum arg)
{
	EtlSetLauncher(NULL);
}

void
EtlLauncherMain(Datum arg)
{
	TimestampTz last = DT_NOBEGIN;
	uint32 wait_event;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	CurrentMemoryContext =
		AllocSetContextCreate(TopMemoryContext, "etl launcher", ALLOCSET_DEFAULT_SIZES);
	before_shmem_exit(unset_launcher, 0);
	EtlSetLauncher(MyLatch);
	list_databases();
	wait_event = EtlWaitEventNew("EtlLauncherMain");

	while (!ShutdownRequestPending)
	{
		TimestampTz now = EtlNow();

		MemoryContextReset(CurrentMemoryContext);
		for (int i = 0; i < nentries; i++)
		{
			if (now < last) /* the clock was put back: times computed before mean nothing */
				entries[i].due = now;
			look_after(&entries[i], now);
		}
		if (now < last)
			watcher_due = now;
		look_after_watcher(now);
		last = now;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 time_to_wait(EtlNow()), wait_event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
			take_in_settings();
	}
	proc_exit(
		1); /* with 0 it would be gone for good: it may have been one who terminates backends */
}
