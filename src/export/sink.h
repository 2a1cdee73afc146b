/*
 * sink.h
 *		Where the bytes of an export go: a file that becomes visible at the end, whole, or not at all.
 */
#ifndef ETL_SINK_H
#define ETL_SINK_H

#include "etl.h"

typedef struct EtlSink EtlSink;

/*
 * A file on the database server, by an absolute path; it is written beside it, under a name of its own.  Raises 42501 unless the
 * current user has the rights of pg_write_server_files, 42602 for a path that is not absolute, 42809 for what is there and is
 * no regular file; 58P02 if there is a file, and it is not to be overwritten; and what the operating system says.
 */
extern EtlSink *EtlFileSinkOpen(const char *path, bool overwrite);
extern void EtlSinkWrite(EtlSink *sink, const char *data, size_t len);

/* All of it is there: makes it the file, for good.  Returns its version, as etl_parts has it (palloc'd). */
extern char *EtlSinkFinish(EtlSink *sink);

/* Removes what was written, unless it is finished.  Never an error; for on_shmem_exit and its like. */
extern void EtlSinkAbandon(EtlSink *sink);

extern uint64 EtlSinkBytes(const EtlSink *sink);

#endif /* ETL_SINK_H */
