/*
 * head.h
 *		The head of an HTTP response: a status line, and a line for each header; and which headers may be
 *		added to a request.
 */
#ifndef ETL_HEAD_H
#define ETL_HEAD_H

#include "etl.h"

/*
 * The value of the next header of this name in a head, without the blanks around it; *len is its length.
 * after is what the previous call returned, NULL for the first one.  NULL: there is none (any more).
 */
extern const char *EtlHeadNext(const char *head, const char *name, const char *after, size_t *len);

/* All values of a name as one list, as RFC 9110, 5.3 has it; palloc'd, NULL if there is none. */
extern char *EtlHeadValue(const char *head, const char *name);

/* Why a user may not add a header to a request (a sentence, for errdetail); NULL: it is allowed. */
extern const char *EtlHeaderFault(const char *name, const char *value);

#endif /* ETL_HEAD_H */
