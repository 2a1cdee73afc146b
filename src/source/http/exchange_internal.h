/*
 * exchange_internal.h
 *		An exchange, for exchange_hops.c and the wording of its errors, exchange_errors.c.
 */
#ifndef ETL_EXCHANGE_INTERNAL_H
#define ETL_EXCHANGE_INTERNAL_H

#include "source/clock.h"
#include "source/http/exchange.h"
#include "source/http/http.h"
#include "source/http/origins.h"

typedef enum EtlExchangeState
{
	IDLE,
	DUE, /* to be sent when not_before has come */
	SENT,
	ANSWERED,
} EtlExchangeState;

struct EtlExchange
{
	const EtlTarget *target; /* borrowed */
	EtlHttpStats *stats;	 /* borrowed */
	const EtlCall *call;	 /* borrowed */
	EtlHttp *http;
	EtlExchangeState state;

	int attempt; /* from 1 */
	int64 first_failure_at;
	int64 not_before;

	/* the hop in hand */
	MemoryContext hop_context; /* for what follows, emptied with each attempt */
	EtlUrl url;
	char origin[ETL_MAX_ORIGIN];
	EtlHttpRequest request;
	const char *method;
	bool with_body;
	bool trusted; /* credentials and headers go along */
	bool public_only;
	int redirects;
	const char *shown; /* credentials, if there may be others */
	int renewals;	   /* how often those were others already */

	bool entered; /* its origin, and has to leave it */
	uint32 probe;
	int64 waited;	 /* ms for the current answer, head and body */
	bool wants_all;	 /* what was waited for last is all of the body */
	uint64 received; /* bytes of the body */
	char *said;		 /* the first of them; NULL: none was read */
	size_t said_len; /* as much of it as a message may need */
	MemoryContextCallback release;
};

/* The URL of the hop in hand, to show. */
extern char *EtlExchangeShownUrl(const EtlExchange *exchange);

/* Keeps the beginning of an error's body that the caller reads: the message will show it. */
extern void EtlExchangeKeepSaid(EtlExchange *exchange, const char *data, size_t len);

/* There is no answer: what libcurl says. */
pg_noreturn extern void EtlExchangeRaiseFault(EtlExchange *exchange);

/* A redirect that is not followed. */
pg_noreturn extern void
EtlExchangeRaiseRedirect(EtlExchange *exchange, int sqlstate, const char *why, const char *detail);

/* The breaker is open for so many ms; -1: until the probe under way has its outcome. */
pg_noreturn extern void EtlExchangeRaiseRefused(EtlExchange *exchange, int64 wait);

/* The answer takes longer, or is larger, than its server is allowed. */
pg_noreturn extern void EtlExchangeRaiseTooLate(const EtlExchange *exchange);
pg_noreturn extern void EtlExchangeRaiseTooLarge(const EtlExchange *exchange);

/* There is no room for the rate limit of the server. */
pg_noreturn extern void EtlExchangeRaiseTooManyRates(const EtlExchange *exchange);

/* Raises the error of the last attempt, as there is no further one. */
pg_noreturn extern void
EtlExchangeRaiseVerdict(EtlExchange *exchange, EtlRetryVerdict verdict, int64 asked);

#endif /* ETL_EXCHANGE_INTERNAL_H */
