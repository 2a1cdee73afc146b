/*
 * part_rows.c
 *		Rows whose records come from parts: what is the same for every format.
 */
#include "etl.h"

#include "scan/part_rows.h"

EtlPartsStep
EtlPartRowsNext(EtlRows *rows)
{
	EtlStream *stream = rows->parts->stream;
	EtlPartsStep step;

	stream->until = rows->until;
	step = EtlPartsNext(rows->parts);
	rows->counters.bytes = stream->nbytes;
	return step;
}

void
EtlPartRowsRewind(EtlRows *rows)
{
	EtlStreamRewind(rows->parts->stream);
}

/* A pipeline that reads no source, but dead letters, may have no stream either. */
void
EtlPartRowsWhere(const EtlRows *rows, StringInfo buf)
{
	if (rows->parts != NULL)
		EtlStreamWhere(rows->parts->stream, buf);
}

void
EtlPartRowsMark(const EtlRows *rows, EtlRowMark *mark)
{
	const EtlStream *stream = rows->parts->stream;

	mark->part = stream->number;
	mark->source = stream->source->name;
	mark->number = stream->reader->format->number(stream->reader, &mark->unit);
}

void
EtlPartRowsExplain(const EtlRows *rows, ExplainState *es)
{
	EtlStreamExplain(rows->parts->stream, es);
}

void
EtlPartRowsTell(EtlRows *rows)
{
	EtlPartsTell(rows->parts);
}

bool
EtlPartRowsLeave(EtlRows *rows)
{
	return EtlPartsLeave(rows->parts);
}
