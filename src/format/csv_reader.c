/*
 * csv_reader.c
 *		The buffer between a source and the records of a CSV file.
 *
 *		memory         start                      scanned              filled           capacity
 *		|  slack  |  taken  |  marked, not yet taken  |  not yet tokenized  |  room for more  |
 *
 * The source fills from the right.  When no whole record is left that is marked, the next slice is given to
 * the tokenizer: a slice is small, so that its bytes and marks are still in the CPU's first cache when its
 * records are handed out.  Each byte is tokenized once, however small the pieces are in which it comes.
 *
 * Room for more is made by moving what is not yet taken to the front, with its marks, when that is no more
 * than what was taken since, or when there is no room at all.  The buffer grows only when one record fills
 * it, and no further than a record may.
 *
 * A record is looked at closely only where the tokenizer suspects something: NUL bytes, bytes beyond ASCII,
 * line ends inside quotes (which count as lines), stray quotes, or more bytes than the smallest limit.
 *
 * A line whose fields cannot be told apart is set aside: all marks from its start on are dropped, it ends at the
 * next line end whatever quotes it holds, and the bytes behind that are tokenized once more.
 */
#include "etl.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#ifndef FRONTEND
#include "utils/memutils.h"
#endif

#include "format/csv_tokenizer.h"

#ifdef FRONTEND
#define repalloc_huge(pointer, size) repalloc(pointer, size)
#endif

/* Bytes before the buffer: the very first field also has one that the caller may write on. */
#define SLACK MAXIMUM_ALIGNOF

/* How the lines of the stream end. */
typedef enum LineEnds
{
	BY_ANY, /* not known yet */
	BY_LF,	/* or CRLF: a CR alone is a defect */
	BY_CR,	/* or, since there are such files, LF or CRLF as well */
} LineEnds;

/* Beside the statuses of csv.h: a line is to be set aside. */
#define SET_ASIDE ((EtlCsvStatus) -1)

struct EtlCsvReader
{
	EtlReader head;
	const EtlCsvDialect *dialect;
	EtlCsvReaderTuning tuning;
	EtlCsvTokens tokens;
	size_t max_marks; /* room in tokens.marks */

	char *memory; /* owned: SLACK bytes, then the buffer */
	char *buf;
	size_t capacity;
	size_t start; /* of the next record */
	size_t scanned;
	size_t filled;
	uint64 stream_at; /* byte of the stream that is buf[0] */
	bool ended;		  /* there are no more bytes to come */

	uint64 line;		/* physical line of start */
	int64 skip_left;	/* lines still to be passed over, raw */
	bool lf_may_follow; /* start is directly behind a CR, and the next byte was not there yet */
	LineEnds line_ends; /* as the first line has it */

	uint32 next_mark; /* of the next record, in tokens.marks */
	uint32 next_line; /* in tokens.lines */

	size_t look_closer; /* a record of more bytes is measured field by field */
	uint32 measured;	/* fields of the next record that were found short enough */

	EtlCsvDefect
		aside; /* what is set aside from start on, up to the next line end, is for this; SOUND: nothing is */
	size_t aside_at;  /* byte of it where the defect is */
	uint32 aside_end; /* ends[] of such a record */

	uint64 record_line; /* of the current record; 0: there is none */

	uint64 nrecords;
	uint64 hash; /* of them, if the dialect asks for it */

	EtlCsvStatus status; /* ETL_CSV_RECORD until the input has ended or is broken */
	uint64 fault_line;
	uint64 fault_offset;
};

const EtlCsvReaderTuning EtlCsvDefaultTuning = {
	.buffer_size = 256 * 1024,
	.slice_size = 16 * 1024,
	.max_record = ETL_CSV_MAX_RECORD,
};

EtlCsvReader *
EtlCsvReaderCreate(const EtlCsvDialect *dialect)
{
	EtlCsvReaderTuning tuning = EtlCsvDefaultTuning;

	tuning.tokenizer = EtlCsvChooseTokenizer(dialect);
	return EtlCsvReaderCreateTuned(dialect, &tuning);
}

