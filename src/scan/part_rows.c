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

/* Where the line has come to nothing but its end, the next record is another one, and starts behind that. */
bool
EtlPartRowsIsRest(EtlRows *rows, uint64 offset)
{
	EtlStream *stream = rows->parts->stream;
	bool in_line = stream->mid_line;

	stream->mid_line = false;
	return unlikely(in_line) && offset == rows->parts->found.place.offset;
}

EtlAdvance
EtlPartRowsRejectRest(EtlRows *rows)
{
	EtlRowsSetFault(rows, ERRCODE_BAD_COPY_FILE_FORMAT,
					pstrdup("the line was read as a record before it had come to its end"),
					pstrdup("This is the rest of it."), NULL);
	return ETL_ROW_FAULTY;
}

void
EtlPartRowsCheckEmpty(const EtlRows *rows)
{
	const EtlSource *source = rows->parts->stream->source;

	if (rows->resume != NULL && rows->resume->removes && source->bytes_read == 0)
		ereport(ERROR, (errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
						errmsg("file \"%s\" is empty", source->name),
						errdetail("This run removes the rows that it does not find.")));
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
