/*
 * exchange_hops.c
 *		A request to a target, and the response that counts.
 *
 *		             not yet: rate limit, back-off, a breaker that is open (an error when it is waited for)
 *		                +--------+
 *		                v        |
 *		  idle -----> due -------+---> sent ------> answered -----> idle
 *		                ^              |  |          body read, closed
 *		                |              |  +-> error
 *		                +--------------+
 *		         redirect, new token, another attempt
 *
 * A hop is one request to one URL.  An attempt begins at the URL of the call, and follows redirects hop by
 * hop; each hop is checked (target.c), enters its origin's breaker (origins.c) and leaves it again, at the
 * latest when the exchange's memory context goes.
 *
 * Credentials and the headers of target and call go to origins that the target trusts, and are left behind
 * for good at the first redirect to another origin.
 */
#include "etl.h"

#include "common/pg_prng.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "monitor/counters.h"
#include "source/http/exchange_internal.h"
#include "source/loop.h"

#define MAX_REDIRECTS 10

/* How long until a request that waits for the probe of another looks at the breaker again, in ms. */
#define PROBE_LOOK 20

static const EtlCredentials *credentials;

void
EtlExchangeUse(const EtlCredentials *given)
{
	credentials = given;
}

static int64
wall_clock(void)
{
	return (GetCurrentTimestamp() / 1000) +
		   (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000;
}

static void
leave(EtlExchange *exchange, EtlOutcome outcome)
{
	if (exchange->entered)
		EtlOriginLeave(exchange->origin, exchange->target->role, exchange->probe, outcome);
	exchange->entered = false;
}

static void
release(void *arg)
{
	leave(arg, ETL_NO_OUTCOME);
}

EtlExchange *
EtlExchangeCreate(const EtlTarget *target, EtlHttpStats *stats)
{
	EtlExchange *exchange = palloc0(sizeof(EtlExchange));

	exchange->target = target;
	exchange->stats = stats;
	exchange->hop_context =
		AllocSetContextCreate(CurrentMemoryContext, "etl http hop", ALLOCSET_SMALL_SIZES);
	exchange->http = EtlHttpCreate();
	/*
	 * What the callback uses is in the struct itself, because child contexts are deleted before the callback is
	 * called.
	 */
	exchange->release.func = release;
	exchange->release.arg = exchange;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &exchange->release);
	return exchange;
}

/*
 * One hop
 */

/* Where an attempt begins. */
static void
start_attempt(EtlExchange *exchange, const EtlCall *call)
{
	EtlHttpStop(exchange->http);
	MemoryContextReset(exchange->hop_context);
	exchange->call = call;
	exchange->url = call->url;
	exchange->method = call->method ? call->method : "GET";
	exchange->with_body = call->body != NULL;
	exchange->trusted = EtlTargetTrusts(exchange->target, &call->url);
	exchange->public_only = EtlTargetIsPublicOnly(exchange->target, &call->url);
	exchange->redirects = 0;
	exchange->renewals = 0;
	exchange->shown = NULL;
	exchange->wants_all = false;
	exchange->received = 0;
	exchange->said = NULL;
	exchange->said_len = 0;
	exchange->state = DUE;
}

static void
build_request(EtlExchange *exchange)
{
	const EtlTarget *target = exchange->target;
	const EtlCall *call = exchange->call;
	EtlHttpRequest *request = &exchange->request;
	EtlUrl url = exchange->url;
	ListCell *lc;

	memset(request, 0, sizeof(*request));
	request->method = exchange->method;
	request->body = exchange->with_body ? call->body : NULL;
	request->body_len = exchange->with_body ? call->body_len : 0;
	request->public_only = exchange->public_only;
	request->connect_timeout = target->connect_timeout;
	request->stall_timeout = target->read_timeout;
	request->proxy = target->proxy;
	request->ca_file = target->ca_file;
	EtlHttpAddHeader(request, psprintf("Accept-Encoding: %s",
									   call->accept_encoding ? call->accept_encoding : "identity"));
	if (call->offset > 0)
		EtlHttpAddHeader(request,
						 psprintf("Range: bytes=%llu-", (unsigned long long) call->offset));
	if (call->if_range)
		EtlHttpAddHeader(request, psprintf("If-Range: %s", call->if_range));
	if (call->if_match)
		EtlHttpAddHeader(request, psprintf("If-Match: %s", call->if_match));
	if (call->unless)
		EtlHttpAddHeader(request,
						 psprintf("%s: %s",
								  strchr(call->unless, '"') ? "If-None-Match" : "If-Modified-Since",
								  call->unless));
	if (exchange->trusted)
	{
		request->client_cert = target->client_cert;
		request->client_key = target->client_key;
		foreach (lc, target->headers)
			EtlHttpAddHeader(request, lfirst(lc));
		foreach (lc, call->headers)
			EtlHttpAddHeader(request, lfirst(lc));
		exchange->shown = credentials->apply(target, &url, request, exchange->stats);
	}
	request->url = EtlUrlText(&url);
	if (strlen(request->url) > ETL_MAX_URL)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("the URL of the request is longer than 64 kB"),
						errdetail("It begins \"%s\".", EtlExchangeShownUrl(exchange)),
						errhint("Send what is long in the body of the request.")));
}

