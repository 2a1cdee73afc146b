/*
 * engine.h
 *		The phases of a run.
 */
#ifndef ETL_ENGINE_H
#define ETL_ENGINE_H

#include "pipeline/run/run.h"

/* What a run leaves to whoever decides when the next one is due. */
typedef struct EtlRunOutcome
{
	int64
		refused_wait; /* ms for which its source asked to be left alone, too long to wait; 0: it did not */
	int64
		settles_in; /* ms after which a last record that was held back counts; 0: none was held back */
} EtlRunOutcome;

typedef struct EtlRunOrder
{
	int64 pipeline;
	EtlRunKind kind;
	bool overwrite;	 /* of a retry: also what later records may have loaded */
	bool continuous; /* of a load: it stays when all there is has been read */
} EtlRunOrder;

/*
 * Runs a pipeline in this process.  An error before the run has begun is raised; "started" is called once it has, and
 * then nothing is raised any more: how it ended is in its row.
 */
extern EtlRunOutcome EtlRunPipeline(const EtlRunOrder *order, void (*started)(int64 run_id));

/* Takes part in a run that another process has begun, until its source is read. */
extern void EtlRunShare(EtlParallel *parallel);

#endif /* ETL_ENGINE_H */
