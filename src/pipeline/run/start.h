/*
 * start.h
 *		Runs that this backend starts.
 */
#ifndef ETL_START_H
#define ETL_START_H

#include "fmgr.h"
#include "pipeline/pipeline.h"

/* The pipeline of a name, if the current user may run it here and now; keeps no lock on the catalog. */
extern EtlPipeline *EtlFindToRun(const char *name);
/* An error if a procedure is called inside a transaction block. */
extern void EtlCheckNonAtomic(FunctionCallInfo fcinfo);
/* Outside of a transaction's work: runs it, waits for the end, and gives its number; 0: another run is under way. */
extern int64 EtlTryRun(const EtlPipeline *pipeline, EtlRunKind kind);
/* An error if a run has not succeeded. */
extern void EtlCheckRunSucceeded(int64 run, const EtlPipeline *pipeline);

#endif /* ETL_START_H */
