/*
 * source.h
 *		A stream of bytes, wherever they come from.
 *
 * A source is opened by its maker (EtlFileOpen, EtlDecodeOpen, ...), read to its end, and closed.  Readers
 * of records never know where the bytes come from, and a filter (decompression, decoding) is a source
 * that reads another one:
 *
 *		file or http  ->  gunzip  ->  decode  ->  record reader's own buffer
 *
 * A source is allocated in the memory context that is current when it is opened, and registers a reset
 * callback there before it acquires anything that the context does not own (a descriptor, a handle of
 * libcurl or zlib).  So an error, a cancelled query or a closed cursor releases it without anybody's help;
 * EtlSourceClose only does so earlier.
 */
#ifndef ETL_SOURCE_H
#define ETL_SOURCE_H

#include "etl.h"
#include "lib/stringinfo.h"

typedef struct EtlSource EtlSource;

typedef struct EtlSourceOps
{
	/*
	 * Reads between 1 and len bytes into buf; 0 is the end of the stream and stays so.  Waits only on the
	 * latch.  Raises an error for anything that keeps the stream from being read whole.
	 */
	size_t (*read)(EtlSource *source, char *buf, size_t len);

	/* Releases what the source holds; it may be called again, and after an error. */
	void (*close)(EtlSource *source);

	/*
	 * Passes over up to n bytes without reading them; 0 if it cannot.  NULL if it never can.
	 */
	uint64 (*skip)(EtlSource *source, uint64 n);

	/*
	 * Waits until a read would not wait for the network, but not beyond "until" (clock.h); false if that came first.
	 * NULL: the source that it reads knows, and one that reads none never waits.
	 */
	bool (*ready)(EtlSource *source, int64 until);

	/*
	 * Starts again at byte 0, and raises an error if what would be read is no longer what was read first.
	 * NULL if the source cannot do that.
	 */
	void (*rewind)(EtlSource *source);
} EtlSourceOps;

struct EtlSource
{
	const EtlSourceOps *ops;
	const char *name; /* for messages and _etl_source: what the user called it, without secrets */
	uint64
		bytes_read; /* handed out so far; a filter counts what it hands out, not what it takes in */
	int64 size;		/* bytes in the stream, -1 if that is not known */
	bool
		plain; /* a byte of the stream is a byte of what is stored, so a place in it is one there */
	EtlSource *inner; /* of a filter: the source it reads (owned) */
};

static inline size_t
EtlSourceRead(EtlSource *source, char *buf, size_t len)
{
	return source->ops->read(source, buf, len);
}

extern bool EtlSourceReady(EtlSource *source, int64 until);
extern void EtlSourceClose(EtlSource *source);
extern bool EtlSourceCanRewind(EtlSource *source);
extern void EtlSourceRewind(EtlSource *source);

/* Passes over n bytes, by reading them if need be; an error (58030) if there are not that many. */
extern void EtlSourceSkip(EtlSource *source, uint64 n);

#endif /* ETL_SOURCE_H */
