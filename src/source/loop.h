/*
 * loop.h
 *		Waiting for descriptors and for a time, beside the latch.
 *
 * Any code can register a descriptor.  Any wait runs the loop, and by that advances all that
 * is under way in this backend.  Watches and timers are called from the loop only, after it has looked for interrupts.
 */
#ifndef ETL_LOOP_H
#define ETL_LOOP_H

#include <signal.h>

#include "etl.h"
#include "source/clock.h"

#define ETL_READABLE 1
#define ETL_WRITABLE 2

/* Called with what a descriptor is ready for, perhaps in vain; it may add and remove watches, and raise errors. */
typedef void (*EtlWatchFunction)(pgsocket fd, int ready, void *arg);

/*
 * Watches a descriptor for these events, instead of those before; 0: not any more, as is due before it is closed.  False
 * if there is no memory; it raises no error, so that a foreign library may call it.
 */
extern bool EtlLoopWatch(pgsocket fd, int events, EtlWatchFunction act, void *arg);

/* A function to be called at some time.  Its owner sets "due" whenever it likes; it is -1 while act is called. */
typedef struct EtlTimer
{
	int64 due; /* on the clock; -1: not at any */
	void (*act)(void *arg);
	void *arg;
	struct EtlTimer *next; /* the loop's */
} EtlTimer;

/* Call it once for each timer, which must exist for as long as the backend. */
extern void EtlLoopAddTimer(EtlTimer *timer);

/*
 * Waits until something happens, but not beyond "until" (or ETL_FOREVER), and lets those act whom it concerns.  Raises an
 * error if the query is cancelled.
 */
extern void EtlLoopTurn(int64 until);

/* Turns the loop until the clock is at "until", but not beyond "end" (or ETL_FOREVER); false if that came first. */
extern bool EtlLoopSleep(int64 until, int64 end);

/* Whether a wait that has an end is over. */
extern bool EtlLoopIsOver(int64 end);

/* Ends all waits that have an end, at once: for a signal handler. */
extern volatile sig_atomic_t EtlLoopHurry;

#endif /* ETL_LOOP_H */
