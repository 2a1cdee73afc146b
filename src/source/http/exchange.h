/*
 * exchange.h
 *		A request to a target, and the response that counts.
 *
 *		exchange = EtlExchangeCreate(target, &stats)
 *		EtlExchangeSend(exchange, &call)			on its way, if breaker and rate limit let it; does not wait
 *		EtlExchangeAwait(exchange)					the response's status
 *		EtlExchangeRead(exchange, buf, len)			its body
 *
 * Between the two the request may have been sent several times: after a fault or a status that says "later",
 * after a redirect, and with a new token.  What Await returns is the answer: 2xx, or a status that another
 * attempt would not change.  No answer at all is an error.
 *
 * Several exchanges can be under way; whoever waits for one moves all of them, but for their back-off.
 */
#ifndef ETL_EXCHANGE_H
#define ETL_EXCHANGE_H

#include "etl.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "source/http/http.h"
#include "source/http/target.h"

typedef struct EtlExchange EtlExchange;

/* What is asked for.  Borrowed until the exchange is given another call, or closed. */
typedef struct EtlCall
{
	const char *method; /* NULL: GET */
	const char *needs;	/* for messages of status 403: what has to be allowed for it (a sentence) */
	const char *verb;	/* for messages: what could not be done to the URL; NULL: read */
	EtlUrl url;
	List *headers; /* "Name: value", beside those of the target */
	const char *body;
	size_t body_len;
	const char *accept_encoding; /* NULL: as it is stored */
	uint64 offset;				 /* of the first byte that is asked for */
	const char *if_range;		 /* with an offset: the validator of what its bytes belong to */
	const char *if_match;		 /* a validator: 412 if what it belongs to is not there any more */
	const char *unless;			 /* a validator: 304 will do if what it belongs to is still there */
	bool repeatable;			 /* though the method is not idempotent (a search by POST) */
	bool any_status; /* is an answer, even one that says "later": the caller judges it */
} EtlCall;

/* What it took, added up over all exchanges that were given the same one. */
typedef struct EtlHttpStats
{
	uint64 requests;
	uint64 retries; /* of those, sent again */
	uint64 bytes;	/* of bodies, as they came */
	int64 waited;	/* ms between attempts, and for the rate limit */
} EtlHttpStats;

/*
 * What requests show to be let in: the last that is added to one, anew for each hop of each attempt.  Method, URL, headers and
 * body are what they will be, so a signature can cover them; nothing changes afterwards.
 */
typedef struct EtlCredentials
{
	/*
	 * Adds what the target has to a request for url, or to url.  Returns what was shown, palloc'd, if there may be other
	 * credentials once that is refused; or NULL.
	 */
	const char *(*apply)(const EtlTarget *target, EtlUrl *url, EtlHttpRequest *request,
						 EtlHttpStats *stats);
	/* How often something else may be shown within one attempt. */
	int (*renewals)(const EtlTarget *target);
	/* Whether the answer, whose head has come, refuses what was shown for url, and the next request gets others. */
	bool (*refused)(const EtlTarget *target, const EtlUrl *url, const char *shown, EtlHttp *http);
	/* They were refused in another way: the next request gets others.  False: there are no others. */
	bool (*renew)(const EtlTarget *target, const char *shown);
} EtlCredentials;

/* At the start of the process: whoever gives credentials sends requests, too, so it cannot be called by its name. */
extern void EtlExchangeUse(const EtlCredentials *credentials);

extern EtlExchange *EtlExchangeCreate(const EtlTarget *target, EtlHttpStats *stats);
extern void EtlExchangeSend(EtlExchange *exchange, const EtlCall *call);
extern int EtlExchangeAwait(EtlExchange *exchange);
/*
 * Waits until Await (or, of an answer, Read) would return at once, but not beyond "until"; false if that comes first.
 */
extern bool EtlExchangeReady(EtlExchange *exchange, int64 until);
extern bool EtlExchangeBodyReady(EtlExchange *exchange, int64 until);
/* The same until all of the body can be read without a wait, or as much as is kept of it. */
extern bool EtlExchangeBodyHeld(EtlExchange *exchange, int64 until);
/*
 * Waits for all of these, whose own waits have come too early, until something happens to one, but not beyond "until".  Then
 * each may be ready, and one that is due is sent by its own wait.
 */
#define ETL_MAX_AT_ONCE 100
extern void EtlExchangeTurn(EtlExchange *const *exchanges, int n, int64 until);
extern bool EtlExchangeHasBody(const EtlExchange *exchange); /* bytes that a read would give */

/* Between 1 and len bytes of the body; 0 at its end, or where it broke off (then EtlExchangeBroke). */
extern size_t EtlExchangeRead(EtlExchange *exchange, char *buf, size_t len);
extern bool EtlExchangeBroke(const EtlExchange *exchange);

/*
 * Sends a call again, because the response to the last one cannot be used: its body broke off, or asked to come
 * later.  It counts as another attempt, waits as the policy has it and at least "asked" ms (or ETL_NO_WAIT_ASKED),
 * and raises an error if no attempt is left.
 */
extern void EtlExchangeSendAgain(EtlExchange *exchange, const EtlCall *call, int64 asked);

/* The credentials of the call were refused, though the status was not 401; false: there are no others. */
extern bool EtlExchangeRenew(EtlExchange *exchange);

/* The attempts so far have brought something: the next failure counts as the first. */
extern void EtlExchangeProgressed(EtlExchange *exchange);

extern char *
EtlExchangeHeader(const EtlExchange *exchange, const char *name); /* palloc'd or NULL */
extern const EtlUrl *EtlExchangeUrl(const EtlExchange *exchange); /* where the answer came from */

/* For messages: the beginning of a text of the answer, without secrets; NULL if it cannot be shown. */
extern char *EtlExchangeShow(const EtlExchange *exchange, const char *text);

/* For messages: the first characters of the body, of which something was read, in the same way. */
extern char *EtlExchangeBeginning(const EtlExchange *exchange);

/* Raises the error that the answer, or its broken body, is. */
pg_noreturn extern void EtlExchangeRaise(EtlExchange *exchange);

/*
 * How long (in milliseconds) a server asked us to wait in the last error of this process that was raised because that
 * is too long; 0: none was.  Whoever holds nothing meanwhile may wait for that long.
 */
extern int64 EtlExchangeRefusedWait(void);

/* Ends the request under way; the exchange can be given another call. */
extern void EtlExchangeClose(EtlExchange *exchange);

#endif /* ETL_EXCHANGE_H */
