/*
 * shared.c
 *		What launcher, schedulers and workers tell each other in shared memory.
 *
 *		user's backend	-- wake, at commit -------------------->  launcher
 *		launcher		-- databases -------------------------->  scheduler (as a dynamic worker)
 *		scheduler		-- report: when to look again --------->  launcher
 *		scheduler		-- a place, by a numbered ticket ------>  worker
 *		worker			-- gives its place back, wakes -------->  launcher
 *		scheduler		-- which files to watch -------------->  watcher
 *		watcher			-- pipelines whose files came, wakes -->  launcher, and so the scheduler
 *
 * After a crash-restart cycle all of it is empty, as are the processes that it spoke of.
 */
#include "etl.h"

#include <signal.h>

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "monitor/shmem.h"
#include "scheduler/scheduler.h"
#include "scheduler/shared.h"
#include "storage/ipc.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* A worker that was ordered and has not begun by then never will. */
#define BEGIN_WITHIN_MS (60 * 1000)

typedef struct Database
{
	char name[NAMEDATALEN];
	bool woken;
	bool reported;
	EtlReport report;
	size_t watches; /* where they are in shared->watches, and */
	size_t watches_len;
	bool watches_cut;	  /* some did not fit */
	EtlArrivals arrivals; /* for its next scheduler */
	bool taken;			  /* the one under way has taken those before */
} Database;

typedef struct Place
{
	uint32 number; /* of the ticket; 0: free */
	pid_t pid;	   /* 0: not begun */
	TimestampTz since;
	Oid database;
	int64 pipeline;
} Place;

typedef struct Shared
{
	Latch *launcher;
	bool exhausted;
	uint32 last_number;
	int ndatabases;
	Database databases[ETL_MAX_DATABASES];
	Place places[ETL_MAX_WORKERS];

	Latch *watcher;
	bool watcher_left;
	uint32 watches_version;
	size_t watches_used;
	char watches
		[ETL_WATCH_BYTES]; /* of each database in one piece: numbers of pipelines and paths */
} Shared;

static Shared *shared;
static LWLock *lock;

/* ----------------------------------------------------------------
 *	The memory
 * ---------------------------------------------------------------- */

void
EtlSharedInit(void)
{
	const EtlShmem piece = {.name = "etl_scheduler",
							.size = sizeof(Shared),
							.memory = (void **) &shared,
							.lock = &lock};

	EtlShmemRequest(&piece);
}

static Database *
find_database(const char *name)
{
	for (int i = 0; i < shared->ndatabases; i++)
	{
		if (strcmp(shared->databases[i].name, name) == 0)
			return &shared->databases[i];
	}
	return NULL;
}

/* With the lock held. */
static void
wake_launcher(void)
{
	if (shared->launcher != NULL)
		SetLatch(shared->launcher);
}

/* ----------------------------------------------------------------
 *	Launcher
 * ---------------------------------------------------------------- */

/* Whatever a scheduler had taken that has failed. */
static void
lose_arrivals(Database *database)
{
	database->arrivals.all |= database->taken;
	database->taken = false;
}

void
EtlSetLauncher(Latch *latch)
{
	LWLockAcquire(lock, LW_EXCLUSIVE);
	shared->launcher = latch;
	for (int i = 0; i < shared->ndatabases && latch != NULL; i++)
		lose_arrivals(&shared->databases[i]); /* nobody waits for schedulers of the last launcher */
	LWLockRelease(lock);
}

/* With the lock held.  The pieces behind it move up. */
static void
remove_watches(Database *database)
{
	size_t end = database->watches + database->watches_len;

	memmove(shared->watches + database->watches, shared->watches + end, shared->watches_used - end);
	for (int i = 0; i < shared->ndatabases; i++)
	{
		if (shared->databases[i].watches >= end)
			shared->databases[i].watches -= database->watches_len;
	}
	shared->watches_used -= database->watches_len;
	database->watches_len = 0;
}

