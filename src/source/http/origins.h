/*
 * origins.h
 *		What is known of each origin (scheme://host:port): its circuit breakers and its latest requests.
 *
 * Every request to an origin enters, and leaves with what became of it.  A role has its own breaker for each origin, and
 * a server its own rate limit: what one role does never opens or forgets those of others.
 */
#ifndef ETL_ORIGINS_H
#define ETL_ORIGINS_H

#include "etl.h"

#include "source/http/breaker.h"

/* "https://", a host name of 253 bytes at most, and a port */
#define ETL_MAX_ORIGIN 280

/* Who sends the request. */
typedef struct EtlSender
{
	Oid role;
	Oid server; /* of this database; InvalidOid: none */
	EtlRate rate;
} EtlSender;

typedef enum EtlAdmission
{
	ETL_ADMITTED,
	ETL_RATE_LIMITED,	/* may enter after the wait */
	ETL_BREAKER_OPENED, /* refused: the origin has failed too often */
	ETL_TOO_MANY_RATES, /* refused: the table has no room for another rate limit of this role */
} EtlAdmission;

extern void EtlOriginsInit(void);

/*
 * Asks for one request to go out now.  *probe goes with the request and comes back when it leaves; *wait
 * is how many ms until it is worth asking again, -1 if nobody can say.  Only a request that is waited for can
 * be a probe: others are refused while the breaker is not closed.
 */
extern EtlAdmission EtlOriginEnter(const char *origin, const EtlSender *sender, bool waited_for,
								   uint32 *probe, int64 *wait);
extern void EtlOriginLeave(const char *origin, Oid role, uint32 probe, EtlOutcome outcome);

#endif /* ETL_ORIGINS_H */
