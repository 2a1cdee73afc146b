/*
 * temp_file.h
 *		A temporary file that belongs to a memory context.
 *
 * It counts as a query's own (temp_file_limit, log_temp_files), but goes with the context rather than with the
 * subtransaction in which it was made: a cursor outlives that of its first FETCH, and would find it gone.
 *
 * A BufFile would not do: closing one writes what it has not written yet, and where that fails because
 * writing had just failed, so does the cleaning up after the failed query.
 */
#ifndef ETL_TEMP_FILE_H
#define ETL_TEMP_FILE_H

#include "etl.h"

typedef struct EtlTempFile EtlTempFile;

/* Makes one in the current memory context. */
extern EtlTempFile *EtlTempFileCreate(void);
extern void EtlTempFileAppend(EtlTempFile *file, const void *data, size_t len);

/* Reads len bytes from the place "at" on; they must have been appended. */
extern void EtlTempFileRead(EtlTempFile *file, uint64 at, void *data, size_t len);

#endif /* ETL_TEMP_FILE_H */
