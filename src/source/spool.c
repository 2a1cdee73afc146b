/*
 * spool.c
 *		A source that can be read once, made one that can be read again.
 *
 * The temporary file counts as a query's own (temp_file_limit, log_temp_files), but belongs to the memory
 * context: a cursor outlives the subtransaction of its first FETCH, and would find the file gone.
 */
#include "etl.h"

#include "source/spool.h"
#include "storage/buffile.h"
#include "utils/memutils.h"

typedef struct Spool
{
	EtlSource base;
	EtlSource *once; /* what is spooled; not base.inner, which would be rewound */
	MemoryContextCallback callback;
	MemoryContext context;
	BufFile *file; /* NULL: none yet */
	uint64 kept;   /* bytes in the file */
	bool behind;   /* the file has bytes that are to be read before inner's */
} Spool;

static size_t spool_read(EtlSource *source, char *buf, size_t len);
static void spool_close(EtlSource *source);
static void spool_rewind(EtlSource *source);

static const EtlSourceOps spool_ops = {
	.read = spool_read,
	.close = spool_close,
	.rewind = spool_rewind,
};

static void
seek(Spool *spool, uint64 offset)
{
	/* Segments are of 1 GB; a seek finds the right one from the beginning of the file. */
	if (BufFileSeek(spool->file, 0, (off_t) offset, SEEK_SET) != 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read the temporary copy of \"%s\" again: %m",
							   spool->base.name)));
}

static void
keep(Spool *spool, char *buf, size_t len)
{
	if (spool->file == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(spool->context);

		spool->file = BufFileCreateTemp(true);
		MemoryContextSwitchTo(old);
	}
	BufFileWrite(spool->file, buf, len);
	spool->kept += len;
}

static size_t
spool_read(EtlSource *source, char *buf, size_t len)
{
	Spool *spool = (Spool *) source;
	size_t n;

	if (spool->behind)
	{
		n = Min(len, spool->kept - source->bytes_read);
		if (BufFileRead(spool->file, buf, n) != n)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read the temporary copy of \"%s\": %m", source->name)));
		source->bytes_read += n;
		if (source->bytes_read == spool->kept)
		{
			spool->behind = false;
			seek(spool, spool->kept);
		}
		return n;
	}
	n = EtlSourceRead(spool->once, buf, len);
	if (n > 0)
		keep(spool, buf, n);
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
spool_rewind(EtlSource *source)
{
	Spool *spool = (Spool *) source;

	spool->behind = spool->kept > 0;
	if (spool->behind)
		seek(spool, 0);
}

static void
drop_file(void *arg)
{
	Spool *spool = arg;
	BufFile *file = spool->file;

	spool->file = NULL;
	if (file != NULL)
		BufFileClose(file);
}

EtlSource *
EtlSpoolOpen(EtlSource *inner)
{
	Spool *spool = palloc0(sizeof(Spool));

	spool->base.ops = &spool_ops;
	spool->base.name = inner->name;
	spool->base.size = inner->size;
	spool->once = inner;
	spool->context = CurrentMemoryContext;
	spool->callback.func = drop_file;
	spool->callback.arg = spool;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &spool->callback);
	return &spool->base;
}
