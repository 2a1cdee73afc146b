/*
 * triggers.h
 *		What makes a pipeline run: its times, another try, files, other pipelines.
 */
#ifndef ETL_TRIGGERS_H
#define ETL_TRIGGERS_H

#include "scheduler/transitions.h"

typedef struct EtlTrigger
{
	/* Since when it calls for a run, or from when on it will; 0: it does not. */
	TimestampTz (*calls_at)(const EtlDue *due, TimestampTz now);
	/* It calls, and so the pipeline begins to wait for a worker; this and the following may be NULL. */
	void (*wait)(EtlDue *due, TimestampTz now);
	/* It calls, and a worker is about to do it. */
	void (*answer)(EtlDue *due, TimestampTz now);
	/* It calls, and the pipeline runs or waits for a worker already. */
	void (*pass)(EtlDue *due, TimestampTz now);
	/* The run did not succeed, so what it was to do is still to be done. */
	void (*renew)(EtlDue *due, TimestampTz now);
} EtlTrigger;

extern const EtlTrigger EtlTriggers[];
extern const int EtlTriggerCount;

/* Finds the pipelines of a List of EtlDue * that wait for each other by "after", or for such. */
extern void EtlFindCircles(List *dues);

#endif /* ETL_TRIGGERS_H */
