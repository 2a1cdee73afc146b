/*
 * loop_test.c
 *		Waiting for pipes: for what is in one, for room in one, for a time, and for none of these.
 */
#include "etl.h"

#include <fcntl.h>
#include <unistd.h>

#include "fmgr.h"
#include "monitor/progress.h"
#include "source/loop.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

/* What the loop looks at of the rest of etl. */
volatile sig_atomic_t EtlTickPending = false;
void (*EtlOnTick)(void) = NULL;

typedef struct Pipe
{
	pgsocket in; /* to read from */
	pgsocket out;
	int ncalls;
	int ready;			/* of the last call */
	struct Pipe *other; /* which is not watched any more once this one has been called */
} Pipe;

static void
open_pipe(Pipe *p)
{
	int fds[2];

	memset(p, 0, sizeof(*p));
	if (pipe(fds) != 0 || fcntl(fds[1], F_SETFL, O_NONBLOCK) != 0)
		elog(ERROR, "could not make a pipe: %m");
	p->in = fds[0];
	p->out = fds[1];
}

static void
close_pipe(Pipe *p)
{
	(void) EtlLoopWatch(p->in, 0, NULL, NULL);
	(void) EtlLoopWatch(p->out, 0, NULL, NULL);
	(void) close(p->in);
	(void) close(p->out);
}

static void
put_byte(void *arg)
{
	if (write(((Pipe *) arg)->out, "x", 1) != 1)
		elog(ERROR, "could not write into a pipe: %m");
}

static void
on_ready(pgsocket fd, int ready, void *arg)
{
	Pipe *p = arg;

	p->ncalls++;
	p->ready = ready;
	if (p->other != NULL)
		(void) EtlLoopWatch(p->other->in, 0, NULL, NULL);
}

/* A byte comes when a timer is due, and not before. */
PG_FUNCTION_INFO_V1(loop_readable);
Datum
loop_readable(PG_FUNCTION_ARGS)
{
	static EtlTimer timer = {.due = -1, .act = put_byte};
	Pipe p;
	int early;

	if (timer.arg == NULL)
		EtlLoopAddTimer(&timer);
	open_pipe(&p);
	timer.arg = &p;
	(void) EtlLoopWatch(p.in, ETL_READABLE, on_ready, &p);
	EtlLoopTurn(EtlClock());
	early = p.ncalls;
	timer.due = EtlClock() + 10;
	while (p.ncalls == 0)
		EtlLoopTurn(ETL_FOREVER);
	close_pipe(&p);
	PG_RETURN_TEXT_P(cstring_to_text(
		psprintf("%d %d %d, timer %d", early, p.ncalls, p.ready == ETL_READABLE, (int) timer.due)));
}

/* There is room in a pipe until it is full. */
PG_FUNCTION_INFO_V1(loop_writable);
Datum
loop_writable(PG_FUNCTION_ARGS)
{
	char block[4096] = {0};
	Pipe p;
	int empty;

	open_pipe(&p);
	(void) EtlLoopWatch(p.out, ETL_WRITABLE, on_ready, &p);
	while (p.ncalls == 0)
		EtlLoopTurn(ETL_FOREVER);
	empty = p.ncalls;
	while (write(p.out, block, sizeof(block)) > 0)
		;
	EtlLoopTurn(EtlClock());
	close_pipe(&p);
	PG_RETURN_TEXT_P(
		cstring_to_text(psprintf("%d %d %d", empty, p.ncalls, p.ready == ETL_WRITABLE)));
}

/* Of two that are ready, one ends the watch of the other: that one is not called, until it is watched again. */
PG_FUNCTION_INFO_V1(loop_removed);
Datum
loop_removed(PG_FUNCTION_ARGS)
{
	Pipe p[2];
	int together;

	for (int i = 0; i < 2; i++)
	{
		open_pipe(&p[i]);
		put_byte(&p[i]);
		p[i].other = &p[1 - i];
		(void) EtlLoopWatch(p[i].in, ETL_READABLE, on_ready, &p[i]);
	}
	while (p[0].ncalls + p[1].ncalls == 0)
		EtlLoopTurn(ETL_FOREVER);
	together = p[0].ncalls + p[1].ncalls;
	for (int i = 0; i < 2; i++)
	{
		p[i].other = NULL;
		(void) EtlLoopWatch(p[i].in, ETL_READABLE, on_ready, &p[i]);
	}
	while (p[0].ncalls + p[1].ncalls == together)
		EtlLoopTurn(ETL_FOREVER);
	for (int i = 0; i < 2; i++)
		close_pipe(&p[i]);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%d %d", together, p[0].ncalls + p[1].ncalls)));
}

/* Nothing comes. */
PG_FUNCTION_INFO_V1(loop_forever);
Datum
loop_forever(PG_FUNCTION_ARGS)
{
	Pipe p;

	open_pipe(&p);
	PG_TRY();
	{
		(void) EtlLoopWatch(p.in, ETL_READABLE, on_ready, &p);
		for (;;)
			EtlLoopTurn(ETL_FOREVER);
	}
	PG_FINALLY();
	{
		close_pipe(&p);
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}

/* A wait with an end, over by the clock, or because there is a hurry; and one that has come to its time. */
PG_FUNCTION_INFO_V1(loop_sleep);
Datum
loop_sleep(PG_FUNCTION_ARGS)
{
	int64 far = EtlClock() + 3600 * 1000;
	bool by_clock = EtlLoopSleep(far, EtlClock() + 10);
	bool hurried;
	bool slept;

	EtlLoopHurry = true;
	hurried = EtlLoopSleep(far, far);
	EtlLoopHurry = false;
	slept = EtlLoopSleep(EtlClock() + 10, far);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%d %d %d", by_clock, hurried, slept)));
}
