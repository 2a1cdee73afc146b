/*
 * done.h
 *		Whether a pipeline may have something done with what it has loaded.
 */
#ifndef ETL_PIPELINE_DONE_H
#define ETL_PIPELINE_DONE_H

#include "pipeline/pipeline.h"
#include "scan/rows.h"

/* Whether anything is done. */
extern bool EtlDoesWhenDone(const EtlPipeline *pipeline);

/* An error if the owner may not have it done with this source, or nothing can be done with it. */
extern void EtlCheckWhenDone(const EtlScanKind *kind, const EtlArgs *args);

/* The same of a definition, as its owner; nothing is done in the source itself. */
extern void EtlCheckWhenDoneOf(const EtlPipeline *pipeline);

#endif /* ETL_PIPELINE_DONE_H */