EtlCsvReader *
EtlCsvReaderCreateTuned(const EtlCsvDialect *dialect, const EtlCsvReaderTuning *tuning)
{
	EtlCsvReader *reader = palloc0(sizeof(EtlCsvReader));

	Assert(dialect->delimiter_len >= 1 && dialect->delimiter_len <= ETL_CSV_MAX_DELIMITER);

	/* Where the tokenizer waits at the beginning of a delimiter or comment, it must see the rest some day. */
	Assert(tuning->buffer_size > ETL_CSV_MAX_DELIMITER + dialect->comment_len);
	Assert(tuning->slice_size > ETL_CSV_MAX_DELIMITER + dialect->comment_len);

	reader->head.format = &EtlCsvFormat;
	reader->dialect = dialect;
	reader->tuning = *tuning;
	reader->look_closer = Min(dialect->max_field_size, tuning->max_record);
	reader->capacity = tuning->buffer_size;
	reader->memory = palloc(SLACK + reader->capacity);
	reader->buf = reader->memory + SLACK;
	reader->max_marks = 2 * tuning->slice_size + ETL_CSV_SPARE_MARKS;
	reader->tokens.marks = palloc(reader->max_marks * sizeof(uint32));
	reader->tokens.lines = palloc((tuning->slice_size + 1) * sizeof(EtlCsvLine));
	EtlCsvReaderReset(reader);
	return reader;
}

void
EtlCsvReaderReset(EtlCsvReader *reader)
{
	EtlCsvTokensReset(&reader->tokens, reader->dialect);
	reader->start = reader->scanned = reader->filled = 0;
	reader->stream_at = 0;
	reader->ended = false;
	reader->line = 1;
	reader->record_line = 0;
	reader->nrecords = reader->hash = 0;
	reader->skip_left = reader->dialect->skip_lines;
	reader->lf_may_follow = false;
	reader->next_mark = reader->next_line = 0;
	reader->measured = 0;
	reader->line_ends = BY_ANY;
	reader->aside = ETL_CSV_SOUND;
	reader->status = ETL_CSV_RECORD;
	reader->fault_line = reader->fault_offset = 0;
}

/*
 * As EtlCsvReaderReset, in the middle of a stream, where a record starts: at this byte and physical line.  after_cr: the byte
 * before is a CR, so an LF that follows belongs to it.
 */
static void
reset_at(EtlCsvReader *reader, uint64 offset, uint64 line, bool after_cr)
{
	EtlCsvReaderReset(reader);
	reader->stream_at = offset;
	reader->line = line;
	reader->skip_left = 0;
	reader->lf_may_follow = reader->tokens.after_cr = after_cr;
	if (offset > 0 && !after_cr)
		reader->line_ends = BY_LF;
}

void
EtlCsvReaderExpectLf(EtlCsvReader *reader)
{
	reader->line_ends = BY_LF;
}

bool
EtlCsvReaderHasLf(const EtlCsvReader *reader)
{
	return reader->line_ends == BY_LF;
}

/* Where the record behind the current one starts. */
static void
next_place(const EtlCsvReader *reader, uint64 *offset, uint64 *line)
{
	*offset = reader->stream_at + reader->start;
	*line = reader->line;
}

/* Whether the current record ends with the stream, and not with a line end. */
static bool
is_cut_off(const EtlCsvReader *reader, const EtlCsvRecord *record)
{
	return record->data + record->len == reader->buf + reader->filled;
}

void
EtlCsvReaderFree(EtlCsvReader *reader)
{
	pfree(reader->tokens.lines);
	pfree(reader->tokens.marks);
	pfree(reader->memory);
	pfree(reader);
}

/* Moves what is not yet taken to the front of the buffer. */
static void
move_to_front(EtlCsvReader *reader, size_t shift)
{
	EtlCsvTokens *tokens = &reader->tokens;

	memmove(reader->buf, reader->buf + shift, reader->filled - shift);
	reader->start -= shift;
	reader->scanned -= shift;
	reader->filled -= shift;
	reader->stream_at += shift;
	for (uint32 i = reader->next_mark; i < tokens->nmarks; i++)
		tokens->marks[i] -= shift;
}

static void
grow_buffer(EtlCsvReader *reader)
{
	/* More than this is never needed: a record that long is a fault. */
	size_t limit = reader->tuning.max_record + reader->tuning.buffer_size;

	reader->capacity = Min(reader->capacity * 2, limit);
	Assert(reader->capacity > reader->filled);
	reader->memory = repalloc_huge(reader->memory, SLACK + reader->capacity);
	reader->buf = reader->memory + SLACK;
}