static void
check_may_go(const EtlExchange *exchange)
{
	const char *hint;
	const char *refusal = EtlTargetRefusal(exchange->target, &exchange->url, &hint);

	if (!refusal)
		return;
	if (exchange->redirects > 0)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to follow a redirect to \"%s\"",
							   EtlExchangeShownUrl(exchange)),
						errdetail("%s", refusal)));
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("permission denied to read \"%s\"", EtlExchangeShownUrl(exchange)),
					errdetail("%s", refusal), errhint("%s", hint)));
}

/* The rate limit of a server is for its own origins. */
static EtlAdmission
enter(EtlExchange *exchange, bool waited_for, int64 *wait)
{
	const EtlTarget *target = exchange->target;
	EtlSender sender = {.role = target->role, .server = target->server_id};

	if (exchange->trusted)
		sender.rate = target->rate;
	strlcpy(exchange->origin, EtlUrlOrigin(&exchange->url), sizeof(exchange->origin));
	return EtlOriginEnter(exchange->origin, &sender, waited_for, &exchange->probe, wait);
}

typedef enum Waits
{
	NOBODY_WAITS,
	WAITS_AMONG_OTHERS, /* the caller comes back, and may wait for the probe of a breaker meanwhile */
	WAITS_FOR_IT,
} Waits;

/* Sends a hop that is due, unless its origin takes none now; then it is an error if the caller waits for it. */
static void
send_hop(EtlExchange *exchange, Waits waits)
{
	MemoryContext old = MemoryContextSwitchTo(exchange->hop_context);
	int64 wait;

	check_may_go(exchange);
	build_request(exchange);
	switch (enter(exchange, waits != NOBODY_WAITS, &wait))
	{
		case ETL_TOO_MANY_RATES:
			EtlExchangeRaiseTooManyRates(exchange);
			break;
		case ETL_BREAKER_OPENED:
			if (waits == WAITS_AMONG_OTHERS && wait < 0)
				exchange->not_before = EtlClock() + PROBE_LOOK;
			else if (waits != NOBODY_WAITS)
				EtlExchangeRaiseRefused(exchange, wait);
			break;
		case ETL_RATE_LIMITED:
			exchange->not_before = EtlClock() + wait;
			break;
		case ETL_ADMITTED:
			exchange->entered = true;
			exchange->waited = 0;
			exchange->state = SENT;
			exchange->stats->requests++;
			EtlCount(ETL_HTTP_REQUESTS, 1);
			if (exchange->attempt > 1)
			{
				exchange->stats->retries++;
				EtlCount(ETL_HTTP_RETRIES, 1);
			}
			EtlHttpStart(exchange->http, &exchange->request);
			break;
	}
	MemoryContextSwitchTo(old);
}

/* Plans another attempt, after the time that the server asks for, or else the policy; or raises an error. */
static void
plan_attempt(EtlExchange *exchange, int64 asked)
{
	int64 now = EtlClock();
	int64 wait;
	EtlRetryVerdict verdict;

	if (exchange->attempt == 1)
		exchange->first_failure_at = now;
	if (asked == ETL_NO_WAIT_ASKED && EtlHttpGetFault(exchange->http) == ETL_HTTP_OK)
		asked = EtlRetryPatience(&exchange->target->retry, EtlHttpStatus(exchange->http),
								 exchange->attempt);
	verdict = EtlRetryDecide(&exchange->target->retry, exchange->attempt,
							 now - exchange->first_failure_at, asked,
							 pg_prng_double(&pg_global_prng_state), &wait);
	if (verdict != ETL_RETRY_AGAIN)
		EtlExchangeRaiseVerdict(exchange, verdict, asked);
	exchange->attempt++;
	exchange->not_before = now + wait;
}

