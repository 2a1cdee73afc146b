/*
 * lines.c
 *		Lines of text, and their fields.
 *
 *		start            end           next                filled          capacity
 *		|  the record, as far as known  |  not looked at yet  |  room for more  |
 *
 * The record at start grows by a line while the next one continues it.  Nothing is looked at twice, however small the
 * pieces are in which the bytes come: "searched" is how far there is no line feed.
 */
#include "etl.h"

#include "common/hashfn.h"
#include "format/lines.h"
#include "mb/pg_wchar.h"
#ifndef FRONTEND
#include "utils/memutils.h"
#else
#define repalloc_huge(pointer, size) repalloc(pointer, size)
#endif

#define FIRST_BUFFER_SIZE (256 * 1024)

typedef struct EtlLines
{
	EtlReader head;
	const EtlLinesOptions *options;
	EtlSpan *spans; /* [options->nfields] */
	char *buf;
	size_t capacity;
	size_t start;	 /* of the record */
	size_t end;		 /* of what is known of it, without the line end */
	size_t next;	 /* of the line behind that */
	size_t searched; /* of that line */
	size_t filled;
	uint64 stream_at; /* byte of the stream that is buf[0] */
	bool ended;
	bool has_record; /* there is a first line */
	uint64 line;	 /* of start */
	uint64 nlines;	 /* of the record, as far as known */
	uint64 shown;	 /* the line of the current record, or of the fault; 0: none */
	bool broken;
	EtlRecordPlace place; /* behind the current record: records and hash */
} EtlLines;

/* ----------------------------------------------------------------
 *	Fields
 * ---------------------------------------------------------------- */

/* The first byte that cannot be text in the encoding. */
static bool
is_text(const EtlLinesOptions *options, EtlLine *line)
{
	const char *nul = memchr(line->data, 0, line->len);
	size_t sound = nul != NULL ? (size_t) (nul - line->data) : line->len;
	size_t valid = pg_encoding_verifymbstr(options->encoding, line->data, sound);

	line->defect_at = valid;
	if (valid < sound)
		line->defect = ETL_LINE_BAD_ENCODING;
	else if (nul != NULL)
		line->defect = ETL_LINE_NUL_BYTE;
	return line->defect == ETL_LINE_SOUND;
}

/* Where a character is several bytes, and a pattern knows only bytes, a group may end within one. */
static bool
groups_are_text(const EtlLinesOptions *options, const EtlLine *line, const EtlSpan *spans)
{
	if (options->encoding == PG_UTF8 || pg_encoding_max_length(options->encoding) == 1)
		return true;
	for (int i = 0; i < options->nfields; i++)
		if (spans[i].start >= 0 &&
			pg_encoding_verifymbstr(options->encoding, line->data + spans[i].start, spans[i].len) <
				spans[i].len)
			return false;
	return true;
}

static void
split_by_pattern(const EtlLinesOptions *options, EtlLine *line, EtlSpan *spans)
{
	switch (EtlPatternMatch(options->pattern, line->data, line->len, spans))
	{
		case ETL_PATTERN_MATCHES:
			if (!groups_are_text(options, line, spans))
				line->defect = ETL_LINE_DIFFERS;
			break;
		case ETL_PATTERN_DIFFERS:
			line->defect = ETL_LINE_DIFFERS;
			break;
		default:
			line->defect = ETL_LINE_GAVE_UP;
			break;
	}
}

static void
split_by_widths(const EtlLinesOptions *options, EtlLine *line, EtlSpan *spans)
{
	size_t at = 0;

	for (int i = 0; i < options->nfields; i++)
	{
		size_t start = at;
		int left = options->widths[i];

		for (; left > 0 && at < line->len; left--)
			at += pg_encoding_mblen(options->encoding, line->data + at);
		if (left > 0 && !options->pad)
			line->defect = ETL_LINE_TOO_SHORT;
		spans[i] = (EtlSpan){(int32) start, (int32) (at - start)};
	}
	for (; at < line->len && line->defect == ETL_LINE_SOUND; at++)
		if (line->data[at] != ' ')
			line->defect = ETL_LINE_TOO_LONG;
}

