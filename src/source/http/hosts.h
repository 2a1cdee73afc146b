/*
 * hosts.h
 *		Lists of hosts and origins that administrators write: etl.allowed_hosts, and allowed_origins of a
 *		server.
 *
 * A list is separated by commas.  An item of a list of hosts is a host, "*.domain" (any host below it) or
 * "*" (any host), with ":port" or ":*" behind it if other ports than those of http and https are meant.
 * An item of a list of origins begins with its scheme, and without a port means that scheme's.
 */
#ifndef ETL_HOSTS_H
#define ETL_HOSTS_H

#include "etl.h"

#include "source/http/url.h"

typedef enum EtlHostList
{
	ETL_LIST_OF_HOSTS,
	ETL_LIST_OF_ORIGINS,
} EtlHostList;

/* The first item of a list that is not well formed (palloc'd), NULL if there is none. */
extern char *EtlHostsFault(const char *list, EtlHostList kind);

/* Whether one of the items is the host, or the origin, of url. */
extern bool EtlHostsMatch(const char *list, EtlHostList kind, const EtlUrl *url);

#endif /* ETL_HOSTS_H */
