/*
 * report.h
 *		What a run reports while it is under way.
 */
#ifndef ETL_REPORT_H
#define ETL_REPORT_H

#include "monitor/progress.h"
#include "pipeline/run/run.h"

/* Between them, a run is under way in this process.  The reason is for the server's log: it holds nothing secret; or NULL. */
extern void EtlReportBegin(const EtlRun *run);
extern void EtlReportEnd(EtlRunState state, int sqlstate, const char *reason);

/* A stage begins, with a number of rows to process. */
extern void EtlReportStage(EtlStage stage, int64 rows);
extern void EtlReportAnyDone(int64 done);

/* So many of them are done: cheap enough to be called for every row, and reported for every 64th. */
static inline void
EtlReportDone(int64 done)
{
	if (unlikely(done % 64 == 0 || EtlTickPending))
		EtlReportAnyDone(done);
}

/* Takes over a changed etl.log_interval. */
extern void EtlSetLogTimeout(void);

#endif /* ETL_REPORT_H */
