/*
 * json_absent.h
 *		JSON items that have nothing of what is declared, and declared columns that no item has.
 */
#ifndef ETL_JSON_ABSENT_H
#define ETL_JSON_ABSENT_H

#include "scan/json_columns.h"

/*
 * The current item has none of the wanted columns.  False if it has none of the other declared ones either: then the row
 * is faulty (2203A), and its fault lists the members that there are.
 */
extern bool EtlJsonHasOther(EtlJsonRows *json);

/* The current item was searched: takes what it has off the columns that no item has had. */
extern void EtlJsonNoteSeen(EtlJsonRows *json);
/* The "missing" of these kinds: 42703, with the members of the first item that lacks a column. */
extern void EtlJsonMissing(EtlRows *rows, EtlFault *fault);

#endif /* ETL_JSON_ABSENT_H */
