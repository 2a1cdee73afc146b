/*
 * server.h
 *		Foreign servers of the wrapper etl, and user mappings for them: their options.
 */
#ifndef ETL_SERVER_H
#define ETL_SERVER_H

#include "etl.h"
#include "source/http/target.h"

/* Fills in what the options of a server and of the current user's mapping say; an error if either lacks something. */
extern void EtlServerRead(const char *name, EtlTarget *target);

/* Whether there is such a server, and its URL is one of s3://. */
extern bool EtlServerIsBucket(const char *name);

#endif /* ETL_SERVER_H */
