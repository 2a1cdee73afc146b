/*
 * loop.c
 *		Waiting for descriptors and for a time, beside the latch.
 *
 * Descriptors and the latch are in one WaitEventSet, so that a wait ends at once when the query is cancelled, whatever
 * it waits for.  A set cannot lose a descriptor, so it is made anew after the watches have changed.
 */
#include "etl.h"

#include "miscadmin.h"
#include "monitor/progress.h"
#include "source/loop.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#define MAX_WAIT \
	(60 * 60 *   \
	 1000) /* ms: WaitEventSetWait takes a long, and anybody may set the clock of a wait */

typedef struct Watch
{
	pgsocket fd;
	int events;
	EtlWatchFunction act;
	void *arg;
} Watch;

static struct
{
	Watch *watches;
	int nwatches;
	int max_watches;
	EtlTimer *timers;
	WaitEventSet *set; /* of the latch and the watches, unless stale */
	bool stale;
	uint32 wait_event;
} loop;

volatile sig_atomic_t EtlLoopHurry = false;

/* The watch of a descriptor; NULL: there is none. */
static Watch *
find_watch(pgsocket fd)
{
	for (int i = 0; i < loop.nwatches; i++)
		if (loop.watches[i].fd == fd)
			return &loop.watches[i];
	return NULL;
}

/* Makes room for one more watch; false if there is no memory. */
static bool
grow(void)
{
	int more = loop.max_watches + 16;
	Watch *watches;

	if (loop.nwatches < loop.max_watches)
		return true;
	watches = MemoryContextAllocExtended(TopMemoryContext, more * sizeof(Watch), MCXT_ALLOC_NO_OOM);
	if (watches == NULL)
		return false;
	if (loop.watches != NULL)
	{
		memcpy(watches, loop.watches, loop.nwatches * sizeof(Watch));
		pfree(loop.watches);
	}
	loop.watches = watches;
	loop.max_watches = more;
	return true;
}

bool
EtlLoopWatch(pgsocket fd, int events, EtlWatchFunction act, void *arg)
{
	Watch *watch = find_watch(fd);

	loop.stale = true;
	if (events == 0)
	{
		if (watch != NULL)
			*watch = loop.watches[--loop.nwatches];
		return true;
	}
	if (watch == NULL)
	{
		if (!grow())
			return false;
		watch = &loop.watches[loop.nwatches++];
	}
	*watch = (Watch){fd, events, act, arg};
	return true;
}

void
EtlLoopAddTimer(EtlTimer *timer)
{
	timer->next = loop.timers;
	loop.timers = timer;
}

static void
rebuild_set(void)
{
	WaitEventSet *old = loop.set;

	loop.set = NULL;
	if (old != NULL)
		FreeWaitEventSet(old);
	else
		loop.wait_event = EtlWaitEventNew("EtlNetwork");
	loop.set = EtlCreateWaitEventSet(loop.nwatches + 2);
	AddWaitEventToSet(loop.set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	if (IsUnderPostmaster)
		AddWaitEventToSet(loop.set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	for (int i = 0; i < loop.nwatches; i++)
	{
		const Watch *watch = &loop.watches[i];

		AddWaitEventToSet(loop.set,
						  (watch->events & ETL_READABLE ? WL_SOCKET_READABLE : 0) |
							  (watch->events & ETL_WRITABLE ? WL_SOCKET_WRITEABLE : 0),
						  watch->fd, NULL, NULL);
	}
	loop.stale = false;
}

/* How long to wait at most, in ms; -1: for ever. */
static long
time_to_wait(int64 until)
{
	for (const EtlTimer *timer = loop.timers; timer != NULL; timer = timer->next)
		if (timer->due >= 0 && (until == ETL_FOREVER || timer->due < until))
			until = timer->due;
	return until == ETL_FOREVER ? -1 : (long) Min(Max(until - EtlClock(), 0), MAX_WAIT);
}

/* A watch may have gone by what was done for one before it. */
static void
act_on(const WaitEvent *event)
{
	const Watch *watch = find_watch(event->fd);
	int ready = (event->events & WL_SOCKET_READABLE ? ETL_READABLE : 0) |
				(event->events & WL_SOCKET_WRITEABLE ? ETL_WRITABLE : 0);

	if (ready != 0 && watch != NULL)
		watch->act(watch->fd, ready, watch->arg);
}

void
EtlLoopTurn(int64 until)
{
	WaitEvent events[16];
	int n;

	if (loop.stale || loop.set == NULL)
		rebuild_set();
	n = WaitEventSetWait(loop.set, time_to_wait(until), events, lengthof(events), loop.wait_event);
	for (int i = 0; i < n; i++)
		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	EtlTick();
	for (int i = 0; i < n; i++)
		act_on(&events[i]);
	for (EtlTimer *timer = loop.timers; timer != NULL; timer = timer->next)
	{
		if (timer->due < 0 || timer->due > EtlClock())
			continue;
		timer->due = -1;
		timer->act(timer->arg);
	}
}

bool
EtlLoopIsOver(int64 end)
{
	return end != ETL_FOREVER && (EtlLoopHurry || EtlClock() >= end);
}

bool
EtlLoopSleep(int64 until, int64 end)
{
	do
	{
		if (EtlLoopIsOver(end))
			return false;
		EtlLoopTurn(end == ETL_FOREVER ? until : Min(until, end));
	} while (EtlClock() < until);
	return true;
}
