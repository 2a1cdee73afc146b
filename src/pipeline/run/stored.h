/*
 * stored.h
 *		Values as texts in etl_catalog, which do not depend on the session.
 */
#ifndef ETL_STORED_H
#define ETL_STORED_H

#include "etl.h"

/* The text of a value: a date or time as ISO 8601, and a value of any other type in its canonical form. */
extern char *EtlStoredText(Oid type, Datum value);
/* The value that such a text is. */
extern Datum EtlFromStored(Oid type, const char *text);
/* The value that a text is in the session. */
extern Datum EtlFromText(Oid type, int32 typmod, const char *text);

#endif /* ETL_STORED_H */
