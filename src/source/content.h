/*
 * content.h
 *		What a text is, by its first characters.
 */
#ifndef ETL_CONTENT_H
#define ETL_CONTENT_H

#include "etl.h"

/* What the text begins as: "JSON", "an HTML page" or "XML"; NULL: nothing that can be told. */
extern const char *EtlBeginsAs(const char *text, size_t len);

/* Whether it is an object or an array, and in it what may come first there: no CSV file that anybody would write. */
extern bool EtlBeginsAsJson(const char *text, size_t len);

/* How something begins, for messages: nothing of it is secret. */
typedef struct EtlBeginning
{
	const char *text; /* its first characters; NULL: it is no text */
	const char *type; /* the media type that a server calls it; NULL: none does */
} EtlBeginning;

/* The first characters of bytes, as text of the database on one line; NULL: they are no text. */
extern char *EtlShowBeginning(const char *bytes, size_t len);

#endif /* ETL_CONTENT_H */
