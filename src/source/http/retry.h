/*
 * retry.h
 *		Whether a failed request is asked again, and how long to wait before that.
 *
 * Pure decisions: the clock, the dice and the network are the caller's.  Times are in milliseconds.
 */
#ifndef ETL_RETRY_H
#define ETL_RETRY_H

#include "etl.h"

#include "source/http/http.h"

typedef struct EtlRetryPolicy
{
	int max_attempts;
	int max_wait; /* what a server may ask for at most */
	int64 budget; /* no attempt starts later than this after the first failure */
} EtlRetryPolicy;

typedef enum EtlRetryVerdict
{
	ETL_RETRY_AGAIN,
	ETL_RETRY_NO_ATTEMPT_LEFT,
	ETL_RETRY_NO_TIME_LEFT, /* the budget would be overdrawn */
	ETL_RETRY_TOO_LONG,		/* the server asks for more than max_wait */
} EtlRetryVerdict;

/* How the number in a header is meant; nothing in its name tells, so etl_api lets the user say. */
typedef enum EtlWaitKind
{
	ETL_WAIT_AUTO, /* by its form and magnitude */
	ETL_WAIT_DELTA,
	ETL_WAIT_EPOCH_S,
	ETL_WAIT_EPOCH_MS,
	ETL_WAIT_DATE,
} EtlWaitKind;

#define ETL_NO_WAIT_ASKED (-1)

/* Whether a status says that the same request may succeed later. */
extern bool EtlRetryStatus(int status);

/* Whether a fault is one of the connection, which may be gone next time. */
extern bool EtlRetryFault(EtlHttpFault fault);

/* Whether a request of this method may be sent twice (RFC 9110, 9.2.2). */
extern bool EtlRetryMethod(const char *method);

/*
 * What to take for asked where a status says that the server has too much to do (429, 503), but not for how long: a
 * second, and twice as long each time, but no longer than a server may ask for.  ETL_NO_WAIT_ASKED for other statuses.
 */
extern int64 EtlRetryPatience(const EtlRetryPolicy *policy, int status, int attempt);

/*
 * Decides what follows attempt number "attempt" (from 1), which failed "elapsed" after the first failure.
 * asked is what the server wants, or ETL_NO_WAIT_ASKED; random is in [0, 1).
 */
extern EtlRetryVerdict EtlRetryDecide(const EtlRetryPolicy *policy, int attempt, int64 elapsed,
									  int64 asked, double random, int64 *wait);

/*
 * Reads a wait from a header's value: seconds (with a fraction, or followed by 's'), seconds or
 * milliseconds since 1970, or an HTTP date.  Points in time are held against the server's own clock (date,
 * the Date header of the response, NULL: none), else against now (ms since 1970).  False if value is none
 * of these.
 */
extern bool
EtlRetryParseWait(const char *value, EtlWaitKind kind, const char *date, int64 now, int64 *wait);

/* An HTTP date (RFC 9110, 5.6.7: all three forms), in ms since 1970. */
extern bool EtlRetryParseDate(const char *value, int64 now, int64 *time);

#endif /* ETL_RETRY_H */