char *
EtlCsvReaderRoom(EtlCsvReader *reader, size_t *len)
{
	size_t taken = reader->start;

	Assert(taken <= reader->scanned);
	if (taken > 0 && (taken >= reader->filled - taken || reader->filled == reader->capacity))
		move_to_front(reader, taken);
	if (reader->filled == reader->capacity)
		grow_buffer(reader);

	*len = reader->capacity - reader->filled;
	return reader->buf + reader->filled;
}

void
EtlCsvReaderFed(EtlCsvReader *reader, size_t n)
{
	Assert(n <= reader->capacity - reader->filled);
	reader->filled += n;
	if (n == 0)
		reader->ended = true;
}

size_t
EtlCsvReaderPending(const EtlCsvReader *reader)
{
	return reader->filled - reader->start;
}

const char *
EtlCsvReaderTokenizer(const EtlCsvReader *reader)
{
	return reader->tuning.tokenizer->name;
}

uint64
EtlCsvReaderFaultLine(const EtlCsvReader *reader)
{
	return reader->fault_line;
}

uint64
EtlCsvReaderFaultOffset(const EtlCsvReader *reader)
{
	return reader->fault_offset;
}

/* The input is broken, and what broke it began at buf[at], in the record at start. */
static EtlCsvStatus
fail(EtlCsvReader *reader, EtlCsvStatus status, size_t at)
{
	reader->status = status;
	reader->next_line = reader->tokens.nlines;
	reader->aside = ETL_CSV_SOUND;
	reader->record_line = reader->fault_line =
		reader->line + EtlCsvCountLines('\0', reader->buf + reader->start, at - reader->start);
	reader->fault_offset = reader->stream_at + at;
	return status;
}

/*
 * The record at start cannot be read: its line is set aside for what is wrong at buf[at], and what follows the
 * line is tokenized again.
 */
static EtlCsvStatus
set_aside(EtlCsvReader *reader, EtlCsvDefect defect, size_t at)
{
	EtlCsvTokensRestart(&reader->tokens, false);
	reader->next_mark = reader->next_line = 0;
	reader->measured = 0;
	reader->aside = defect;
	reader->aside_at = at - reader->start;
	reader->scanned = at;
	return SET_ASIDE;
}

/* Where the first stray quote of the record at start is, if that is before buf[limit]. */
static bool
find_stray_before(const EtlCsvReader *reader, size_t limit, size_t *at)
{
	const EtlCsvTokens *tokens = &reader->tokens;
	size_t field = reader->start;

	for (uint32 i = reader->next_mark; field < limit; i++)
	{
		size_t end = i < tokens->nmarks ? Min(tokens->marks[i], limit) : limit;

		if (EtlCsvFindStrayQuote(reader->dialect, reader->buf + field, end - field, at))
		{
			*at += field;
			return true;
		}
		field = end + reader->dialect->delimiter_len;
	}
	return false;
}

/*
 * A quote that opens at buf[at] is not closed: sets its line aside, if that is wanted.  It may also be due to a quote that
 * strayed before, or stray itself.
 */
static EtlCsvStatus
end_at_open_quote(EtlCsvReader *reader, size_t at, EtlCsvDefect defect)
{
	size_t stray;

	if (reader->dialect->strict_quotes && find_stray_before(reader, at + 1, &stray))
		return set_aside(reader, ETL_CSV_STRAY_QUOTE, stray);
	return reader->dialect->sets_aside ? set_aside(reader, defect, at) : ETL_CSV_RECORD;
}

/* A field is too long: is that because of a quote that does not close within the limit? */
static EtlCsvStatus
end_at_long_field(EtlCsvReader *reader, size_t field)
{
	const EtlCsvDialect *dialect = reader->dialect;
	EtlCsvStatus status = ETL_CSV_RECORD;
	size_t at;

	if ((dialect->sets_aside || dialect->strict_quotes) && dialect->has_quote &&
		EtlCsvFindOpenQuote(dialect, reader->buf + field, dialect->max_field_size + 1, &at))
		status = end_at_open_quote(reader, field + at, ETL_CSV_FAR_QUOTE);
	return status == SET_ASIDE ? status : fail(reader, ETL_CSV_FIELD_TOO_LONG, field);
}

/* Where the field behind the measured ones of the record at start begins. */
static inline size_t
unmeasured_field(const EtlCsvReader *reader)
{
	if (reader->measured == 0)
		return reader->start;
	return reader->tokens.marks[reader->next_mark + reader->measured - 1] +
		   reader->dialect->delimiter_len;
}

