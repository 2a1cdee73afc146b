/*
 * bucket_list.h
 *		The objects of a bucket whose keys match a pattern, in the order of the keys.
 *
 *		list = EtlBucketListOpen(target, pattern, &stats)
 *		while ((object = EtlBucketListNext(list)) != NULL)
 *
 * They come page by page, as they are needed: one page is held, however many there are.  What begins with the same text as
 * the pattern is asked for; the rest is matched here.
 */
#ifndef ETL_BUCKET_LIST_H
#define ETL_BUCKET_LIST_H

#include "source/http/bucket_page.h"
#include "source/http/exchange.h"
#include "source/http/key_pattern.h"

typedef struct EtlBucketList EtlBucketList;

/*
 * The pattern of keys that a path means for the target, below the prefix of its server; without a path (NULL) what
 * s3://bucket/... has.
 */
extern EtlKeyPattern *EtlBucketPattern(const EtlTarget *target, const char *path);

/* What all keys begin with that can be reached below the server, with its slash; palloc'd. */
extern char *EtlBucketPrefix(const EtlTarget *target);

/* The list belongs to the current memory context, and borrows what it is given. */
extern EtlBucketList *
EtlBucketListOpen(const EtlTarget *target, const EtlKeyPattern *pattern, EtlHttpStats *stats);

/* NULL: there is none any more.  An object stays until the next is asked for. */
extern const EtlBucketObject *EtlBucketListNext(EtlBucketList *list);

/* The same without waiting: NULL if the next one may be on a page that is not there yet.  That page is on its way then. */
extern const EtlBucketObject *EtlBucketListAhead(EtlBucketList *list);

/* Starts again: the same objects follow, or an error (55000) is raised for a page that has changed. */
extern void EtlBucketListRewind(EtlBucketList *list);

/* s3://bucket/key, to be shown; palloc'd. */
extern char *EtlBucketName(const EtlTarget *target, const char *key);

/* What who asks has to be allowed, to list or to read an object; a sentence. */
extern const char *EtlBucketNeeds(const EtlTarget *target, bool list);

/* The URL of a key; an error (22023) if there can be none, or what is wrong. */
extern const char *EtlBucketKeyFault(const EtlTarget *target, const char *key, EtlUrl *url);
extern void EtlBucketKeyUrl(const EtlTarget *target, const char *key, EtlUrl *url);

#endif /* ETL_BUCKET_LIST_H */
