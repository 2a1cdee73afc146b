/*
 * json_lines.c
 *		NDJSON: a line is a value, whatever stands on it.
 *
 * A line feed ends every token, so what is broken on one line says nothing about the next: the line becomes an item with a
 * fault, the parser starts anew, and reading goes on behind the line feed.  A line is parsed by itself, in one slice if
 * it is short.  It stays in the buffer, and its items in the queue, until its end has come, because a second value on it
 * would be a fault.  So it can have no more bytes than an item may; of a longer one only the beginning is kept.  What was
 * captured on a broken line is forgotten, too.
 *
 * Most lines are short and sound.  So as many of them as a slice has are parsed together at first, and only if that shows
 * anything else than one whole value on each, one by one; each byte is parsed twice at most.
 *
 * Whether a body is lines, the option "many" says; without it the first line that is not blank shows it, if one value,
 * which is no array, stands on it.  That line is parsed as any other body, and what is broken on it is fatal.
 *
 * The last line need not have a line feed.  If it is broken then, it may be one that somebody is still writing; so
 * whoever goes on later at the place that the reader tells begins with it.
 */
#include "etl.h"

#include "format/json_internal.h"

/*
 * Lines in the buffer
 */

static void
begin_line(EtlJsonReader *reader)
{
	reader->line_start = reader->line_searched = reader->fed;
	reader->line_end = reader->line_held = reader->undecided_start = ETL_JSON_NOWHERE;
	reader->line_fault.status = ETL_JSON_ITEM;
	reader->token_end = reader->fed;
	reader->nvalues = 0;
	reader->waiting = false;
	EtlJsonKeepCaptures(reader);
}

/* Forgets what was begun and what is queued, which is of the line in hand, or of those that were tried with it. */
static void
start_anew(EtlJsonReader *reader)
{
	EtlJsonParserReset(reader->parser);
	reader->fault.status = ETL_JSON_ITEM;
	reader->in_string = reader->escaped = false;
	reader->depth = 0;
	reader->far = NULL;
	reader->in_item = reader->has_item_key = false;
	reader->item_start = ETL_JSON_NOWHERE;
	reader->item_fault.status = ETL_JSON_ITEM;
	reader->queue_first = reader->queue_end = 0;
	reader->ntokens = reader->decoded_len = 0;
	for (int i = 0; i < reader->ntracks; i++)
		reader->tracks[i].verdict = ETL_JSON_PASSED;
	EtlJsonRestoreCaptures(reader);
}

void
EtlJsonBeginLines(EtlJsonReader *reader, EtlJsonLines lines, uint64 line)
{
	reader->lines = lines;
	reader->line = line;
	reader->singly = 0;
	reader->trying = false;
	begin_line(reader);
}

/* Looks for the end of the line in hand, which is behind its line feed, or the end of the body. */
static void
find_line_end(EtlJsonReader *reader)
{
	const char *from = EtlJsonBytes(reader, reader->line_searched);
	const char *found;

	if (reader->line_end != ETL_JSON_NOWHERE)
		return;
	found = memchr(from, '\n', reader->filled - reader->line_searched);
	if (found != NULL)
		reader->line_end = reader->line_searched + (found - from) + 1;
	else if (reader->at_end)
		reader->line_end = reader->filled;
	reader->line_searched = reader->filled;
}

/* Has the line, whose end is known, no line feed? */
static bool
is_last(const EtlJsonReader *reader)
{
	return reader->at_end && reader->line_end == reader->filled;
}

static bool
check_length(EtlJsonReader *reader)
{
	uint64 end = Min(reader->line_end, reader->filled);

	if (end - reader->line_start <= reader->options.max_item_size + 1)
		return true;
	return EtlJsonFail(reader, ETL_JSON_ITEM_TOO_LARGE, reader->line_start, NULL);
}

/* Looks for the end of the next slice of the line, by its tokens.  The line feed ends whatever is there. */
static bool
scan_line(EtlJsonReader *reader)
{
	EtlJsonScan(reader, Min(reader->line_end, reader->filled));
	if (reader->cut == reader->fed && reader->scanned == reader->line_end && !is_last(reader))
		reader->cut = reader->line_end;
	return reader->cut > reader->fed;
}

/*
 * Is it lines?
 */

static void
decide(EtlJsonReader *reader, bool lines)
{
	if (lines)
		EtlJsonBeginLines(reader, ETL_JSON_LINES, reader->line + 1);
	else
	{
		reader->lines = ETL_JSON_NO_LINES;
		reader->waiting = false;
		reader->undecided_start = ETL_JSON_NOWHERE;
	}
}

/* Parses a slice of the first line, as one of any body, and decides if that shows what it is. */
static bool
parse_first_line(EtlJsonReader *reader)
{
	bool parsed;
	bool over;

	if (!scan_line(reader))
		return EtlJsonCheckSize(reader) && false;
	reader->waiting = true;
	parsed = EtlJsonParseSlice(reader);
	over = reader->fed == reader->line_end;
	if (!parsed || reader->nvalues > 1 || (reader->nvalues == 1 && !reader->many) ||
		(over && reader->depth > 0))
		decide(reader, false);
	else if (over && reader->nvalues == 1)
		decide(reader, true);
	else if (over)
		EtlJsonBeginLines(reader, ETL_JSON_MAYBE_LINES, reader->line + 1);
	return parsed && EtlJsonCheckSize(reader);
}