static int64
asked_wait(const EtlExchange *exchange)
{
	char *value = EtlHttpHeader(exchange->http, "Retry-After");
	char *date = EtlHttpHeader(exchange->http, "Date");
	int64 wait;

	if (value && EtlRetryParseWait(value, ETL_WAIT_AUTO, date, wall_clock(), &wait))
		return wait;
	return ETL_NO_WAIT_ASKED;
}

/*
 * Redirects
 */

static bool
is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Drops credentials and headers of the user, because a redirect has changed the origin. */
static void
leave_origin(EtlExchange *exchange, const EtlUrl *next)
{
	const EtlTarget *target = exchange->target;
	bool has_secrets = exchange->trusted && (target->auth != ETL_AUTH_NONE || target->headers ||
											 exchange->call->headers);

	if (has_secrets && exchange->url.secure && !next->secure)
		EtlExchangeRaiseRedirect(
			exchange, ERRCODE_CONNECTION_FAILURE, "it leads from https to http",
			"Credentials were sent with the request, and what is read would not be "
			"protected.");
	if (exchange->with_body)
		EtlExchangeRaiseRedirect(exchange, ERRCODE_CONNECTION_FAILURE,
								 "it would send the body of the request to another host", NULL);
	exchange->trusted = false;
	/* A redirect from a public host must not lead into our own network. */
	if (!(target->allow_private && EtlTargetTrusts(target, next)) && !target->proxy &&
		!EtlHttpPurpose(exchange->http))
		exchange->public_only = true;
	exchange->public_only |= EtlTargetIsPublicOnly(target, next);
}

static void
follow_redirect(EtlExchange *exchange, const char *location)
{
	int status = EtlHttpStatus(exchange->http);
	MemoryContext old = MemoryContextSwitchTo(exchange->hop_context);
	EtlUrl next;
	const char *fault = EtlUrlResolve(&exchange->url, location, &next);

	if (fault)
		EtlExchangeRaiseRedirect(exchange, ERRCODE_CONNECTION_FAILURE, "it leads nowhere", fault);
	if (++exchange->redirects > MAX_REDIRECTS)
		EtlExchangeRaiseRedirect(exchange, ERRCODE_CONNECTION_FAILURE,
								 psprintf("it is the %dth in a row", exchange->redirects), NULL);
	if (status == 303 || (status < 303 && strcmp(exchange->method, "GET") != 0 &&
						  strcmp(exchange->method, "HEAD") != 0))
	{
		exchange->method = "GET";
		exchange->with_body = false;
	}
	if (!EtlUrlSameOrigin(&exchange->url, &next))
		leave_origin(exchange, &next);
	exchange->url = next;
	exchange->state = DUE;
	exchange->not_before = 0;
	MemoryContextSwitchTo(old);
}

/*
 * Answers
 */

static bool
may_repeat(const EtlExchange *exchange)
{
	return exchange->call->repeatable || EtlRetryMethod(exchange->method);
}

static void
judge_fault(EtlExchange *exchange, EtlHttpFault fault)
{
	leave(exchange, EtlRetryFault(fault) ? ETL_FAILED : ETL_NO_OUTCOME);
	if (!EtlRetryFault(fault) || !may_repeat(exchange))
		EtlExchangeRaiseFault(exchange);
	plan_attempt(exchange, ETL_NO_WAIT_ASKED);
	start_attempt(exchange, exchange->call);
}

/* Whether the answer refuses what the request has shown, and another one shows something else. */
static bool
is_refused(EtlExchange *exchange)
{
	MemoryContext old = MemoryContextSwitchTo(exchange->hop_context);
	bool refused =
		exchange->trusted && exchange->renewals < credentials->renewals(exchange->target) &&
		credentials->refused(exchange->target, &exchange->url, exchange->shown, exchange->http);

	MemoryContextSwitchTo(old);
	return refused;
}

