/*
 * source.c
 *		What all sources share: waiting for, closing and rewinding a chain of filters, and a look at its first bytes.
 */
#include "etl.h"

#include "source/source.h"

/* Releases what the source and those below it hold.  May be called again. */
void
EtlSourceClose(EtlSource *source)
{
	for (; source != NULL; source = source->inner)
		source->ops->close(source);
}

bool
EtlSourceReady(EtlSource *source, int64 until)
{
	while (source != NULL && source->nhead == 0 && source->ops->ready == NULL)
		source = source->inner;
	return source == NULL || source->nhead > 0 || source->ops->ready(source, until);
}

/* While bytes wait in the head, bytes_read does not count them; the source's own functions see that it does. */
size_t
EtlSourcePeek(EtlSource *source, char *buf, size_t n)
{
	size_t got = 1;

	Assert(n <= sizeof(source->head));
	while (source->nhead < n && got > 0)
	{
		source->bytes_read += source->nhead;
		got = source->ops->read(source, source->head + source->nhead, n - source->nhead);
		source->nhead += got;
		source->bytes_read -= source->nhead;
	}
	n = Min(n, source->nhead);
	memcpy(buf, source->head, n);
	return n;
}

size_t
EtlSourceReadHead(EtlSource *source, char *buf, size_t len)
{
	size_t n = Min(len, source->nhead);

	memcpy(buf, source->head, n);
	source->nhead -= n;
	memmove(source->head, source->head + n, source->nhead);
	source->bytes_read += n;
	/* More of what never waits is to be had at once. */
	if (n < len && source->inner == NULL && source->ops->ready == NULL)
		n += source->ops->read(source, buf + n, len - n);
	return n;
}

/* Whether the whole chain can start again at byte 0. */
bool
EtlSourceCanRewind(EtlSource *source)
{
	for (; source != NULL; source = source->inner)
		if (source->ops->rewind == NULL)
			return false;
	return true;
}

/*
 * Starts again at byte 0, the innermost source first, so that a filter finds its input rewound.
 */
void
EtlSourceRewind(EtlSource *source, bool strict)
{
	if (!EtlSourceCanRewind(source))
		elog(ERROR, "\"%s\" cannot be read again", source->name);
	if (source->inner != NULL)
		EtlSourceRewind(source->inner, strict);
	source->ops->rewind(source, strict);
	source->bytes_read = source->nhead = 0;
}

void
EtlSourceSkip(EtlSource *source, uint64 n)
{
	char scratch[8192];

	while (n > 0)
	{
		uint64 done = EtlSourceSeek(source, n);

		if (done == 0)
			done = EtlSourceRead(source, scratch, Min(n, sizeof(scratch)));
		if (done == 0)
			ereport(ERROR, (errcode(ERRCODE_IO_ERROR),
							errmsg("\"%s\" ends before the place where reading is to go on",
								   source->name)));
		n -= done;
	}
}
