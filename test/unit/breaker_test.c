/*
 * breaker_test.c
 *		Every transition of the breaker, and the promise of the rate limit, on a clock of our own.
 */
#include "etl.h"

#include "source/http/breaker.h"

#include "check.h"

static const EtlBreakerPolicy policy = {.failures = 5, .pause = 30000};

/* A request that goes out and comes back at once; -1 if the breaker does not let it out. */
static int
request(EtlBreaker *breaker, EtlOutcome outcome, int64 now)
{
	uint32 probe;

	if (EtlBreakerWait(breaker, &policy, now) != 0)
		return -1;
	probe = EtlBreakerEnter(breaker);
	EtlBreakerLeave(breaker, &policy, probe, outcome, now);
	return probe != 0;
}

static EtlBreaker
opened_at(int64 now)
{
	EtlBreaker breaker = {0};

	for (int i = 0; i < 5; i++)
		CHECK(request(&breaker, ETL_FAILED, now) == 0, "failure %d", i);
	CHECK(breaker.state == ETL_BREAKER_OPEN, "state %d", breaker.state);
	return breaker;
}

static void
test_opening(void)
{
	EtlBreaker breaker = {0};

	for (int round = 0; round < 3; round++)
	{
		for (int i = 0; i < 4; i++)
			request(&breaker, ETL_FAILED, 0);
		CHECK(breaker.state == ETL_BREAKER_CLOSED, "four failures do not open it");
		request(&breaker, ETL_NO_OUTCOME, 0);
		CHECK(breaker.failures == 4, "no outcome changes nothing");
		request(&breaker, ETL_SUCCEEDED, 0);
		CHECK(breaker.failures == 0, "a success starts the count again");
	}
	for (int i = 0; i < 100; i++)
		request(&breaker, ETL_NO_OUTCOME, 0);
	CHECK(breaker.state == ETL_BREAKER_CLOSED, "cancelled requests do not open it");

	breaker = opened_at(1000);
	CHECK(EtlBreakerWait(&breaker, &policy, 1000) == 30000, "waits for the pause");
	CHECK(EtlBreakerWait(&breaker, &policy, 30999) == 1, "to its end");
	CHECK(EtlBreakerWait(&breaker, &policy, 31000) == 0, "and no longer");
}

static void
test_probe(void)
{
	EtlBreaker breaker = opened_at(0);
	uint32 probe;

	probe = EtlBreakerEnter(&breaker);
	CHECK(probe != 0 && breaker.state == ETL_BREAKER_HALF_OPEN, "the first one is the probe");
	CHECK(EtlBreakerWait(&breaker, &policy, 30000) == -1, "a second one is not let out");
	CHECK(EtlBreakerWait(&breaker, &policy, 1000000) == -1, "however long the probe takes");
	EtlBreakerLeave(&breaker, &policy, probe, ETL_SUCCEEDED, 31000);
	CHECK(breaker.state == ETL_BREAKER_CLOSED && breaker.failures == 0, "the probe closes it");

	breaker = opened_at(0);
	CHECK(request(&breaker, ETL_FAILED, 30000) == 1, "a failed probe");
	CHECK(breaker.state == ETL_BREAKER_OPEN, "opens it again");
	CHECK(EtlBreakerWait(&breaker, &policy, 30000) == 30000, "for a whole pause");

	breaker = opened_at(0);
	CHECK(request(&breaker, ETL_NO_OUTCOME, 30000) == 1, "a cancelled probe");
	CHECK(breaker.state == ETL_BREAKER_OPEN, "leaves it open");
	CHECK(EtlBreakerWait(&breaker, &policy, 30000) == 0, "and the next one is the probe");
	CHECK(request(&breaker, ETL_SUCCEEDED, 30000) == 1, "which closes it");
	CHECK(breaker.state == ETL_BREAKER_CLOSED, "as ever");
}

/* Answers that come when the state is no longer what it was. */
static void
test_late_outcomes(void)
{
	EtlBreaker breaker = {0};
	uint32 early = EtlBreakerEnter(&breaker);
	uint32 old_probe;
	uint32 probe;

	breaker = opened_at(0);
	EtlBreakerLeave(&breaker, &policy, early, ETL_SUCCEEDED, 1);
	CHECK(breaker.state == ETL_BREAKER_OPEN, "an early success does not close it");
	EtlBreakerLeave(&breaker, &policy, early, ETL_FAILED, 2);
	CHECK(EtlBreakerWait(&breaker, &policy, 30000) == 0, "an early failure does not prolong it");

	old_probe = EtlBreakerEnter(&breaker);
	EtlBreakerLeave(&breaker, &policy, early, ETL_FAILED, 30001);
	CHECK(breaker.state == ETL_BREAKER_HALF_OPEN, "only the probe counts");
	EtlBreakerLeave(&breaker, &policy, old_probe, ETL_NO_OUTCOME, 30002);
	probe = EtlBreakerEnter(&breaker);
	CHECK(probe != old_probe, "each probe has its number");
	EtlBreakerLeave(&breaker, &policy, old_probe, ETL_SUCCEEDED, 30003);
	CHECK(breaker.state == ETL_BREAKER_HALF_OPEN, "another probe's outcome is not this one's");
	EtlBreakerLeave(&breaker, &policy, probe, ETL_FAILED, 30004);
	EtlBreakerLeave(&breaker, &policy, probe, ETL_SUCCEEDED, 30005);
	CHECK(breaker.state == ETL_BREAKER_OPEN, "an outcome counts once");
}

