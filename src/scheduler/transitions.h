/*
 * transitions.h
 *		What becomes of a scheduled pipeline: the one place where its state changes.
 */
#ifndef ETL_TRANSITIONS_H
#define ETL_TRANSITIONS_H

#include "pipeline/catalog/schedules.h"
#include "pipeline/schedule.h"
#include "scheduler/places.h"
#include "scheduler/shared.h"

/* A pipeline in one look of a scheduler. */
typedef struct EtlDue
{
	EtlScheduled *row;
	EtlSchedule schedule;
	pg_tz *zone;
	bool alive;	 /* a process runs it */
	bool unsure; /* or did so a moment ago: look again soon */
	bool circle; /* what it runs after waits for itself */

	bool changed; /* the row is to be written */
	bool disable;
	const char *alert;	   /* what is to be told of it, or NULL */
	bool crowded;		   /* its role has as many runs as it may have */
	EtlTicket ticket;	   /* of its worker */
	TimestampTz was_since; /* what waiting_since was before there was a worker */
} EtlDue;

/* Carries a pipeline as far as it can go before a worker is needed. */
extern void EtlDueAdvance(EtlDue *due, TimestampTz now);

/* A worker is to run it; there was none to be had after all; it may not run. */
extern void EtlDueBegin(EtlDue *due, TimestampTz now);
extern void EtlDuePutBack(EtlDue *due);
extern void EtlDueRefuse(EtlDue *due, TimestampTz now, const char *reason);

/* When to look at it again; "latest" if nothing is known to happen before that. */
extern TimestampTz EtlDueNext(const EtlDue *due, TimestampTz now, TimestampTz latest);

/* The first time of its schedule after another; 0: there is none. */
extern TimestampTz EtlDueTimeAfter(const EtlDue *due, TimestampTz after);
/* The next time of the schedule is the first one from now on. */
extern void EtlDuePlan(EtlDue *due, TimestampTz now);

#endif /* ETL_TRANSITIONS_H */
