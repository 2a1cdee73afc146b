/*
 * enrich.h
 *		What APIs say of the keys of a batch, before its query sees it.
 */
#ifndef ETL_ENRICH_H
#define ETL_ENRICH_H

#include "pipeline/run/commit.h"

/*
 * Asks for each key of the batch that is not kept, outside of transactions, and makes the relations that the query reads.
 * Records whose key has no answer become dead letters, with on_error "dead_letter".  Raises an error if a server cannot be
 * reached, or, with "fail", for a key that it refuses: nothing of the batch is loaded then, and the next run begins with it.
 */
extern void EtlEnrichBatch(EtlBatchLoad *load);

#endif /* ETL_ENRICH_H */
