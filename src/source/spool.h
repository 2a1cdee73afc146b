/*
 * spool.h
 *		A source that can be read once, made one that can be read again.
 */
#ifndef ETL_SPOOL_H
#define ETL_SPOOL_H

#include "source/source.h"

/*
 * A filter that keeps what it reads of "inner" in a temporary file.  Rewound, it gives that, and goes on with
 * inner where that ends: inner is read once, however often the filter is.
 */
extern EtlSource *EtlSpoolOpen(EtlSource *inner);

#endif /* ETL_SPOOL_H */
