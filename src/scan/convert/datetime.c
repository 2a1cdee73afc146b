/*
 * datetime.c
 *		date, timestamp and timestamptz.
 *
 * Canonical forms, nothing around them:
 *
 *		date			YYYY-MM-DD
 *		timestamp(tz)	YYYY-MM-DD[(T| )HH:MM[:SS[.ffffff]][Z|+HH|+HHMM|+HH:MM]]
 *
 * with a year from 0001 to 9999, hours to 23, seconds to 59, 1 to 6 digits of fraction and never
 * more than the typmod keeps (so that nothing is rounded), and an offset, east (+) or west (-),
 * below 16 hours.  All else, from 24:00:00, leap seconds, BC and names of zones and months to 'now'
 * and 'infinity', is left to the input function.
 *
 * Why no setting changes what these mean (datetime.c):
 * - DecodeNumber takes a first date field of three or more digits for the year and then expects
 *   month and day, whatever DateStyle says; IntervalStyle is not looked at.
 * - A fraction of up to 6 digits comes out of strtod, times 10^6 and rint, as those very digits.
 * - The letters are not constants: the list of time zone abbreviations (timezone_abbreviations, and
 *   from version 18 the session's zone) is asked before the keywords, and Z is known only from
 *   there.  Every list that comes with PostgreSQL has Z as UTC and no T, but a list is a file that
 *   anybody may write. letters_mean_iso() asks, when a scan looks for its converters.
 * - A timestamp checks its offset and then forgets it.  A timestamptz without one is local time of
 *   the session's TimeZone; DetermineTimeZoneOffset says what that means, also where clocks jump.
 *
 * Day numbers (date2j), the lengths of months (day_tab) and leap years (isleap) are PostgreSQL's
 * own.
 */
#include "etl.h"

#include "pgtime.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "scan/convert/digits.h"
#include "scan/convert/types.h"

#define DATE_LEN 10	  /* YYYY-MM-DD */
#define MINUTES_LEN 5 /* HH:MM */
#define SECONDS_LEN 8 /* HH:MM:SS */

/* A word as load_eight() gives it: byte c at place i of the text. */
#define AT(i, c) ((uint64) (unsigned char) (c) << (8 * (i)))

/* Reads YYYY-MM-DD. */
static inline bool
parse_date(const char *s, struct pg_tm *tm)
{
	uint64 word = load_eight(s);
	uint32 number;

	if ((word & (AT(4, 0xFF) | AT(7, 0xFF))) != (AT(4, '-') | AT(7, '-')))
		return false;

	/* close the gaps: YYYYMMDD */
	word = (word & UINT64CONST(0xFFFFFFFF)) | ((word >> 8) & (AT(4, 0xFF) | AT(5, 0xFF))) |
		   AT(6, s[8]) | AT(7, s[9]);
	if (!eight_digits(word, &number))
		return false;

	tm->tm_year = number / 10000;
	tm->tm_mon = number / 100 % 100;
	tm->tm_mday = number % 100;
	return tm->tm_year >= 1 && tm->tm_mon >= 1 && tm->tm_mon <= MONTHS_PER_YEAR &&
		   tm->tm_mday >= 1 && tm->tm_mday <= day_tab[isleap(tm->tm_year)][tm->tm_mon - 1];
}

/* Reads HH:MM:SS. */
static inline bool
parse_seconds(const char *s, struct pg_tm *tm)
{
	uint64 word = load_eight(s);
	uint32 number;

	if ((word & (AT(2, 0xFF) | AT(5, 0xFF))) != (AT(2, ':') | AT(5, ':')))
		return false;

	/* close the gaps: 00HHMMSS */
	word = AT(0, '0') | AT(1, '0') | (word & 0xFFFF) << 16 | (word >> 24 & 0xFFFF) << 32 |
		   (word >> 48) << 48;
	if (!eight_digits(word, &number))
		return false;

	tm->tm_hour = number / 10000;
	tm->tm_min = number / 100 % 100;
	tm->tm_sec = number % 100;
	return tm->tm_hour < HOURS_PER_DAY && tm->tm_min < MINS_PER_HOUR &&
		   tm->tm_sec < SECS_PER_MINUTE;
}

/* Reads the digits behind the point, at most as many as the typmod keeps, as microseconds. */
static inline bool
parse_fraction(const char **p, const char *end, int32 typmod, fsec_t *fsec)
{
	static const int unit[MAX_TIMESTAMP_PRECISION + 1] = {1000000, 100000, 10000, 1000, 100, 10, 1};
	int max = typmod < 0 ? MAX_TIMESTAMP_PRECISION : typmod;
	const char *start = *p;
	uint64 number = 0;
	int n;

	*p = scan_digits(start, end, &number);
	n = *p - start;
	if (n < 1 || n > Min(max, MAX_TIMESTAMP_PRECISION))
		return false;
	*fsec = (fsec_t) number * unit[n];
	return true;
}

