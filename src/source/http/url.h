/*
 * url.h
 *		http and https URLs: taking them apart, following references, and showing them without secrets.
 *
 * Whoever checks where a request goes and whoever sends it must read the URL alike, or the check is worth
 * nothing.  So a URL is parsed once, strictly, and what is sent to libcurl is written anew from the parts
 * (EtlUrlText): a host is a name in plain letters or an address, and nothing in it is left to
 * interpretation.
 *
 * Nothing here raises an error or needs a server: a function that can refuse returns a sentence that says
 * why (a constant, for errdetail), and NULL when all is well.  Results are palloc'd.
 */
#ifndef ETL_URL_H
#define ETL_URL_H

#include "etl.h"
#include "lib/stringinfo.h"

#define ETL_MAX_URL (64 * 1024)

typedef struct EtlUrl
{
	bool secure;	/* https */
	char *host;		/* lower case; an IPv6 address without its brackets */
	int port;		/* always set */
	char *user;		/* decoded, NULL: none; never part of a text made here */
	char *password; /* decoded, NULL: none */
	char *path;		/* from its '/', dot segments removed, odd bytes escaped */
	char *query;	/* what follows the '?', NULL: none */
} EtlUrl;

/* Whether text is meant as a URL, of whatever scheme, rather than as a file's or server's name. */
extern bool EtlIsUrl(const char *text);

extern const char *EtlUrlParse(const char *text, EtlUrl *url);

/* What a reference found in a response to base (a Location, a next link) points to. */
extern const char *EtlUrlResolve(const EtlUrl *base, const char *reference, EtlUrl *url);

/* A path, and perhaps a query, below base: what etl_csv('server', path) means. */
extern const char *EtlUrlExtend(const EtlUrl *base, const char *path, EtlUrl *url);

/* The query, to be edited in place, however many its parameters are. */
extern void EtlUrlEditQuery(const EtlUrl *url, StringInfo query);
extern void EtlUrlAppendParam(StringInfo query, const char *name, const char *value);
extern void EtlUrlRemoveParam(StringInfo query, const char *name);
extern void EtlUrlSetQuery(EtlUrl *url, const StringInfoData *query);
extern void EtlUrlEscape(StringInfo out, const char *text);

extern char *EtlUrlUnescape(const char *text); /* NULL if it cannot be */

extern bool EtlUrlSameOrigin(const EtlUrl *a, const EtlUrl *b);
extern bool EtlUrlIsBelow(const EtlUrl *base, const EtlUrl *url);

extern char *EtlUrlText(const EtlUrl *url);	  /* to send: holds whatever secrets the query has */
extern char *EtlUrlOrigin(const EtlUrl *url); /* scheme://host[:port] */

/* To show: values of a query are ***, and what is longer than some hundred bytes ends in "...". */
extern char *EtlUrlDisplay(const EtlUrl *url);
extern char *EtlUrlRedact(const char *text); /* of a text that may not even be a URL */

#endif /* ETL_URL_H */
