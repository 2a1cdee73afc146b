/*
 * worker.h
 *		The process of a run, and what may end a run from outside.
 */
#ifndef ETL_WORKER_H
#define ETL_WORKER_H

#include "pipeline/pipeline.h"
#include "storage/latch.h"
#include "storage/s_lock.h"
#include "storage/spin.h"

/* What a backend that starts a run and its worker tell each other, in a segment of shared memory. */
typedef struct EtlStart
{
	/* for the worker */
	Oid database;
	Oid owner;
	int64 pipeline;
	EtlRunKind kind;
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

/* Makes this process a session of the owner, with the handlers that a run needs. */
extern void EtlConnectWorker(Oid database, Oid owner);

/* While there is a batch to be loaded, a request to shut down waits for it, within etl.drain_timeout. */
extern void EtlEnterBatch(bool drain);
extern void EtlLeaveBatch(void);

/* Between batches: takes in settings, and raises an error if the server wants us to go. */
extern void EtlCheckShutdown(void);
extern bool EtlShutdownRequested(void);

/* From now on the run may take so long, and no longer than etl.max_runtime; 0: only that counts. */
extern void EtlLimitRuntime(int64 ms);
extern void EtlUnlimitRuntime(void);
extern bool EtlRuntimeExceeded(void);
/* What ended the run from outside, in words; NULL: nothing did, but a cancel. */
extern const char *EtlReasonToEnd(void);

#endif /* ETL_WORKER_H */
