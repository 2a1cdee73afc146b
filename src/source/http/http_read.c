/*
 * http_read.c
 *		Waiting for a response, and reading it.
 *
 * A wait runs the event loop (loop.c), in which libcurl fills head and ring of each request under way (http.c).  Time
 * counts against the server only while we wait for it: a request may be sent long before its response is wanted.
 */
#include "etl.h"

#include "source/clock.h"
#include "source/http/http_internal.h"
#include "source/loop.h"

/* Before the request is sent, libcurl keeps the time, because it divides it among the addresses of a host. */
static void
wait_for_connection(EtlHttp *http, int64 until)
{
	int64 before = EtlClock();

	EtlLoopTurn(until);
	http->waited = http->sent ? 0 : http->waited + EtlClock() - before;
}

/*
 * Silence counts only while we wait, because only then it is the server's.  Each byte that comes makes up for one second
 * of it.
 */
static void
wait_for_bytes(EtlHttp *http, int64 until)
{
	int64 before = EtlClock();
	uint64 received = http->received;
	int64 limit = http->request->stall_timeout;
	int64 stalled = before + limit - http->waited;

	EtlLoopTurn(until == ETL_FOREVER ? stalled : Min(stalled, until));
	received = Min(http->received - received, 1000000);
	http->waited += EtlClock() - before;
	http->waited -= Min(http->waited, (int64) received * 1000);
	if (http->waited >= limit && !http->finished)
		EtlHttpTimeOut(http);
}

static void
wait_for_progress(EtlHttp *http, int64 until)
{
	if (http->sent)
		wait_for_bytes(http, until);
	else
		wait_for_connection(http, until);
}

/*
 * libcurl's timeout also counts time in which we do not run the event loop.  If we waited for a prefetched request for less
 * than half of its timeout, the timeout is our fault and not the server's.
 */
static bool
is_late_by_us(const EtlHttp *http)
{
	return http->finished && http->fault == ETL_HTTP_TIMED_OUT && !http->sent &&
		   http->waited * 2 < http->request->connect_timeout;
}

bool
EtlHttpHeadReady(EtlHttp *http, int64 until)
{
	do
	{
		/* Nothing was sent, so it can simply start again. */
		if (is_late_by_us(http))
			EtlHttpStart(http, http->request);
		while (!http->head_done && !http->finished)
		{
			if (EtlLoopIsOver(until))
				return false;
			wait_for_progress(http, until);
		}
	} while (is_late_by_us(http));
	return true;
}

EtlHttpFault
EtlHttpAwait(EtlHttp *http)
{
	(void) EtlHttpHeadReady(http, ETL_FOREVER);
	return http->head_done ? ETL_HTTP_OK : http->fault;
}

bool
EtlHttpBodyReady(EtlHttp *http, int64 until)
{
	while (http->ring.used == 0 && !http->finished)
	{
		if (EtlLoopIsOver(until))
			return false;
		wait_for_progress(http, until);
	}
	return true;
}

bool
EtlHttpHasBody(const EtlHttp *http)
{
	return http->ring.used > 0;
}

/*
 * EtlHttpRead hands out between 1 and len bytes of the body.  0: it has ended, well or, as EtlHttpGetFault
 * tells, with a fault; every byte that came before a fault is handed out first.
 */
size_t
EtlHttpRead(EtlHttp *http, char *buf, size_t len)
{
	Assert(len > 0);
	(void) EtlHttpBodyReady(http, ETL_FOREVER);
	len = EtlRingTake(&http->ring, buf, len);
	if (http->paused && !http->finished && http->ring.used <= http->ring.size / 2)
		EtlHttpResume(http);
	return len;
}

static void
fill_until(const EtlHttp *http, size_t len, int64 until)
{
	while (http->added && http->ring.used < len && !http->paused && !http->finished &&
		   EtlClock() < until)
		EtlLoopTurn(until);
}

size_t
EtlHttpReadUntil(EtlHttp *http, char *buf, size_t len, int64 until)
{
	fill_until(http, len, until);
	return EtlRingTake(&http->ring, buf, len);
}

size_t
EtlHttpPeek(EtlHttp *http, char *buf, size_t len, int64 until)
{
	EtlRing ring;

	fill_until(http, len, until);
	ring = http->ring;
	return EtlRingTake(&ring, buf, len);
}
