/*
 * transitions.c
 *		What becomes of a scheduled pipeline: the one place where its state changes.
 *
 *		              a trigger calls         worker ordered
 *		   idle -----------------> waiting --------------------> running
 *		    ^  ^                      |                             |
 *		    |  +----------------------|-----------------------------+
 *		    |      its run has ended  |                             |
 *		    | etl_resume              | etl_pause                   | too many failures,
 *		    +-------- paused <--------+-----------------------------+ or etl_pause
 *
 * After a failure that may pass, a run is tried again before the schedule's next time, if that is far away: after
 * "retry", then twice that, and so on.  What comes more often than that is put off instead: from its second failure in
 * a row on, for 2, 4, 8 and then 10 of its intervals.  A continuous run is wanted at any time: after a failure it is tried
 * again after a second, then twice that, up to a minute; and a failure that may pass never pauses it.
 */
#include "etl.h"

#include "common/pg_prng.h"
#include "scheduler/transitions.h"
#include "scheduler/triggers.h"
#include "source/subtransaction.h"
#include "utils/memutils.h"

#define MOST_INTERVALS 10
#define LONGEST_RETRY (60 * 60 * USECS_PER_SEC)
#define FIRST_RETRY USECS_PER_SEC			  /* of a continuous run */
#define WITHOUT_SCHEDULE (60 * USECS_PER_SEC) /* the interval of a pipeline that has none */
#define SOON (200 * INT64CONST(1000))		  /* a process that ends is gone by then */

/* From each state, a bit for each that may follow. */
static const int may_follow[] = {
	[ETL_SCHEDULE_IDLE] = 1 << ETL_SCHEDULE_WAITING | 1 << ETL_SCHEDULE_PAUSED,
	[ETL_SCHEDULE_WAITING] =
		1 << ETL_SCHEDULE_RUNNING | 1 << ETL_SCHEDULE_PAUSED | 1 << ETL_SCHEDULE_IDLE,
	[ETL_SCHEDULE_RUNNING] =
		1 << ETL_SCHEDULE_IDLE | 1 << ETL_SCHEDULE_WAITING | 1 << ETL_SCHEDULE_PAUSED,
	[ETL_SCHEDULE_PAUSED] = 1 << ETL_SCHEDULE_IDLE,
};

static void
set_state(EtlDue *due, EtlScheduleState state)
{
	EtlScheduled *row = due->row;

	if (row->state == state)
		return;
	if ((may_follow[row->state] & 1 << state) == 0)
		elog(ERROR, "pipeline " INT64_FORMAT " cannot go from state %s to %s", row->pipeline,
			 EtlWordName(&EtlScheduleStateWords, row->state),
			 EtlWordName(&EtlScheduleStateWords, state));
	row->state = state;
	due->changed = true;
	if (state != ETL_SCHEDULE_WAITING)
		row->waiting_since = 0;
}

static void
pause_pipeline(EtlDue *due, const char *reason)
{
	due->row->reason = pstrdup(reason);
	due->disable = true;
	due->alert = "paused";
	due->changed = true;
	set_state(due, ETL_SCHEDULE_PAUSED);
}

/* ----------------------------------------------------------------
 *	Times
 * ---------------------------------------------------------------- */

TimestampTz
EtlDueTimeAfter(const EtlDue *due, TimestampTz after)
{
	TimestampTz next;

	if (due->row->schedule == NULL || !EtlNextRun(&due->schedule, due->zone, after, after, &next))
		return 0;
	return next;
}

/* An interval goes on counting from the time that was due. */
void
EtlDuePlan(EtlDue *due, TimestampTz now)
{
	EtlScheduled *row = due->row;
	TimestampTz anchor = row->next_run != 0 ? Min(row->next_run, now) : now;

	if (row->schedule == NULL ||
		!EtlNextRun(&due->schedule, due->zone, anchor, now, &row->next_run))
		row->next_run = 0;
	due->changed = true;
}

/* The first time of the schedule when the wait is over; an interval starts again there. */
static void
plan_behind_wait(EtlDue *due)
{
	EtlScheduled *row = due->row;

	row->next_run =
		due->schedule.interval > 0 ? row->not_before : EtlDueTimeAfter(due, row->not_before - 1);
}

