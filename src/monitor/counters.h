/*
 * counters.h
 *		Numbers of the whole server that only grow.
 */
#ifndef ETL_COUNTERS_H
#define ETL_COUNTERS_H

#include "etl.h"

typedef enum EtlCounter
{
	ETL_HTTP_REQUESTS,
	ETL_HTTP_RETRIES, /* of those, sent again */
	ETL_HTTP_BYTES,	  /* of bodies, as they came */
	ETL_HTTP_WAITED,  /* ms, before requests: for another try, or the rate limit */
	ETL_COUNTERS
} EtlCounter;

extern void EtlCountersInit(void);

/* Any process may count; it costs an atomic addition.  Nothing is counted if the library is not preloaded. */
extern void EtlCount(EtlCounter counter, uint64 n);

/* False: nobody counts. */
extern bool EtlReadCounter(EtlCounter counter, uint64 *value);

#endif /* ETL_COUNTERS_H */
