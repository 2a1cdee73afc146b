/*
 * places.h
 *		Places for scheduled runs: how many there may be at a time, and for whom.
 */
#ifndef ETL_PLACES_H
#define ETL_PLACES_H

#include "etl.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "pipeline/pipeline.h"

/* The order to run a pipeline, as a worker finds it in its registration. */
typedef struct EtlTicket
{
	uint32 number; /* of this order; the worker's place has the same */
	int place;
	Oid database;
	Oid owner;
	int64 pipeline;
	EtlPool pool;
	int64 version; /* of what the run takes over when it begins, as EtlScheduled has it */
} EtlTicket;

typedef enum EtlClaim
{
	ETL_CLAIM_GRANTED,
	ETL_CLAIM_FULL,	   /* no place is free */
	ETL_CLAIM_CROWDED, /* the role has as many runs as it may have */
} EtlClaim;

/*
 * Takes a place for a pipeline's run; the ticket has all but number and place.  Databases whose pipelines have waited
 * for longer come first.  processes, a List of EtlRunProcess *, includes runs that were started by hand; full: no
 * place is free, as the caller knows.
 */
extern EtlClaim EtlClaimPlace(const char *database, TimestampTz waiting_since, List *processes,
							  bool full, EtlTicket *ticket);
/* No worker could be ordered: the place is free again, which is no news. */
extern void EtlCancelTicket(const EtlTicket *ticket);
extern bool EtlHasWorker(Oid database, int64 pipeline);

/* workers; false: the place was given away */
extern bool EtlBeginWork(const EtlTicket *ticket);
/* Gives the place back, which is news for all databases in which a pipeline waits, and for the one it is in. */
extern void EtlEndWork(const EtlTicket *ticket);

/* launcher: ends the runs that were begun last until no more are left than there may be */
extern void EtlStopExcessWorkers(void);

/* Ends the continuous runs of a database that are to start anew, or not at all, as a function tells of each. */
extern void
EtlStopContinuous(Oid database, bool (*ends)(int64 pipeline, int64 version, void *arg), void *arg);

#endif /* ETL_PLACES_H */
