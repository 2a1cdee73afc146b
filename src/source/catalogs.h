/*
 * catalogs.h
 *		Catalog lookups inside and outside of transactions.
 */
#ifndef ETL_CATALOGS_H
#define ETL_CATALOGS_H

#include "etl.h"

/*
 * Calls a function that needs the catalogs: in the current transaction or, for a pipeline, which reads outside of
 * transactions, in a short one of its own.  The current memory context is the caller's.
 */
extern void EtlWithCatalogs(void (*work)(void *arg), void *arg);

#endif /* ETL_CATALOGS_H */
