/*
 * pairs.h
 *		Lists of name=value as text (ASCII): what a pipeline keeps to go on with a source.
 *
 * A pair begins with a blank.  Values are escaped as in a URL, so they may hold anything but a NUL.
 */
#ifndef ETL_PAIRS_H
#define ETL_PAIRS_H

#include "etl.h"
#include "lib/stringinfo.h"

extern void
EtlPairsAdd(StringInfo text, const char *name, const char *value); /* nothing if value is NULL */
extern void
EtlPairsAddNumber(StringInfo text, const char *name, uint64 value); /* nothing if it is 0 */

/* Takes the next pair from the front of *text, palloc'd and unescaped; false at the end. */
extern bool EtlPairsNext(const char **text, char **name, char **value);

/* A number as AddNumber wrote it; 0 if the value is none. */
extern uint64 EtlPairsNumber(const char *value);

#endif /* ETL_PAIRS_H */
