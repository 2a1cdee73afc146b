/*
 * again.h
 *		Dead letters as the records of a batch.
 */
#ifndef ETL_AGAIN_H
#define ETL_AGAIN_H

#include "pipeline/run/deferred.h"
#include "pipeline/run/read.h"

/*
 * In a transaction: fills the batch, which is empty, with dead letters behind *after, and moves that on; false if there
 * are none.  In a retry that may overwrite anything, or in a pipeline that never does, there are no doubts.  Those of ETL_OF_DEFERRED are the ones of this run that failed their foreign key; backwards: before *after.
 */
extern bool EtlTakeLetters(EtlReading *reading, EtlDeferred *deferred, EtlBatchOf of, int64 *after,
						   bool backwards);

#endif /* ETL_AGAIN_H */
