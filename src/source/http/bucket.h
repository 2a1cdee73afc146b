/*
 * bucket.h
 *		Addresses of S3 and what is like it, s3://bucket/key, and of Azure, az://container/key; and the http URL that each
 *		stands for.
 *
 * A key is any text: nothing in it is an escape, a query or a dot segment.
 */
#ifndef ETL_BUCKET_H
#define ETL_BUCKET_H

#include "etl.h"

#include "source/http/url.h"

#define ETL_DEFAULT_REGION "us-east-1"

typedef enum EtlBucketKind
{
	ETL_BUCKET_S3,
	ETL_BUCKET_AZURE, /* a container of Blob Storage */
} EtlBucketKind;

/* Where buckets are. */
typedef struct EtlBucketPlace
{
	EtlBucketKind kind;
	const char *endpoint; /* an http URL; NULL: AWS */
	const char *region;	  /* NULL: the default */
	const char *
		addressing; /* "virtual": the bucket is in the name of the host, "path": in the path; NULL: as usual there */
} EtlBucketPlace;

/* Whether text is meant as s3://... or az://... */
extern bool EtlIsBucketUrl(const char *text);

/* "s3://" or "az://" */
extern const char *EtlBucketScheme(EtlBucketKind kind);

/* Takes such a text apart (palloc'd); returns what is wrong with it (a sentence), or NULL. */
extern const char *EtlBucketParse(const char *text, EtlBucketKind *kind, char **bucket, char **key);

/* The URL of a key ("": of the bucket itself); returns what is wrong with place or key, or NULL. */
extern const char *
EtlBucketUrl(const char *bucket, const char *key, const EtlBucketPlace *place, EtlUrl *url);

extern bool EtlIsRegion(const char *text);

/* What the hosts of AWS in a region end in. */
extern const char *EtlBucketSuffix(const char *region);

/* Puts another region into the name of a host of AWS, which has one; leaves other hosts alone. */
extern void EtlBucketSetRegion(EtlUrl *url, const char *region);

#endif /* ETL_BUCKET_H */