/*
 * Holds the record at start against the limits: its delimiters are the marks up to last_mark, its end, or
 * how far it is known, is buf[end].  The limit that is met first in the file is the one that counts, so that
 * the result does not depend on how much of the record is there already.
 */
static EtlCsvStatus
measure(EtlCsvReader *reader, uint32 last_mark, size_t end)
{
	size_t too_far = reader->start + reader->tuning.max_record;
	size_t known = Min(end, too_far);

	for (;;)
	{
		uint32 mark = reader->next_mark + reader->measured;
		size_t field = unmeasured_field(reader);
		size_t field_end = mark < last_mark ? reader->tokens.marks[mark] : end;

		if (field < known && Min(field_end, known) - field > reader->dialect->max_field_size)
			return end_at_long_field(reader, field);
		if (mark >= last_mark || field_end >= known)
			break;
		if (++reader->measured == ETL_CSV_MAX_FIELDS)
			return fail(reader, ETL_CSV_RECORD_TOO_LONG, reader->start);
	}
	if (end > too_far)
		return fail(reader, ETL_CSV_RECORD_TOO_LONG, reader->start);
	return ETL_CSV_RECORD;
}

/* Finds the first byte of the record that cannot be text in its encoding. */
static void
find_defect(const EtlCsvReader *reader, EtlCsvRecord *record, uint32 seen)
{
	size_t sound = record->len;

	if (seen & ETL_CSV_SEEN_NUL)
	{
		const char *nul = memchr(record->data, 0, record->len);

		if (nul)
		{
			record->defect = ETL_CSV_NUL_BYTE;
			sound = record->defect_at = nul - record->data;
		}
	}
	if (seen & ETL_CSV_SEEN_HIGH_BIT)
	{
		size_t valid = pg_encoding_verifymbstr(reader->dialect->encoding, record->data, sound);

		if (valid < sound)
		{
			record->defect = ETL_CSV_BAD_ENCODING;
			record->defect_at = valid;
		}
	}
}

/* The first line of the stream ends with a CR or LF; next is the byte behind it. */
static inline void
note_line_ends(EtlCsvReader *reader, char end, char next)
{
	if (unlikely(reader->line_ends == BY_ANY))
		reader->line_ends = end == '\r' && next != '\n' ? BY_CR : BY_LF;
}

/* The next record starts behind the line end at buf[end]; an LF directly behind a CR belongs to the CR. */
static inline void
start_after(EtlCsvReader *reader, size_t end)
{
	reader->line++;
	reader->start = Min(end + 1, reader->filled);
	if (end == reader->filled)
		return;
	if (likely(reader->buf[end] == '\n'))
		note_line_ends(reader, '\n', '\0');
	else if (reader->start == reader->filled)
		reader->lf_may_follow = true;
	else
	{
		note_line_ends(reader, '\r', reader->buf[reader->start]);
		if (reader->buf[reader->start] == '\n')
			reader->start++;
	}
}

static void
pass_comment(EtlCsvReader *reader)
{
	const EtlCsvLine *line = &reader->tokens.lines[reader->next_line++];

	reader->next_mark = line->end_mark;
	start_after(reader, reader->tokens.marks[line->end_mark - 1]);
}

/* The record ends with the CR at buf[end]: is that a defect?  NEED_DATA: that is for the next byte to tell. */
static EtlCsvStatus
check_cr(EtlCsvReader *reader, size_t end)
{
	if (reader->line_ends != BY_LF)
		return ETL_CSV_RECORD;
	if (end + 1 == reader->filled)
		return reader->ended ? ETL_CSV_RECORD : ETL_CSV_NEED_DATA;
	return reader->buf[end + 1] == '\n' ? ETL_CSV_RECORD : SET_ASIDE;
}

/* Counts a record that is handed out. */
static inline void
count_record(EtlCsvReader *reader, const EtlCsvRecord *record)
{
	reader->nrecords++;
	if (reader->dialect->hashes)
		reader->hash = hash_bytes_extended((const unsigned char *) record->data, (int) record->len,
										   reader->hash);
}

