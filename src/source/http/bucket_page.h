/*
 * bucket_page.h
 *		A page of the list of a bucket: the answer to ListObjectsV2 (S3) or List Blobs (Azure), an XML document.
 *
 *		page = EtlBucketPageCreate()
 *		EtlBucketPageFeed(page, data, len)		as it comes; false: it is no such answer
 *		EtlBucketPageEnd(page)					there is no more; false likewise
 *		page->objects, page->token
 *
 * Everything is in the memory context that is current when it is created.
 */
#ifndef ETL_BUCKET_PAGE_H
#define ETL_BUCKET_PAGE_H

#include "etl.h"

typedef struct EtlBucketObject
{
	struct EtlBucketObject *next;
	char *key;
	char *etag;		   /* NULL: there is none */
	char *modified;	   /* ISO 8601, or as HTTP has dates; NULL: it is not known */
	int64 size;		   /* -1: it is not known */
	bool escaped;	   /* its key still is, as in a URL */
	bool is_directory; /* of Azure: it is no blob */
} EtlBucketObject;

typedef struct EtlBucketPage
{
	EtlBucketObject *objects; /* in the order of their keys */
	char *token;			  /* for the next page; NULL: this is the last */
	const char *fault;		  /* what is wrong (a sentence) */
	struct EtlBucketParser *parser;
} EtlBucketPage;

extern EtlBucketPage *EtlBucketPageCreate(void);
extern bool EtlBucketPageFeed(EtlBucketPage *page, const char *data, size_t len);
extern bool EtlBucketPageEnd(EtlBucketPage *page);

/* Releases the parser, which belongs to no memory context; the page stays. */
extern void EtlBucketPageFree(EtlBucketPage *page);

#endif /* ETL_BUCKET_PAGE_H */
