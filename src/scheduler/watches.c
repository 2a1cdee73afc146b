/*
 * watches.c
 *		Which files are watched, and for whom some have arrived.
 *
 *		scheduler	-- which files to watch -------------->  watcher
 *		watcher		-- pipelines whose files came, wakes -->  launcher, and so the scheduler
 */
#include "etl.h"

#include "miscadmin.h"
#include "pipeline/catalog/schedules.h"
#include "scheduler/shared_internal.h"

/* ----------------------------------------------------------------
 *	What is watched
 * ---------------------------------------------------------------- */

/* The pieces behind it move up. */
void
EtlRemoveWatches(EtlDatabase *database)
{
	size_t end = database->watches + database->watches_len;

	memmove(EtlSharedMemory->watches + database->watches, EtlSharedMemory->watches + end,
			EtlSharedMemory->watches_used - end);
	for (int i = 0; i < EtlSharedMemory->ndatabases; i++)
	{
		if (EtlSharedMemory->databases[i].watches >= end)
			EtlSharedMemory->databases[i].watches -= database->watches_len;
	}
	EtlSharedMemory->watches_used -= database->watches_len;
	database->watches_len = 0;
}

void
EtlTellWatcher(void)
{
	EtlSharedMemory->watches_version++;
	if (EtlSharedMemory->watcher != NULL)
		SetLatch(EtlSharedMemory->watcher);
}

/* With the lock held; there is room. */
static void
put_watches(EtlDatabase *database, const char *piece, size_t len)
{
	if (database->watches_len == len &&
		memcmp(EtlSharedMemory->watches + database->watches, piece, len) == 0)
		return;
	EtlRemoveWatches(database);
	database->watches = EtlSharedMemory->watches_used;
	database->watches_len = len;
	memcpy(EtlSharedMemory->watches + database->watches, piece, len);
	EtlSharedMemory->watches_used += len;
	EtlTellWatcher();
}

bool
EtlGiveWatches(const char *name, List *watches)
{
	char *piece = palloc(ETL_WATCH_BYTES);
	size_t len = 0;
	bool cut = false;
	bool is_new = false;
	EtlDatabase *database;
	ListCell *lc;

	LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
	database = EtlFindDatabase(name);
	foreach (lc, database != NULL ? watches : NIL)
	{
		const EtlWatched *watch = lfirst(lc);
		size_t size = sizeof(int64) + strlen(watch->path) + 1;

		if (EtlSharedMemory->watches_used - database->watches_len + len + size > ETL_WATCH_BYTES)
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
	LWLockRelease(EtlSharedLock);
	pfree(piece);
	return is_new;
}

/* ----------------------------------------------------------------
 *	Arrivals
 * ---------------------------------------------------------------- */

void
EtlTakeArrivals(const char *name, EtlArrivals *arrivals)
{
	EtlDatabase *database;

	memset(arrivals, 0, sizeof(*arrivals));
	LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
	database = EtlFindDatabase(name);
	if (database != NULL)
	{
		*arrivals = database->arrivals;
		database->taken |= arrivals->all || arrivals->n > 0;
		memset(&database->arrivals, 0, sizeof(EtlArrivals));
	}
	LWLockRelease(EtlSharedLock);
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
	EtlDatabase *database;

	LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
	database = EtlFindDatabase(name);
	if (database != NULL)
	{
		add_arrival(&database->arrivals, pipeline);
		database->woken |= wake;
		if (wake)
			EtlWakeLauncher();
	}
	LWLockRelease(EtlSharedLock);
}

/* ----------------------------------------------------------------
 *	The watcher
 * ---------------------------------------------------------------- */

bool
EtlHasWatches(void)
{
	bool has;

	LWLockAcquire(EtlSharedLock, LW_SHARED);
	has = EtlSharedMemory->watches_used > 0;
	LWLockRelease(EtlSharedLock);
	return has;
}

bool
EtlHasWatcher(bool *left)
{
	bool has;

	LWLockAcquire(EtlSharedLock, LW_SHARED);
	has = EtlSharedMemory->watcher != NULL;
	*left = EtlSharedMemory->watcher_left;
	LWLockRelease(EtlSharedLock);
	return has;
}

bool
EtlBeWatcher(void)
{
	bool is_first;

	LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
	is_first = EtlSharedMemory->watcher == NULL;
	if (is_first)
	{
		EtlSharedMemory->watcher = MyLatch;
		EtlSharedMemory->watcher_left = false;
	}
	LWLockRelease(EtlSharedLock);
	return is_first;
}

void
EtlStopWatching(void)
{
	LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
	if (EtlSharedMemory->watcher == MyLatch)
		EtlSharedMemory->watcher = NULL;
	LWLockRelease(EtlSharedLock);
}

bool
EtlLeaveWatch(void)
{
	bool leave;

	LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
	leave = EtlSharedMemory->watches_used == 0;
	if (leave)
	{
		EtlSharedMemory->watcher = NULL;
		EtlSharedMemory->watcher_left = true;
	}
	LWLockRelease(EtlSharedLock);
	return leave;
}

/* With the lock held. */
static List *
copy_watches(const EtlDatabase *database)
{
	const char *s = EtlSharedMemory->watches + database->watches;
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

	LWLockAcquire(EtlSharedLock, LW_SHARED);
	is_new = taken != EtlSharedMemory->watches_version;
	taken = EtlSharedMemory->watches_version;
	*watches = NIL;
	for (int i = 0; i < EtlSharedMemory->ndatabases && is_new; i++)
		*watches = list_concat(*watches, copy_watches(&EtlSharedMemory->databases[i]));
	LWLockRelease(EtlSharedLock);
	return is_new;
}
