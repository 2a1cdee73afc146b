/*
 * pattern.h
 *		Regular expressions with named groups, of which no match takes long (all that knows PCRE2).
 *
 * A pattern has to match all of a text.  "." is any character, also a line feed.
 *
 * What a match may cost is limited, by steps that are fewer the longer the text is: a pattern that backtracks without end
 * gives up within 100 ms, with the JIT compiler as without.
 */
#ifndef ETL_PATTERN_H
#define ETL_PATTERN_H

#include "etl.h"

#define ETL_PATTERN_MAX_BYTES 8192
#define ETL_PATTERN_MAX_GROUPS 1600		  /* as many as a table has columns */
#define ETL_PATTERN_MAX_TEXT (128 * 1024) /* bytes of a text that is looked at */

typedef struct EtlPattern EtlPattern;

/* Why a text is no pattern. */
typedef struct EtlPatternFault
{
	char message[256]; /* of PCRE2, in English */
	size_t at;		   /* byte of the pattern */
} EtlPatternFault;

typedef enum EtlPatternResult
{
	ETL_PATTERN_MATCHES,
	ETL_PATTERN_DIFFERS,
	ETL_PATTERN_GAVE_UP, /* it would have cost too much */
	ETL_PATTERN_NO_MEMORY
} EtlPatternResult;

/* Where in a text a group is. */
typedef struct EtlSpan
{
	int32 start; /* -1: it took no part in the match */
	int32 len;
} EtlSpan;

/*
 * In the current memory context, but for what PCRE2 holds, which only EtlPatternFree releases.  NULL: *fault says why.
 * utf8: the pattern is, and texts will be, valid UTF-8; else a character is a byte.
 */
extern EtlPattern *EtlPatternCompile(const char *text, bool utf8, EtlPatternFault *fault);
extern void EtlPatternFree(EtlPattern *pattern);

/* The named groups, in the order in which they open. */
extern int EtlPatternGroups(const EtlPattern *pattern);
extern const char *EtlPatternGroupName(const EtlPattern *pattern, int i);

/* Matches a text; spans (NULL: they are not wanted) has a place for each named group. */
extern EtlPatternResult
EtlPatternMatch(EtlPattern *pattern, const char *text, size_t len, EtlSpan *spans);

#endif /* ETL_PATTERN_H */
