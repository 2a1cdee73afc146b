/*
 * lines.c
 *		Fuzz target: lines, and what patterns find in them.
 *
 * The first line of the input is a pattern, the second one for continuations (empty: none); the rest is the text.  It gives
 * the same records in one piece and byte by byte, and groups lie within their record.
 */
#include "etl.h"

#include "mb/pg_wchar.h"

#include "format/lines.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Records as their places, lengths and defects, hashed in their order. */
static uint64
read_all(const EtlLinesOptions *options, const char *text, size_t len, size_t chunk)
{
	EtlReader *reader = EtlLinesFormat.create(options);
	uint64 hash = 0;
	EtlLine line;
	int step = ETL_FORMAT_NEED_DATA;

	while (step == ETL_FORMAT_NEED_DATA)
	{
		EtlBytes bytes = {text, Min(chunk, len), .cut = len > 0};

		text += bytes.len;
		len -= bytes.len;
		while ((step = EtlReaderNext(reader, &line, EtlFeedBytes, &bytes)) == ETL_FORMAT_RECORD)
		{
			hash = hash * 31 + line.offset * 7 + line.len * 5 + line.line * 3 + line.defect;
			for (int i = 0; line.defect == ETL_LINE_SOUND && i < options->nfields; i++)
				if (line.fields[i].start >= 0 &&
					(line.fields[i].len < 0 ||
					 (size_t) (line.fields[i].start + line.fields[i].len) > line.len))
					abort();
		}
	}
	hash = hash * 31 + step;
	reader->format->free(reader);
	return hash;
}

/* The first line of the input, NUL-terminated; NULL if it can be no pattern. */
static char *
take_line(const char **data, size_t *size)
{
	const char *end = memchr(*data, '\n', *size);
	size_t len = end != NULL ? (size_t) (end - *data) : *size;
	char *line = pnstrdup(*data, len);

	*data += end != NULL ? len + 1 : len;
	*size -= end != NULL ? len + 1 : len;
	if (strlen(line) == len && pg_encoding_verifymbstr(PG_UTF8, line, len) == len)
		return line;
	pfree(line);
	return NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *rest = (const char *) data;
	char *pattern = take_line(&rest, &size);
	char *continuation = take_line(&rest, &size);
	EtlLinesOptions options = {.encoding = PG_UTF8, .max_record = 64};
	EtlPatternFault fault;

	if (pattern != NULL && continuation != NULL &&
		(options.pattern = EtlPatternCompile(pattern, true, &fault)) != NULL)
	{
		options.nfields = EtlPatternGroups(options.pattern);
		if (continuation[0] != '\0')
			options.continuation = EtlPatternCompile(continuation, true, &fault);
		if (read_all(&options, rest, size, SIZE_MAX) != read_all(&options, rest, size, 1))
			abort();
		if (options.continuation != NULL)
			EtlPatternFree(options.continuation);
		EtlPatternFree(options.pattern);
	}
	if (pattern != NULL)
		pfree(pattern);
	if (continuation != NULL)
		pfree(continuation);
	return 0;
}
