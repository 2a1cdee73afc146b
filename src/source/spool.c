/*
 * spool.c
 *		A source that can be read once, made one that can be read again.
 */
#include "etl.h"

#include "source/content.h"
#include "source/spool.h"
#include "source/temp_file.h"

typedef struct Spool
{
	EtlSource base;
	EtlSource *once; /* what is spooled; not base.inner, which would be rewound */
	EtlTempFile *file;
	uint64 kept; /* bytes in the file */
} Spool;

static size_t spool_read(EtlSource *source, char *buf, size_t len);
static void spool_close(EtlSource *source);
static void spool_rewind(EtlSource *source, bool strict);
static void spool_beginning(EtlSource *source, EtlBeginning *beginning);

static const EtlSourceOps spool_ops = {
	.read = spool_read,
	.close = spool_close,
	.rewind = spool_rewind,
	.beginning = spool_beginning,
};

static size_t
spool_read(EtlSource *source, char *buf, size_t len)
{
	Spool *spool = (Spool *) source;
	size_t n;

	if (source->bytes_read < spool->kept)
	{
		n = Min(len, spool->kept - source->bytes_read);
		EtlTempFileRead(spool->file, source->bytes_read, buf, n);
	}
	else
	{
		n = EtlSourceRead(spool->once, buf, len);
		EtlTempFileAppend(spool->file, buf, n);
		spool->kept += n;
	}
	source->bytes_read += n;
	return n;
}

/* What was kept stays: like a file, a spool can be rewound after it was closed. */
static void
spool_close(EtlSource *source)
{
	EtlSourceClose(((Spool *) source)->once);
}

static void
spool_rewind(EtlSource *source, bool strict)
{
	/* bytes_read is the place, and EtlSourceRewind resets it */
}

static void
spool_beginning(EtlSource *source, EtlBeginning *beginning)
{
	EtlSource *once = ((Spool *) source)->once;

	if (once->ops->beginning != NULL)
		once->ops->beginning(once, beginning);
}

EtlSource *
EtlSpoolOpen(EtlSource *inner)
{
	Spool *spool = palloc0(sizeof(Spool));

	spool->base.ops = &spool_ops;
	spool->base.name = inner->name;
	spool->base.size = inner->size;
	spool->base.coded = inner->coded;
	spool->once = inner;
	spool->file = EtlTempFileCreate();
	return &spool->base;
}