/*
 * Lines
 */

/* The end of those lines, from fed on, that can be tried together; fed if it is better not to. */
static uint64
end_of_short_lines(const EtlJsonReader *reader)
{
	const char *fed = EtlJsonBytes(reader, reader->fed);
	size_t len = Min(reader->filled - reader->fed, ETL_JSON_SLICE);

	if (reader->fed < reader->singly || reader->options.max_item_size < ETL_JSON_SLICE)
		return reader->fed;
	while (len > 0 && fed[len - 1] != '\n')
		len--;
	return reader->fed + len;
}

/* Parses lines together, each of which begins and ends there.  If one is not sound, nothing has happened. */
static void
try_lines(EtlJsonReader *reader, uint64 end)
{
	uint64 start = reader->fed;
	uint64 line = reader->line;

	reader->trying = true;
	reader->cut = reader->scanned = end;
	reader->tried_end = start;
	reader->line--;
	if (EtlJsonParseSlice(reader) && reader->depth == 0)
	{
		while (reader->tried_end < end)
			EtlJsonTryNextLine(reader);
		reader->line++;
	}
	else
	{
		start_anew(reader);
		reader->fed = reader->cut = reader->scanned = start;
		reader->line = line;
		reader->singly = end;
	}
	reader->trying = false;
	begin_line(reader);
}

/* Looks for the end of the next slice of the line; false if more has to come. */
static bool
cut_line(EtlJsonReader *reader)
{
	uint64 known = Min(reader->line_end, reader->filled);
	size_t len = known - reader->fed;

	if (len > ETL_JSON_SLICE || is_last(reader))
		return scan_line(reader);
	if (known < reader->line_end)
		return false;
	reader->cut = reader->scanned = known;
	reader->in_string = reader->escaped = false;
	return true;
}

/* Parses a slice of the line; false if more has to come. */
static bool
parse_in_line(EtlJsonReader *reader)
{
	if (cut_line(reader))
		(void) EtlJsonParseSlice(reader);
	else if (is_last(reader))
		EtlJsonFail(reader, ETL_JSON_TRUNCATED, EtlJsonLineTextEnd(reader), NULL);
	else
		return false;
	return true;
}

/* Keeps the beginning of a line that is too long; the rest need not stay in the buffer. */
static void
keep_beginning(EtlJsonReader *reader)
{
	const char *line = EtlJsonBytes(reader, reader->line_start);
	uint32 len = Min(ETL_JSON_SLICE, reader->options.max_item_size);

	while (len > 0 && (line[len] & 0xc0) == 0x80) /* in the midst of a character */
		len--;
	memcpy(reader->decoded, line, len);
	reader->decoded_len = len;
	reader->line_held = reader->undecided_start = ETL_JSON_NOWHERE;
}

/* Takes what is wrong with the body for what is wrong with the line. */
static void
blame_line(EtlJsonReader *reader)
{
	reader->line_fault = reader->fault;
	reader->line_fault.in_item = true;
	start_anew(reader);
	if (reader->line_fault.status == ETL_JSON_ITEM_TOO_LARGE)
		keep_beginning(reader);
}

/* The line is no value: it becomes an item of nothing but its bytes. */
static void
set_aside(EtlJsonReader *reader)
{
	bool too_large = reader->line_fault.status == ETL_JSON_ITEM_TOO_LARGE;

	reader->found_items = true; /* for all that anybody knows */
	reader->queue_end = 1;
	reader->queue[0] = (EtlJsonQueued){
		.start = reader->line_start,
		.len = too_large ? reader->decoded_len : EtlJsonLineTextEnd(reader) - reader->line_start,
		.verdict = ETL_JSON_PASSED,
		.fault = reader->line_fault,
		.line = reader->line,
		.cut_off = is_last(reader),
	};
}

static void
end_line(EtlJsonReader *reader)
{
	if (reader->depth > 0)
	{
		EtlJsonFail(reader, ETL_JSON_TRUNCATED, EtlJsonLineTextEnd(reader), NULL);
		blame_line(reader);
	}
	if (reader->line_fault.status != ETL_JSON_ITEM)
		set_aside(reader);
	reader->had_value |= reader->nvalues > 0;
	reader->line++;
	begin_line(reader);
}

bool
EtlJsonNextLine(EtlJsonReader *reader)
{
	uint64 end;

	if (reader->fed == reader->filled)
		return false;
	if (reader->lines == ETL_JSON_LINES && reader->fed == reader->line_start &&
		(end = end_of_short_lines(reader)) > reader->fed)
	{
		try_lines(reader, end);
		return true;
	}
	find_line_end(reader);
	if (reader->lines == ETL_JSON_MAYBE_LINES)
		return parse_first_line(reader);
	if (reader->line_fault.status != ETL_JSON_ITEM_TOO_LARGE)
	{
		reader->waiting = true;
		reader->line_held = reader->line_start;
		if (check_length(reader) && reader->line_fault.status == ETL_JSON_ITEM &&
			!parse_in_line(reader))
			return false;
		if (reader->fault.status != ETL_JSON_ITEM)
			blame_line(reader);
	}
	if (reader->line_fault.status != ETL_JSON_ITEM)
		reader->fed = reader->scanned = reader->cut = Min(reader->line_end, reader->filled);
	if (reader->fed == reader->line_end)
		end_line(reader);
	return true;
}
