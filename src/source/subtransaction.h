/*
 * subtransaction.h
 *		Work whose errors are values.
 */
#ifndef ETL_SUBTRANSACTION_H
#define ETL_SUBTRANSACTION_H

#include "etl.h"

/*
 * Calls a function in a subtransaction, in the current memory context.  NULL: it has returned.  Else everything that it did
 * is rolled back, and the error that it raised is returned, allocated in a memory context.
 */
extern ErrorData *EtlInSubtransaction(void (*function)(void *arg), void *arg, MemoryContext errors);

#endif /* ETL_SUBTRANSACTION_H */
