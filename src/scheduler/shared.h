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

extern void EtlSharedInit(void);

/* launcher */
extern void EtlSetLauncher(Latch *latch);
extern void EtlListDatabases(char *const *names, int n);
extern bool EtlTakeWake(const char *database);
extern bool EtlTakeReport(const char *database, EtlReport *report);
extern void EtlStopExcessWorkers(int max_workers);

/* schedulers */
extern void EtlGiveReport(const char *database, const EtlReport *report);
extern bool
EtlClaimWorker(const char *database, int max_workers, TimestampTz waiting_since, EtlTicket *ticket);
extern void EtlCancelTicket(const EtlTicket *ticket);
extern bool EtlHasWorker(Oid database, int64 pipeline);
/* Whether all background workers of the server are in use; true if that is new. */
extern bool EtlSetExhausted(bool exhausted);

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
