/*
 * unpack.c
 *		Bodies that come compressed: gzip (zlib) and zstd.
 *
 * A body may be of several members or frames, one behind the other.  What a decompressor takes for itself is bounded: 32 kB for gzip,
 * and for zstd a window of 8 MB, which is what RFC 9659 has senders keep to.
 */
#include "etl.h"

#include <stdlib.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

#include "gateway/program/unpack.h"

#define GZIP_WINDOW (15 + 16) /* of zlib: a gzip header, and any window */
#define ZSTD_WINDOW_LOG 23

struct Unpack
{
	ZSTD_DStream *zstd; /* NULL: it is gzip */
	ZSTD_inBuffer in;
	z_stream gzip;
	bool is_whole;
};

bool
UnpackKnows(const char *encoding)
{
	return strcasecmp(encoding, "gzip") == 0 || strcasecmp(encoding, "zstd") == 0;
}

static bool
begin_zstd(Unpack *unpack)
{
	unpack->zstd = ZSTD_createDStream();
	return unpack->zstd != NULL && !ZSTD_isError(ZSTD_DCtx_setParameter(
									   unpack->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG));
}

Unpack *
UnpackBegin(const char *encoding)
{
	Unpack *unpack = calloc(1, sizeof(Unpack));

	if (unpack == NULL)
		return NULL;
	if (strcasecmp(encoding, "zstd") == 0 ? begin_zstd(unpack)
										  : inflateInit2(&unpack->gzip, GZIP_WINDOW) == Z_OK)
		return unpack;
	ZSTD_freeDStream(unpack->zstd);
	free(unpack);
	return NULL;
}

void
UnpackGive(Unpack *unpack, const char *data, size_t len)
{
	unpack->in = (ZSTD_inBuffer){data, len, 0};
	unpack->gzip.next_in = (Bytef *) data;
	unpack->gzip.avail_in = (uInt) len;
}

static ssize_t
read_zstd(Unpack *unpack, char *to, size_t size)
{
	ZSTD_outBuffer out = {to, size, 0};

	do
	{
		size_t left;

		if (unpack->is_whole && unpack->in.pos == unpack->in.size)
			return 0; /* asked for more, it would begin another frame */
		left = ZSTD_decompressStream(unpack->zstd, &out, &unpack->in);
		if (ZSTD_isError(left))
			return -1;
		unpack->is_whole = left == 0;
	} while (out.pos == 0 && unpack->in.pos < unpack->in.size);
	return (ssize_t) out.pos;
}

static ssize_t
read_gzip(Unpack *unpack, char *to, size_t size)
{
	z_stream *z = &unpack->gzip;

	z->next_out = (Bytef *) to;
	z->avail_out = (uInt) size;
	do
	{
		int done;

		if (unpack->is_whole && z->avail_in == 0)
			return 0;
		if (unpack->is_whole && inflateReset(z) != Z_OK)
			return -1;
		done = inflate(z, Z_NO_FLUSH);
		if (done != Z_OK && done != Z_STREAM_END && done != Z_BUF_ERROR)
			return -1;
		unpack->is_whole = done == Z_STREAM_END;
	} while (z->avail_out == size && z->avail_in > 0);
	return (ssize_t) (size - z->avail_out);
}

ssize_t
UnpackRead(Unpack *unpack, char *to, size_t size)
{
	return unpack->zstd != NULL ? read_zstd(unpack, to, size) : read_gzip(unpack, to, size);
}

bool
UnpackIsWhole(const Unpack *unpack)
{
	return unpack->is_whole;
}

void
UnpackEnd(Unpack *unpack)
{
	if (unpack == NULL)
		return;
	if (unpack->zstd != NULL)
		ZSTD_freeDStream(unpack->zstd);
	else
		(void) inflateEnd(&unpack->gzip);
	free(unpack);
}
