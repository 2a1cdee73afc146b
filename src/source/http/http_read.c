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

/*
 * When a request that stays silent is to be timed out.  Before it is sent, libcurl keeps the time, because it divides that
 * among the addresses of a host.
 */
static int64
patience(const EtlHttp *http)
{
	return http->sent ? EtlClock() + http->request->stall_timeout - http->waited : ETL_FOREVER;
}

/*
 * We have waited for a request.  Silence counts only while we wait, because only then it is the server's.  Each byte that
 * comes makes up for one second of it.
 */
static void
note_wait(EtlHttp *http, int64 elapsed)
{
	int64 received = (int64) Min(http->received - http->received_before, 1000000);

	if (!http->sent_before)
	{
		http->waited = http->sent ? 0 : http->waited + elapsed;
		return;
	}
	http->waited += elapsed;
	http->waited -= Min(http->waited, received * 1000);
	if (http->waited >= http->request->stall_timeout && !http->finished)
		EtlHttpTimeOut(http);
}

void
EtlHttpTurn(EtlHttp *const *https, int n, int64 until)
{
	int64 before = EtlClock();

	for (int i = 0; i < n; i++)
	{
		https[i]->sent_before = https[i]->sent;
		https[i]->received_before = https[i]->received;
		until = EtlEarlier(until, patience(https[i]));
	}
	EtlLoopTurn(until);
	for (int i = 0; i < n; i++)
		note_wait(https[i], EtlClock() - before);
}

static void
wait_for_progress(EtlHttp *http, int64 until)
{
	EtlHttpTurn(&http, 1, until);
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
EtlHttpBodyHeld(EtlHttp *http, int64 until)
{
	while (!http->paused && !http->finished)
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
