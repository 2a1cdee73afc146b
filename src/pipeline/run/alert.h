/*
 * alert.h
 *		NOTIFY etl_alert.
 */
#ifndef ETL_ALERT_H
#define ETL_ALERT_H

#include "pipeline/pipeline.h"

/*
 * Tells those who listen that something has happened to a pipeline, in a transaction of its own: with a full queue of
 * notifications it is an error, and nothing else must be lost by that.  No run: 0.
 */
extern void EtlAlert(const char *event, int64 pipeline, int64 run);

#endif /* ETL_ALERT_H */
