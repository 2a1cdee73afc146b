/*
 * lacks.h
 *		The columns that a record lacks, on their way through the query of a pipeline.
 */
#ifndef ETL_LACKS_H
#define ETL_LACKS_H

#include "access/tupdesc.h"
#include "nodes/parsenodes.h"

/* The column of the batch, behind all others, that says which of those a record lacks; of type bytea. */
#define ETL_LACKS_COLUMN "_etl_lacks"

/* The columns of a batch with that one. */
extern TupleDesc EtlWithLacks(TupleDesc batch);

/*
 * A query over etl_batch() with that column behind its own.  *from[i] is the number, from 0, of the column of the batch that
 * the i-th of its n first columns is, as it is or cast; -1: it is computed.  NULL if all are.
 */
extern char *EtlCarryLacks(const char *query, int n, int *from);

/* The column of the batch, from 0, that a column of an analyzed query over it is, as it is; -1: it is computed. */
extern int EtlPassedColumn(Query *query, AttrNumber column);

#endif /* ETL_LACKS_H */
