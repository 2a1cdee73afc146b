/*
 * hidden.h
 *		Characters that nobody sees, for messages: U+FEFF and its like.
 */
#ifndef ETL_HIDDEN_H
#define ETL_HIDDEN_H

#include "etl.h"

/* The text with each of them written as <U+FEFF>; the text itself if it has none. */
extern const char *EtlVisible(const char *text);

/* What the first of them is called, such as "U+FEFF (byte order mark)"; NULL: there is none. */
extern const char *EtlNameHidden(const char *text);

#endif /* ETL_HIDDEN_H */
