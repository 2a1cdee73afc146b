/*
 * csv_reference.h
 *		A CSV reader to compare ours with: one pass over an input that is all there, one byte at a time,
 *		as simple as it can be, and sharing nothing with src/format but the types.
 *
 * It writes the dump of csv_dump.h.
 */
#ifndef CSV_REFERENCE_H
#define CSV_REFERENCE_H

#include "mb/pg_wchar.h"

#include "csv_dump.h"

typedef struct Reference
{
	StringInfo out;
	const EtlCsvDialect *dialect;
	size_t max_record;
	const char *data;
	size_t len;
	size_t pos;
	char line_ends; /* '\n' or '\r', by the first line end; 0: there was none yet */
} Reference;

static inline bool
ref_is_line_end(char c)
{
	return c == '\r' || c == '\n';
}

/* Lines begin at byte 0 and behind each CR, LF and CRLF, whatever they stand in. */
static inline uint64
ref_line_of(const Reference *ref, size_t pos)
{
	uint64 line = 1;

	for (size_t i = 0; i < pos; i++)
	{
		if (ref->data[i] == '\n' ||
			(ref->data[i] == '\r' && !(i + 1 < pos && ref->data[i + 1] == '\n')))
			line++;
	}
	return line;
}

static inline bool
ref_looking_at(const Reference *ref, const char *what, int len)
{
	return ref->len - ref->pos >= len && memcmp(ref->data + ref->pos, what, len) == 0;
}

/* Passes over the line end at pos, if there is one. */
static inline void
ref_pass_line_end(Reference *ref)
{
	char first = ref->line_ends;

	if (ref->pos == ref->len || !ref_is_line_end(ref->data[ref->pos]))
		return;
	ref->line_ends = '\n';
	if (ref->data[ref->pos++] == '\r')
	{
		if (ref->pos < ref->len && ref->data[ref->pos] == '\n')
			ref->pos++;
		else
			ref->line_ends = '\r';
	}
	if (first)
		ref->line_ends = first;
}

static inline void
ref_pass_line(Reference *ref)
{
	while (ref->pos < ref->len && !ref_is_line_end(ref->data[ref->pos]))
		ref->pos++;
	ref_pass_line_end(ref);
}

static inline void
ref_dump_value(Reference *ref, StringInfo record, StringInfo value, size_t field)
{
	dump_field(record, ref->data + field, ref->pos - field, value->data, value->len);
	resetStringInfo(value);
}

static inline void
ref_dump_defect(Reference *ref, StringInfo record, size_t start)
{
	size_t len = ref->pos - start;
	EtlCsvDefect defect = ETL_CSV_SOUND;
	size_t at = 0;

	while (at < len && ref->data[start + at] != '\0' &&
		   pg_encoding_verifymbchar(ref->dialect->encoding, ref->data + start + at, len - at) > 0)
		at += pg_encoding_verifymbchar(ref->dialect->encoding, ref->data + start + at, len - at);
	if (at < len)
		defect = ref->data[start + at] == '\0' ? ETL_CSV_NUL_BYTE : ETL_CSV_BAD_ENCODING;
	dump_defect(record, defect, at);
}

/* In most multibyte encodings, bytes of two neighbours can look like the delimiter. */
static inline bool
ref_within_char(const Reference *ref, size_t *char_end)
{
	const char *c = ref->data + ref->pos;

	if (pg_encoding_max_length(ref->dialect->encoding) == 1 || ref->dialect->encoding == PG_UTF8)
		return false;
	if (!IS_HIGHBIT_SET(*c))
		*char_end = 0;
	else if (ref->pos >= *char_end)
	{
		*char_end = ref->pos + pg_encoding_mblen(ref->dialect->encoding, c);
		return false;
	}
	return ref->pos < *char_end;
}

