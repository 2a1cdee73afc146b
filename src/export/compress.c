/*
 * compress.c
 *		Bytes compressed on their way to a sink: gzip by zlib, zstd by libzstd.
 *
 * The libraries allocate with malloc and never call back, so no error passes through them.  What they hold is given back by a
 * callback of the memory context.
 */
#include "etl.h"

#include <zlib.h>
#include <zstd.h>

#include "export/compress.h"
#include "utils/memutils.h"

#define OUTPUT_SIZE (64 * 1024)

struct EtlCompressor
{
	EtlCompression compression;
	EtlSink *sink;
	MemoryContextCallback callback;
	z_stream z;
	bool z_begun;
	ZSTD_CCtx *zstd;
	char output[OUTPUT_SIZE];
};

static void
release(void *arg)
{
	EtlCompressor *compressor = arg;

	if (compressor->z_begun)
		(void) deflateEnd(&compressor->z);
	compressor->z_begun = false;
	ZSTD_freeCCtx(compressor->zstd);
	compressor->zstd = NULL;
}

EtlCompressor *
EtlCompressorOpen(EtlCompression compression, EtlSink *sink)
{
	EtlCompressor *compressor = palloc0(sizeof(EtlCompressor));

	compressor->compression = compression;
	compressor->sink = sink;
	compressor->callback.func = release;
	compressor->callback.arg = compressor;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &compressor->callback);
	if (compression == ETL_COMPRESS_GZIP)
		compressor->z_begun = deflateInit2(&compressor->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
										   MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
	if (compression == ETL_COMPRESS_ZSTD)
		compressor->zstd = ZSTD_createCCtx();
	if (compression != ETL_COMPRESS_NONE && !compressor->z_begun && compressor->zstd == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return compressor;
}

static void
write_gzip(EtlCompressor *compressor, const char *data, size_t len, bool last)
{
	z_stream *z = &compressor->z;
	int result;

	z->next_in = (Bytef *) data;
	z->avail_in = (uInt) len;
	do
	{
		z->next_out = (Bytef *) compressor->output;
		z->avail_out = OUTPUT_SIZE;
		result = deflate(z, last ? Z_FINISH : Z_NO_FLUSH);
		Assert(result != Z_STREAM_ERROR);
		EtlSinkWrite(compressor->sink, compressor->output, OUTPUT_SIZE - z->avail_out);
	} while (z->avail_out == 0 || (last && result != Z_STREAM_END));
}

static void
write_zstd(EtlCompressor *compressor, const char *data, size_t len, bool last)
{
	ZSTD_inBuffer in = {data, len, 0};
	size_t left;

	do
	{
		ZSTD_outBuffer out = {compressor->output, OUTPUT_SIZE, 0};

		left =
			ZSTD_compressStream2(compressor->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
							errmsg("could not compress: %s", ZSTD_getErrorName(left))));
		EtlSinkWrite(compressor->sink, compressor->output, out.pos);
	} while (in.pos < in.size || (last && left > 0));
}

static void
compress_bytes(EtlCompressor *compressor, const char *data, size_t len, bool last)
{
	switch (compressor->compression)
	{
		case ETL_COMPRESS_NONE:
			EtlSinkWrite(compressor->sink, data, len);
			break;
		case ETL_COMPRESS_GZIP:
			write_gzip(compressor, data, len, last);
			break;
		case ETL_COMPRESS_ZSTD:
			write_zstd(compressor, data, len, last);
			break;
	}
}

void
EtlCompressorWrite(EtlCompressor *compressor, const char *data, size_t len)
{
	compress_bytes(compressor, data, len, false);
}

void
EtlCompressorFinish(EtlCompressor *compressor)
{
	compress_bytes(compressor, "", 0, true);
}
