/*
 * shared.c
 *		What launcher and schedulers tell each other in shared memory, and who wakes them.
 *
 *		user's backend	-- wake, at commit -------------------->  launcher
 *		launcher		-- databases -------------------------->  scheduler (as a dynamic worker)
 *		scheduler		-- report: when to look again --------->  launcher
 *
 * places.c has what they tell workers, watches.c what they tell the watcher.  After a crash-restart cycle all of it is
 * empty, as are the processes that it spoke of.
 */
#include "etl.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "monitor/shmem.h"
#include "scheduler/scheduler.h"
#include "scheduler/shared_internal.h"
#include "storage/ipc.h"

EtlShared *EtlSharedMemory;
LWLock *EtlSharedLock;

/* ----------------------------------------------------------------
 *	The memory
 * ---------------------------------------------------------------- */

void
EtlSharedInit(void)
{
	const EtlShmem piece = {.name = "etl_scheduler",
							.size = sizeof(EtlShared),
							.memory = (void **) &EtlSharedMemory,
							.lock = &EtlSharedLock};

	EtlShmemRequest(&piece);
}

EtlDatabase *
EtlFindDatabase(const char *name)
{
	for (int i = 0; i < EtlSharedMemory->ndatabases; i++)
	{
		if (strcmp(EtlSharedMemory->databases[i].name, name) == 0)
			return &EtlSharedMemory->databases[i];
	}
	return NULL;
}

void
EtlWakeLauncher(void)
{
	if (EtlSharedMemory->launcher != NULL)
		SetLatch(EtlSharedMemory->launcher);
}

/* ----------------------------------------------------------------
 *	Launcher
 * ---------------------------------------------------------------- */

/* Whatever a scheduler had taken that has failed. */
static void
lose_arrivals(EtlDatabase *database)
{
	database->arrivals.all |= database->taken;
	database->taken = false;
}

void
EtlSetLauncher(Latch *latch)
{
	LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
	EtlSharedMemory->launcher = latch;
	for (int i = 0; i < EtlSharedMemory->ndatabases && latch != NULL; i++)
		lose_arrivals(
			&EtlSharedMemory->databases[i]); /* schedulers of the last launcher no longer count */
	LWLockRelease(EtlSharedLock);
}

static bool
is_listed(const char *name, char *const *names, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

void
EtlListDatabases(char *const *names, int n)
{
	EtlDatabase *databases = palloc0(sizeof(EtlDatabase) * ETL_MAX_DATABASES);

	LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
	for (int i = 0; i < EtlSharedMemory->ndatabases; i++)
	{
		if (!is_listed(EtlSharedMemory->databases[i].name, names, n))
			EtlRemoveWatches(&EtlSharedMemory->databases[i]);
	}
	EtlTellWatcher();
	for (int i = 0; i < n; i++)
	{
		const EtlDatabase *known = EtlFindDatabase(names[i]);

		if (known != NULL)
			databases[i] = *known;
		else
			strlcpy(databases[i].name, names[i], NAMEDATALEN);
	}
	memcpy(EtlSharedMemory->databases, databases, sizeof(EtlDatabase) * ETL_MAX_DATABASES);
	EtlSharedMemory->ndatabases = n;
	LWLockRelease(EtlSharedLock);
	pfree(databases);
}

bool
EtlTakeWake(const char *name)
{
	EtlDatabase *database;
	bool woken = false;

	LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
	database = EtlFindDatabase(name);
	if (database != NULL)
	{
		woken = database->woken;
		database->woken = false;
	}
	LWLockRelease(EtlSharedLock);
	return woken;
}

bool
EtlTakeReport(const char *name, EtlReport *report)
{
	EtlDatabase *database;
	bool reported = false;

	LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
	database = EtlFindDatabase(name);
	if (database != NULL)
	{
		reported = database->reported;
		if (!reported)
		{
			/* it must not keep others waiting */
			memset(database->report.oldest_waiting, 0, sizeof(database->report.oldest_waiting));
			lose_arrivals(database);
		}
		*report = database->report;
		database->reported = false;
	}
	LWLockRelease(EtlSharedLock);
	return reported;
}

/* ----------------------------------------------------------------
 *	Schedulers
 * ---------------------------------------------------------------- */

void
EtlGiveReport(const char *name, const EtlReport *report)
{
	EtlDatabase *database;

	LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
	database = EtlFindDatabase(name);
	if (database != NULL)
	{
		database->reported = true;
		database->report = *report;
		database->taken = false;
	}
	EtlWakeLauncher();
	LWLockRelease(EtlSharedLock);
}

bool
EtlSetExhausted(bool exhausted)
{
	bool is_new;

	LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
	is_new = exhausted && !EtlSharedMemory->exhausted;
	EtlSharedMemory->exhausted = exhausted;
	LWLockRelease(EtlSharedLock);
	return is_new;
}

/* ----------------------------------------------------------------
 *	Everybody
 * ---------------------------------------------------------------- */

bool
EtlGetSchedulerState(const char *database, EtlSchedulerState *state)
{
	memset(state, 0, sizeof(*state));
	if (EtlSharedMemory == NULL)
		return false;
	LWLockAcquire(EtlSharedLock, LW_SHARED);
	state->looks_after = EtlSharedMemory->launcher != NULL && EtlFindDatabase(database) != NULL;
	for (int i = 0; i < ETL_MAX_PLACES; i++)
	{
		const EtlWorkerPlace *place = &EtlSharedMemory->places[i];

		if (place->number != 0 && place->pid != 0)
			state->workers[place->pool]++;
	}
	LWLockRelease(EtlSharedLock);
	return true;
}

/* ----------------------------------------------------------------
 *	Waking at commit
 * ---------------------------------------------------------------- */

static char changed_database[NAMEDATALEN]; /* empty: this transaction has changed nothing */

static void
wake_at_commit(XactEvent event, void *arg)
{
	EtlDatabase *database;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	if (event == XACT_EVENT_COMMIT && changed_database[0] != '\0')
	{
		LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
		database = EtlFindDatabase(changed_database);
		if (database != NULL)
		{
			database->woken = true;
			EtlWakeLauncher();
		}
		LWLockRelease(EtlSharedLock);
	}
	changed_database[0] = '\0';
}

/* Trigger of the tables that a scheduler looks at: someone has changed them. */
PG_FUNCTION_INFO_V1(etl_wake);
Datum
etl_wake(PG_FUNCTION_ARGS)
{
	static bool registered = false;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("etl_wake is for triggers only")));
	if (EtlSharedMemory == NULL || EtlIsScheduler || changed_database[0] != '\0')
		return PointerGetDatum(NULL);
	if (!registered)
		RegisterXactCallback(wake_at_commit, NULL);
	registered = true;
	strlcpy(changed_database, get_database_name(MyDatabaseId), NAMEDATALEN);
	return PointerGetDatum(NULL);
}
