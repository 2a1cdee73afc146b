/*
 * source.c
 *		What all sources share: waiting for, closing and rewinding a chain of filters.
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
	while (source != NULL && source->ops->ready == NULL)
		source = source->inner;
	return source == NULL || source->ops->ready(source, until);
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
	source->bytes_read = 0;
}

void
EtlSourceSkip(EtlSource *source, uint64 n)
{
	char scratch[8192];

	while (n > 0)
	{
		uint64 done = source->ops->skip != NULL ? source->ops->skip(source, n) : 0;

		if (done == 0)
			done = EtlSourceRead(source, scratch, Min(n, sizeof(scratch)));
		if (done == 0)
			ereport(ERROR, (errcode(ERRCODE_IO_ERROR),
							errmsg("\"%s\" ends before the place where reading is to go on",
								   source->name)));
		n -= done;
	}
}
