/*
 * deferred.h
 *		Rows that failed their foreign key, and what comes to their keys meanwhile.
 */
#ifndef ETL_DEFERRED_H
#define ETL_DEFERRED_H

#include "pipeline/run/chunk.h"
#include "pipeline/run/read.h"

/* A row that waits, and the highest position in the source from which a row of its key was loaded since. */
typedef struct EtlDeferredRow
{
	Datum *values; /* of the key */
	bool *isnull;
	int64 position;
	int64 letter;	 /* that its record has become; 0: none */
	int64 latest;	 /* -1: none was loaded */
	int64 attempt;	 /* the same, with the attempt under way, which may fail */
	int64 committed; /* the same, of transactions before */
	bool partly;	 /* a later one that lacks columns was taken to the target, or was tried */
} EtlDeferredRow;

typedef struct EtlDeferred
{
	struct EtlDeferred
		*next; /* that of the next target; what is said of one below is done to all from it on */
	const EtlRun *run;
	const EtlBatch *batch;
	const EtlChunk *chunk;
	MemoryContext context; /* of the rows */
	bool any;	 /* dead letters of this scan only wait for rows that may have come since: */
	int64 after; /* those behind this one, which earlier scans of the run have left, */
	int64 last;	 /* to this one */
	int n;
	int max;
	int committed;		  /* of n, those of transactions before */
	EtlDeferredRow *rows; /* in the order of the source */
} EtlDeferred;

/* Keeps the keys of a record that failed when it was tried alone: its rows are those of the chunk. */
extern void EtlDefer(EtlDeferred *deferred, int record);
/* A record of the batch has become a dead letter. */
extern void EtlDeferredAs(EtlDeferred *deferred, int record, int64 letter);
/* The positions of dead letters that are tried again; one that is not known is behind all that are. */
extern void EtlDeferredPositions(EtlDeferred *deferred, EtlBatch *batch);
/*
 * Of one target: marks as superseded the rows of the chunk, which is sorted, whose keys have a later row by now; returns how many.  A row
 * of a record that is not known is one of those between "first" and "last".
 */
extern int EtlDeferredSupersede(EtlDeferred *deferred, int first, int last);
/* The scan is over: what still fails stays a dead letter, which a later scan of the run does not try. */
extern void EtlDeferredForget(EtlDeferred *deferred);
/* Of one target: an attempt begins, or has succeeded. */
extern void EtlDeferredBegin(EtlDeferred *deferred);
extern void EtlDeferredLoaded(EtlDeferred *deferred);
/* The transaction was committed, or not. */
extern void EtlDeferredSettle(EtlDeferred *deferred, bool committed);

#endif /* ETL_DEFERRED_H */