void
EtlLineSplit(const EtlLinesOptions *options, EtlLine *line, EtlSpan *spans)
{
	line->defect = ETL_LINE_SOUND;
	line->fields = spans;
	if (!is_text(options, line))
		return;
	if (options->pattern != NULL)
		split_by_pattern(options, line, spans);
	else
		split_by_widths(options, line, spans);
}

/* ----------------------------------------------------------------
 *	Lines
 * ---------------------------------------------------------------- */

static void
lines_reset(EtlReader *reader, const EtlRecordPlace *at)
{
	static const EtlRecordPlace start = {.line = 1};
	EtlLines *lines = (EtlLines *) reader;

	lines->place = at != NULL ? *at : start;
	lines->stream_at = lines->place.offset;
	lines->line = lines->place.line - lines->place.in_line;
	lines->start = lines->end = lines->next = lines->searched = lines->filled = 0;
	lines->ended = lines->has_record = lines->broken = false;
	lines->nlines = lines->shown = 0;
}

static EtlReader *
lines_create(const void *options)
{
	EtlLines *lines = palloc0(sizeof(EtlLines));

	lines->head.format = &EtlLinesFormat;
	lines->options = options;
	lines->spans = palloc(sizeof(EtlSpan) * Max(lines->options->nfields, 1));
	lines->capacity = FIRST_BUFFER_SIZE;
	lines->buf = palloc(lines->capacity);
	lines_reset(&lines->head, NULL);
	return &lines->head;
}

static void
lines_free(EtlReader *reader)
{
	EtlLines *lines = (EtlLines *) reader;

	pfree(lines->buf);
	pfree(lines->spans);
	pfree(lines);
}

static char *
lines_room(EtlReader *reader, size_t *len)
{
	EtlLines *lines = (EtlLines *) reader;
	size_t taken = lines->start;

	if (taken > 0 && (taken >= lines->filled - taken || lines->filled == lines->capacity))
	{
		memmove(lines->buf, lines->buf + taken, lines->filled - taken);
		lines->stream_at += taken;
		lines->end -= Min(lines->end, taken);
		lines->next -= taken;
		lines->searched -= taken;
		lines->filled -= taken;
		lines->start = 0;
	}
	if (lines->filled == lines->capacity)
	{
		lines->capacity *= 2;
		lines->buf = repalloc_huge(lines->buf, lines->capacity);
	}
	*len = lines->capacity - lines->filled;
	return lines->buf + lines->filled;
}

static void
lines_fed(EtlReader *reader, size_t n)
{
	EtlLines *lines = (EtlLines *) reader;

	lines->filled += n;
	lines->ended |= n == 0;
}

/* Finds the end of the line at "next", without its line end, and where the one behind it starts; false: not there yet. */
static bool
find_line(EtlLines *lines, size_t *end, size_t *behind)
{
	const char *feed = memchr(lines->buf + lines->searched, '\n', lines->filled - lines->searched);

	if (feed == NULL)
	{
		lines->searched = lines->filled;
		if (!lines->ended || lines->next == lines->filled)
			return false;
		*end = *behind = lines->filled;
		return true;
	}
	*end = feed - lines->buf;
	*behind = *end + 1;
	if (*end > lines->next && lines->buf[*end - 1] == '\r')
		(*end)--;
	return true;
}

/* The line up to there is passed over, or belongs to the record. */
static void
take_line(EtlLines *lines, size_t end, size_t behind)
{
	lines->end = end;
	lines->next = lines->searched = behind;
	lines->nlines++;
}

