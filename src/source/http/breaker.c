/*
 * breaker.c
 *		A circuit breaker, and a rate limit: what one origin is spared.
 *
 * Outcomes come back late and in any order.  Only that of the probe moves a breaker that is not closed: a
 * request that went out before it opened says nothing about how the service is now.
 *
 * The rate limit never lets more requests through in any stretch of a period than were asked for, and no
 * fewer in the long run: request n may go out a period after request n - requests.  As the log is short, a
 * limit of more requests than it holds is split into equal limits on shorter periods.
 */
#include "etl.h"

#include "source/http/breaker.h"

/* All changes of state are made here. */
static void
move_to(EtlBreaker *breaker, EtlBreakerState from, EtlBreakerState to)
{
	Assert(breaker->state == from);
	Assert(from != ETL_BREAKER_CLOSED || to == ETL_BREAKER_OPEN);
	Assert(from != ETL_BREAKER_OPEN || to == ETL_BREAKER_HALF_OPEN);
	Assert(from != to);
	breaker->state = to;
}

int64
EtlBreakerWait(const EtlBreaker *breaker, const EtlBreakerPolicy *policy, int64 now)
{
	switch (breaker->state)
	{
		case ETL_BREAKER_CLOSED:
			return 0;
		case ETL_BREAKER_OPEN:
			return Max(breaker->opened_at + policy->pause - now, 0);
		case ETL_BREAKER_HALF_OPEN:
			return -1;
	}
	return 0;
}

uint32
EtlBreakerEnter(EtlBreaker *breaker)
{
	if (breaker->state == ETL_BREAKER_CLOSED)
		return 0;
	move_to(breaker, ETL_BREAKER_OPEN, ETL_BREAKER_HALF_OPEN);
	if (++breaker->last_probe == 0)
		breaker->last_probe = 1;
	return breaker->last_probe;
}

static void
leave_probe(EtlBreaker *breaker, EtlOutcome outcome, int64 now)
{
	if (outcome == ETL_SUCCEEDED)
	{
		move_to(breaker, ETL_BREAKER_HALF_OPEN, ETL_BREAKER_CLOSED);
		breaker->failures = 0;
		return;
	}
	move_to(breaker, ETL_BREAKER_HALF_OPEN, ETL_BREAKER_OPEN);
	/* Without an outcome the pause counts as over, as before, and the next request is the probe. */
	if (outcome == ETL_FAILED)
	{
		breaker->failures++;
		breaker->opened_at = now;
	}
}

void
EtlBreakerLeave(EtlBreaker *breaker, const EtlBreakerPolicy *policy, uint32 probe,
				EtlOutcome outcome, int64 now)
{
	if (probe != 0)
	{
		/* Unless it was reset meanwhile, and perhaps opened again. */
		if (breaker->state == ETL_BREAKER_HALF_OPEN && probe == breaker->last_probe)
			leave_probe(breaker, outcome, now);
		return;
	}
	if (breaker->state != ETL_BREAKER_CLOSED)
		return;
	if (outcome == ETL_SUCCEEDED)
		breaker->failures = 0;
	else if (outcome == ETL_FAILED && ++breaker->failures >= policy->failures)
	{
		move_to(breaker, ETL_BREAKER_CLOSED, ETL_BREAKER_OPEN);
		breaker->opened_at = now;
	}
}

void
EtlBreakerReset(EtlBreaker *breaker)
{
	if (breaker->state == ETL_BREAKER_OPEN)
		move_to(breaker, ETL_BREAKER_OPEN, ETL_BREAKER_HALF_OPEN);
	if (breaker->state == ETL_BREAKER_HALF_OPEN)
		move_to(breaker, ETL_BREAKER_HALF_OPEN, ETL_BREAKER_CLOSED);
	breaker->failures = 0;
}

static bool
parse_period(const char *text, int64 *period)
{
	static const struct
	{
		const char *name;
		int64 ms;
	} units[] = {{"ms", 1},			{"s", 1000},	 {"sec", 1000},		{"second", 1000},
				 {"m", 60000},		{"min", 60000},	 {"minute", 60000}, {"h", 3600000},
				 {"hour", 3600000}, {"d", 86400000}, {"day", 86400000}};
	int number = 1;
	int used = 0;

	if (*text >= '0' && *text <= '9')
	{
		if (sscanf(text, "%6d%n", &number, &used) != 1 || number == 0)
			return false;
	}
	for (size_t i = 0; i < lengthof(units); i++)
	{
		if (strcmp(text + used, units[i].name) == 0)
		{
			*period = number * units[i].ms;
			return true;
		}
	}
	return false;
}

bool
EtlRateParse(const char *text, EtlRate *rate)
{
	int used = 0;

	if (*text < '1' || *text > '9' || sscanf(text, "%6d/%n", &rate->requests, &used) != 1 ||
		used == 0)
		return false;
	return parse_period(text + used, &rate->period);
}

int64
EtlRateWait(const EtlRateLog *log, const EtlRate *rate, int64 now)
{
	int parts = (rate->requests + ETL_RATE_LOG - 1) / ETL_RATE_LOG;
	int requests;
	int64 period;

	if (rate->requests == 0)
		return 0;
	requests = rate->requests / parts;
	period = (rate->period + parts - 1) / parts;
	if (log->count < (uint64) requests)
		return 0;
	return Max(log->times[(log->count - requests) % ETL_RATE_LOG] + period - now, 0);
}

void
EtlRateNote(EtlRateLog *log, int64 now)
{
	log->times[log->count++ % ETL_RATE_LOG] = now;
}
