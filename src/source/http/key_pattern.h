/*
 * key_pattern.h
 *		Patterns of keys, whose parts are separated by slashes.
 *
 *		*			anything but a slash		[abc] [a-z] [!a]	one character of these, or of all others
 *		?			one character but a slash	**					anything
 *		\*			a star						x/<two stars>/y		also x/y
 *
 * A match takes no more than the length of the pattern times that of the key, whatever both are.
 */
#ifndef ETL_KEY_PATTERN_H
#define ETL_KEY_PATTERN_H

#include "etl.h"

typedef struct EtlKeyPattern EtlKeyPattern;

/* The first "literal" bytes of text stand for themselves.  All is palloc'd, and texts are UTF-8. */
extern EtlKeyPattern *EtlKeyPatternCreate(const char *text, size_t literal);

/* Whether the text has anything in it that is no plain character. */
extern bool EtlKeyPatternIsPattern(const EtlKeyPattern *pattern);

/* What all keys that match begin with; of a text that is no pattern, the key. */
extern const char *EtlKeyPatternPrefix(const EtlKeyPattern *pattern);

extern const char *EtlKeyPatternText(const EtlKeyPattern *pattern); /* as it was given */

extern bool EtlKeyPatternMatches(const EtlKeyPattern *pattern, const char *key);

#endif /* ETL_KEY_PATTERN_H */
