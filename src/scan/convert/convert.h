/*
 * convert.h
 *		From the text of a field to a Datum, without the type's input function where that is safe.
 *
 * A fast converter knows only the canonical form of its type.  It either gives exactly the Datum
 * that the input function would give, or says no; then the input function decides, and value,
 * rounding and error are PostgreSQL's own.
 */
#ifndef ETL_CONVERT_H
#define ETL_CONVERT_H

#include "etl.h"

/*
 * Converts len bytes at s (not NUL-terminated; must not be changed, and nothing beyond them read).
 * Returns false, with nothing allocated for good, for any text that is not in the canonical form or
 * not in range.  Pass-by-reference results are palloc'd in the current memory context.  Never
 * raises an error for what is in s.
 */
typedef bool (*EtlFastConverter)(const char *s, size_t len, int32 typmod, Datum *value);

/*
 * The fast converter of a type (not of a domain over it), NULL if it has none.  Ask at the start of
 * each scan: the answer may rest on the session's time zone abbreviations.
 */
extern EtlFastConverter EtlFastConverterFor(Oid typid, int32 typmod);

#endif /* ETL_CONVERT_H */
