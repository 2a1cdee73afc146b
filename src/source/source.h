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

#define ETL_MAX_PEEK 64

struct EtlBeginning;

typedef struct EtlSource EtlSource;

/* One file, or what one URL holds. */
typedef struct EtlPart
{
	const char *name; /* for messages, checkpoints and _etl_source, without secrets */
	uint64 identity;  /* a hash of where it is, if the name does not say all of that; or 0 */
} EtlPart;

/* What a later reading compares, to know whether what was read up to some byte is unchanged. */
typedef struct EtlSourceState
{
	uint64 identity;	   /* a hash of where it is, if its name does not say all of that; or 0 */
	const char *validator; /* that a server gave: it changes with the bytes; NULL: none */

	/* of a file */
	uint64 file; /* a hash of what tells it from others on the machine; not kept */
	int64 size;
	int64 mtime; /* ns since 1970; 0: it is no file, and nobody is writing it */
	uint64 head; /* hash of the first bytes, of those before the byte */
	uint64 tail; /* hash of the last bytes before it */
} EtlSourceState;

/* What an earlier reading has left. */
typedef struct EtlSourcePast
{
	EtlSourceState state;
	bool whole;		 /* it was read to its end */
	bool appendable; /* and what was read there may go on */
	int64 at; /* the byte as stored up to which it was read; -1: it is no byte of what is stored */
	uint64 begin; /* bytes before this one need not come again; 0: all are wanted */
} EtlSourcePast;

/* What of a source is to be read, after that. */
typedef enum EtlSourcePlan
{
	ETL_READ_ALL,	  /* it is new, or another one */
	ETL_READ_NOTHING, /* it is unchanged, and was read to its end */
	ETL_READ_HERE,	  /* the bytes before past->begin are the same, and the source begins there */
	ETL_READ_FROM,	  /* what was read is the same, byte by byte; the source begins at its start */
	ETL_READ_BEHIND	  /* what was read should be the same; the source begins at its start */
} EtlSourcePlan;

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
	 * Starts again at byte 0 with what there was when the source was opened.  With strict another reading begins, which
	 * must find what the first one did: an error is raised if anything has changed since, or been added.  NULL if the
	 * source cannot do that.
	 */
	void (*rewind)(EtlSource *source, bool strict);

	/*
	 * For a source that other sources are built on: its state up to a stored byte (-1: no byte in particular),
	 * without the identity, and what of it is to be read.  NULL: nothing is known, and all of it is to be read.
	 */
	void (*state)(EtlSource *source, int64 at, EtlSourceState *state);
	EtlSourcePlan (*plan)(EtlSource *source, const EtlSourcePast *past);

	/* Whether more is stored by now than there was when it was opened.  NULL: that cannot be. */
	bool (*has_grown)(EtlSource *source);

	/* For a source that a server sends: how it begins, for messages (content.h).  NULL: what was read is all that is known. */
	void (*beginning)(EtlSource *source, struct EtlBeginning *beginning);
} EtlSourceOps;

struct EtlSource
{
	const EtlSourceOps *ops;
	const char *name;  /* for messages and _etl_source: what the user called it, without secrets */
	uint64 bytes_read; /* place in the stream: where it began, and what was handed out since */
	int64 size;		   /* bytes in the stream, -1 if that is not known */
	bool
		plain; /* a byte of the stream is a byte of what is stored, so a place in it is one there */
	bool coded;		  /* compressed for the way, on top of what it is said to hold */
	EtlSource *inner; /* of a filter: the source it reads (owned) */
	uint8 nhead;	  /* bytes that were looked at and are still to be read */
	char head[ETL_MAX_PEEK];
};

extern size_t EtlSourceReadHead(EtlSource *source, char *buf, size_t len);

static inline size_t
EtlSourceRead(EtlSource *source, char *buf, size_t len)
{
	if (unlikely(source->nhead > 0))
		return EtlSourceReadHead(source, buf, len);
	return source->ops->read(source, buf, len);
}

/* Passes over up to n bytes without reading them; 0 if it cannot. */
static inline uint64
EtlSourceSeek(EtlSource *source, uint64 n)
{
	return source->nhead > 0 || source->ops->skip == NULL ? 0 : source->ops->skip(source, n);
}

/* Looks at the next n bytes (ETL_MAX_PEEK at most), which stay to be read; returns how many there are. */
extern size_t EtlSourcePeek(EtlSource *source, char *buf, size_t n);

extern bool EtlSourceReady(EtlSource *source, int64 until);
extern void EtlSourceClose(EtlSource *source);
extern bool EtlSourceCanRewind(EtlSource *source);
extern void EtlSourceRewind(EtlSource *source, bool strict);

/* Passes over n bytes, by reading them if need be; an error (58030) if there are not that many. */
extern void EtlSourceSkip(EtlSource *source, uint64 n);

#endif /* ETL_SOURCE_H */
