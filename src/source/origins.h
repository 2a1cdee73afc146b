/*
 * origins.h
 *		What is known of each origin (scheme://host:port): its circuit breaker and its latest requests.
 *
 * Every request to an origin enters, and leaves with what became of it.
 */
#ifndef ETL_ORIGINS_H
#define ETL_ORIGINS_H

#include "etl.h"

#include "source/breaker.h"

/* "https://", a host name of 253 bytes at most, and a port */
#define ETL_MAX_ORIGIN 280

typedef enum EtlAdmission
{
	ETL_ADMITTED,
	ETL_RATE_LIMITED,	/* may enter after the wait */
	ETL_BREAKER_OPENED, /* refused: the origin has failed too often */
} EtlAdmission;

extern void EtlOriginsInit(void);

/*
 * Asks for one request to go out now.  *probe goes with the request and comes back when it leaves; *wait
 * is how many ms until it is worth asking again, -1 if nobody can say.  Only a request that is waited for can
 * be a probe: others are refused while the breaker is not closed.
 */
extern EtlAdmission EtlOriginEnter(const char *origin, const EtlRate *rate, bool waited_for,
								   uint32 *probe, int64 *wait);
extern void EtlOriginLeave(const char *origin, uint32 probe, EtlOutcome outcome);

#endif /* ETL_ORIGINS_H */
