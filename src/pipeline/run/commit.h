/*
 * commit.h
 *		A batch into the target, with all that commits with it.
 */
#ifndef ETL_COMMIT_H
#define ETL_COMMIT_H

#include "pipeline/run/attempts.h"
#include "pipeline/run/seen.h"

/* All parts of a run. */
typedef struct EtlBatchLoad
{
	EtlRun *run;
	EtlReading *reading;
	EtlChunk chunk;
	EtlDeferred deferred;
	EtlKeys keys;
	EtlRejects rejects;
	EtlConverted converted;
	EtlWatermark watermark;
	EtlLoading loading;
	EtlTargets targets;
	EtlAttempts attempts;
	EtlSeen seen;
	EtlWhole *whole; /* NULL: the source is read in batches */
} EtlBatchLoad;

/* Makes all parts of a run whose statements are made. */
extern EtlBatchLoad *EtlBatchLoadCreate(EtlReading *reading);
/* Empties the batch, and forgets what became of the one before. */
extern void EtlStartBatch(EtlBatchLoad *load);
/* Loads and commits the batch, in as many transactions as it takes. */
extern void EtlLoadBatch(EtlBatchLoad *load);

#endif /* ETL_COMMIT_H */
