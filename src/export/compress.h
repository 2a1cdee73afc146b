/*
 * compress.h
 *		Compression on the way to a sink.
 */
#ifndef ETL_EXPORT_COMPRESS_H
#define ETL_EXPORT_COMPRESS_H

#include "etl.h"
#include "export/sink.h"

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

#endif /* ETL_EXPORT_COMPRESS_H */