/* Has the record from start, or its field that begins at field, come too far? */
static inline EtlCsvStatus
ref_check_limits(const Reference *ref, size_t start, size_t field, size_t *fault)
{
	if (ref->pos - start > ref->max_record)
	{
		*fault = start;
		return ETL_CSV_RECORD_TOO_LONG;
	}
	if (ref->pos - field > ref->dialect->max_field_size)
	{
		*fault = field;
		return ETL_CSV_FIELD_TOO_LONG;
	}
	return ETL_CSV_RECORD;
}

/*
 * The line with the byte at is the end of what begins at start and cannot be read.
 */
static inline EtlCsvStatus
ref_set_aside(Reference *ref, StringInfo record, size_t start, EtlCsvDefect defect, size_t at,
			  size_t *fault)
{
	StringInfoData defects;

	ref->pos = at;
	while (ref->pos < ref->len && ref->data[ref->pos] != '\n' &&
		   (ref->line_ends == '\n' || ref->data[ref->pos] != '\r'))
		ref->pos++;
	if (ref->pos < ref->len && ref->line_ends == '\n' && ref->pos > at &&
		ref->data[ref->pos - 1] == '\r')
		ref->pos--;
	if (ref->pos - at > ref->dialect->max_field_size &&
		at + ref->dialect->max_field_size <= start + ref->max_record)
	{
		*fault = at;
		return ETL_CSV_FIELD_TOO_LONG;
	}
	if (ref->pos - start > ref->max_record)
	{
		*fault = start;
		return ETL_CSV_RECORD_TOO_LONG;
	}
	resetStringInfo(record);
	dump_position(record, "", ref_line_of(ref, start), start);
	appendStringInfoChar(record, ':');
	dump_field(record, ref->data + start, ref->pos - start, ref->data + start, ref->pos - start);
	initStringInfo(&defects);
	ref_dump_defect(ref, &defects, start);
	if (strcmp(defects.data, "\n") == 0)
		dump_defect(record, defect, at - start);
	else
		appendStringInfoString(record, defects.data);
	pfree(defects.data);
	ref_pass_line_end(ref);
	return ETL_CSV_RECORD;
}

/* A quote that opened there is not closed in time; at is the place to blame if that is the end. */
static inline EtlCsvStatus
ref_end_at_open_quote(Reference *ref, StringInfo record, size_t start, size_t open_quote,
					  size_t stray, EtlCsvStatus status, size_t at, size_t *fault)
{
	if (ref->dialect->strict_quotes && stray <= open_quote)
		return ref_set_aside(ref, record, start, ETL_CSV_STRAY_QUOTE, stray, fault);
	if (ref->dialect->sets_aside)
		return ref_set_aside(ref, record, start,
							 status == ETL_CSV_UNCLOSED_QUOTE ? ETL_CSV_OPEN_QUOTE
															  : ETL_CSV_FAR_QUOTE,
							 open_quote, fault);
	*fault = at;
	return status;
}

/* Does the byte at pos, inside quotes, take the next one literally? */
static inline bool
ref_at_escape(const Reference *ref)
{
	const EtlCsvDialect *dialect = ref->dialect;

	return ref->data[ref->pos] == dialect->escape && ref->pos + 1 < ref->len &&
		   (ref->data[ref->pos + 1] == dialect->quote ||
			ref->data[ref->pos + 1] == dialect->escape);
}