/* A head has come: is it the answer? */
static void
judge_status(EtlExchange *exchange)
{
	int status = EtlHttpStatus(exchange->http);
	EtlOutcome outcome = status >= 500 ? ETL_FAILED : ETL_SUCCEEDED;
	char *location = is_redirect(status) ? EtlHttpHeader(exchange->http, "Location") : NULL;

	if (is_refused(exchange))
	{
		leave(exchange, outcome);
		exchange->renewals++;
		exchange->state = DUE;
	}
	else if (location)
	{
		leave(exchange, outcome);
		follow_redirect(exchange, location);
	}
	else if (EtlRetryStatus(status) && may_repeat(exchange) && !exchange->call->any_status)
	{
		leave(exchange, outcome);
		plan_attempt(exchange, asked_wait(exchange));
		start_attempt(exchange, exchange->call);
	}
	else
	{
		/* A body may take its time if somebody reads it.  A probe of the breaker has learnt enough from the head. */
		if (exchange->probe != 0 || status >= 300)
			leave(exchange, outcome);
		exchange->state = ANSWERED;
	}
}

void
EtlExchangeSend(EtlExchange *exchange, const EtlCall *call)
{
	EtlExchangeClose(exchange);
	exchange->not_before = 0;
	exchange->attempt = 1;
	start_attempt(exchange, call);
	send_hop(exchange, NOBODY_WAITS);
}

void
EtlExchangeSendAgain(EtlExchange *exchange, const EtlCall *call, int64 asked)
{
	plan_attempt(exchange, asked);
	EtlExchangeClose(exchange);
	start_attempt(exchange, call);
}

bool
EtlExchangeRenew(EtlExchange *exchange)
{
	return exchange->trusted && credentials->renew(exchange->target, exchange->shown);
}

void
EtlExchangeProgressed(EtlExchange *exchange)
{
	/* Connections that are lost repeatedly are no reason to stop, as long as each of them brings bytes. */
	EtlOriginLeave(exchange->origin, exchange->target->role, 0, ETL_SUCCEEDED);
	exchange->attempt = 1;
}

/* Waits until a hop that is due may be sent, and sends it; false if "until" comes first. */
static bool
wait_until_due(EtlExchange *exchange, int64 until)
{
	int64 now = EtlClock();

	if (exchange->not_before > now)
	{
		bool slept = EtlLoopSleep(exchange->not_before, until);

		exchange->stats->waited += EtlClock() - now;
		EtlCount(ETL_HTTP_WAITED, EtlClock() - now);
		if (!slept)
			return false;
	}
	send_hop(exchange, until == ETL_FOREVER ? WAITS_FOR_IT : WAITS_AMONG_OTHERS);
	return true;
}

/*
 * Waits for the head of an answer or more of its body, but not beyond "until"; false if that comes first.  Only the
 * time spent in here counts against max_answer_time, because a reader may take breaks.
 */
static bool
wait_for_answer(EtlExchange *exchange, bool (*arrives)(EtlHttp *http, int64 until), int64 until)
{
	int limit = exchange->target->max_answer_time;
	int64 before = EtlClock();
	int64 end = before + limit - exchange->waited;
	bool arrived;

	if (limit == 0)
		return arrives(exchange->http, until);
	arrived = arrives(exchange->http, until == ETL_FOREVER ? end : Min(until, end));
	exchange->waited += EtlClock() - before;
	if (!arrived && exchange->waited >= limit)
	{
		leave(exchange, ETL_FAILED);
		EtlExchangeRaiseTooLate(exchange);
	}
	return arrived;
}

static void
check_size(const EtlExchange *exchange)
{
	int limit = exchange->target->max_body;

	if (limit > 0 && exchange->received > (uint64) limit * 1024)
		EtlExchangeRaiseTooLarge(exchange);
}

/* Goes on until there is an answer; false if "until" comes before. */
static bool
advance(EtlExchange *exchange, int64 until)
{
	EtlHttpFault fault;

	while (exchange->state != ANSWERED)
	{
		switch (exchange->state)
		{
			case DUE:
				if (!wait_until_due(exchange, until))
					return false;
				break;
			case SENT:
				if (!wait_for_answer(exchange, EtlHttpHeadReady, until))
					return false;
				fault = EtlHttpAwait(exchange->http);
				if (fault != ETL_HTTP_OK)
					judge_fault(exchange, fault);
				else
					judge_status(exchange);
				break;
			case ANSWERED:
				break;
			case IDLE:
				elog(ERROR, "an HTTP exchange waits for nothing");
		}
	}
	return true;
}

