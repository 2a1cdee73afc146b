/*
 * again.h
 *		Dead letters as the records of a batch.
 */
#ifndef ETL_AGAIN_H
#define ETL_AGAIN_H

#include "pipeline/run/deferred.h"
#include "pipeline/run/read.h"

/*
 * In a transaction: fill the batch, which is empty, with dead letters behind *after, and move that on; false if there are
 * none.  The second takes those of this run that failed their foreign key; backwards, from *after on, or forwards.
 */
extern bool EtlTakeLetters(EtlReading *reading, int64 *after);
extern bool
EtlTakeDeferred(EtlReading *reading, EtlDeferred *deferred, int64 *after, bool backwards);

#endif /* ETL_AGAIN_H */
