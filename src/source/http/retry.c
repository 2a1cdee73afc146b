/*
 * retry.c
 *		Whether a failed request is asked again, and how long to wait before that.
 *
 * The back-off doubles from 100 ms to 5 s and is drawn evenly from zero to that ("full jitter"), so that
 * many sessions that failed at the same moment do not come back at the same moment.  What a server asks for
 * (Retry-After) is waited in full, and the jitter comes on top of it, for the same reason.  A server that is asked too much
 * (429, 503) and does not say for how long is given a second, then two, and so on.
 */
#include "etl.h"

#include "source/http/retry.h"

#define BACKOFF_BASE 100
#define BACKOFF_CAP 5000
#define PATIENCE_BASE 1000

/* A number from which on it is a time and no longer a wait: in seconds, and in milliseconds. */
#define FIRST_EPOCH_S INT64CONST(1000000000)
#define FIRST_EPOCH_MS INT64CONST(1000000000000)

/* Seconds in a header are cut here, far beyond any wait or date, so that nothing overflows. */
#define MAX_NUMBER INT64CONST(1000000000000000)

bool
EtlRetryStatus(int status)
{
	switch (status)
	{
		case 408: /* Request Timeout */
		case 425: /* Too Early */
		case 429: /* Too Many Requests */
		case 500:
		case 502:
		case 503:
		case 504:
			return true;
		default:
			return false;
	}
}

bool
EtlRetryFault(EtlHttpFault fault)
{
	switch (fault)
	{
		case ETL_HTTP_UNRESOLVED:
		case ETL_HTTP_UNREACHABLE:
		case ETL_HTTP_NO_TLS:
		case ETL_HTTP_TIMED_OUT:
		case ETL_HTTP_DROPPED:
			return true;
		case ETL_HTTP_OK:
		case ETL_HTTP_FORBIDDEN:
		case ETL_HTTP_UNTRUSTED:
		case ETL_HTTP_MALFORMED:
		case ETL_HTTP_INTERNAL:
			return false;
	}
	return false;
}

