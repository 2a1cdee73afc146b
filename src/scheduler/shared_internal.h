/*
 * shared_internal.h
 *		The memory that launcher, schedulers, watcher and workers share: for shared.c, places.c and watches.c.
 */
#ifndef ETL_SHARED_INTERNAL_H
#define ETL_SHARED_INTERNAL_H

#include "pipeline/pipeline.h"
#include "scheduler/shared.h"
#include "scheduler/watches.h"
#include "storage/lwlock.h"

typedef struct EtlDatabase
{
	char name[NAMEDATALEN];
	bool woken;
	bool reported;
	EtlReport report;
	size_t watches; /* where they are in EtlShared.watches, and */
	size_t watches_len;
	bool watches_cut;	  /* some did not fit */
	EtlArrivals arrivals; /* for its next scheduler */
	bool taken;			  /* the one under way has taken those before */
} EtlDatabase;

typedef struct EtlWorkerPlace
{
	uint32 number; /* of the ticket; 0: free */
	pid_t pid;	   /* 0: not begun */
	TimestampTz since;
	Oid database;
	Oid owner;
	int64 pipeline;
	EtlPool pool;
	int64 version; /* of what a continuous run has taken over */
} EtlWorkerPlace;

#define ETL_MAX_PLACES (ETL_POOLS * ETL_MAX_WORKERS)

typedef struct EtlShared
{
	Latch *launcher;
	bool exhausted;
	uint32 last_number;
	int ndatabases;
	EtlDatabase databases[ETL_MAX_DATABASES];
	EtlWorkerPlace places[ETL_MAX_PLACES];

	Latch *watcher;
	bool watcher_left;
	uint32 watches_version;
	size_t watches_used;
	/* of each database in one piece: numbers of pipelines and paths */
	char watches[ETL_WATCH_BYTES];
} EtlShared;

extern EtlShared *EtlSharedMemory;
extern LWLock *EtlSharedLock;

/* All of these with the lock held. */
extern EtlDatabase *EtlFindDatabase(const char *name);
extern void EtlWakeLauncher(void);
extern void EtlRemoveWatches(EtlDatabase *database);
extern void EtlTellWatcher(void);

#endif /* ETL_SHARED_INTERNAL_H */
