/*
 * define.h
 *		What functions that change definitions have in common.
 */
#ifndef ETL_DEFINE_H
#define ETL_DEFINE_H

#include "fmgr.h"
#include "pipeline/pipeline.h"

#define ETL_DEFAULT_QUERY "SELECT * FROM batch"

/* A pipeline that the current user may change, which nobody else changes until this transaction ends. */
extern EtlPipeline *EtlFindToChange(const char *name);
/* Checks a definition as its owner, who may be another role than the one that calls. */
extern void EtlCheckAsOwner(EtlPipeline *pipeline);
/* An error on a standby, or in a transaction that is read only. */
extern void EtlPreventIfReadOnly(FunctionCallInfo fcinfo);

#endif /* ETL_DEFINE_H */
