/*
 * requests.h
 *		What etl_api_many asks for: the elements of an array, or the rows of a query.
 */
#ifndef ETL_REQUESTS_H
#define ETL_REQUESTS_H

#include "etl.h"
#include "scan/args.h"
#include "utils/jsonb.h"

typedef struct EtlRequests EtlRequests;

/*
 * Takes arguments "requests" or "query", in the current memory context.  The query is the caller's: it is run here, to its
 * end, read-only and with the snapshot of the statement, and its rows wait in a temporary file.  22023 unless exactly one of
 * the two is given; 42601 and 42804 for a query that is not one statement which returns one column of type jsonb.
 */
extern EtlRequests *EtlRequestsOpen(const EtlArgs *args);

/* The next request, palloc'd; *request is NULL if it is null.  False: there are no more. */
extern bool EtlRequestsNext(EtlRequests *requests, Jsonb **request);

#endif /* ETL_REQUESTS_H */