static void
tell_watcher(void)
{
	shared->watches_version++;
	if (shared->watcher != NULL)
		SetLatch(shared->watcher);
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

/* The databases that are looked after from now on.  Those that were before keep what is known of them. */
void
EtlListDatabases(char *const *names, int n)
{
	Database *databases = palloc0(sizeof(Database) * ETL_MAX_DATABASES);

	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < shared->ndatabases; i++)
	{
		if (!is_listed(shared->databases[i].name, names, n))
			remove_watches(&shared->databases[i]);
	}
	tell_watcher();
	for (int i = 0; i < n; i++)
	{
		const Database *known = find_database(names[i]);

		if (known != NULL)
			databases[i] = *known;
		else
			strlcpy(databases[i].name, names[i], NAMEDATALEN);
	}
	memcpy(shared->databases, databases, sizeof(Database) * ETL_MAX_DATABASES);
	shared->ndatabases = n;
	LWLockRelease(lock);
	pfree(databases);
}

bool
EtlTakeWake(const char *name)
{
	Database *database;
	bool woken = false;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	database = find_database(name);
	if (database != NULL)
	{
		woken = database->woken;
		database->woken = false;
	}
	LWLockRelease(lock);
	return woken;
}

/* What a scheduler that has ended left behind; false: nothing, so it failed. */
bool
EtlTakeReport(const char *name, EtlReport *report)
{
	Database *database;
	bool reported = false;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	database = find_database(name);
	if (database != NULL)
	{
		reported = database->reported;
		if (!reported)
		{
			database->report.oldest_waiting = 0; /* it must not keep others waiting */
			lose_arrivals(database);
		}
		*report = database->report;
		database->reported = false;
	}
	LWLockRelease(lock);
	return reported;
}

/* Ends the runs that were begun last until no more are left than there may be. */
void
EtlStopExcessWorkers(int max_workers)
{
	pid_t pids[ETL_MAX_WORKERS];
	TimestampTz since[ETL_MAX_WORKERS];
	int n = 0;

	LWLockAcquire(lock, LW_SHARED);
	for (int i = 0; i < ETL_MAX_WORKERS; i++)
	{
		if (shared->places[i].number != 0 && shared->places[i].pid != 0)
		{
			pids[n] = shared->places[i].pid;
			since[n++] = shared->places[i].since;
		}
	}
	for (; n > max_workers; n--)
	{
		int newest = 0;

		for (int i = 1; i < n; i++)
		{
			if (since[i] > since[newest])
				newest = i;
		}
		(void) kill(pids[newest], SIGTERM);
		pids[newest] = pids[n - 1];
		since[newest] = since[n - 1];
	}
	LWLockRelease(lock);
}

/* ----------------------------------------------------------------
 *	Schedulers
 * ---------------------------------------------------------------- */

void
EtlGiveReport(const char *name, const EtlReport *report)
{
	Database *database;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	database = find_database(name);
	if (database != NULL)
	{
		database->reported = true;
		database->report = *report;
		database->taken = false;
	}
	wake_launcher();
	LWLockRelease(lock);
}

/* How many databases have had a pipeline waiting for longer. */
static int
count_before(const char *name, TimestampTz waiting_since)
{
	int n = 0;

	for (int i = 0; i < shared->ndatabases; i++)
	{
		const Database *other = &shared->databases[i];

		if (strcmp(other->name, name) != 0 && other->report.oldest_waiting != 0 &&
			other->report.oldest_waiting < waiting_since)
			n++;
	}
	return n;
}

/* A free place, and how many there are beyond it. */
static Place *
find_place(int max_workers, int *nfree)
{
	TimestampTz now = GetCurrentTimestamp();
	Place *place = NULL;
	int used = 0;

	for (int i = 0; i < ETL_MAX_WORKERS; i++)
	{
		Place *p = &shared->places[i];

		if (p->number != 0 && p->pid == 0 &&
			TimestampDifferenceExceeds(p->since, now, BEGIN_WITHIN_MS))
			p->number = 0;
		if (p->number != 0)
			used++;
		else if (place == NULL)
			place = p;
	}
	*nfree = max_workers - used;
	return *nfree > 0 ? place : NULL;
}

/*
 * Takes a place for a pipeline's run: the ticket has the rest filled in.  Databases whose pipelines have waited
 * for longer come first.
 */
bool
EtlClaimWorker(const char *name, int max_workers, TimestampTz waiting_since, EtlTicket *ticket)
{
	Place *place;
	int nfree;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	place = find_place(max_workers, &nfree);
	if (place != NULL && nfree > count_before(name, waiting_since))
	{
		if (++shared->last_number == 0)
			shared->last_number = 1;
		ticket->number = place->number = shared->last_number;
		ticket->place = place - shared->places;
		place->pid = 0;
		place->since = GetCurrentTimestamp();
		place->database = ticket->database;
		place->pipeline = ticket->pipeline;
	}
	else
		place = NULL;
	LWLockRelease(lock);
	return place != NULL;
}

