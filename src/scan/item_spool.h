/*
 * item_spool.h
 *		JSON items in a temporary file, for scans that may be read again.
 *
 *		spool = EtlItemSpoolCreate()
 *		EtlItemSpoolAdd(spool, &from, item)			each item, while it is read for the first time
 *		EtlItemSpoolRewind(spool, &options)			from now on those are replayed, with the same options of the reader
 *		EtlItemSpoolNext(spool, &from, &item)		the next one; false: all of them have been
 */
#ifndef ETL_ITEM_SPOOL_H
#define ETL_ITEM_SPOOL_H

#include "etl.h"
#include "format/json.h"

typedef struct EtlItemSpool EtlItemSpool;

/* Where an item comes from. */
typedef struct EtlSpooledFrom
{
	int64 request;
	int64 page;
	int sqlstate; /* not 0: there is no item, and the message of an error is in its place */
} EtlSpooledFrom;

/* In the current memory context. */
extern EtlItemSpool *EtlItemSpoolCreate(void);
extern void
EtlItemSpoolAdd(EtlItemSpool *spool, const EtlSpooledFrom *from, const EtlJsonItem *item);
extern void EtlItemSpoolRewind(EtlItemSpool *spool, EtlJsonOptions *options);

/* The item is the spool's reader's, until the next call. */
extern bool EtlItemSpoolNext(EtlItemSpool *spool, EtlSpooledFrom *from, EtlJsonItem *item);

/* The last item that was handed out came from the spool. */
extern bool EtlItemSpoolReplays(const EtlItemSpool *spool);

#endif /* ETL_ITEM_SPOOL_H */
