/*
 * continuous.h
 *		What a run without an end does between its batches.
 */
#ifndef ETL_CONTINUOUS_H
#define ETL_CONTINUOUS_H

#include "pipeline/run/commit.h"

/* A batch was committed. */
extern void EtlContinuousCommitted(EtlBatchLoad *load);
/* All there is for now was read. */
extern void EtlContinuousRest(EtlBatchLoad *load);
/* Waits until the source is to be opened again, flush_interval behind a time on the clock (clock.h). */
extern void EtlContinuousPause(EtlBatchLoad *load, int64 began);

#endif /* ETL_CONTINUOUS_H */