static void
test_reset(void)
{
	EtlBreaker breaker = opened_at(0);
	uint32 probe;

	EtlBreakerReset(&breaker);
	CHECK(breaker.state == ETL_BREAKER_CLOSED && breaker.failures == 0, "open, then reset");
	CHECK(request(&breaker, ETL_SUCCEEDED, 1) == 0, "an ordinary request");
	breaker = opened_at(0);
	probe = EtlBreakerEnter(&breaker);
	EtlBreakerReset(&breaker);
	CHECK(breaker.state == ETL_BREAKER_CLOSED, "half-open, then reset");
	EtlBreakerLeave(&breaker, &policy, probe, ETL_FAILED, 31000);
	CHECK(breaker.state == ETL_BREAKER_CLOSED && breaker.failures == 0, "the probe came too late");
	EtlBreakerReset(&breaker);
	CHECK(breaker.state == ETL_BREAKER_CLOSED, "closed, then reset");
}

static void
test_rate_parse(void)
{
	static const char *const refused[] = {"",		"10",		 "10/",	  "/s",	   "0/s",	"-1/s",
										  "10/x",	"10/s ",	 " 10/s", "10 /s", "10/0s", "1.5/s",
										  "10/-1s", "9999999/s", "10/ss", "s"};
	static const struct
	{
		const char *text;
		int requests;
		int64 period;
	} taken[] = {{"10/s", 10, 1000},
				 {"100/min", 100, 60000},
				 {"5000/h", 5000, 3600000},
				 {"1/30s", 1, 30000},
				 {"2/500ms", 2, 500},
				 {"1/day", 1, 86400000},
				 {"999999/hour", 999999, 3600000}};
	EtlRate rate;

	for (size_t i = 0; i < lengthof(refused); i++)
		CHECK(!EtlRateParse(refused[i], &rate), "\"%s\" is taken", refused[i]);
	for (size_t i = 0; i < lengthof(taken); i++)
	{
		CHECK(EtlRateParse(taken[i].text, &rate), "\"%s\" is refused", taken[i].text);
		CHECK(rate.requests == taken[i].requests && rate.period == taken[i].period,
			  "\"%s\" is %d in " INT64_FORMAT, taken[i].text, rate.requests, rate.period);
	}
}

/* Sends as fast as allowed and looks at every stretch of a period. */
static void
check_rate(const char *text, int total)
{
	EtlRate rate;
	EtlRateLog log = {0};
	int64 *sent = palloc(total * sizeof(int64));
	int64 now = 123456;
	int64 bound;

	CHECK(EtlRateParse(text, &rate), "%s", text);
	for (int i = 0; i < total; i++)
	{
		now += EtlRateWait(&log, &rate, now);
		CHECK(EtlRateWait(&log, &rate, now) == 0, "%s: a wait waits long enough", text);
		EtlRateNote(&log, now);
		sent[i] = now;
		if (i >= rate.requests)
			CHECK(sent[i] - sent[i - rate.requests] >= rate.period,
				  "%s: request %d after only " INT64_FORMAT " ms", text, i,
				  sent[i] - sent[i - rate.requests]);
	}
	/* Not much slower than asked, either: within 3 % of the best (and a part of a period). */
	bound = (int64) (1.03 * (double) rate.period * total / rate.requests) + rate.period;
	CHECK(sent[total - 1] - sent[0] <= bound, "%s: " INT64_FORMAT " ms, bound " INT64_FORMAT, text,
		  sent[total - 1] - sent[0], bound);
	pfree(sent);
}

static void
test_rate(void)
{
	EtlRate none = {0};
	EtlRate one = {.requests = 1, .period = 1000};
	EtlRateLog log = {0};

	check_rate("1/s", 10);
	check_rate("10/s", 100);
	check_rate("64/s", 1000);
	check_rate("65/min", 1000);
	check_rate("100/min", 1000);
	check_rate("5000/h", 20000);
	check_rate("5001/h", 20000);

	CHECK(EtlRateWait(&log, &none, 0) == 0 && EtlRateWait(&log, &one, 0) == 0, "an empty log");
	EtlRateNote(&log, 0);
	CHECK(EtlRateWait(&log, &none, 0) == 0, "no limit");
	CHECK(EtlRateWait(&log, &one, 400) == 600, "the rest of the period");
	CHECK(EtlRateWait(&log, &one, 5000) == 0, "long ago");
}

int
main(void)
{
	test_opening();
	test_probe();
	test_late_outcomes();
	test_reset();
	test_rate_parse();
	test_rate();
	return check_report("breaker");
}
