/*
 * types.h
 *		The fast converters one by one, for the table in converters.c (and nobody else).
 *
 * Each does what EtlFastConverter in convert.h promises.  The two families whose canonical form
 * hangs on more than the type hand out a converter by a function of their own.
 */
#ifndef ETL_CONVERT_TYPES_H
#define ETL_CONVERT_TYPES_H

#include "scan/convert/convert.h"

/* int.c */
extern bool EtlConvertInt2(const char *s, size_t len, int32 typmod, Datum *value);
extern bool EtlConvertInt4(const char *s, size_t len, int32 typmod, Datum *value);
extern bool EtlConvertInt8(const char *s, size_t len, int32 typmod, Datum *value);

/* float.c */
extern bool EtlConvertFloat4(const char *s, size_t len, int32 typmod, Datum *value);
extern bool EtlConvertFloat8(const char *s, size_t len, int32 typmod, Datum *value);

/* numeric.c: NULL for a typmod that always needs numeric_in */
extern EtlFastConverter EtlNumericConverterFor(int32 typmod);

/* datetime.c: NULL if this session's time zone abbreviations redefine the ISO letters */
extern bool EtlConvertDate(const char *s, size_t len, int32 typmod, Datum *value);
extern EtlFastConverter EtlTimestampConverter(void);
extern EtlFastConverter EtlTimestampTzConverter(void);

/* text.c */
extern bool EtlConvertText(const char *s, size_t len, int32 typmod, Datum *value);
extern bool EtlConvertVarchar(const char *s, size_t len, int32 typmod, Datum *value);
extern bool EtlConvertBpchar(const char *s, size_t len, int32 typmod, Datum *value);

/* bool.c, uuid.c */
extern bool EtlConvertBool(const char *s, size_t len, int32 typmod, Datum *value);
extern bool EtlConvertUuid(const char *s, size_t len, int32 typmod, Datum *value);

#endif /* ETL_CONVERT_TYPES_H */