int
EtlExchangeAwait(EtlExchange *exchange)
{
	(void) advance(exchange, ETL_FOREVER);
	return EtlHttpStatus(exchange->http);
}

bool
EtlExchangeReady(EtlExchange *exchange, int64 until)
{
	return advance(exchange, until);
}

/* When an exchange that is not ready is to be looked at again, whatever happens. */
static int64
next_look(const EtlExchange *exchange)
{
	int limit = exchange->target->max_answer_time;

	if (exchange->state == DUE)
		return exchange->not_before;
	return limit == 0 ? ETL_FOREVER : EtlClock() + limit - exchange->waited;
}

/* Whether something has come for an exchange since it was late: the wait for another one advances all of them. */
static bool
has_news(const EtlExchange *exchange)
{
	if (exchange->state == DUE)
		return false;
	if (exchange->state == SENT)
		return EtlHttpHeadReady(exchange->http, 0);
	return exchange->wants_all ? EtlHttpBodyHeld(exchange->http, 0)
							   : EtlHttpBodyReady(exchange->http, 0);
}

void
EtlExchangeTurn(EtlExchange *const *exchanges, int n, int64 until)
{
	EtlHttp *https[ETL_MAX_AT_ONCE];
	int64 before = EtlClock();
	int nhttps = 0;

	Assert(n <= ETL_MAX_AT_ONCE);
	for (int i = 0; i < n; i++)
	{
		if (has_news(exchanges[i]))
			return;
		until = EtlEarlier(until, next_look(exchanges[i]));
		if (exchanges[i]->state != DUE)
			https[nhttps++] = exchanges[i]->http;
	}
	EtlHttpTurn(https, nhttps, until);
	for (int i = 0; i < n; i++)
		if (exchanges[i]->state == DUE)
			exchanges[i]->stats->waited += EtlClock() - before;
		else
			exchanges[i]->waited += EtlClock() - before;
}

bool
EtlExchangeHasBody(const EtlExchange *exchange)
{
	return EtlHttpHasBody(exchange->http);
}

bool
EtlExchangeBodyReady(EtlExchange *exchange, int64 until)
{
	exchange->wants_all = false;
	return wait_for_answer(exchange, EtlHttpBodyReady, until);
}

bool
EtlExchangeBodyHeld(EtlExchange *exchange, int64 until)
{
	exchange->wants_all = true;
	return wait_for_answer(exchange, EtlHttpBodyHeld, until);
}

size_t
EtlExchangeRead(EtlExchange *exchange, char *buf, size_t len)
{
	size_t n;
	EtlHttpFault fault;

	Assert(exchange->state == ANSWERED);
	(void) wait_for_answer(exchange, EtlHttpBodyReady, ETL_FOREVER);
	n = EtlHttpRead(exchange->http, buf, len);
	fault = EtlHttpGetFault(exchange->http);
	exchange->received += n;
	exchange->stats->bytes += n;
	EtlCount(ETL_HTTP_BYTES, n);
	EtlExchangeKeepSaid(exchange, buf, n);
	check_size(exchange);
	if (n > 0)
		return n;
	leave(exchange, fault == ETL_HTTP_OK   ? ETL_SUCCEEDED
					: EtlRetryFault(fault) ? ETL_FAILED
										   : ETL_NO_OUTCOME);
	if (fault != ETL_HTTP_OK && !EtlRetryFault(fault))
		EtlExchangeRaiseFault(exchange);
	return 0;
}

bool
EtlExchangeBroke(const EtlExchange *exchange)
{
	return EtlRetryFault(EtlHttpGetFault(exchange->http));
}

char *
EtlExchangeHeader(const EtlExchange *exchange, const char *name)
{
	return EtlHttpHeader(exchange->http, name);
}

const EtlUrl *
EtlExchangeUrl(const EtlExchange *exchange)
{
	return &exchange->url;
}

void
EtlExchangeClose(EtlExchange *exchange)
{
	leave(exchange, exchange->state == ANSWERED ? ETL_SUCCEEDED : ETL_NO_OUTCOME);
	EtlHttpStop(exchange->http);
	exchange->state = IDLE;
}
