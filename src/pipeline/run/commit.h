/*
 * commit.h
 *		A batch into the target, with all that commits with it.
 */
#ifndef ETL_COMMIT_H
#define ETL_COMMIT_H

#include "pipeline/run/attempts.h"
#include "pipeline/run/seen.h"

/* What a continuous run remembers between its batches (continuous.c). */
typedef struct EtlContinuous
{
	int64 hour_ends; /* on the clock (clock.h), as is told_at; 0: the first has not begun */
	bool told;		 /* others, that something is loaded: */
	int64 told_at;
	int64 told_read;
	int64 set_aside;   /* parts, of which an alert was sent */
	int64 columns_new; /* the same of columns */
} EtlContinuous;

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
	EtlContinuous continuous;
} EtlBatchLoad;

/* Makes all parts of a run whose statements are made. */
extern EtlBatchLoad *EtlBatchLoadCreate(EtlReading *reading);
/* Empties the batch, and forgets what became of the one before. */
extern void EtlStartBatch(EtlBatchLoad *load);
/* Loads and commits the batch, in as many transactions as it takes. */
extern void EtlLoadBatch(EtlBatchLoad *load);

#endif /* ETL_COMMIT_H */
