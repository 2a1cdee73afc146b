/*
 * transaction.h
 *		The transactions of a run.
 */
#ifndef ETL_TRANSACTION_H
#define ETL_TRANSACTION_H

#include "pipeline/run/run.h"

/* What is allocated between Begin and Commit goes with the transaction. */
extern void EtlBegin(void);
extern void EtlCommit(const EtlRun *run);
/* Within PG_CATCH: ends the failed transaction, and gives the error in a memory context. */
extern ErrorData *EtlAbort(const EtlRun *run, MemoryContext context);

#endif /* ETL_TRANSACTION_H */
