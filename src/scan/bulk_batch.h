/*
 * bulk_batch.h
 *		Rows of an INSERT that go into a table, or its partitions, many at once.
 */
#ifndef ETL_BULK_BATCH_H
#define ETL_BULK_BATCH_H

#include "nodes/execnodes.h"
#include "scan/rows.h"

typedef struct EtlBulk EtlBulk;

typedef enum EtlBulkStep
{
	ETL_BULK_KEPT,
	ETL_BULK_FULL, /* the same, and as many are kept as should be */
	ETL_BULK_UNFIT /* nothing was done with the row: what is kept is to be inserted, then this one alone */
} EtlBulkStep;

/* An INSERT into a table whose ModifyTable has been initialised, in the memory context of the query. */
extern EtlBulk *EtlBulkBegin(EState *estate, ResultRelInfo *target);
/*
 * Keeps a copy of a row of the target, which rows (NULL: nothing) has just read, and which fulfils the constraints; if it
 * does not, that is an error.
 */
extern EtlBulkStep EtlBulkAdd(EtlBulk *bulk, TupleTableSlot *slot, EtlRows *rows);
/* Inserts what is kept, and returns how many rows that were. */
extern uint64 EtlBulkFlush(EtlBulk *bulk);
extern void EtlBulkEnd(EtlBulk *bulk);

#endif /* ETL_BULK_BATCH_H */
