/*
 * http.h
 *		HTTP requests and their responses, as libcurl does them.
 *
 *		http = EtlHttpCreate()				a handle: one request at a time, any number one after another
 *		EtlHttpStart(http, &request)		sends it; does not wait
 *		EtlHttpAwait(http)					waits for status and headers, or a fault
 *		EtlHttpRead(http, buf, len)			the body, as it comes; 0 is its end, or a fault
 *		EtlHttpStop(http)					ends it; a response read to its end leaves its connection open
 *
 * Several handles can have a request under way: whoever waits for one moves all of them.  Connections are
 * kept per backend and used again.
 *
 * Nothing the network does is an error here; it is a fault, and callers decide whether to try again.  Only
 * waiting raises errors: for a cancelled query.  A handle belongs to the memory context in which it was
 * created, and goes with it.
 *
 * This layer sends what it is told to and follows nothing: redirects, credentials, retries and who may go
 * where are those of exchange.h.  Only addresses are checked here, as nobody else sees them.
 */
#ifndef ETL_HTTP_H
#define ETL_HTTP_H

#include "etl.h"
#include "nodes/pg_list.h"

typedef struct EtlHttp EtlHttp;

/* Borrowed until the request is stopped. */
typedef struct EtlHttpRequest
{
	const char *method; /* NULL: GET */
	const char *url;	/* as EtlUrlText() gives it */
	List *headers;		/* of char *: "Name: value" */
	const char *body;	/* NULL: none */
	size_t body_len;

	bool public_only;	 /* connect to no address that has a purpose (address.h) */
	int connect_timeout; /* ms: until the request can be sent, name and TLS included */
	int stall_timeout;	 /* ms: with less than a byte a second, while somebody waits for one */
	const char *proxy;	 /* NULL: none, whatever the environment says */
	const char *ca_file; /* NULL: the system's */
	const char *client_cert;
	const char *client_key;
} EtlHttpRequest;

typedef enum EtlHttpFault
{
	ETL_HTTP_OK,
	ETL_HTTP_UNRESOLVED,  /* the host's name */
	ETL_HTTP_UNREACHABLE, /* no connection */
	ETL_HTTP_NO_TLS,	  /* the connection did not become a TLS one */
	ETL_HTTP_TIMED_OUT,
	ETL_HTTP_DROPPED,	/* the connection was lost, or the response ended before its end */
	ETL_HTTP_FORBIDDEN, /* public_only, and the address has a purpose */
	ETL_HTTP_UNTRUSTED, /* the certificate is not one we trust */
	ETL_HTTP_MALFORMED, /* not a response that we understand */
	ETL_HTTP_INTERNAL,	/* out of memory or descriptors, a bad option */
} EtlHttpFault;

extern void EtlHttpInit(void);

static inline void
EtlHttpAddHeader(EtlHttpRequest *request, const char *line)
{
	request->headers = lappend(request->headers, (char *) line);
}

extern EtlHttp *EtlHttpCreate(void);
extern void EtlHttpStart(EtlHttp *http, const EtlHttpRequest *request);
extern EtlHttpFault EtlHttpAwait(EtlHttp *http);
/* Waits until Await (or Read, of the body) would not have to, but not beyond "until"; false if that came first. */
extern bool EtlHttpHeadReady(EtlHttp *http, int64 until);
extern bool EtlHttpBodyReady(EtlHttp *http, int64 until);
/* The same until all of the body has come, or as much as is kept of it. */
extern bool EtlHttpBodyHeld(EtlHttp *http, int64 until);
extern bool EtlHttpHasBody(const EtlHttp *http);
/* Waits for all of these that are not ready, until something happens, but not beyond "until". */
extern void EtlHttpTurn(EtlHttp *const *https, int n, int64 until);
extern size_t EtlHttpRead(EtlHttp *http, char *buf, size_t len);
/* What there is of the body by "until" (on the clock), or as much as fits into len bytes. */
extern size_t EtlHttpReadUntil(EtlHttp *http, char *buf, size_t len, int64 until);
/* The same, which stays to be read. */
extern size_t EtlHttpPeek(EtlHttp *http, char *buf, size_t len, int64 until);
extern void EtlHttpStop(EtlHttp *http);

/* How it went so far. */
extern EtlHttpFault EtlHttpGetFault(const EtlHttp *http);
extern const char *
EtlHttpFaultText(const EtlHttp *http);					/* a phrase for messages, without secrets */
extern const char *EtlHttpPurpose(const EtlHttp *http); /* of the address connected to, or NULL */

/* The response; valid once it has a head, until the next request is started. */
extern int EtlHttpStatus(const EtlHttp *http);
extern char *EtlHttpHeader(const EtlHttp *http, const char *name); /* palloc'd, NULL: none */

#endif /* ETL_HTTP_H */
