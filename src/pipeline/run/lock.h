/*
 * lock.h
 *		The lock of a pipeline, which its run holds.
 */
#ifndef ETL_LOCK_H
#define ETL_LOCK_H

#include "pipeline/pipeline.h"

/* Takes the lock for the session or the transaction, without waiting; false if another session has it. */
extern bool EtlLockPipeline(int64 pipeline, bool session);

/* A pipeline that the current user may change; an error if there is none, or not for this user. */
extern EtlPipeline *EtlFindOwnPipeline(const char *name);
extern void EtlCheckOwnerExists(const EtlPipeline *pipeline);

#endif /* ETL_LOCK_H */
