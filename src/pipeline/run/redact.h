/*
 * redact.h
 *		Which columns may hold values that a pipeline keeps secret.
 */
#ifndef ETL_REDACT_H
#define ETL_REDACT_H

#include "pipeline/pipeline.h"

/* Whether the value of a column of the source may hold one that is redacted; NULL: it is not known which column it is. */
extern bool EtlMayHoldRedacted(const EtlPipeline *pipeline, const char *column);

#endif /* ETL_REDACT_H */
