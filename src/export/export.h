/*
 * export.h
 *		The rows of a query, written to a place outside: the way back.
 *
 *		query -> rows -> text of a row (rows_text.c) -> compressed (compress.c) -> sink (file_sink.c)
 *
 * A row is text once and gone; memory is a row and buffers of fixed size.  What is written becomes visible at the end, whole, or
 * not at all.
 */
#ifndef ETL_EXPORT_H
#define ETL_EXPORT_H

#include "etl.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"

/* ----------------------------------------------------------------
 *	Where bytes go (file_sink.c)
 * ---------------------------------------------------------------- */

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

/* ----------------------------------------------------------------
 *	Compression on the way there (compress.c)
 * ---------------------------------------------------------------- */

typedef enum EtlCompression
{
	ETL_COMPRESS_NONE,
	ETL_COMPRESS_GZIP,
	ETL_COMPRESS_ZSTD
} EtlCompression;

typedef struct EtlCompressor EtlCompressor;

/* In the current memory context. */
extern EtlCompressor *EtlCompressorOpen(EtlCompression compression, EtlSink *sink);
extern void EtlCompressorWrite(EtlCompressor *compressor, const char *data, size_t len);
extern void EtlCompressorFinish(EtlCompressor *compressor);

/* ----------------------------------------------------------------
 *	Rows as text (rows_text.c)
 * ---------------------------------------------------------------- */

typedef struct EtlTextOptions
{
	bool json; /* a line of JSON for each row; else CSV, for which the others are */
	bool header;
	const char *delimiter; /* one byte */
	const char *null_string;
	int encoding; /* of the text */
} EtlTextOptions;

typedef struct EtlRowsText EtlRowsText;

/* For rows of that type, in the current memory context; options and desc are borrowed. */
extern EtlRowsText *EtlRowsTextCreate(const EtlTextOptions *options, TupleDesc desc);

/* The header, or NULL; a row.  Valid until the next call; what it takes besides goes to the current memory context. */
extern const StringInfoData *EtlRowsTextHeader(EtlRowsText *text);
extern const StringInfoData *EtlRowsTextRow(EtlRowsText *text, TupleTableSlot *slot);

#endif /* ETL_EXPORT_H */
