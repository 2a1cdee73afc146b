/*
 * schedule.h
 *		When a pipeline is due: five-field cron in a time zone, or an interval.
 *
 * Pure arithmetic: the caller says from which instant to look, nothing here asks for the time.
 */
#ifndef ETL_SCHEDULE_H
#define ETL_SCHEDULE_H

#include "etl.h"
#include "datatype/timestamp.h"
#include "pgtime.h"

typedef struct EtlSchedule
{
	int64 interval; /* microseconds; 0: cron, by sets of numbers, one a bit */
	uint64 minutes;
	uint32 hours;
	uint32 days;	 /* of the month, 1 to 31 */
	uint32 months;	 /* 1 to 12 */
	uint32 weekdays; /* 0 is Sunday, to 6 */
	bool either_day; /* days and weekdays are both restricted: one of them is enough */
} EtlSchedule;

/* Raises what is wrong with the text. */
extern void EtlParseSchedule(const char *text, EtlSchedule *schedule);

/* NOTICEs about a schedule that was parsed, if it says something else than it looks like. */
extern void EtlTellSchedule(const char *text, const EtlSchedule *schedule);

/* A time zone by its name; NULL: the session's. */
extern pg_tz *EtlFindTimeZone(const char *name);

/*
 * The first time after an instant; false: there is none before the end of time.  An interval counts from its
 * last time, "anchor", and times that have passed since are left out.
 */
extern bool EtlNextRun(const EtlSchedule *schedule, pg_tz *zone, TimestampTz anchor,
					   TimestampTz after, TimestampTz *next);

#endif /* ETL_SCHEDULE_H */
