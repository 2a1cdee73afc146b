/*
 * shared.h
 *		What launcher and schedulers tell each other in shared memory; places.h and watches.h have the rest.
 *
 * There is such memory only if the library is in shared_preload_libraries.
 */
#ifndef ETL_SHARED_H
#define ETL_SHARED_H

#include "etl.h"
#include "datatype/timestamp.h"
#include "pipeline/pipeline.h"
#include "storage/latch.h"

#define ETL_MAX_DATABASES 64

/* What a scheduler has found out for the launcher. */
typedef struct EtlReport
{
	TimestampTz next; /* when to look again */
	TimestampTz
		oldest_waiting[ETL_POOLS]; /* since when a pipeline waits for a worker; 0: none does */
} EtlReport;

extern void EtlSharedInit(void);

/* launcher */
extern void EtlSetLauncher(Latch *latch);
/* Sets the databases that have schedulers from now on.  What is known of those that had one before is kept. */
extern void EtlListDatabases(char *const *names, int n);
extern bool EtlTakeWake(const char *database);
/* What a scheduler that has ended left behind; false: nothing, so it failed. */
extern bool EtlTakeReport(const char *database, EtlReport *report);

/* schedulers */
extern void EtlGiveReport(const char *database, const EtlReport *report);
/* Whether all background workers of the server are in use; true if that is new. */
extern bool EtlSetExhausted(bool exhausted);

/* everybody, also without the memory */
typedef struct EtlSchedulerState
{
	bool looks_after;		/* the launcher is there, and looks after the database */
	int workers[ETL_POOLS]; /* under way, of all databases */
} EtlSchedulerState;

/* False, and nothing is under way, if the library is not preloaded. */
extern bool EtlGetSchedulerState(const char *database, EtlSchedulerState *state);

#endif /* ETL_SHARED_H */