/* No worker could be ordered: the place is free again, which is no news. */
void
EtlCancelTicket(const EtlTicket *ticket)
{
	LWLockAcquire(lock, LW_EXCLUSIVE);
	if (shared->places[ticket->place].number == ticket->number)
		shared->places[ticket->place].number = 0;
	LWLockRelease(lock);
}

bool
EtlHasWorker(Oid database, int64 pipeline)
{
	bool has = false;

	LWLockAcquire(lock, LW_SHARED);
	for (int i = 0; i < ETL_MAX_WORKERS && !has; i++)
		has = shared->places[i].number != 0 && shared->places[i].database == database &&
			  shared->places[i].pipeline == pipeline;
	LWLockRelease(lock);
	return has;
}

bool
EtlSetExhausted(bool exhausted)
{
	bool is_new;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	is_new = exhausted && !shared->exhausted;
	shared->exhausted = exhausted;
	LWLockRelease(lock);
	return is_new;
}

/* ----------------------------------------------------------------
 *	Workers
 * ---------------------------------------------------------------- */

bool
EtlBeginWork(const EtlTicket *ticket)
{
	Place *place = &shared->places[ticket->place];
	bool mine;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	mine = place->number == ticket->number;
	if (mine)
		place->pid = MyProcPid;
	LWLockRelease(lock);
	return mine;
}

/* Gives the place back, which is news for all databases in which a pipeline waits, and for the one it is in. */
void
EtlEndWork(const EtlTicket *ticket)
{
	Place *place = &shared->places[ticket->place];

	LWLockAcquire(lock, LW_EXCLUSIVE);
	if (place->number == ticket->number)
		place->number = 0;
	for (int i = 0; i < shared->ndatabases; i++)
		shared->databases[i].woken = true;
	wake_launcher();
	LWLockRelease(lock);
}

/* ----------------------------------------------------------------
 *	Everybody
 * ---------------------------------------------------------------- */

bool
EtlGetSchedulerState(const char *database, EtlSchedulerState *state)
{
	memset(state, 0, sizeof(*state));
	if (shared == NULL)
		return false;
	LWLockAcquire(lock, LW_SHARED);
	state->looks_after = shared->launcher != NULL && find_database(database) != NULL;
	for (int i = 0; i < ETL_MAX_WORKERS; i++)
	{
		if (shared->places[i].number != 0 && shared->places[i].pid != 0)
			state->workers++;
	}
	LWLockRelease(lock);
	return true;
}

/* ----------------------------------------------------------------
 *	Files
 * ---------------------------------------------------------------- */

/* With the lock held; there is room. */
static void
put_watches(Database *database, const char *piece, size_t len)
{
	if (database->watches_len == len &&
		memcmp(shared->watches + database->watches, piece, len) == 0)
		return;
	remove_watches(database);
	database->watches = shared->watches_used;
	database->watches_len = len;
	memcpy(shared->watches + database->watches, piece, len);
	shared->watches_used += len;
	tell_watcher();
}

bool
EtlGiveWatches(const char *name, List *watches)
{
	char *piece = palloc(ETL_WATCH_BYTES);
	size_t len = 0;
	bool cut = false;
	bool is_new = false;
	Database *database;
	ListCell *lc;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	database = find_database(name);
	foreach (lc, database != NULL ? watches : NIL)
	{
		const EtlWatch *watch = lfirst(lc);
		size_t size = sizeof(int64) + strlen(watch->path) + 1;

		if (shared->watches_used - database->watches_len + len + size > ETL_WATCH_BYTES)
		{
			cut = true; /* a shorter one may fit */
			continue;
		}
		memcpy(piece + len, &watch->pipeline, sizeof(int64));
		strcpy(piece + len + sizeof(int64), watch->path);
		len += size;
	}
	if (database != NULL)
	{
		is_new = cut && !database->watches_cut;
		database->watches_cut = cut;
		put_watches(database, piece, len);
	}
	LWLockRelease(lock);
	pfree(piece);
	return is_new;
}