bool
EtlRetryMethod(const char *method)
{
	static const char *const idempotent[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"};

	for (size_t i = 0; i < lengthof(idempotent); i++)
	{
		if (strcmp(method, idempotent[i]) == 0)
			return true;
	}
	return false;
}

static int64
backoff(int attempt, double random)
{
	int64 most = BACKOFF_BASE;

	for (int i = 1; i < attempt && most < BACKOFF_CAP; i++)
		most *= 2;
	return (int64) ((double) Min(most, BACKOFF_CAP) * random);
}

int64
EtlRetryPatience(const EtlRetryPolicy *policy, int status, int attempt)
{
	int64 wait = PATIENCE_BASE;

	if (status != 429 && status != 503)
		return ETL_NO_WAIT_ASKED;
	for (int i = 1; i < attempt && wait < policy->max_wait; i++)
		wait *= 2;
	return Min(wait, policy->max_wait);
}

EtlRetryVerdict
EtlRetryDecide(const EtlRetryPolicy *policy, int attempt, int64 elapsed, int64 asked, double random,
			   int64 *wait)
{
	*wait = backoff(attempt, random) + Max(asked, 0);
	if (asked > policy->max_wait)
		return ETL_RETRY_TOO_LONG;
	if (attempt >= policy->max_attempts)
		return ETL_RETRY_NO_ATTEMPT_LEFT;
	if (elapsed + *wait > policy->budget)
		return ETL_RETRY_NO_TIME_LEFT;
	return ETL_RETRY_AGAIN;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar, counted in years that begin in March. */
static int64
days_from_date(int year, int month, int day)
{
	int64 y = month <= 2 ? year - 1 : year;
	int64 era = y / 400;
	int64 year_of_era = y - era * 400;
	int64 day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64 day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

static int
month_number(const char *name)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int month = 0; month < 12; month++)
	{
		if (strncmp(names + 3 * month, name, 3) == 0)
			return month + 1;
	}
	return 0;
}

/* A year of two digits is in this century unless that is more than 50 years ahead (RFC 9110). */
static int
full_year(int year, int64 now)
{
	int this_year = 1970 + (int) (now / 1000 / 31556952);

	year += this_year - this_year % 100;
	return year > this_year + 50 ? year - 100 : year;
}

bool
EtlRetryParseDate(const char *value, int64 now, int64 *time)
{
	char name[4] = "";
	int day;
	int year;
	int hour;
	int minute;
	int second;
	int end = 0;
	int month;

	/* Sun, 06 Nov 1994 08:49:37 GMT */
	if (sscanf(value, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &day, name, &year, &hour,
			   &minute, &second, &end) != 6 ||
		end == 0)
	{
		/* Sunday, 06-Nov-94 08:49:37 GMT */
		if (sscanf(value, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", &day, name, &year,
				   &hour, &minute, &second, &end) == 6 &&
			end != 0)
			year = full_year(year, now);
		/* Sun Nov  6 08:49:37 1994 */
		else if (sscanf(value, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", name, &day, &hour,
						&minute, &second, &year, &end) != 6 ||
				 end == 0)
			return false;
	}
	month = month_number(name);
	if (value[end] != '\0' || month == 0 || day < 1 || day > 31 || year < 1970 || hour < 0 ||
		hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
		return false;
	*time = (((days_from_date(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000;
	return true;
}

/*
 * Reads digits with an optional fraction, in thousandths, a finer fraction rounded up: nobody comes back
 * a moment too early.  Returns where the number ended, NULL if there is none.
 */
static const char *
parse_number(const char *p, int64 *thousandths)
{
	int64 whole = 0;
	int64 fraction = 0;
	int scale = 1000;
	bool finer = false;

	if (*p < '0' || *p > '9')
		return NULL;
	for (; *p >= '0' && *p <= '9'; p++)
		whole = Min(whole * 10 + (*p - '0'), MAX_NUMBER);
	if (*p == '.')
	{
		for (p++; *p >= '0' && *p <= '9'; p++)
		{
			if (scale > 1)
			{
				scale /= 10;
				fraction += (*p - '0') * scale;
			}
			else if (*p != '0')
				finer = true;
		}
	}
	*thousandths = whole * 1000 + fraction + (finer ? 1 : 0);
	return p;
}

static EtlWaitKind
kind_by_magnitude(int64 thousandths)
{
	if (thousandths >= FIRST_EPOCH_MS * 1000)
		return ETL_WAIT_EPOCH_MS;
	if (thousandths >= FIRST_EPOCH_S * 1000)
		return ETL_WAIT_EPOCH_S;
	return ETL_WAIT_DELTA;
}

bool
EtlRetryParseWait(const char *value, EtlWaitKind kind, const char *date, int64 now, int64 *wait)
{
	int64 number = 0;
	int64 server_now = now;
	const char *end = kind == ETL_WAIT_DATE ? NULL : parse_number(value, &number);

	/*
	 * The Date header has no fraction, so the server's clock is at or after what it says, and a wait
	 * counted from it is not too short.
	 */
	if (date && !EtlRetryParseDate(date, now, &server_now))
		server_now = now;

	if (!end)
	{
		if (kind != ETL_WAIT_AUTO && kind != ETL_WAIT_DATE)
			return false;
		if (!EtlRetryParseDate(value, now, &number))
			return false;
		*wait = Max(number - server_now, 0);
		return true;
	}
	if (end[0] == 's' && end[1] == '\0')
		kind = ETL_WAIT_DELTA;
	else if (*end != '\0')
		return false;
	if (kind == ETL_WAIT_AUTO)
		kind = kind_by_magnitude(number);
	if (kind == ETL_WAIT_DELTA)
		*wait = number;
	else if (kind == ETL_WAIT_EPOCH_S)
		*wait = Max(number - server_now, 0);
	else
		*wait = Max((number + 999) / 1000 - server_now, 0);
	return true;
}
