/*
 * shared.h
 *		What launcher, schedulers and workers tell each other in shared memory.
 *
 * There is such memory only if the library is in shared_preload_libraries.  All functions may be called
 * without it, too: nobody is there to listen then.
 */
#ifndef ETL_SHARED_H
#define ETL_SHARED_H

#include "etl.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/latch.h"

#define ETL_MAX_DATABASES 64
#define ETL_MAX_WORKERS 128
#define ETL_MAX_ARRIVALS 32
#define ETL_WATCH_BYTES (128 * 1024) /* of all paths that are watched */

/* The order to run a pipeline, as a worker finds it in its registration. */
typedef struct EtlTicket
{
	uint32 number; /* of this order; the worker's place in shared memory has the same */
	int place;
	Oid database;
	Oid owner;
	int64 pipeline;
} EtlTicket;

/* What a scheduler has found out for the launcher. */
typedef struct EtlReport
{
	TimestampTz next;			/* when to look again */
	TimestampTz oldest_waiting; /* since when a pipeline waits for a worker; 0: none does */
} EtlReport;

/* A pipeline that runs when files arrive. */
typedef struct EtlWatch
{
	char *database;
	int64 pipeline;
	char *path; /* or pattern */
} EtlWatch;

/* The pipelines of a database for which files have arrived. */
typedef struct EtlArrivals
{
	bool all; /* those that watch */
	int n;
	int64 pipelines[ETL_MAX_ARRIVALS];
} EtlArrivals;

extern void EtlSharedInit(void);

/* launcher */
extern void EtlSetLauncher(Latch *latch);
extern void EtlListDatabases(char *const *names, int n);
extern bool EtlTakeWake(const char *database);
extern bool EtlTakeReport(const char *database, EtlReport *report);
extern void EtlStopExcessWorkers(int max_workers);
extern bool EtlHasWatches(void);
/* Whether there is a watcher; *left: the last one went because there was nothing to watch. */
extern bool EtlHasWatcher(bool *left);

/* schedulers */
extern void EtlGiveReport(const char *database, const EtlReport *report);
extern bool
EtlClaimWorker(const char *database, int max_workers, TimestampTz waiting_since, EtlTicket *ticket);
extern void EtlCancelTicket(const EtlTicket *ticket);
extern bool EtlHasWorker(Oid database, int64 pipeline);
/* Whether all background workers of the server are in use; true if that is new. */
extern bool EtlSetExhausted(bool exhausted);
/* What is to be watched for a database from now on, a List of EtlWatch *.  True if it is news that not all of it fits. */
extern bool EtlGiveWatches(const char *database, List *watches);
extern void EtlTakeArrivals(const char *database, EtlArrivals *arrivals);

/* watcher */
extern bool EtlBeWatcher(void); /* false: there is one */
extern void EtlStopWatching(void);
extern bool EtlLeaveWatch(void); /* false: there is something to watch */
/* What is to be watched, a List of EtlWatch *; false: what was taken last. */
extern bool EtlTakeWatches(List **watches);

/* Files have arrived for a pipeline, which somebody is to be told. */
extern void EtlArrive(const char *database, int64 pipeline, bool wake);

/* workers */
extern bool EtlBeginWork(const EtlTicket *ticket);
extern void EtlEndWork(const EtlTicket *ticket);

/* everybody */
typedef struct EtlSchedulerState
{
	bool looks_after; /* the launcher is there, and looks after the database */
	int workers;	  /* under way, of all databases */
} EtlSchedulerState;

/* False, and nothing is under way, if the library is not preloaded. */
extern bool EtlGetSchedulerState(const char *database, EtlSchedulerState *state);

#endif /* ETL_SHARED_H */
