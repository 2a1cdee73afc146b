/*
 * parallel.h
 *		Processes that share a run: each reads parts of its source, and loads them in batches and transactions of its own.
 *
 *		leader	-- the process of the run: starts it, starts the others, ends it, and reads and loads as they do
 *		worker	-- as the leader, but for the run's begin and end
 *
 * The parts come in the order of their names, to each process in a listing of its own, in which there may be parts that are
 * new.  Whoever comes to a name that is behind the last one that was taken takes it.  So a part has one reader at most, and all
 * that is shared is a name.
 *
 * A worker that has lost its leader commits nothing that a later run does not see: to begin, that run closes the row of this
 * one in etl_catalog.runs, which each batch updates (EtlCatalogUpdateRun), and only then reads checkpoints.
 */
#ifndef ETL_PARALLEL_H
#define ETL_PARALLEL_H

#include "nodes/bitmapset.h"
#include "pipeline/run/run.h"
#include "storage/dsm.h"

/* What a worker is to do; in shared memory. */
typedef struct EtlParallelOrder
{
	Oid database;
	Oid owner;
	int64 pipeline;
	char definition[33]; /* a hash: another one is another run's */
	int64 run;
	TimestampTz instant;
} EtlParallelOrder;

/* What a worker has done. */
typedef struct EtlParallelResult
{
	bool complete; /* it has set no part aside, and passed none over that is */
	int64
		last_letter; /* the last dead letter that waits for what its foreign key refers to; 0: there is none */
	int64 settles_in;  /* as in EtlReading */
	Bitmapset *unseen; /* columns that none of its records had */
} EtlParallelResult;

/* For a run that may be shared; in its memory context. */
extern EtlParallel *EtlParallelCreate(const EtlRun *run, const char *definition);

/*
 * The next part, in the order of their names, which a name out of order breaks (0A000): whether this process is to read it.
 */
extern bool EtlParallelTake(EtlParallel *parallel, const char *part);

/* Whether other processes share the run, by now. */
extern bool EtlParallelIsShared(const EtlParallel *parallel);

/* The leader: starts the workers, as many as there may be. */
extern void EtlParallelStart(EtlParallel *parallel, const EtlRun *run);
/*
 * Both, between batches: an error if the run is to end; of the leader, that of a worker which has failed, with what the run is
 * to say of it.
 */
extern void EtlParallelCheck(EtlParallel *parallel, EtlRun *run);
/* Both: this process has read all that it gets.  Waits until all have. */
extern void EtlParallelAwaitRead(EtlParallel *parallel, EtlRun *run);
/* The leader: waits for the workers' ends.  Result has its own, and gets all. */
extern void EtlParallelAwait(EtlParallel *parallel, EtlRun *run, EtlParallelResult *result);
/* The leader fails: so do they, and have ended when it returns. */
extern void EtlParallelStop(EtlParallel *parallel);

/* A worker: joins; NULL: there is no leader any more.  It ends by one of the others. */
extern EtlParallel *EtlParallelJoin(dsm_handle handle, MemoryContext context);
extern const EtlParallelOrder *EtlParallelOrderOf(const EtlParallel *parallel);
extern void EtlParallelSucceeded(EtlParallel *parallel, const EtlParallelResult *result);
extern void EtlParallelFailed(EtlParallel *parallel, const EtlRun *run, const ErrorData *error);
extern void EtlParallelLeft(EtlParallel *parallel); /* it has taken no part */

#endif /* ETL_PARALLEL_H */
