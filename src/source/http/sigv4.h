/*
 * sigv4.h
 *		Signatures of requests to AWS, and to what is like S3 (Signature Version 4, in the header Authorization).
 *
 * A pure function over the finished request.  What is signed is the request in a canonical form, which the server makes
 * anew from what it receives:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
#ifndef ETL_SIGV4_H
#define ETL_SIGV4_H

#include "etl.h"

typedef struct EtlSigv4
{
	const char *access_key_id;
	const char *secret_access_key;
	const char *session_token; /* NULL: none */
	const char *region;
	const char *service;
	int64 time; /* seconds since 1970 */

	bool
		as_object; /* S3: the path is signed as it is sent (EtlSigv4Path); others normalise it and escape it once more */
	bool shows_hash; /* the hash of the body is a header; S3 wants it */

	const char *method;
	const char *path;
	const char *query; /* NULL: none */
	const char *body;  /* NULL: none */
	size_t body_len;
	const char *const *headers; /* "Name: value", those to be signed, that of the host among them */
	int nheaders;
} EtlSigv4;

/* Headers that the request gets in addition, palloc'd: "Name: value". */
typedef struct EtlSigv4Headers
{
	char *authorization;
	char *date;
	char *token; /* NULL: there is none */
	char *hash;	 /* of the body; NULL: it is not sent */
} EtlSigv4Headers;

extern void EtlSigv4Sign(const EtlSigv4 *request, EtlSigv4Headers *headers);

/* A path with each byte escaped that has to be, and no other, palloc'd: all that read it see the same. */
extern char *EtlSigv4Path(const char *path);

/* What is no path yet but a name, in which nothing is an escape. */
extern char *EtlSigv4Escape(const char *name);

#endif /* ETL_SIGV4_H */
