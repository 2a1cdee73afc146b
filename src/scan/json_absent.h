/*
 * json_absent.h
 *		JSON items that have nothing of what is declared.
 */
#ifndef ETL_JSON_ABSENT_H
#define ETL_JSON_ABSENT_H

#include "scan/json_columns.h"

/*
 * The current item has none of the wanted columns.  False if it has none of the other declared ones either: then the row
 * is faulty (2203A), and its fault lists the members that there are.
 */
extern bool EtlJsonHasOther(EtlJsonRows *json);

#endif /* ETL_JSON_ABSENT_H */