/* Where the line that is set aside ends; filled if that is not known yet. */
static size_t
find_end_of_line(const EtlCsvReader *reader)
{
	const char *from = reader->buf + reader->scanned;
	size_t len = reader->filled - reader->scanned;

	if (reader->line_ends == BY_LF)
	{
		const char *lf = memchr(from, '\n', len);
		size_t end = lf != NULL ? lf - reader->buf : reader->filled;

		return end - (lf != NULL && end > reader->start + reader->aside_at && lf[-1] == '\r');
	}
	for (size_t i = 0; i < len; i++)
		if (from[i] == '\r' || from[i] == '\n')
			return reader->scanned + i;
	return reader->filled;
}

/* Hands out the line that is set aside as one field, once its end is there. */
static EtlCsvStatus
take_aside(EtlCsvReader *reader, EtlCsvRecord *record)
{
	size_t end = find_end_of_line(reader);
	size_t at = reader->start + reader->aside_at;
	size_t field_limit = at + reader->dialect->max_field_size;
	size_t record_limit = reader->start + reader->tuning.max_record;
	bool unfinished = end == reader->filled && !reader->ended;
	size_t known = end - (unfinished && end > at && reader->buf[end - 1] == '\r');

	/* The limit that is met first is the one that counts, however much of the line is there. */
	if (known > field_limit && field_limit <= record_limit)
		return fail(reader, ETL_CSV_FIELD_TOO_LONG, at);
	if (known > record_limit)
		return fail(reader, ETL_CSV_RECORD_TOO_LONG, reader->start);
	if (unfinished)
	{
		reader->scanned = end;
		return ETL_CSV_NEED_DATA;
	}
	memset(record, 0, sizeof(*record));
	record->data = reader->buf + reader->start;
	record->len = reader->aside_end = end - reader->start;
	record->nfields = 1;
	record->ends = &reader->aside_end;
	record->delimiter_len = reader->dialect->delimiter_len;
	record->maybe_quoted = true;
	record->set_aside = true;
	record->line = reader->record_line = reader->line;
	record->offset = reader->stream_at + reader->start;
	record->defect = reader->aside;
	record->defect_at = reader->aside_at;
	find_defect(reader, record, ETL_CSV_SEEN_NUL | ETL_CSV_SEEN_HIGH_BIT);
	reader->line += EtlCsvCountLines('\0', record->data, record->len);
	count_record(reader, record);
	reader->aside = ETL_CSV_SOUND;
	reader->scanned = Min(end + 1, reader->filled);
	EtlCsvTokensRestart(&reader->tokens, end < reader->filled && reader->buf[end] == '\r');
	start_after(reader, end);
	return ETL_CSV_RECORD;
}

/* Takes the next record off the tokenizer's list. */
static EtlCsvStatus
take_record(EtlCsvReader *reader, EtlCsvRecord *record)
{
	const EtlCsvLine *line = &reader->tokens.lines[reader->next_line];
	const uint32 *ends = reader->tokens.marks + reader->next_mark;
	uint32 nfields = line->end_mark - reader->next_mark;
	size_t end = ends[nfields - 1];
	EtlCsvStatus cr = ETL_CSV_RECORD;
	size_t at;

	if (end < reader->filled && reader->buf[end] == '\r' &&
		(cr = check_cr(reader, end)) == ETL_CSV_NEED_DATA)
		return cr;
	reader->next_line++;
	record->data = reader->buf + reader->start;
	record->len = end - reader->start;
	record->nfields = nfields;
	record->ends = ends;
	record->base = reader->start;
	record->delimiter_len = reader->dialect->delimiter_len;
	record->maybe_quoted = (line->seen & ETL_CSV_SEEN_QUOTE) != 0;
	record->line = reader->record_line = reader->line;
	record->offset = reader->stream_at + reader->start;
	record->defect = ETL_CSV_SOUND;
	record->defect_at = 0;
	record->set_aside = record->stray_quote = false;

	if (unlikely(record->len > reader->look_closer || nfields > ETL_CSV_MAX_FIELDS))
	{
		EtlCsvStatus status = measure(reader, line->end_mark - 1, end);

		if (status != ETL_CSV_RECORD)
			return status;
	}
	if (unlikely(cr == SET_ASIDE))
		return set_aside(reader, ETL_CSV_LONE_CR, end);
	if (unlikely(line->seen & ETL_CSV_SEEN_STRAY) && find_stray_before(reader, end, &at))
	{
		if (reader->dialect->strict_quotes)
			return set_aside(reader, ETL_CSV_STRAY_QUOTE, at);
		record->stray_quote = true;
	}
	if (unlikely(line->seen & (ETL_CSV_SEEN_NUL | ETL_CSV_SEEN_HIGH_BIT)))
		find_defect(reader, record, line->seen);

	if (line->seen & ETL_CSV_SEEN_LINE_END)
		reader->line += EtlCsvCountLines('\0', record->data, record->len);
	reader->next_mark = line->end_mark;
	reader->measured = 0;
	count_record(reader, record);
	start_after(reader, end);
	return ETL_CSV_RECORD;
}