/* Between the next two times of the schedule. */
static int64
interval_now(const EtlDue *due, TimestampTz now)
{
	TimestampTz first = EtlDueTimeAfter(due, now);
	TimestampTz second = first != 0 ? EtlDueTimeAfter(due, first) : 0;

	return second != 0 ? second - first : 0;
}

/* A part of a wait, so that what failed together is not tried again together. */
static int64
jitter(double wait)
{
	return (int64) (wait * (0.75 + 0.25 * pg_prng_double(&pg_global_prng_state)));
}

/* Delays the next automatic run: the more failures, the longer. */
static void
back_off(EtlDue *due, TimestampTz now)
{
	EtlScheduled *row = due->row;
	int64 interval = interval_now(due, now);
	int doublings = row->failures - (row->schedule != NULL ? 2 : 1);

	if (row->continuous)
		row->not_before =
			now + jitter(Min(FIRST_RETRY << Min(Max(doublings, 0), 10), WITHOUT_SCHEDULE));
	if (doublings < 0 || row->continuous)
		return;
	row->not_before = now + jitter((double) (interval > 0 ? interval : WITHOUT_SCHEDULE) *
								   (doublings < 3 ? 2 << doublings : MOST_INTERVALS));
	plan_behind_wait(due);
}

/* Plans another try before the schedule's next time; false: that comes soon enough. */
static bool
try_again(EtlDue *due, TimestampTz now)
{
	EtlScheduled *row = due->row;
	int64 retry = row->retry.ms * 1000;
	TimestampTz next = EtlDueTimeAfter(due, now);
	int64 interval = interval_now(due, now);
	int64 wait;

	if (retry == 0 || next == 0 || (interval > 0 && interval <= retry))
		return false;
	wait = jitter(
		Max(Min((double) retry * ((int64) 1 << Min(row->retries, 20)), LONGEST_RETRY), retry));
	row->retries++;
	if (now + wait < next)
		row->retry_at = now + wait;
	return true;
}

/* ----------------------------------------------------------------
 *	How a run has ended
 * ---------------------------------------------------------------- */

