/*
 * breaker.h
 *		A circuit breaker, and a rate limit: what one origin is spared.
 *
 *		            enough failures in a row
 *		   closed ---------------------------> open <---+
 *		      ^                                  |      | the probe failed, or nobody will
 *		      |                  after the pause |      | ever know (cancelled)
 *		      |  the probe succeeded             v      |
 *		      +----------------------------- half-open -+
 *
 * Closed lets everything through, open nothing, and half-open exactly one request, the probe.  All times
 * are milliseconds on the caller's clock; nothing here waits or locks, and a zeroed struct is a closed
 * breaker that has seen nothing.
 */
#ifndef ETL_BREAKER_H
#define ETL_BREAKER_H

#include "etl.h"

typedef enum EtlBreakerState
{
	ETL_BREAKER_CLOSED,
	ETL_BREAKER_OPEN,
	ETL_BREAKER_HALF_OPEN,
} EtlBreakerState;

typedef struct EtlBreakerPolicy
{
	int failures; /* in a row that open it */
	int64 pause;  /* for which it stays open */
} EtlBreakerPolicy;

typedef struct EtlBreaker
{
	EtlBreakerState state;
	int failures;	   /* in a row */
	int64 opened_at;   /* unless closed */
	uint32 last_probe; /* number of the probe sent last; the one under way if half-open */
} EtlBreaker;

typedef enum EtlOutcome
{
	ETL_SUCCEEDED,	/* the service answered, if only to say that the request is wrong */
	ETL_FAILED,		/* no answer, half of one, or 5xx */
	ETL_NO_OUTCOME, /* nobody waited for the answer */
} EtlOutcome;

/* How long until a request may go out: 0 now, -1 when the probe that is under way has an answer. */
extern int64 EtlBreakerWait(const EtlBreaker *breaker, const EtlBreakerPolicy *policy, int64 now);

/* Registers a request that need not wait.  Returns its number if it is the probe, else 0. */
extern uint32 EtlBreakerEnter(EtlBreaker *breaker);

/* What became of it. */
extern void EtlBreakerLeave(EtlBreaker *breaker, const EtlBreakerPolicy *policy, uint32 probe,
							EtlOutcome outcome, int64 now);

/* Closes it, whatever it was. */
extern void EtlBreakerReset(EtlBreaker *breaker);

/* At most so many requests in any period of this length. */
typedef struct EtlRate
{
	int requests; /* 0: any number */
	int64 period;
} EtlRate;

#define ETL_RATE_LOG 64

/* When the last requests went out. */
typedef struct EtlRateLog
{
	uint64 count;
	int64 times[ETL_RATE_LOG]; /* request n is at n % ETL_RATE_LOG */
} EtlRateLog;

/* Reads a rate such as '10/s', '100/min', '5000/h', '1/30s'; false if text is none. */
extern bool EtlRateParse(const char *text, EtlRate *rate);
extern int64 EtlRateWait(const EtlRateLog *log, const EtlRate *rate, int64 now);
extern void EtlRateNote(EtlRateLog *log, int64 now);

#endif /* ETL_BREAKER_H */