/* Reads HH:MM[:SS[.ffffff]], up to what cannot be part of it. */
static inline bool
parse_time(const char **p, const char *end, int32 typmod, struct pg_tm *tm, fsec_t *fsec)
{
	const char *s = *p;
	char minutes[SECONDS_LEN] = {'?', '?', '?', '?', '?', ':', '0', '0'};

	if (end - s >= SECONDS_LEN && s[MINUTES_LEN] == ':')
	{
		*p += SECONDS_LEN;
		if (!parse_seconds(s, tm))
			return false;
		if (*p == end || **p != '.')
			return true;
		(*p)++;
		return parse_fraction(p, end, typmod, fsec);
	}

	if (end - s < MINUTES_LEN)
		return false;
	memcpy(minutes, s, MINUTES_LEN);
	*p += MINUTES_LEN;
	return parse_seconds(minutes, tm);
}

/* Reads the date and the time of day of a timestamp, up to what cannot be part of it. */
static inline bool
parse_local_time(const char **p, const char *end, int32 typmod, struct pg_tm *tm, fsec_t *fsec)
{
	if (end - *p < DATE_LEN || !parse_date(*p, tm))
		return false;
	*p += DATE_LEN;

	tm->tm_hour = tm->tm_min = tm->tm_sec = 0;
	*fsec = 0;
	if (*p == end)
		return true;

	if (**p != ' ' && **p != 'T')
		return false;
	(*p)++;
	return parse_time(p, end, typmod, tm, fsec);
}

static inline bool
parse_two_digits(const char *s, int *value)
{
	*value = (s[0] - '0') * 10 + (s[1] - '0');
	return is_digit(s[0]) && is_digit(s[1]);
}

/* Reads Z, +HH, +HHMM or +HH:MM, as seconds west of Greenwich, which is PostgreSQL's way. */
static inline bool
parse_offset(const char *p, const char *end, int *west)
{
	int hours;
	int minutes = 0;
	bool eastern = *p == '+';

	*west = 0;
	if (*p == 'Z')
		return end - p == 1;

	if ((*p != '+' && *p != '-') || end - p < 3 || !parse_two_digits(p + 1, &hours))
		return false;
	p += 3;
	if (end - p == 3 && *p == ':')
		p++;
	if (p != end && (end - p != 2 || !parse_two_digits(p, &minutes)))
		return false;
	if (hours > MAX_TZDISP_HOUR || minutes >= MINS_PER_HOUR)
		return false;

	*west = (hours * MINS_PER_HOUR + minutes) * SECS_PER_MINUTE;
	if (eastern)
		*west = -*west;
	return true;
}

/* Years of four digits are far from the ends of the range, whatever the offset. */
static inline Timestamp
make_timestamp(const struct pg_tm *tm, fsec_t fsec, int west)
{
	int64 days = date2j(tm->tm_year, tm->tm_mon, tm->tm_mday) - POSTGRES_EPOCH_JDATE;
	int seconds = (tm->tm_hour * MINS_PER_HOUR + tm->tm_min) * SECS_PER_MINUTE + tm->tm_sec;

	return days * USECS_PER_DAY + (seconds + west) * USECS_PER_SEC + fsec;
}

bool
EtlConvertDate(const char *s, size_t len, int32 typmod, Datum *value)
{
	struct pg_tm tm;

	if (len != DATE_LEN || !parse_date(s, &tm))
		return false;
	*value = DateADTGetDatum(date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE);
	return true;
}

static bool
convert_timestamp(const char *s, size_t len, int32 typmod, Datum *value)
{
	const char *end = s + len;
	struct pg_tm tm;
	fsec_t fsec;
	int ignored;

	if (!parse_local_time(&s, end, typmod, &tm, &fsec))
		return false;
	if (s != end && !parse_offset(s, end, &ignored))
		return false;
	*value = TimestampGetDatum(make_timestamp(&tm, fsec, 0));
	return true;
}

static bool
convert_timestamptz(const char *s, size_t len, int32 typmod, Datum *value)
{
	const char *end = s + len;
	struct pg_tm tm;
	fsec_t fsec;
	int west;

	if (!parse_local_time(&s, end, typmod, &tm, &fsec))
		return false;
	if (s == end)
		west = DetermineTimeZoneOffset(&tm, session_timezone);
	else if (!parse_offset(s, end, &west))
		return false;
	*value = TimestampTzGetDatum(make_timestamp(&tm, fsec, west));
	return true;
}

/* Whether T is no time zone abbreviation in this session and Z is the one of UTC. */
static bool
letters_mean_iso(void)
{
	int type;
	int offset;
	pg_tz *tz;

	EtlDecodeTimezoneAbbrev("t", &type, &offset, &tz);
	if (type != UNKNOWN_FIELD)
		return false;
	EtlDecodeTimezoneAbbrev("z", &type, &offset, &tz);
	return type == TZ && offset == 0;
}

EtlFastConverter
EtlTimestampConverter(void)
{
	return letters_mean_iso() ? convert_timestamp : NULL;
}

EtlFastConverter
EtlTimestampTzConverter(void)
{
	return letters_mean_iso() ? convert_timestamptz : NULL;
}
