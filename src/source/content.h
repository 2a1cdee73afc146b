/*
 * content.h
 *		What a text is, by its first characters.
 */
#ifndef ETL_CONTENT_H
#define ETL_CONTENT_H

#include "etl.h"

/* What the text begins as: "JSON", "an HTML page" or "XML"; NULL: nothing that can be told. */
extern const char *EtlBeginsAs(const char *text, size_t len);

#endif /* ETL_CONTENT_H */