void
EtlTakeArrivals(const char *name, EtlArrivals *arrivals)
{
	Database *database;

	memset(arrivals, 0, sizeof(*arrivals));
	LWLockAcquire(lock, LW_EXCLUSIVE);
	database = find_database(name);
	if (database != NULL)
	{
		*arrivals = database->arrivals;
		database->taken |= arrivals->all || arrivals->n > 0;
		memset(&database->arrivals, 0, sizeof(EtlArrivals));
	}
	LWLockRelease(lock);
}

static void
add_arrival(EtlArrivals *arrivals, int64 pipeline)
{
	for (int i = 0; i < arrivals->n; i++)
	{
		if (arrivals->pipelines[i] == pipeline)
			return;
	}
	if (arrivals->n < ETL_MAX_ARRIVALS)
		arrivals->pipelines[arrivals->n++] = pipeline;
	else
		arrivals->all = true;
}

void
EtlArrive(const char *name, int64 pipeline, bool wake)
{
	Database *database;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	database = find_database(name);
	if (database != NULL)
	{
		add_arrival(&database->arrivals, pipeline);
		database->woken |= wake;
		if (wake)
			wake_launcher();
	}
	LWLockRelease(lock);
}

bool
EtlHasWatches(void)
{
	bool has;

	LWLockAcquire(lock, LW_SHARED);
	has = shared->watches_used > 0;
	LWLockRelease(lock);
	return has;
}

bool
EtlHasWatcher(bool *left)
{
	bool has;

	LWLockAcquire(lock, LW_SHARED);
	has = shared->watcher != NULL;
	*left = shared->watcher_left;
	LWLockRelease(lock);
	return has;
}

bool
EtlBeWatcher(void)
{
	bool is_first;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	is_first = shared->watcher == NULL;
	if (is_first)
	{
		shared->watcher = MyLatch;
		shared->watcher_left = false;
	}
	LWLockRelease(lock);
	return is_first;
}

void
EtlStopWatching(void)
{
	LWLockAcquire(lock, LW_EXCLUSIVE);
	if (shared->watcher == MyLatch)
		shared->watcher = NULL;
	LWLockRelease(lock);
}

bool
EtlLeaveWatch(void)
{
	bool leave;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	leave = shared->watches_used == 0;
	if (leave)
	{
		shared->watcher = NULL;
		shared->watcher_left = true;
	}
	LWLockRelease(lock);
	return leave;
}

/* With the lock held. */
static List *
copy_watches(const Database *database)
{
	const char *s = shared->watches + database->watches;
	const char *end = s + database->watches_len;
	List *watches = NIL;

	while (s < end)
	{
		EtlWatch *watch = palloc(sizeof(EtlWatch));

		watch->database = pstrdup(database->name);
		memcpy(&watch->pipeline, s, sizeof(int64));
		watch->path = pstrdup(s + sizeof(int64));
		s += sizeof(int64) + strlen(watch->path) + 1;
		watches = lappend(watches, watch);
	}
	return watches;
}

bool
EtlTakeWatches(List **watches)
{
	static uint32 taken = 0;
	bool is_new;

	LWLockAcquire(lock, LW_SHARED);
	is_new = taken != shared->watches_version;
	taken = shared->watches_version;
	*watches = NIL;
	for (int i = 0; i < shared->ndatabases && is_new; i++)
		*watches = list_concat(*watches, copy_watches(&shared->databases[i]));
	LWLockRelease(lock);
	return is_new;
}

/* ----------------------------------------------------------------
 *	Waking at commit
 * ---------------------------------------------------------------- */

static char changed_database[NAMEDATALEN]; /* empty: this transaction has changed nothing */

static void
wake_at_commit(XactEvent event, void *arg)
{
	Database *database;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	if (event == XACT_EVENT_COMMIT && changed_database[0] != '\0')
	{
		LWLockAcquire(lock, LW_EXCLUSIVE);
		database = find_database(changed_database);
		if (database != NULL)
		{
			database->woken = true;
			wake_launcher();
		}
		LWLockRelease(lock);
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
	if (shared == NULL || EtlIsScheduler || changed_database[0] != '\0')
		return PointerGetDatum(NULL);
	if (!registered)
		RegisterXactCallback(wake_at_commit, NULL);
	registered = true;
	strlcpy(changed_database, get_database_name(MyDatabaseId), NAMEDATALEN);
	return PointerGetDatum(NULL);
}