/* A line that is too long by itself continues nothing. */
static bool
continues(const EtlLines *lines, size_t end)
{
	const EtlLinesOptions *options = lines->options;
	const char *line = lines->buf + lines->next;
	size_t len = end - lines->next;

	return options->continuation != NULL && len <= options->max_record &&
		   pg_encoding_verifymbstr(options->encoding, line, len) == len &&
		   EtlPatternMatch(options->continuation, line, len, NULL) == ETL_PATTERN_MATCHES;
}

static void
pass_over_record(EtlLines *lines)
{
	lines->start = lines->next;
	lines->line += lines->nlines;
	lines->nlines = 0;
	lines->has_record = false;
}

static int
hand_out(EtlLines *lines, EtlLine *line)
{
	*line = (EtlLine){
		.data = lines->buf + lines->start,
		.len = lines->end - lines->start,
		.line = lines->line,
		.offset = lines->stream_at + lines->start,
	};
	EtlLineSplit(lines->options, line, lines->spans);
	lines->shown = lines->line;
	lines->place.records++;
	if (lines->options->hashes)
		lines->place.hash = hash_bytes_extended((const unsigned char *) line->data, (int) line->len,
												lines->place.hash);
	pass_over_record(lines);
	return ETL_FORMAT_RECORD;
}

static int
too_long(EtlLines *lines)
{
	lines->broken = true;
	lines->shown = lines->line;
	return ETL_LINES_TOO_LONG;
}

static int
lines_next(EtlReader *reader, void *record)
{
	EtlLines *lines = (EtlLines *) reader;
	size_t end, behind;

	if (lines->broken)
		return ETL_LINES_TOO_LONG;
	while (find_line(lines, &end, &behind))
	{
		if (lines->has_record && !continues(lines, end))
			return hand_out(lines, record);
		if (end - lines->start > lines->options->max_record)
			return too_long(lines);
		take_line(lines, end, behind);
		if (end == lines->start)
			pass_over_record(lines); /* an empty line */
		else
			lines->has_record = true;
		if (lines->has_record && lines->options->continuation == NULL)
			return hand_out(lines, record);
	}
	if (lines->filled - lines->next > lines->options->max_record + 2)
		return lines->has_record ? hand_out(lines, record) : too_long(lines);
	if (!lines->ended)
		return ETL_FORMAT_NEED_DATA;
	return lines->has_record ? hand_out(lines, record) : ETL_FORMAT_END;
}

/* ----------------------------------------------------------------
 *	What else there is to know
 * ---------------------------------------------------------------- */

static void
lines_position(const EtlReader *reader, EtlRecordPlace *place)
{
	const EtlLines *lines = (const EtlLines *) reader;

	*place = lines->place;
	place->offset = lines->stream_at + lines->start;
	place->line = lines->line;
	place->open = true;
}

static void
lines_where(const EtlReader *reader, StringInfo buf)
{
	const EtlLines *lines = (const EtlLines *) reader;

	if (lines->shown > 0)
		appendStringInfo(buf, ", line " UINT64_FORMAT, lines->shown);
}

static uint64
lines_number(const EtlReader *reader, const char **unit)
{
	*unit = "line";
	return ((const EtlLines *) reader)->shown;
}

/* A record that ends with the stream, unless it is one whole line that no other can continue. */
static bool
lines_cut_off(const EtlReader *reader, int step, const void *record)
{
	const EtlLines *lines = (const EtlLines *) reader;

	if (step != ETL_FORMAT_RECORD || !lines->ended || lines->start < lines->filled)
		return false;
	return lines->options->continuation != NULL || lines->buf[lines->filled - 1] != '\n';
}

uint64
EtlLinesFaultLine(const EtlReader *reader)
{
	return ((const EtlLines *) reader)->shown;
}

const EtlFormat EtlLinesFormat = {
	.name = "lines",
	.create = lines_create,
	.reset = lines_reset,
	.room = lines_room,
	.fed = lines_fed,
	.next = lines_next,
	.position = lines_position,
	.where = lines_where,
	.number = lines_number,
	.free = lines_free,
	.cut_off = lines_cut_off,
};
