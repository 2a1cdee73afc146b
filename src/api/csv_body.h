/*
 * csv_body.h
 *		A page of CSV as the JSON of its records, so that whatever can be done with items can be done with them.
 *
 *		room = EtlCsvBodyRoom(body, &len)		where the next bytes of the page go
 *		EtlCsvBodyFed(body, n)					n of them have come; 0 says that there are no more
 *		EtlCsvBodyTake(body, to, &len)			up to len bytes of JSON, 0 at the end; false: feed more
 *
 * A record is an object: the names are those of the page's header, the values strings, and null what is
 * empty and stands without quotes.
 */
#ifndef ETL_CSV_BODY_H
#define ETL_CSV_BODY_H

#include "etl.h"

typedef struct EtlCsvBody EtlCsvBody;

/* In the current memory context. */
extern EtlCsvBody *EtlCsvBodyCreate(size_t max_item_size);
extern void EtlCsvBodyReset(EtlCsvBody *body); /* at the first byte of a new page */
extern char *EtlCsvBodyRoom(EtlCsvBody *body, size_t *len);
extern void EtlCsvBodyFed(EtlCsvBody *body, size_t n);
extern bool EtlCsvBodyTake(EtlCsvBody *body, char *to, size_t *len);

#endif /* ETL_CSV_BODY_H */
