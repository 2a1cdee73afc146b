/*
 * bucket_ahead.h
 *		The objects of a bucket that come next, and their answers on the way.
 *
 *		while (EtlBucketAheadNext(ahead))
 *			source = EtlBucketAheadOpen(ahead, &part, past)
 */
#ifndef ETL_BUCKET_AHEAD_H
#define ETL_BUCKET_AHEAD_H

#include "source/http/bucket_list.h"
#include "source/http/http_source.h"
#include "source/store.h"

typedef struct EtlBucketAhead EtlBucketAhead;

/* The objects of a list; the listing says which of them are wanted.  In the current memory context. */
extern EtlBucketAhead *EtlBucketAheadCreate(const EtlListing *listing, const EtlTarget *target,
											EtlBucketList *list, EtlHttpStats *stats);

/* Goes to the next object, folders left out; false: there is none. */
extern bool EtlBucketAheadNext(EtlBucketAhead *ahead);

/* Of the object in hand: the name as a part, the key, and the ETag that the list shows (NULL: none). */
extern const char *EtlBucketAheadName(const EtlBucketAhead *ahead);
extern const char *EtlBucketAheadKey(const EtlBucketAhead *ahead);
extern const char *EtlBucketAheadVersion(const EtlBucketAhead *ahead);

/* Opens the object in hand, in the current memory context, and has the next ones come meanwhile. */
extern EtlSource *
EtlBucketAheadOpen(EtlBucketAhead *ahead, const EtlHttpPart *part, const EtlSourcePast *past);

extern void EtlBucketAheadRewind(EtlBucketAhead *ahead);

#endif /* ETL_BUCKET_AHEAD_H */
