/*
 * bucket_done.h
 *		What is done with an object that is loaded (when_done.h): deleted, tagged or moved.
 */
#ifndef ETL_BUCKET_DONE_H
#define ETL_BUCKET_DONE_H

#include "source/http/exchange.h"
#include "source/http/key_pattern.h"
#include "source/when_done.h"

/* An error (42501) if requests that change something may not be sent to the target. */
extern void EtlBucketCheckDone(const EtlTarget *target);

/*
 * Sends the first request for an object, of which the version with this ETag was loaded.  All is in the current memory
 * context; what it is given is borrowed.  22023: it is to go where the pattern would find it again.
 */
extern EtlDone *
EtlBucketDone(const EtlTarget *target, const EtlKeyPattern *pattern, const char *key,
			  const char *etag, const EtlWhenDone *what, EtlHttpStats *stats);

#endif /* ETL_BUCKET_DONE_H */
