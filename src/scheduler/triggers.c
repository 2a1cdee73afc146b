/*
 * triggers.c
 *		What makes a pipeline run: its times, another try, files, other pipelines, or nothing but that it is to run always.
 *
 * Each is a row of EtlTriggers.  A new one is a row there, a row of ETL_SCHEDULE_OPTIONS and one of ETL_TRIGGER_TIMES
 * (pipeline/catalog/schedules.h), and columns and arguments of these names in the SQL script.
 */
#include "etl.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "scheduler/triggers.h"
#include "utils/hsearch.h"

/* Times of a schedule that are counted one by one at most. */
#define MOST_COUNTED 10000

/* ----------------------------------------------------------------
 *	Its times
 * ---------------------------------------------------------------- */

static TimestampTz
time_calls_at(const EtlDue *due, TimestampTz now)
{
	return due->row->next_run;
}

static void
time_wait(EtlDue *due, TimestampTz now)
{
	due->row->retries = 0;
	due->row->retry_at = 0;
	EtlDuePlan(due, now);
}

/* How many times there were, from the planned one until now. */
static int64
count_times(const EtlDue *due, TimestampTz now)
{
	TimestampTz time = due->row->next_run;
	int64 n = 0;

	if (due->schedule.interval > 0)
		return (now - time) / due->schedule.interval + 1;
	for (; time != 0 && time <= now && n < MOST_COUNTED; n++)
	{
		CHECK_FOR_INTERRUPTS();
		time = EtlDueTimeAfter(due, time);
	}
	return n;
}

static void
time_pass(EtlDue *due, TimestampTz now)
{
	due->row->skipped += count_times(due, now);
	EtlDuePlan(due, now);
}

/* ----------------------------------------------------------------
 *	Another try
 * ---------------------------------------------------------------- */

static TimestampTz
retry_calls_at(const EtlDue *due, TimestampTz now)
{
	return due->row->retry_at;
}

static void
retry_answer(EtlDue *due, TimestampTz now)
{
	due->row->retry_at = 0;
}

/* ----------------------------------------------------------------
 *	Files that it watches
 * ---------------------------------------------------------------- */

static TimestampTz
files_call_at(const EtlDue *due, TimestampTz now)
{
	return due->row->watch ? due->row->files_at : 0;
}

static void
files_answer(EtlDue *due, TimestampTz now)
{
	due->row->files_at = 0;
}

/* What was to be read is still there to be read, and nothing else will call for it. */
static void
files_renew(EtlDue *due, TimestampTz now)
{
	if (due->row->watch && due->row->schedule == NULL)
		due->row->files_at = now;
}

/* ----------------------------------------------------------------
 *	Pipelines that it runs after
 * ---------------------------------------------------------------- */

/* It is seen from their runs and its own, so it needs no answer. */
static TimestampTz
after_calls_at(const EtlDue *due, TimestampTz now)
{
	return due->row->after_ready ? now : 0;
}

/* A pipeline that runs after others, by its name. */
typedef struct Waiter
{
	const char *name;
	EtlDue *due;
	int pending;	 /* those it runs after of which it is not known that they get their turn */
	List *followers; /* of Waiter * */
} Waiter;

static uint32
hash_name(const void *key, Size size)
{
	const char *name = *(const char *const *) key;

	return hash_bytes((const unsigned char *) name, (int) strlen(name));
}

static int
compare_names(const void *a, const void *b, Size size)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static HTAB *
make_waiters(List *dues)
{
	HASHCTL info = {.keysize = sizeof(char *),
					.entrysize = sizeof(Waiter),
					.hash = hash_name,
					.match = compare_names,
					.hcxt = CurrentMemoryContext};
	HTAB *waiters = hash_create("etl pipelines that run after others", 64, &info,
								HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	ListCell *lc;

	foreach (lc, dues)
	{
		EtlDue *due = lfirst(lc);
		Waiter *waiter;

		if (due->row->after == NIL)
			continue;
		waiter = hash_search(waiters, &due->row->name, HASH_ENTER, NULL);
		waiter->due = due;
		waiter->pending = 0;
		waiter->followers = NIL;
	}
	return waiters;
}

/* Removes, repeatedly, the pipelines that wait for none of the others; those that are left wait in circles. */
void
EtlFindCircles(List *dues)
{
	HTAB *waiters = make_waiters(dues);
	List *ready = NIL;
	HASH_SEQ_STATUS scan;
	Waiter *waiter;
	ListCell *lc;

	hash_seq_init(&scan, waiters);
	while ((waiter = hash_seq_search(&scan)) != NULL)
	{
		foreach (lc, waiter->due->row->after)
		{
			const char *name = lfirst(lc);
			Waiter *other = hash_search(waiters, &name, HASH_FIND, NULL);

			if (other == NULL)
				continue;
			other->followers = lappend(other->followers, waiter);
			waiter->pending++;
		}
		if (waiter->pending == 0)
			ready = lappend(ready, waiter);
	}
	for (int i = 0; i < list_length(ready); i++)
	{
		CHECK_FOR_INTERRUPTS();
		foreach (lc, ((Waiter *) list_nth(ready, i))->followers)
		{
			Waiter *follower = lfirst(lc);

			if (--follower->pending == 0)
				ready = lappend(ready, follower);
		}
	}
	hash_seq_init(&scan, waiters);
	while ((waiter = hash_seq_search(&scan)) != NULL)
		waiter->due->circle = waiter->pending > 0;
	hash_destroy(waiters);
}

/* ----------------------------------------------------------------
 *	It is to run always
 * ---------------------------------------------------------------- */

static TimestampTz
continuous_calls_at(const EtlDue *due, TimestampTz now)
{
	return due->row->continuous ? now : 0;
}

/* ----------------------------------------------------------------
 *	All of them
 * ---------------------------------------------------------------- */

const EtlTrigger EtlTriggers[] = {
	{.calls_at = time_calls_at, .wait = time_wait, .pass = time_pass},
	{.calls_at = retry_calls_at, .answer = retry_answer},
	{.calls_at = files_call_at, .answer = files_answer, .renew = files_renew},
	{.calls_at = after_calls_at},
	{.calls_at = continuous_calls_at},
};
const int EtlTriggerCount = lengthof(EtlTriggers);
