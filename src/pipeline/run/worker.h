/*
 * worker.h
 *		The process of a run.
 */
#ifndef ETL_WORKER_H
#define ETL_WORKER_H

#include "pipeline/pipeline.h"
#include "storage/latch.h"
#include "storage/s_lock.h"
#include "storage/spin.h"

/* What a backend that starts a run and its worker exchange, in a segment of shared memory. */
typedef struct EtlStart
{
	/* for the worker */
	Oid database;
	Oid owner;
	int64 pipeline;
	EtlRunKind kind;
	bool overwrite;
	Latch *starter;

	/* from it */
	slock_t mutex;
	bool answered;
	int64 run; /* 0: it did not start, for this reason */
	int sqlstate;
	char message[512];
	char hint[512];
} EtlStart;

extern PGDLLEXPORT void EtlWorkerMain(Datum arg);
extern PGDLLEXPORT void EtlParallelWorkerMain(Datum arg);

/* Makes this process a session of the owner, with the handlers that a run needs. */
extern void EtlConnectWorker(Oid database, Oid owner);

#endif /* ETL_WORKER_H */
