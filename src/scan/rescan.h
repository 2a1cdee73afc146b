/*
 * rescan.h
 *		Whether a plan may read one of its scans a second time.
 */
#ifndef ETL_RESCAN_H
#define ETL_RESCAN_H

#include "etl.h"
#include "nodes/plannodes.h"

/* False only if the node is certain to be read once at most while the statement is executed. */
extern bool EtlMayRescan(const PlannedStmt *statement, const Plan *node);

#endif /* ETL_RESCAN_H */
