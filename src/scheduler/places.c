/*
 * places.c
 *		Places for scheduled runs: how many there may be at a time, and for whom.
 *
 *		scheduler	-- takes a place, and orders a worker with its ticket --->	worker
 *		worker		-- gives its place back, wakes ------------------------>	launcher, and so the schedulers
 *
 * Of all places that etl.max_workers allows, a role that is no superuser has at most etl.max_workers_per_role; runs that
 * were started by hand are counted for their role as well.  Continuous runs have a pool of their own, so that those that
 * end never wait for them.
 */
#include "etl.h"

#include <signal.h>

#include "miscadmin.h"
#include "pipeline/catalog/schedules.h"
#include "scheduler/places.h"
#include "scheduler/scheduler.h"
#include "scheduler/shared_internal.h"
#include "utils/timestamp.h"

/* A worker that was ordered and has not begun by then never will. */
#define BEGIN_WITHIN_MS (60 * 1000)

/* How many databases have had a pipeline waiting for longer. */
static int
count_before(const char *name, EtlPool pool, TimestampTz waiting_since)
{
	int n = 0;

	for (int i = 0; i < EtlSharedMemory->ndatabases; i++)
	{
		const EtlDatabase *other = &EtlSharedMemory->databases[i];

		if (strcmp(other->name, name) != 0 && other->report.oldest_waiting[pool] != 0 &&
			other->report.oldest_waiting[pool] < waiting_since)
			n++;
	}
	return n;
}

/* A free place, and how many there are in a pool beyond it. */
static EtlWorkerPlace *
find_place(EtlPool pool, int *nfree)
{
	TimestampTz now = GetCurrentTimestamp();
	EtlWorkerPlace *place = NULL;
	int used = 0;

	for (int i = 0; i < ETL_MAX_PLACES; i++)
	{
		EtlWorkerPlace *p = &EtlSharedMemory->places[i];

		if (p->number != 0 && p->pid == 0 &&
			TimestampDifferenceExceeds(p->since, now, BEGIN_WITHIN_MS))
			p->number = 0;
		if (p->number != 0)
			used += p->pool == pool;
		else if (place == NULL)
			place = p;
	}
	*nfree = EtlMaxRuns(pool) - used;
	return *nfree > 0 ? place : NULL;
}

static bool
has_place(int pid)
{
	for (int i = 0; i < ETL_MAX_PLACES; i++)
	{
		if (EtlSharedMemory->places[i].number != 0 && EtlSharedMemory->places[i].pid == pid)
			return true;
	}
	return false;
}

/* The runs of a role in a pool: those that have places, and those that were started by hand, which end. */
static int
count_runs(EtlPool pool, Oid owner, List *processes)
{
	int n = 0;
	ListCell *lc;

	for (int i = 0; i < ETL_MAX_PLACES; i++)
	{
		const EtlWorkerPlace *place = &EtlSharedMemory->places[i];

		n += place->number != 0 && place->pool == pool && place->owner == owner;
	}
	foreach (lc, pool == ETL_POOL_SCHEDULED ? processes : NIL)
	{
		const EtlRunProcess *process = lfirst(lc);

		n += process->owner == owner && !has_place(process->pid);
	}
	return n;
}

static void
take_place(EtlWorkerPlace *place, EtlTicket *ticket)
{
	if (++EtlSharedMemory->last_number == 0)
		EtlSharedMemory->last_number = 1;
	ticket->number = place->number = EtlSharedMemory->last_number;
	ticket->place = place - EtlSharedMemory->places;
	place->pid = 0;
	place->since = GetCurrentTimestamp();
	place->database = ticket->database;
	place->owner = ticket->owner;
	place->pipeline = ticket->pipeline;
	place->pool = ticket->pool;
	place->version = ticket->version;
}

EtlClaim
EtlClaimPlace(const char *database, TimestampTz waiting_since, List *processes, bool full,
			  EtlTicket *ticket)
{
	int most = EtlMaxRunsOf(ticket->pool, ticket->owner); /* reads catalogs */
	EtlClaim claim = ETL_CLAIM_FULL;
	EtlWorkerPlace *place;
	int nfree;

	LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
	place = find_place(ticket->pool, &nfree);
	if (count_runs(ticket->pool, ticket->owner, processes) >= most)
		claim = ETL_CLAIM_CROWDED;
	else if (!full && place != NULL && nfree > count_before(database, ticket->pool, waiting_since))
	{
		take_place(place, ticket);
		claim = ETL_CLAIM_GRANTED;
	}
	LWLockRelease(EtlSharedLock);
	return claim;
}

void
EtlCancelTicket(const EtlTicket *ticket)
{
	LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
	if (EtlSharedMemory->places[ticket->place].number == ticket->number)
		EtlSharedMemory->places[ticket->place].number = 0;
	LWLockRelease(EtlSharedLock);
}

bool
EtlHasWorker(Oid database, int64 pipeline)
{
	bool has = false;

	LWLockAcquire(EtlSharedLock, LW_SHARED);
	for (int i = 0; i < ETL_MAX_PLACES && !has; i++)
	{
		const EtlWorkerPlace *place = &EtlSharedMemory->places[i];

		has = place->number != 0 && place->database == database && place->pipeline == pipeline;
	}
	LWLockRelease(EtlSharedLock);
	return has;
}

bool
EtlBeginWork(const EtlTicket *ticket)
{
	EtlWorkerPlace *place = &EtlSharedMemory->places[ticket->place];
	bool mine;

	LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
	mine = place->number == ticket->number;
	if (mine)
		place->pid = MyProcPid;
	LWLockRelease(EtlSharedLock);
	return mine;
}

void
EtlEndWork(const EtlTicket *ticket)
{
	EtlWorkerPlace *place = &EtlSharedMemory->places[ticket->place];

	LWLockAcquire(EtlSharedLock, LW_EXCLUSIVE);
	if (place->number == ticket->number)
		place->number = 0;
	for (int i = 0; i < EtlSharedMemory->ndatabases; i++)
		EtlSharedMemory->databases[i].woken = true;
	EtlWakeLauncher();
	LWLockRelease(EtlSharedLock);
}

/* With the lock held. */
static void
stop_excess(EtlPool pool)
{
	pid_t pids[ETL_MAX_PLACES];
	TimestampTz since[ETL_MAX_PLACES];
	int n = 0;

	for (int i = 0; i < ETL_MAX_PLACES; i++)
	{
		const EtlWorkerPlace *place = &EtlSharedMemory->places[i];

		if (place->number != 0 && place->pid != 0 && place->pool == pool)
		{
			pids[n] = place->pid;
			since[n++] = place->since;
		}
	}
	for (; n > EtlMaxRuns(pool); n--)
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
}

void
EtlStopExcessWorkers(void)
{
	LWLockAcquire(EtlSharedLock, LW_SHARED);
	for (int pool = 0; pool < ETL_POOLS; pool++)
		stop_excess(pool);
	LWLockRelease(EtlSharedLock);
}

void
EtlStopContinuous(Oid database, bool (*ends)(int64 pipeline, int64 version, void *arg), void *arg)
{
	LWLockAcquire(EtlSharedLock, LW_SHARED);
	for (int i = 0; i < ETL_MAX_PLACES; i++)
	{
		const EtlWorkerPlace *place = &EtlSharedMemory->places[i];

		if (place->number != 0 && place->pid != 0 && place->pool == ETL_POOL_CONTINUOUS &&
			place->database == database && ends(place->pipeline, place->version, arg))
			(void) kill(place->pid, SIGTERM);
	}
	LWLockRelease(EtlSharedLock);
}
