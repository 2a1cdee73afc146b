/*
 * retry_test.c
 *		Waits in every form that servers use, and the decision what to do with them.
 */
#include "etl.h"

#include "source/http/retry.h"

#include "check.h"

#define SECOND INT64CONST(1000)

/* 2024-03-01 00:00:00 GMT, the day after a leap day. */
#define NOW (INT64CONST(1709251200) * SECOND)
#define NOW_TEXT "Fri, 01 Mar 2024 00:00:00 GMT"

static int64
date(const char *text)
{
	int64 time;

	return EtlRetryParseDate(text, NOW, &time) ? time : -1;
}

static void
test_date(void)
{
	static const char *const refused[] = {"",
										  "now",
										  "Sun, 06 Nov 1994 08:49:37",
										  "Sun, 06 Nov 1994 08:49:37 CET",
										  "Sun, 06 Nov 1994 08:49:37 GMT ",
										  "Sun, 32 Nov 1994 08:49:37 GMT",
										  "Sun, 00 Nov 1994 08:49:37 GMT",
										  "Sun, 06 Xxx 1994 08:49:37 GMT",
										  "Sun, 06 Nov 1994 24:49:37 GMT",
										  "Sun, 06 Nov 1994 08:60:37 GMT",
										  "Sun, 06 Nov 1994 08:49:61 GMT",
										  "Sun, -6 Nov 1994 08:49:37 GMT",
										  "Sun, 06 Nov 1969 08:49:37 GMT",
										  "1994-11-06T08:49:37Z"};
	int64 expected = INT64CONST(784111777) * SECOND;

	CHECK(date("Sun, 06 Nov 1994 08:49:37 GMT") == expected, "fixdate");
	CHECK(date("Sunday, 06-Nov-94 08:49:37 GMT") == expected, "RFC 850");
	CHECK(date("Sun Nov  6 08:49:37 1994") == expected, "asctime");
	CHECK(date(NOW_TEXT) == NOW, "a leap year");
	CHECK(date("Thu, 29 Feb 2024 23:59:60 GMT") == NOW, "a leap second");
	CHECK(date("Thu, 01 Jan 1970 00:00:00 GMT") == 0, "the epoch");
	CHECK(date("Fri, 31 Dec 9999 23:59:59 GMT") == INT64CONST(253402300799) * SECOND, "the end");
	CHECK(date("Friday, 01-Mar-74 00:00:00 GMT") == INT64CONST(3287088000) * SECOND,
		  "50 years ahead is ahead");
	CHECK(date("Friday, 01-Mar-75 00:00:00 GMT") == INT64CONST(162864000) * SECOND,
		  "51 years ahead is long ago");
	for (size_t i = 0; i < lengthof(refused); i++)
		CHECK(date(refused[i]) == -1, "\"%s\" is taken", refused[i]);
}

/* -1 if it is no wait */
static int64
wait_of(const char *value, EtlWaitKind kind, const char *server_date)
{
	int64 wait;

	return EtlRetryParseWait(value, kind, server_date, NOW, &wait) ? wait : -1;
}

static void
check_wait(const char *value, EtlWaitKind kind, const char *server_date, int64 expected)
{
	int64 wait = wait_of(value, kind, server_date);

	CHECK(wait == expected, "\"%s\" of kind %d gives " INT64_FORMAT ", not " INT64_FORMAT, value,
		  kind, wait, expected);
}

static void
test_wait(void)
{
	check_wait("0", ETL_WAIT_AUTO, NULL, 0);
	check_wait("120", ETL_WAIT_AUTO, NULL, 120 * SECOND);
	check_wait("64.57", ETL_WAIT_AUTO, NULL, 64570);
	check_wait("0.0001", ETL_WAIT_AUTO, NULL, 1);
	check_wait("1.5000000", ETL_WAIT_AUTO, NULL, 1500);
	check_wait("1.5000001", ETL_WAIT_AUTO, NULL, 1501);
	check_wait("2.", ETL_WAIT_AUTO, NULL, 2 * SECOND);
	check_wait("1s", ETL_WAIT_AUTO, NULL, SECOND);
	check_wait("999999999", ETL_WAIT_AUTO, NULL, INT64CONST(999999999) * SECOND);
	check_wait("99999999999999999999999999999999", ETL_WAIT_DELTA, NULL,
			   INT64CONST(1000000000000000) * SECOND);

	check_wait("1709251260", ETL_WAIT_AUTO, NULL, 60 * SECOND);
	check_wait("1709251260.5", ETL_WAIT_AUTO, NULL, 60500);
	check_wait("1709251260000", ETL_WAIT_AUTO, NULL, 60 * SECOND);
	check_wait("1709251140", ETL_WAIT_AUTO, NULL, 0);
	check_wait("1709251260", ETL_WAIT_DELTA, NULL, INT64CONST(1709251260) * SECOND);
	check_wait("60", ETL_WAIT_EPOCH_S, NULL, 0);
	check_wait("1709251260001", ETL_WAIT_EPOCH_MS, NULL, 60001);

	check_wait("Fri, 01 Mar 2024 00:01:00 GMT", ETL_WAIT_AUTO, NULL, 60 * SECOND);
	check_wait("Fri, 01 Mar 2024 00:01:00 GMT", ETL_WAIT_DATE, NULL, 60 * SECOND);
	check_wait("Friday, 01-Mar-24 00:01:00 GMT", ETL_WAIT_AUTO, NULL, 60 * SECOND);
	check_wait("Fri Mar  1 00:01:00 2024", ETL_WAIT_AUTO, NULL, 60 * SECOND);
	check_wait("Thu, 29 Feb 2024 00:00:00 GMT", ETL_WAIT_AUTO, NULL, 0);

	/* The server's clock is ten minutes ahead, or it has none that we understand. */
	check_wait("Fri, 01 Mar 2024 00:11:00 GMT", ETL_WAIT_AUTO, "Fri, 01 Mar 2024 00:10:00 GMT",
			   60 * SECOND);
	check_wait("1709251860", ETL_WAIT_AUTO, "Fri, 01 Mar 2024 00:10:00 GMT", 60 * SECOND);
	check_wait("30", ETL_WAIT_AUTO, "Fri, 01 Mar 2024 00:10:00 GMT", 30 * SECOND);
	check_wait("1709251260", ETL_WAIT_AUTO, "yesterday", 60 * SECOND);

	check_wait("", ETL_WAIT_AUTO, NULL, -1);
	check_wait("-1", ETL_WAIT_AUTO, NULL, -1);
	check_wait("soon", ETL_WAIT_AUTO, NULL, -1);
	check_wait("1m", ETL_WAIT_AUTO, NULL, -1);
	check_wait("1 2", ETL_WAIT_AUTO, NULL, -1);
	check_wait("1e3", ETL_WAIT_AUTO, NULL, -1);
	check_wait("60", ETL_WAIT_DATE, NULL, -1);
	check_wait("Fri, 01 Mar 2024 00:01:00 GMT", ETL_WAIT_DELTA, NULL, -1);
}

