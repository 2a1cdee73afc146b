/*
 * csv_dump.h
 *		What the CSV reader makes of an input, as text; shared by the tests and the fuzzer.
 *
 * A record is one line, raw bytes and what they mean where the two can differ:
 *
 *		line 3, byte 20: [plain] ["a ""b""" = a "b"] []
 *
 * and the last line says how the input ended.  Two readers agree if their dumps are the same.
 */
#ifndef CSV_DUMP_H
#define CSV_DUMP_H

#include "etl.h"

#include "lib/stringinfo.h"

#include "format/csv_tokenizer.h"

/* How a reader is given its input. */
typedef struct Feeding
{
	EtlCsvReaderTuning tuning;
	size_t chunk;	  /* bytes at a time */
	bool end_at_once; /* the end is announced with the last bytes, not when more are asked for */
} Feeding;

static inline void
dump_bytes(StringInfo out, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		char c = bytes[i];

		if (c == '\n')
			appendStringInfoString(out, "\\n");
		else if (c == '\r')
			appendStringInfoString(out, "\\r");
		else if (c == '\t')
			appendStringInfoString(out, "\\t");
		else if (c == '\\')
			appendStringInfoString(out, "\\\\");
		else if (c >= ' ' && c <= '~')
			appendStringInfoChar(out, c);
		else
			appendStringInfo(out, "\\x%02x", (unsigned char) c);
	}
}

static inline void
dump_position(StringInfo out, const char *what, uint64 line, uint64 offset)
{
	appendStringInfo(out, "%sline " UINT64_FORMAT ", byte " UINT64_FORMAT, what, line, offset);
}

static inline void
dump_field(StringInfo out, const char *raw, size_t len, const char *value, size_t value_len)
{
	appendStringInfoString(out, " [");
	dump_bytes(out, raw, len);
	if (len != value_len || memcmp(raw, value, len) != 0)
	{
		appendStringInfoString(out, " = ");
		dump_bytes(out, value, value_len);
	}
	appendStringInfoChar(out, ']');
}

static inline void
dump_defect(StringInfo out, EtlCsvDefect defect, size_t at)
{
	static const char *const names[] = {
		[ETL_CSV_NUL_BYTE] = "NUL byte",	 [ETL_CSV_BAD_ENCODING] = "bad encoding",
		[ETL_CSV_LONE_CR] = "lone CR",		 [ETL_CSV_STRAY_QUOTE] = "stray quote",
		[ETL_CSV_OPEN_QUOTE] = "open quote", [ETL_CSV_FAR_QUOTE] = "far quote",
	};

	if (defect != ETL_CSV_SOUND)
		appendStringInfo(out, " %s at %zu", names[defect], at);
	appendStringInfoChar(out, '\n');
}

static inline void
dump_end(StringInfo out, EtlCsvStatus status, uint64 line, uint64 offset)
{
	const char *what = status == ETL_CSV_UNCLOSED_QUOTE	   ? "unclosed quote: "
					   : status == ETL_CSV_FIELD_TOO_LONG  ? "field too long: "
					   : status == ETL_CSV_RECORD_TOO_LONG ? "record too long: "
														   : NULL;

	if (what)
		dump_position(out, what, line, offset);
	else
		appendStringInfoString(out, status == ETL_CSV_END ? "end" : "no such status");
	appendStringInfoChar(out, '\n');
}

/* Writes on the byte before a field, as a caller may who makes a varlena of it. */
static inline void
scribble(const EtlCsvDialect *dialect, const char *raw, size_t len)
{
	((char *) raw)[-1] = '\n';
	if (dialect->has_quote && len > 0 && raw[0] == dialect->quote)
		((char *) raw)[0] = '\n';
}

/* Dumps the record, says so if it was called unquoted and is not, and then spoils what a caller may spoil. */
static inline void
dump_record(StringInfo out, const EtlCsvDialect *dialect, const EtlCsvRecord *record)
{
	char *value = palloc(record->len + 1);

	dump_position(out, "", record->line, record->offset);
	appendStringInfoChar(out, ':');
	for (int i = 0; i < record->nfields; i++)
	{
		size_t len;
		const char *raw = EtlCsvFieldRaw(record, i, &len);

		if (record->set_aside)
			dump_field(out, raw, len, raw, len);
		else
			dump_field(out, raw, len, value, EtlCsvUnquote(dialect, raw, len, value));
	}
	if (record->stray_quote)
		appendStringInfoString(out, " with a stray quote");
	dump_defect(out, record->defect, record->defect_at);
	if (dialect->has_quote && !record->maybe_quoted &&
		memchr(record->data, dialect->quote, record->len))
		appendStringInfoString(out, "a quote was missed\n");
	for (int i = 0; i < record->nfields; i++)
	{
		size_t len;
		const char *raw = EtlCsvFieldRaw(record, i, &len);

		scribble(dialect, raw, len);
	}
	pfree(value);
}

static inline void
dump_reader(StringInfo out, const EtlCsvDialect *dialect, const Feeding *feeding, const char *data,
			size_t len)
{
	EtlCsvReader *reader = EtlCsvReaderCreateTuned(dialect, &feeding->tuning);
	EtlCsvRecord record;
	EtlCsvStatus status;
	size_t at = 0;

	while ((status = EtlCsvReaderNext(reader, &record)) <= ETL_CSV_NEED_DATA)
	{
		size_t room;
		char *buf;

		if (status == ETL_CSV_RECORD)
		{
			dump_record(out, dialect, &record);
			continue;
		}
		buf = EtlCsvReaderRoom(reader, &room);
		room = Min(Min(room, feeding->chunk), len - at);
		if (room > 0)
			memcpy(buf, data + at, room);
		at += room;
		EtlCsvReaderFed(reader, room);
		if (room > 0 && at == len && feeding->end_at_once)
			EtlCsvReaderFed(reader, 0);
	}
	dump_end(out, status, EtlCsvReaderFaultLine(reader), EtlCsvReaderFaultOffset(reader));
	if (EtlCsvReaderNext(reader, &record) != status)
		appendStringInfoString(out, "the end did not last\n");
	EtlCsvReaderFree(reader);
}

#endif /* CSV_DUMP_H */
