/*
 * aside.h
 *		Parts of the source that cannot be read, set aside.
 */
#ifndef ETL_ASIDE_H
#define ETL_ASIDE_H

#include "pipeline/run/read.h"

/*
 * After an error of the source, outside transactions: sets the current part aside, for a reason, if the pipeline does that
 * and the error is one of the part.  The batch ends with it, and so commits it with the records before.
 */
extern bool EtlSetPartAside(EtlReading *reading, const ErrorData *error, const char *reason);

#endif /* ETL_ASIDE_H */
