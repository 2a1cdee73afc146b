/*
 * url_braces.h
 *		Several URLs as one text: https://host/orders-{2026-01,2026-02}.csv, https://host/part-{01..12}.csv
 */
#ifndef ETL_URL_BRACES_H
#define ETL_URL_BRACES_H

#include "etl.h"
#include "nodes/pg_list.h"

/*
 * The texts that one with lists in braces stands for, in the order in which it names them: a list of char *, palloc'd.  A list
 * has words between commas, or two numbers with two dots between, which are as wide as the first one where that
 * begins with a zero.  Other braces, the name of the host and a query stand for themselves.  An error (22023) if there are too many.
 */
extern List *EtlUrlBraces(const char *text, bool is_url);

#endif /* ETL_URL_BRACES_H */
