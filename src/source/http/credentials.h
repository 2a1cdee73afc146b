/*
 * credentials.h
 *		What a request shows to be let in: the last that is added to it, anew for each hop of each attempt.
 *
 * Method, URL, headers and body are what they will be, so a signature can cover them; nothing changes afterwards.
 */
#ifndef ETL_CREDENTIALS_H
#define ETL_CREDENTIALS_H

#include "source/http/exchange.h"
#include "source/http/http.h"

/*
 * Adds what the target has to a request for url, or to url.  Returns what was shown, palloc'd, if there may be other
 * credentials once that is refused; or NULL.
 */
extern const char *EtlCredentialsApply(const EtlTarget *target, EtlUrl *url,
									   EtlHttpRequest *request, EtlHttpStats *stats);

/* The credentials were refused: the next request gets others.  False: there are no others. */
extern bool EtlCredentialsRenew(const EtlTarget *target, const char *shown);

/* How often something else may be shown within one attempt. */
extern int EtlCredentialsRenewals(const EtlTarget *target);

/*
 * Whether the answer, whose head has come, refuses the credentials of a request for url, and the next one gets
 * others.
 */
extern bool
EtlCredentialsRefused(const EtlTarget *target, const EtlUrl *url, const char *shown, EtlHttp *http);

/* Takes out of a URL what Apply put there. */
extern void EtlCredentialsRemove(const EtlTarget *target, EtlUrl *url);

#endif /* ETL_CREDENTIALS_H */
