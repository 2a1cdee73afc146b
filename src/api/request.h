/*
 * request.h
 *		The request for a page: what the user asked for, and where in it the reference to the page goes.
 */
#ifndef ETL_REQUEST_H
#define ETL_REQUEST_H

#include "api/dialect.h"
#include "etl.h"
#include "format/json.h"
#include "source/http/exchange.h"
#include "utils/jsonb.h"

/* A parameter of the query. */
typedef struct EtlParam
{
	const char *name; /* both UTF-8 */
	const char *value;
} EtlParam;

/* What the first request asks for. */
typedef struct EtlApiBase
{
	const EtlTarget *target;
	EtlUrl url;			  /* with the query that source and path have */
	List *params;		  /* of EtlParam */
	List *headers;		  /* "Name: value" */
	Jsonb *body;		  /* NULL: none */
	const bool *initials; /* of what can be looked for in the items, see EtlJsonOptions */
} EtlApiBase;

/* What stands in the place of {key}, {from} and {to} in params and body; NULL: nothing does. */
typedef struct EtlHoles
{
	const char *key;
	const char *from;
	const char *to;
} EtlHoles;

/* What leads to a page: a cursor, a URL or a number. */
typedef struct EtlReference
{
	EtlJsonType type; /* what it was in the body; a string if it was in a header */
	const char *text; /* what it says, UTF-8 */
	const char *raw;  /* the same as JSON */
} EtlReference;

extern EtlReference *EtlReferenceOfText(const char *text, size_t len);
extern EtlReference *EtlReferenceOfNumber(int64 number);
extern EtlReference *EtlReferenceCopy(const EtlReference *reference);
extern EtlReference *EtlReferenceOfValue(const EtlJsonValue *value);

/* Eight digits by which a reference is known in messages: it may hold a secret. */
extern const char *EtlReferenceHash(const EtlReference *reference);

/* Can a reference that is a URL be followed?  If not, EtlRequestBuild raises an error. */
extern bool
EtlRequestMayFollow(const EtlApiBase *base, const EtlReference *reference, const EtlUrl *answered);

/* Does the user ask for n of something: is that the value of a parameter that the call gives? */
extern bool EtlRequestAsksFor(const EtlApiBase *base, int64 n);

/*
 * Makes the request for a page.  reference NULL is the first page of a search; answered is the URL that the
 * reference was found at.  An error if the reference leads to where the scan may not go.
 */
extern void
EtlRequestBuild(const EtlApiBase *base, const EtlDialect *dialect, const EtlReference *reference,
				const EtlUrl *answered, const EtlHoles *holes, EtlCall *call);

#endif /* ETL_REQUEST_H */