/* Whether what is the matter may be over when the run is tried again. */
static bool
may_pass(const char *sqlstate)
{
	static const char *const prefixes[] = {
		"080",	 /* no connection; 08P01 is a server that does not keep to its protocol */
		"40",	 /* serialization, deadlocks */
		"53",	 /* too few resources, and too many requests (429) */
		"55P03", /* a lock that was not to be had */
		"57P",	 /* the server was told to end */
		"58030", /* could not read; servers that fail (5xx) */
	};

	for (int i = 0; i < lengthof(prefixes); i++)
	{
		if (sqlstate != NULL && strncmp(sqlstate, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

static void
renew_triggers(EtlDue *due, TimestampTz now)
{
	for (int i = 0; i < EtlTriggerCount; i++)
	{
		if (EtlTriggers[i].renew != NULL)
			EtlTriggers[i].renew(due, now);
	}
}

/*
 * A run failed.  Of the attempts between two times of the schedule only the first counts as a failure.  told: the run
 * has sent its alert itself.
 */
static void
judge_failure(EtlDue *due, TimestampTz now, const char *reason, bool passing, bool told)
{
	EtlScheduled *row = due->row;

	if (row->run != 0 && row->run_flushed) /* it was well before */
		row->failures = 0;
	if (row->retries == 0)
		row->failures++;
	due->changed = true;
	due->alert = told ? NULL : "failed";
	renew_triggers(due, now);
	row->reason = pstrdup(reason);
	if (row->max_failures > 0 && row->failures >= row->max_failures &&
		!(row->continuous && passing))
		pause_pipeline(due, psprintf("%d failures in a row, the last: %s", row->failures, reason));
	else if (!passing || !try_again(due, now))
		back_off(due, now);
}

/*
 * Whether a run ended because its source asked for a wait, whose length its worker has written down: that is no
 * failure.
 */
static bool
was_parked(const EtlScheduled *row, TimestampTz now)
{
	return row->run_state == ETL_RUN_FAILED && row->not_before > now &&
		   strcmp(row->run_sqlstate, unpack_sql_state(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED)) == 0;
}

/* It is tried again when its source may be asked, or at the schedule's first time from then on. */
static void
park(EtlDue *due)
{
	EtlScheduled *row = due->row;

	row->reason = row->run_message;
	if (row->retry.ms > 0 && row->schedule != NULL)
		row->retry_at = row->not_before;
	plan_behind_wait(due);
}

/* Somebody wanted it to end, but what called for it may call again at once: not before its next time, or for a while. */
static void
put_off(EtlDue *due, TimestampTz now)
{
	EtlScheduled *row = due->row;
	TimestampTz next = EtlDueTimeAfter(due, now);

	renew_triggers(due, now);
	row->not_before = now + jitter(2.0 * WITHOUT_SCHEDULE);
	if (next != 0)
		row->not_before = Min(row->not_before, next);
}

static void
judge_run(EtlDue *due, TimestampTz now)
{
	EtlScheduled *row = due->row;

	switch (row->run_state)
	{
		case ETL_RUN_SUCCEEDED:
			row->failures = row->retries = 0;
			row->not_before = row->retry_at = 0;
			row->reason = NULL;
			break;
		case ETL_RUN_STOPPED: /* it goes on where it was */
			row->next_run = Min(row->next_run != 0 ? row->next_run : now, now);
			renew_triggers(due, now);
			break;
		case ETL_RUN_CANCELLED:
			put_off(due, now);
			break;
		case ETL_RUN_RUNNING:
			judge_failure(due, now, "the worker died", true, false);
			break;
		case ETL_RUN_FAILED:
		case ETL_RUN_CRASHED:
			if (was_parked(row, now))
				park(due);
			else
				judge_failure(due, now,
							  row->run_message != NULL ? row->run_message : "the worker died",
							  row->run_state == ETL_RUN_CRASHED || may_pass(row->run_sqlstate),
							  row->run_state == ETL_RUN_FAILED);
			break;
	}
}

/* What its latest run has come to; without any, its worker died before there was one. */
static void
judge(EtlDue *due, TimestampTz now)
{
	EtlScheduled *row = due->row;

	set_state(due, row->state == ETL_SCHEDULE_RUNNING ? ETL_SCHEDULE_IDLE : row->state);
	due->changed = true;
	if (row->run == 0)
		judge_failure(due, now, "the worker ended before the run began; the server's log tells why",
					  true, false);
	else
		judge_run(due, now);
	row->last_run = Max(row->last_run, row->run);
}

/* ----------------------------------------------------------------
 *	Becoming due
 * ---------------------------------------------------------------- */

static void
parse_schedule(void *arg)
{
	EtlDue *due = arg;

	EtlParseSchedule(due->row->schedule, &due->schedule);
	due->zone = EtlFindTimeZone(due->row->timezone);
}

/* The text was checked when it was given, but a time zone may have gone since. */
static bool
read_schedule(EtlDue *due)
{
	EtlScheduled *row = due->row;
	ErrorData *error;

	if (row->schedule == NULL)
		return true;
	error = EtlInSubtransaction(parse_schedule, due, CurrentMemoryContext);
	if (error == NULL)
		return true;
	row->reason = error->message;
	row->schedule = NULL;
	return false;
}

typedef void (*Act)(EtlDue *due, TimestampTz now);

/* Lets each trigger that calls at this moment act, by the function at an offset of its row. */
static void
act(EtlDue *due, TimestampTz now, size_t offset)
{
	for (int i = 0; i < EtlTriggerCount; i++)
	{
		TimestampTz at = EtlTriggers[i].calls_at(due, now);
		Act function = *(const Act *) ((const char *) &EtlTriggers[i] + offset);

		if (at != 0 && at <= now && function != NULL)
			function(due, now);
	}
}

/* Since when some trigger calls; 0: none does. */
static TimestampTz
called_since(const EtlDue *due, TimestampTz now)
{
	TimestampTz since = 0;

	for (int i = 0; i < EtlTriggerCount; i++)
	{
		TimestampTz at = EtlTriggers[i].calls_at(due, now);

		if (at != 0 && at <= now)
			since = since != 0 ? Min(since, at) : at;
	}
	return since;
}

/* What calls while it runs or waits for a worker already is passed over. */
static void
come_due(EtlDue *due, TimestampTz now)
{
	TimestampTz since = called_since(due, now);

	if (due->alive || due->row->state == ETL_SCHEDULE_WAITING)
		act(due, now, offsetof(EtlTrigger, pass));
	else if (since != 0 && due->row->not_before <= now)
	{
		set_state(due, ETL_SCHEDULE_WAITING);
		due->row->waiting_since = since;
		act(due, now, offsetof(EtlTrigger, wait));
	}
}

/* Why "after" will never start it. */
static void
look_for_block(EtlDue *due)
{
	EtlScheduled *row = due->row;
	char *blocked = NULL;

	if (row->after_missing != NULL)
		blocked =
			psprintf("it runs after pipeline \"%s\", which does not exist", row->after_missing);
	else if (due->circle)
		blocked = pstrdup("pipelines that it runs after wait for each other");
	if (blocked == NULL ? row->blocked == NULL
						: row->blocked != NULL && strcmp(blocked, row->blocked) == 0)
		return;
	if (blocked != NULL)
		due->alert = "blocked";
	row->blocked = blocked;
	due->changed = true;
}

static void
resume(EtlDue *due)
{
	EtlScheduled *row = due->row;

	set_state(due, ETL_SCHEDULE_IDLE);
	row->failures = row->retries = 0;
	row->not_before = row->next_run = row->retry_at = row->files_at = 0;
	row->reason = NULL;
}

void
EtlDueAdvance(EtlDue *due, TimestampTz now)
{
	EtlScheduled *row = due->row;
	TimestampTz first;

	if (row->is_copy)
	{
		set_state(due, ETL_SCHEDULE_PAUSED);
		return;
	}
	if (!read_schedule(due) && row->enabled)
	{
		pause_pipeline(due, row->reason);
		return;
	}
	if (!due->alive && (row->state == ETL_SCHEDULE_RUNNING || row->run != 0))
		judge(due, now);
	if (!row->enabled)
	{
		set_state(due, ETL_SCHEDULE_PAUSED);
		return;
	}
	if (row->state == ETL_SCHEDULE_PAUSED && !due->disable)
		resume(due);
	look_for_block(due);
	first = EtlDueTimeAfter(due, now);
	if (row->next_run == 0 ? first != 0 : row->not_before < now && row->next_run > first)
		EtlDuePlan(due, now); /* it is new, or the clock was put back */
	if (row->state != ETL_SCHEDULE_PAUSED)
		come_due(due, now);
}

/* ----------------------------------------------------------------
 *	With a worker, or without
 * ---------------------------------------------------------------- */

void
EtlDueBegin(EtlDue *due, TimestampTz now)
{
	due->was_since = due->row->waiting_since;
	set_state(due, ETL_SCHEDULE_RUNNING);
	act(due, now, offsetof(EtlTrigger, answer));
}

void
EtlDuePutBack(EtlDue *due)
{
	set_state(due, ETL_SCHEDULE_WAITING);
	due->row->waiting_since = due->was_since;
}

void
EtlDueRefuse(EtlDue *due, TimestampTz now, const char *reason)
{
	set_state(due, ETL_SCHEDULE_IDLE);
	due->row->files_at = 0;
	due->row->retry_at = 0;
	EtlDuePlan(due, now);
	judge_failure(due, now, reason, false, false);
}

TimestampTz
EtlDueNext(const EtlDue *due, TimestampTz now, TimestampTz latest)
{
	const EtlScheduled *row = due->row;

	if (due->unsure && row->state != ETL_SCHEDULE_RUNNING)
		latest = Min(latest, now + SOON);
	if (row->state == ETL_SCHEDULE_PAUSED || row->state == ETL_SCHEDULE_WAITING)
		return latest;
	for (int i = 0; i < EtlTriggerCount; i++)
	{
		TimestampTz at = EtlTriggers[i].calls_at(due, now);

		if (at > now)
			latest = Min(latest, at);
	}
	return row->not_before > now ? Min(latest, row->not_before) : latest;
}
