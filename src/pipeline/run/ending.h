/*
 * ending.h
 *		What may end a run from outside.
 */
#ifndef ETL_ENDING_H
#define ETL_ENDING_H

#include "etl.h"

/* Install the handlers, before signals are let through and when the process is connected. */
extern void EtlEndingInit(void);
extern void EtlEndingConnected(void);

/* While there is a batch to be loaded, a request to shut down waits for it, within etl.drain_timeout. */
extern void EtlEnterBatch(bool drain);
extern void EtlLeaveBatch(void);

/* Between batches: reloads settings, and raises an error after a request to shut down. */
extern void EtlCheckShutdown(void);
extern bool EtlShutdownRequested(void);
/* Of a continuous run: looks, twice a second at most, for what is to end it, and asks to shut down then. */
extern void EtlLookForEnding(void);

/* Limits the time of the run from now on, also by etl.max_runtime; 0: only by that. */
extern void EtlLimitRuntime(int64 ms);
extern void EtlUnlimitRuntime(void);
extern bool EtlRuntimeExceeded(void);
/* What ended the run from outside, in words; NULL: nothing did, but a cancel. */
extern const char *EtlReasonToEnd(void);

#endif /* ETL_ENDING_H */
