/*
 * detect.h
 *		The dialect of an API, as its first answer shows it.  Pure: headers and a body in, options out.
 *
 * What cannot be known is not guessed: a dialect that may miss items has a doubt, which says what was seen.
 */
#ifndef ETL_DETECT_H
#define ETL_DETECT_H

#include "api/dialect.h"
#include "etl.h"
#include "format/json.h"

/* The value of a response's header, NULL if it has none. */
typedef const char *(*EtlHeaderLookup)(void *arg, const char *name);

typedef struct EtlDetection
{
	const char *value[ETL_DIALECT_OPTIONS]; /* of each option that was found out; NULL: not */
	const char *evidence;					/* what the choice rests on, a phrase */
	const char *doubt;						/* as in EtlDialect */
	const char *problem; /* the items cannot be found; then the rest is not set */
	const char *hint;
} EtlDetection;

/* The body is an array (its elements are the items), or values one after another. */
extern void EtlDetectFromHeaders(EtlHeaderLookup lookup, void *arg, EtlDetection *detection);

/* The body is an object, all of it; items is where the user says that the items are, or NULL. */
extern void EtlDetectFromBody(const EtlJsonItem *body, const char *items, EtlHeaderLookup lookup,
							  void *arg, EtlDetection *detection);

/* The same, of nothing but the items: pages tells whether the collection has several pages. */
extern void EtlDetectItems(const EtlJsonItem *body, bool pages, EtlDetection *detection);

/* Sets the options that were found out, but for those that are set already. */
extern const char *EtlDetectionApply(const EtlDetection *detection, EtlDialect *dialect);

#endif /* ETL_DETECT_H */
