/*
 * catalogs.h
 *		Looking into the catalogs from wherever one stands.
 */
#ifndef ETL_CATALOGS_H
#define ETL_CATALOGS_H

#include "etl.h"

/*
 * Does some short work that needs the catalogs: in the transaction at hand, or, for a pipeline, which reads outside
 * of any, in one of its own.  The current memory context is the caller's.
 */
extern void EtlWithCatalogs(void (*work)(void *arg), void *arg);

#endif /* ETL_CATALOGS_H */