/* Passes over the physical lines that the user does not want, whatever is in them. */
static void
skip_lines(EtlCsvReader *reader)
{
	EtlCsvTokens *tokens = &reader->tokens;

	while (reader->skip_left > 0 && reader->scanned < reader->filled)
	{
		char c = reader->buf[reader->scanned++];

		if (tokens->after_cr)
			note_line_ends(reader, '\r', c);
		else if (c == '\n')
			note_line_ends(reader, c, '\0');
		if (c == '\r' || (c == '\n' && !tokens->after_cr))
		{
			reader->skip_left--;
			reader->line++;
		}
		tokens->after_cr = c == '\r';
	}
	/* The LF of the last line is left to the tokenizer, as that of any record. */
	reader->start = reader->scanned;
	reader->lf_may_follow = tokens->after_cr;
}

/* Drops the marks of the records that were taken, and makes room for those of one slice. */
static void
make_room_for_marks(EtlCsvReader *reader)
{
	EtlCsvTokens *tokens = &reader->tokens;
	size_t need;

	if (reader->next_mark > 0)
	{
		tokens->nmarks -= reader->next_mark;
		memmove(tokens->marks, tokens->marks + reader->next_mark, tokens->nmarks * sizeof(uint32));
		reader->next_mark = 0;
	}
	tokens->nlines = reader->next_line = 0;

	need = tokens->nmarks + reader->tuning.slice_size + ETL_CSV_SPARE_MARKS;
	if (need > reader->max_marks)
	{
		reader->max_marks = need * 2;
		tokens->marks = repalloc(tokens->marks, reader->max_marks * sizeof(uint32));
	}
}

/* Gives the tokenizer one slice; false if it needs more bytes. */
static bool
scan_slice(EtlCsvReader *reader)
{
	size_t from = reader->scanned;
	size_t to = Min(from + reader->tuning.slice_size, reader->filled);
	bool final = reader->ended && to == reader->filled;

	if (from == to)
		return false;
	reader->scanned = reader->tuning.tokenizer->scan(&reader->tokens, reader->buf, from, to, final);
	return reader->scanned > from;
}

/* All bytes are tokenized, and there will be no more: what is left is the last record. */
static EtlCsvStatus
finish(EtlCsvReader *reader)
{
	EtlCsvTokens *tokens = &reader->tokens;

	if (tokens->place == ETL_CSV_QUOTED || tokens->place == ETL_CSV_ESCAPED)
	{
		size_t field = reader->start;
		size_t at = 0;

		if (tokens->nmarks > 0)
			field = tokens->marks[tokens->nmarks - 1] + reader->dialect->delimiter_len;
		(void) EtlCsvFindOpenQuote(reader->dialect, reader->buf + field, reader->filled - field,
								   &at);
		if (end_at_open_quote(reader, field + at, ETL_CSV_OPEN_QUOTE) == SET_ASIDE)
			return SET_ASIDE;
		return fail(reader, ETL_CSV_UNCLOSED_QUOTE, field + at);
	}
	if (reader->start == reader->filled)
		return reader->status = ETL_CSV_END;

	EtlCsvTokensEndLine(tokens, reader->filled, tokens->seen);
	tokens->place = ETL_CSV_AT_START;
	return ETL_CSV_RECORD;
}

/* No line is left on the tokenizer's list: gives RECORD after some progress, or why there is none. */
static EtlCsvStatus
find_lines(EtlCsvReader *reader)
{
	EtlCsvTokens *tokens = &reader->tokens;

	if (reader->status != ETL_CSV_RECORD)
		return reader->status;
	Assert(reader->aside == ETL_CSV_SOUND);
	if (reader->skip_left > 0)
		skip_lines(reader);
	if (reader->lf_may_follow && reader->start < reader->filled)
	{
		reader->lf_may_follow = false;
		note_line_ends(reader, '\r', reader->buf[reader->start]);
		if (reader->buf[reader->start] == '\n')
			reader->start++;
	}

	make_room_for_marks(reader);
	if (scan_slice(reader))
		return ETL_CSV_RECORD;

	/* A comment is of no use to anybody, so it need not stay in the buffer. */
	if (tokens->place == ETL_CSV_IN_COMMENT)
		reader->start = reader->scanned;
	else if (reader->scanned - reader->start > reader->look_closer ||
			 tokens->nmarks >= ETL_CSV_MAX_FIELDS)
	{
		EtlCsvStatus status = measure(reader, tokens->nmarks, reader->scanned);

		if (status != ETL_CSV_RECORD)
			return status;
	}
	return reader->ended ? finish(reader) : ETL_CSV_NEED_DATA;
}

