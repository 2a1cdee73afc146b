/*
 * utf8.h
 *		Text in the encoding of the database, and the same in UTF-8.
 *
 * URLs, bodies of JSON, the paths into them and dialects are UTF-8, whatever the database is.  All of this works outside
 * of transactions too.  Results are palloc'd, or the argument itself where nothing is to convert.
 */
#ifndef ETL_UTF8_H
#define ETL_UTF8_H

#include "etl.h"
#include "fmgr.h"

/*
 * Both raise an error (22P05) for a character that the other encoding lacks, and 22021 for bytes that are no text.
 */
extern const char *EtlToUtf8(const char *text);
extern const char *EtlFromUtf8(const char *text);

/* For messages: what the database has no character for becomes "?".  NULL stays NULL. */
extern const char *EtlShowUtf8(const char *text);
extern const char *EtlShowUtf8Len(const char *text, size_t len);

/* Whether text of UTF-8 has to be converted for the database. */
extern bool EtlUtf8IsForeign(void);

/*
 * Converts from UTF-8 up to the first character that has no equivalent.  Returns how many of the len bytes that is; *out
 * is the result, and *out_len its length.
 */
extern size_t EtlFromUtf8Part(const char *text, size_t len, char **out, size_t *out_len);

/*
 * Finds the function that converts from an encoding to that of the database, in the current memory context; afterwards
 * no catalog is needed to call it.  False: nothing is to convert.  An error (42883) if there is none.
 */
extern bool EtlFindConversion(int from, FmgrInfo *function);

#endif /* ETL_UTF8_H */
