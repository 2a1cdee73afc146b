/*
 * schedule.c
 *		When a schedule comes next.
 *
 * Civil time in a zone is a row of stretches, each with one offset from UTC.  Within a stretch the next
 * time of a cron schedule is a matter of the calendar; what is special lies where one ends:
 *
 * - The clock is put forward.  The times that it leaps over do not exist that day; a schedule that has some
 *	 of them comes once instead, at the moment after the gap.  (A load at 02:30 each night is not left out
 *	 for a night.)
 * - The clock is put back.  The times that come again are left out: a load at 02:30 each night comes once.
 *	 Only a schedule for every hour goes on through them, or it would stop for an hour.
 *
 * That is how cron has long done it, but for a schedule of every hour: there cron leaves out what a gap
 * swallows.  An interval is a length of time and knows neither calendar nor zone.
 */
#include "etl.h"

#include "common/int.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pipeline/schedule.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#define EVERY_HOUR ((1U << HOURS_PER_DAY) - 1)
#define EPOCH_SHIFT ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY)
#define UNIX_END (END_TIMESTAMP / USECS_PER_SEC + EPOCH_SHIFT)

/* No change of a clock has made more of a day come again. */
#define LONGEST_REPEAT (2 * SECS_PER_DAY)

static int64
floor_div(int64 dividend, int64 divisor)
{
	return dividend / divisor - (dividend % divisor < 0);
}

static bool
has_day(const EtlSchedule *schedule, int jday, int day)
{
	bool by_month = (schedule->days >> day & 1) != 0;
	bool by_week = (schedule->weekdays >> j2day(jday) & 1) != 0;

	return schedule->either_day ? by_month || by_week : by_month && by_week;
}

/* The first minute of a day from this one on; -1: none. */
static int
minute_from(const EtlSchedule *schedule, int minute)
{
	for (; minute < HOURS_PER_DAY * MINS_PER_HOUR; minute++)
	{
		if ((schedule->hours >> (minute / MINS_PER_HOUR) & 1) != 0 &&
			(schedule->minutes >> (minute % MINS_PER_HOUR) & 1) != 0)
			return minute;
	}
	return -1;
}

/*
 * The first time of the schedule at or behind "from" and before "limit", if there is one.  All are seconds since 1970
 * on the clock of the zone.
 */
static bool
find_local(const EtlSchedule *schedule, int64 from, int64 limit, int64 *found)
{
	int64 day = floor_div(from, SECS_PER_DAY);
	int minute = (from - day * SECS_PER_DAY + SECS_PER_MINUTE - 1) / SECS_PER_MINUTE;

	while (day * SECS_PER_DAY < limit)
	{
		int jday = day + UNIX_EPOCH_JDATE;
		int year, month, mday;

		CHECK_FOR_INTERRUPTS();
		j2date(jday, &year, &month, &mday);
		if ((schedule->months >> month & 1) == 0)
			day = date2j(year, month + 1, 1) - UNIX_EPOCH_JDATE;
		else
		{
			minute = has_day(schedule, jday, mday) ? minute_from(schedule, minute) : -1;
			if (minute >= 0)
			{
				*found = day * SECS_PER_DAY + minute * SECS_PER_MINUTE;
				return *found < limit;
			}
			day++;
		}
		minute = 0;
	}
	return false;
}

/* The same in UTC, from stretch to stretch. */
static bool
find_cron(const EtlSchedule *schedule, const pg_tz *zone, int64 from, int64 *found)
{
	pg_time_t begin = from - LONGEST_REPEAT;
	int64 seen = PG_INT64_MIN; /* on the clock, all before this has been */

	for (;;)
	{
		long offset = 0, next_offset = 0;
		int dst, next_dst;
		pg_time_t end;
		int64 local;
		int64 first;

		CHECK_FOR_INTERRUPTS();
		if (pg_next_dst_boundary(&begin, &offset, &dst, &end, &next_offset, &next_dst, zone) <= 0)
		{
			end = UNIX_END;
			next_offset = offset;
		}
		first = Max(begin, from) + offset;
		if (schedule->hours != EVERY_HOUR)
			first = Max(first, seen);
		if (end > from && find_local(schedule, first, end + Max(offset, next_offset), &local))
		{
			*found = Min(local - offset, end); /* what lies in a gap comes at its end */
			return *found < UNIX_END;
		}
		if (end >= UNIX_END)
			return false;
		seen = Max(seen, end + offset);
		begin = end;
	}
}

bool
EtlNextRun(const EtlSchedule *schedule, pg_tz *zone, TimestampTz anchor, TimestampTz after,
		   TimestampTz *next)
{
	int64 found;

	if (schedule->interval > 0)
	{
		int64 times = after < anchor ? 1 : floor_div(after - anchor, schedule->interval) + 1;

		if (pg_mul_s64_overflow(times, schedule->interval, &found) ||
			pg_add_s64_overflow(anchor, found, next))
			return false;
		return IS_VALID_TIMESTAMP(*next);
	}
	if (!find_cron(schedule, zone, floor_div(after, USECS_PER_SEC) + EPOCH_SHIFT + 1, &found))
		return false;
	*next = (found - EPOCH_SHIFT) * USECS_PER_SEC;
	return true;
}

pg_tz *
EtlFindTimeZone(const char *name)
{
	pg_tz *zone = name == NULL ? session_timezone : pg_tzset(name);

	if (zone == NULL || !pg_tz_acceptable(zone))
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("time zone \"%s\" does not exist",
					   pnstrdup(name, pg_mbcliplen(name, strlen(name), TZ_STRLEN_MAX))),
				errhint("The view pg_timezone_names lists those that do."));
	return zone;
}

/* -- etl_next_runs ---------------------------------------------------------------------------- */

typedef struct Preview
{
	EtlSchedule schedule;
	pg_tz *zone;
	TimestampTz last;
} Preview;

static Preview *
begin_preview(FunctionCallInfo fcinfo)
{
	Preview *preview = palloc0(sizeof(Preview));

	EtlParseSchedule(text_to_cstring(PG_GETARG_TEXT_PP(0)), &preview->schedule);
	preview->zone = EtlFindTimeZone(PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)));
	preview->last = PG_GETARG_TIMESTAMPTZ(3);
	if (TIMESTAMP_NOT_FINITE(preview->last))
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("cannot count runs from an infinite time"));
	return preview;
}

PG_FUNCTION_INFO_V1(etl_next_runs);
Datum
etl_next_runs(PG_FUNCTION_ARGS)
{
	FuncCallContext *context;
	Preview *preview;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		context = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(context->multi_call_memory_ctx);
		if (!PG_ARGISNULL(0) && !PG_ARGISNULL(2) && !PG_ARGISNULL(3))
		{
			context->user_fctx = begin_preview(fcinfo);
			context->max_calls = Max(PG_GETARG_INT32(2), 0);
		}
		MemoryContextSwitchTo(old);
	}

	context = SRF_PERCALL_SETUP();
	preview = context->user_fctx;
	if (context->call_cntr < context->max_calls &&
		EtlNextRun(&preview->schedule, preview->zone, preview->last, preview->last, &preview->last))
		SRF_RETURN_NEXT(context, TimestampTzGetDatum(preview->last));
	SRF_RETURN_DONE(context);
}
