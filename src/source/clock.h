/*
 * clock.h
 *		The clock for waits, timeouts and breakers: it never jumps, and all backends read the same one.
 */
#ifndef ETL_CLOCK_H
#define ETL_CLOCK_H

#include "etl.h"
#include "portability/instr_time.h"

/* Milliseconds since some moment in the past. */
static inline int64
EtlClock(void)
{
	instr_time now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MICROSEC(now) / 1000;
}

/* As the end of a wait: there is none. */
#define ETL_FOREVER (-1)

/* The end of two waits that comes first. */
static inline int64
EtlEarlier(int64 a, int64 b)
{
	if (a == ETL_FOREVER || b == ETL_FOREVER)
		return a == ETL_FOREVER ? b : a;
	return Min(a, b);
}

#endif /* ETL_CLOCK_H */
