/*
 * text.c
 *		Bytes in memory as a source.
 */
#include "etl.h"

#include "source/text.h"

typedef struct TextSource
{
	EtlSource base;
	const char *data;
} TextSource;

static size_t
text_read(EtlSource *source, char *buf, size_t len)
{
	size_t n = Min(len, (uint64) source->size - source->bytes_read);

	memcpy(buf, ((TextSource *) source)->data + source->bytes_read, n);
	source->bytes_read += n;
	return n;
}

static void
text_close(EtlSource *source)
{
	/* nothing is held */
}

static void
text_rewind(EtlSource *source, bool strict)
{
	/* bytes_read is the place, and EtlSourceRewind resets it */
}

static const EtlSourceOps text_ops = {
	.read = text_read,
	.close = text_close,
	.rewind = text_rewind,
};

EtlSource *
EtlTextOpen(const char *data, size_t len, const char *name)
{
	TextSource *text = palloc0(sizeof(TextSource));

	text->base.ops = &text_ops;
	text->base.name = name;
	text->base.size = (int64) len;
	text->data = data;
	return &text->base;
}
