/*
 * report.h
 *		What a run tells of itself while it is under way.
 */
#ifndef ETL_REPORT_H
#define ETL_REPORT_H

#include "monitor/progress.h"
#include "pipeline/run/engine.h"

/* Between them, a run is under way in this process. */
extern void EtlReportBegin(const EtlRun *run);
extern void EtlReportEnd(EtlRunState state, int sqlstate);

/* A stage begins that has so many rows before it. */
extern void EtlReportStage(EtlStage stage, int64 rows);
extern void EtlTellDone(int64 done);

/* So many of them are done: cheap enough to be said of every row, and told of every 64th. */
static inline void
EtlReportDone(int64 done)
{
	if (unlikely(done % 64 == 0 || EtlTickPending))
		EtlTellDone(done);
}

/* Takes over a changed etl.log_interval. */
extern void EtlSetLogTimeout(void);

#endif /* ETL_REPORT_H */
