/*
 * engine.h
 *		The phases of a run.
 */
#ifndef ETL_ENGINE_H
#define ETL_ENGINE_H

#include "pipeline/pipeline.h"

/*
 * Runs a pipeline in this process.  An error before the run has begun is raised; "started" is called once it has, and
 * then nothing is raised any more: how it ended is in its row.
 */
extern void
EtlRunPipeline(int64 pipeline, EtlRunKind kind, bool overwrite, void (*started)(int64 run_id));

#endif /* ETL_ENGINE_H */