static const EtlRetryPolicy policy = {.max_attempts = 3, .max_wait = 60000, .budget = 120000};

static void
check_decision(int attempt, int64 elapsed, int64 asked, double random, EtlRetryVerdict verdict,
			   int64 expected)
{
	int64 wait;
	EtlRetryVerdict got = EtlRetryDecide(&policy, attempt, elapsed, asked, random, &wait);

	CHECK(got == verdict, "verdict %d, not %d", got, verdict);
	CHECK(wait == expected, "wait " INT64_FORMAT ", not " INT64_FORMAT, wait, expected);
}

static void
test_decide(void)
{
	EtlRetryPolicy patient = {.max_attempts = 1000, .max_wait = 60000, .budget = PG_INT64_MAX / 2};
	int64 wait;

	check_decision(1, 0, ETL_NO_WAIT_ASKED, 0.0, ETL_RETRY_AGAIN, 0);
	check_decision(1, 0, ETL_NO_WAIT_ASKED, 0.5, ETL_RETRY_AGAIN, 50);
	check_decision(2, 0, ETL_NO_WAIT_ASKED, 0.5, ETL_RETRY_AGAIN, 100);
	check_decision(3, 0, ETL_NO_WAIT_ASKED, 0.5, ETL_RETRY_NO_ATTEMPT_LEFT, 200);

	/* What is asked for is never cut short, and the jitter comes on top. */
	check_decision(1, 0, 60000, 0.0, ETL_RETRY_AGAIN, 60000);
	check_decision(1, 0, 60000, 0.5, ETL_RETRY_AGAIN, 60050);
	check_decision(1, 0, 60001, 0.0, ETL_RETRY_TOO_LONG, 60001);
	check_decision(3, 0, 60001, 0.0, ETL_RETRY_TOO_LONG, 60001);
	check_decision(3, 0, 1000, 0.0, ETL_RETRY_NO_ATTEMPT_LEFT, 1000);
	check_decision(1, 0, 0, 0.0, ETL_RETRY_AGAIN, 0);

	check_decision(1, 120000, ETL_NO_WAIT_ASKED, 0.0, ETL_RETRY_AGAIN, 0);
	check_decision(1, 119999, ETL_NO_WAIT_ASKED, 0.5, ETL_RETRY_NO_TIME_LEFT, 50);
	check_decision(1, 70000, 60000, 0.0, ETL_RETRY_NO_TIME_LEFT, 60000);

	for (int attempt = 1; attempt < 1000; attempt++)
	{
		CHECK(EtlRetryDecide(&patient, attempt, 0, ETL_NO_WAIT_ASKED, 0.9999, &wait) ==
				  ETL_RETRY_AGAIN,
			  "attempt %d", attempt);
		CHECK(wait <= 5000 && wait >= (attempt < 7 ? 99 << (attempt - 1) : 4999),
			  "attempt %d waits " INT64_FORMAT, attempt, wait);
	}
}

static void
test_patience(void)
{
	EtlRetryPolicy policy = {.max_attempts = 3, .max_wait = 60000, .budget = 120000};

	CHECK(EtlRetryPatience(&policy, 429, 1) == 1000, "429");
	CHECK(EtlRetryPatience(&policy, 503, 2) == 2000, "503 again");
	CHECK(EtlRetryPatience(&policy, 429, 6) == 32000, "and again");
	CHECK(EtlRetryPatience(&policy, 429, 1000) == 60000, "for ever");
	CHECK(EtlRetryPatience(&policy, 500, 1) == ETL_NO_WAIT_ASKED, "500");
	policy.max_wait = 300;
	CHECK(EtlRetryPatience(&policy, 429, 1) == 300, "no longer than a server may ask for");
}

static void
test_status(void)
{
	static const int retried[] = {408, 425, 429, 500, 502, 503, 504};

	for (int status = 100; status < 600; status++)
	{
		bool expected = false;

		for (size_t i = 0; i < lengthof(retried); i++)
			expected |= status == retried[i];
		CHECK(EtlRetryStatus(status) == expected, "status %d", status);
	}
	CHECK(EtlRetryMethod("GET") && EtlRetryMethod("HEAD") && EtlRetryMethod("PUT"), "idempotent");
	CHECK(!EtlRetryMethod("POST") && !EtlRetryMethod("PATCH") && !EtlRetryMethod("get"), "not");
}

int
main(void)
{
	test_date();
	test_wait();
	test_decide();
	test_patience();
	test_status();
	return check_report("retry");
}
