/*
 * reason.h
 *		What is said of an error that ends a run, or the reading of a part.
 */
#ifndef ETL_REASON_H
#define ETL_REASON_H

#include "pipeline/run/run.h"

/* For etl_runs and etl_parts, and for the server's log, where no value belongs (palloc'd). */
extern char *EtlReasonOf(const EtlRun *run, const ErrorData *error);
extern char *EtlReasonForLog(const EtlRun *run, const ErrorData *error);

#endif /* ETL_REASON_H */