uint64
EtlCsvDefectLine(const EtlCsvRecord *record)
{
	return record->line + EtlCsvCountLines('\0', record->data, record->defect_at);
}

/* Exported functions may be called by way of the linker's table, so the format's own is static. */
static inline EtlCsvStatus
next_record(EtlCsvReader *reader, EtlCsvRecord *record)
{
	EtlCsvStatus status;

	do
	{
		status = ETL_CSV_RECORD;
		if (unlikely(reader->aside != ETL_CSV_SOUND))
			return take_aside(reader, record);
		if (reader->next_line == reader->tokens.nlines)
			status = find_lines(reader);
		else if (reader->tokens.lines[reader->next_line].seen & ETL_CSV_IS_COMMENT)
			pass_comment(reader);
		else if ((status = take_record(reader, record)) != SET_ASIDE)
			return status;
	} while (status == ETL_CSV_RECORD || status == SET_ASIDE);
	return status;
}

EtlCsvStatus
EtlCsvReaderNext(EtlCsvReader *reader, EtlCsvRecord *record)
{
	return next_record(reader, record);
}

/* ----------------------------------------------------------------
 *	As a format
 * ---------------------------------------------------------------- */

static EtlReader *
csv_create(const void *dialect)
{
	return (EtlReader *) EtlCsvReaderCreate(dialect);
}

static void
csv_reset(EtlReader *reader, const EtlRecordPlace *at)
{
	EtlCsvReader *csv = (EtlCsvReader *) reader;

	if (at == NULL)
	{
		EtlCsvReaderReset(csv);
		return;
	}
	reset_at(csv, at->offset, at->line - at->in_line, at->after_cr);
	csv->nrecords = at->records;
	csv->hash = at->hash;
}

static char *
csv_room(EtlReader *reader, size_t *len)
{
	return EtlCsvReaderRoom((EtlCsvReader *) reader, len);
}

static void
csv_fed(EtlReader *reader, size_t n)
{
	EtlCsvReaderFed((EtlCsvReader *) reader, n);
}

static int
csv_next(EtlReader *reader, void *record)
{
	return (int) next_record((EtlCsvReader *) reader, record);
}

static void
csv_position(const EtlReader *reader, EtlRecordPlace *place)
{
	const EtlCsvReader *csv = (const EtlCsvReader *) reader;

	next_place(csv, &place->offset, &place->line);
	place->records = csv->nrecords;
	place->hash = csv->hash;
	place->open = true;
}

static void
csv_where(const EtlReader *reader, StringInfo buf)
{
	const EtlCsvReader *csv = (const EtlCsvReader *) reader;

	if (csv->record_line > 0)
		appendStringInfo(buf, ", line " UINT64_FORMAT, csv->record_line);
}

static uint64
csv_number(const EtlReader *reader, const char **unit)
{
	*unit = "line";
	return ((const EtlCsvReader *) reader)->record_line;
}

static void
csv_free(EtlReader *reader)
{
	EtlCsvReaderFree((EtlCsvReader *) reader);
}

static bool
csv_cut_off(const EtlReader *reader, int step, const void *record)
{
	if (step == ETL_CSV_RECORD)
		return is_cut_off((const EtlCsvReader *) reader, record) ||
			   ((const EtlCsvRecord *) record)->defect == ETL_CSV_OPEN_QUOTE;
	return step == ETL_CSV_UNCLOSED_QUOTE;
}

const EtlFormat EtlCsvFormat = {
	.name = "csv",
	.create = csv_create,
	.reset = csv_reset,
	.room = csv_room,
	.fed = csv_fed,
	.next = csv_next,
	.position = csv_position,
	.where = csv_where,
	.number = csv_number,
	.free = csv_free,
	.cut_off = csv_cut_off,
};
