/*
 * forget.h
 *		What a run removes behind itself: old runs and dead letters, and checkpoints of parts that are gone.
 */
#ifndef ETL_FORGET_H
#define ETL_FORGET_H

#include "pipeline/run/read.h"

/* At the end of a run that has succeeded, in its last transaction. */
extern void EtlForget(EtlReading *reading);

#endif /* ETL_FORGET_H */
