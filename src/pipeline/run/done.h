/*
 * done.h
 *		What is done with parts that are loaded: the option when_done.
 */
#ifndef ETL_RUN_DONE_H
#define ETL_RUN_DONE_H

#include "pipeline/run/read.h"

/*
 * Outside transactions, behind a commit: does it with all parts for which it is still to be done, and remembers for which it
 * was.  An error with one of them does not keep it from being done with others; it is told by Check.  After an error nothing more is
 * tried before "again".
 */
extern void EtlDoWhenDone(EtlReading *reading, bool again);

/* At the end of a run: raises the first of those errors; the load itself is complete. */
extern void EtlCheckDone(const EtlReading *reading);

#endif /* ETL_RUN_DONE_H */
