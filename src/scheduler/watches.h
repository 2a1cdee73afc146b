/*
 * watches.h
 *		Which files are watched, and for whom some have arrived.
 */
#ifndef ETL_WATCHES_H
#define ETL_WATCHES_H

#include "etl.h"
#include "nodes/pg_list.h"

#define ETL_MAX_ARRIVALS 32
#define ETL_WATCH_BYTES (128 * 1024) /* of all paths that are watched */

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

/* launcher */
extern bool EtlHasWatches(void);
/* Whether there is a watcher; *left: the last one went because there was nothing to watch. */
extern bool EtlHasWatcher(bool *left);

/* schedulers */
/* What is to be watched for a database from now on, a List of EtlWatched *.  True if it is news that not all of it fits. */
extern bool EtlGiveWatches(const char *database, List *watched);
extern void EtlTakeArrivals(const char *database, EtlArrivals *arrivals);

/* watcher */
extern bool EtlBeWatcher(void); /* false: there is one */
extern void EtlStopWatching(void);
extern bool EtlLeaveWatch(void); /* false: there is something to watch */
/* What is to be watched, a List of EtlWatch *; false: what was taken last. */
extern bool EtlTakeWatches(List **watches);

/* Files have arrived for a pipeline; wakes its scheduler. */
extern void EtlArrive(const char *database, int64 pipeline, bool wake);

#endif /* ETL_WATCHES_H */