/* Reads one record; only if it is sound in structure does it go to the output. */
static inline EtlCsvStatus
ref_read_record(Reference *ref, StringInfo record, StringInfo value, size_t *fault)
{
	const EtlCsvDialect *dialect = ref->dialect;
	size_t start = ref->pos;
	size_t field = start;
	size_t open_quote = 0;
	size_t char_end = 0;
	size_t stray = SIZE_MAX;		/* where the first stray quote is */
	size_t behind_quote = SIZE_MAX; /* the byte behind one that closed */
	bool in_quotes = false;

	dump_position(record, "", ref_line_of(ref, start), start);
	appendStringInfoChar(record, ':');
	for (;;)
	{
		char c = ref->pos < ref->len ? ref->data[ref->pos] : '\n';
		EtlCsvStatus status = ref_check_limits(ref, start, field, fault);

		if (status == ETL_CSV_FIELD_TOO_LONG && in_quotes)
			return ref_end_at_open_quote(ref, record, start, open_quote, stray, status, field,
										 fault);
		if (status != ETL_CSV_RECORD)
			return status;
		if (in_quotes && ref->pos == ref->len)
			return ref_end_at_open_quote(ref, record, start, open_quote, stray,
										 ETL_CSV_UNCLOSED_QUOTE, open_quote, fault);
		if (!in_quotes && c == '\r' && ref->line_ends == '\n' && ref->pos + 1 < ref->len &&
			ref->data[ref->pos + 1] != '\n')
			return ref_set_aside(ref, record, start, ETL_CSV_LONE_CR, ref->pos, fault);
		if (!in_quotes && ref_is_line_end(c))
			break;

		if (in_quotes && ref_at_escape(ref))
		{
			/* The limits are met byte by byte. */
			ref->pos++;
			status = ref_check_limits(ref, start, field, fault);
			/* A quote that may be doubled behind the limit counts as one that closes. */
			if (status == ETL_CSV_FIELD_TOO_LONG && dialect->escape != dialect->quote)
				return ref_end_at_open_quote(ref, record, start, open_quote, stray, status, field,
											 fault);
			if (status != ETL_CSV_RECORD)
				return status;
			appendStringInfoChar(value, ref->data[ref->pos++]);
		}
		else if (dialect->has_quote && c == dialect->quote)
		{
			if (!in_quotes)
				open_quote = ref->pos;
			if (!in_quotes && ref->pos != field)
				stray = Min(stray, ref->pos);
			in_quotes = !in_quotes;
			char_end = 0;
			ref->pos++;
			if (!in_quotes)
				behind_quote = ref->pos;
		}
		else if (!in_quotes && !ref_within_char(ref, &char_end) &&
				 ref_looking_at(ref, dialect->delimiter, dialect->delimiter_len))
		{
			char_end = 0;
			ref_dump_value(ref, record, value, field);
			ref->pos += dialect->delimiter_len;
			field = ref->pos;
		}
		else
		{
			if (ref->pos == behind_quote)
				stray = Min(stray, ref->pos);
			appendStringInfoChar(value, c);
			ref->pos++;
		}
	}
	if (stray != SIZE_MAX && dialect->strict_quotes)
		return ref_set_aside(ref, record, start, ETL_CSV_STRAY_QUOTE, stray, fault);
	ref_dump_value(ref, record, value, field);
	if (stray != SIZE_MAX)
		appendStringInfoString(record, " with a stray quote");
	ref_dump_defect(ref, record, start);
	ref_pass_line_end(ref);
	return ETL_CSV_RECORD;
}

static inline void
dump_reference(StringInfo out, const EtlCsvDialect *dialect, size_t max_record, const char *data,
			   size_t len)
{
	Reference ref = {out, dialect, max_record, data, len, 0};
	EtlCsvStatus status = ETL_CSV_RECORD;
	size_t fault = 0;
	StringInfoData record;
	StringInfoData value;

	initStringInfo(&record);
	initStringInfo(&value);
	for (int64 i = 0; i < dialect->skip_lines; i++)
		ref_pass_line(&ref);
	while (ref.pos < len && status == ETL_CSV_RECORD)
	{
		if (dialect->comment && ref_looking_at(&ref, dialect->comment, dialect->comment_len))
		{
			ref_pass_line(&ref);
			continue;
		}
		resetStringInfo(&record);
		resetStringInfo(&value);
		status = ref_read_record(&ref, &record, &value, &fault);
		if (status == ETL_CSV_RECORD)
			appendBinaryStringInfo(out, record.data, record.len);
	}
	dump_end(out, status == ETL_CSV_RECORD ? ETL_CSV_END : status, ref_line_of(&ref, fault), fault);
	pfree(record.data);
	pfree(value.data);
}

#endif /* CSV_REFERENCE_H */
