/*
 * csv.h
 *		From bytes to records of a CSV file (RFC 4180, and what real files do besides).
 *
 * EtlCsvFormat (see format.h) takes an EtlCsvDialect and gives EtlCsvRecord.  What is declared here besides is the same
 * reader by its own name, for tests.
 *
 * A tokenizer marks the unquoted delimiters and line ends of the buffer, block by block; a record is a
 * range of those marks, and a field the bytes between two of them.  Nothing is copied: a record, and all
 * that points into it, is valid until the next call for a record or for room.  Memory is the buffer (fixed,
 * unless one record is larger) and the marks.
 *
 * The caller may write on the one byte before the first byte of any field of the current record, quoted or
 * not: that is a delimiter, a quote or a line end which has done its work, and before the very first field
 * of a stream it is a byte of the buffer kept for this.  So a field becomes a short varlena where it stands.
 * (The byte also is the end of the field before it, never a byte of that field's data.)
 *
 * Nothing here raises an error: a broken file is a status, a broken record is a defect of that record, and
 * whoever called decides what that means.  So these files also build without a server.
 */
#ifndef ETL_CSV_H
#define ETL_CSV_H

#include "etl.h"
#include "format/format.h"

#define ETL_CSV_MAX_DELIMITER 8		  /* bytes */
#define ETL_CSV_MAX_RECORD 0x3fffffff /* bytes: what palloc gives in one piece */
#define ETL_CSV_MAX_FIELDS (1 << 24)  /* of one record: 10,000 times what a table can have */

/*
 * How the file is written.  Pointers are borrowed and must outlive the reader.  The caller has made sure
 * that delimiter, quote and escape hold no CR, LF or NUL, and the delimiter no quote; that the comment holds
 * no CR or LF; and that all are whole characters of the encoding.
 */
typedef struct EtlCsvDialect
{
	const char *delimiter; /* 1 to ETL_CSV_MAX_DELIMITER bytes */
	int delimiter_len;
	bool has_quote;		 /* false: a quote is a character like any other */
	char quote;			 /* one byte, meaningful with has_quote */
	char escape;		 /* inside quotes: takes the next quote or escape literally */
	const char *comment; /* lines that begin with it are passed over; NULL: none */
	int comment_len;
	bool
		strict_quotes; /* a quote in a bare field, or text behind a closing quote, is a defect of its line */
	bool sets_aside;  /* a quote that is never closed is a defect of its line, and not the end */
	int64 skip_lines; /* physical lines to pass over first, whatever is in them */
	int encoding;	  /* of the bytes, one that a server can have: what they are checked against */
	size_t max_field_size; /* bytes of one raw field; more is fatal (ETL_CSV_FIELD_TOO_LONG) */
	bool hashes;		   /* places have the hash of the records before them */
} EtlCsvDialect;

typedef enum EtlCsvStatus
{
	ETL_CSV_RECORD = ETL_FORMAT_RECORD,
	ETL_CSV_NEED_DATA = ETL_FORMAT_NEED_DATA,
	ETL_CSV_END = ETL_FORMAT_END,
	ETL_CSV_UNCLOSED_QUOTE = ETL_FORMAT_BROKEN, /* the input ended inside quotes */
	ETL_CSV_FIELD_TOO_LONG,						/* a field is beyond max_field_size */
	ETL_CSV_RECORD_TOO_LONG, /* a record is beyond ETL_CSV_MAX_RECORD or ETL_CSV_MAX_FIELDS */
} EtlCsvStatus;

/* What is wrong with a record, whichever of its columns are wanted. */
typedef enum EtlCsvDefect
{
	ETL_CSV_SOUND,
	ETL_CSV_NUL_BYTE,
	ETL_CSV_BAD_ENCODING,

	/* The fields cannot be told apart: the record is one field, up to the next line end, and reading goes on there. */
	ETL_CSV_LONE_CR,	 /* a CR without LF, where the first line ended otherwise */
	ETL_CSV_STRAY_QUOTE, /* with strict_quotes; and with sets_aside a quote that is not closed */
	ETL_CSV_OPEN_QUOTE,	 /* in the rest of the stream, */
	ETL_CSV_FAR_QUOTE,	 /* or within max_field_size */
} EtlCsvDefect;

typedef struct EtlCsvRecord
{
	const char *data;	/* its first byte; fields and ends count from here */
	size_t len;			/* bytes, without the line end */
	int nfields;		/* at least 1 (a blank line has one empty field) */
	const uint32 *ends; /* [nfields] where each field ends */
	uint32 base;		/* what to take off ends[] to count from data */
	uint32 delimiter_len;
	bool maybe_quoted;	 /* false: no field holds a quote */
	uint64 line;		 /* physical line on which it starts, from 1 */
	uint64 offset;		 /* byte of the stream at which it starts, from 0 */
	EtlCsvDefect defect; /* the first one in it */
	size_t defect_at;	 /* byte of the record where that is */
	bool set_aside; /* its fields cannot be told apart, whatever its first defect is: it has one */
	bool stray_quote; /* without strict_quotes: a field of it would be a defect with it */
} EtlCsvRecord;

typedef struct EtlCsvReader EtlCsvReader;

extern EtlCsvReader *EtlCsvReaderCreate(const EtlCsvDialect *dialect);
extern void EtlCsvReaderReset(EtlCsvReader *reader); /* at byte 0 of a new stream */

/* Lines end with LF, even if the first one does not show that. */
extern void EtlCsvReaderExpectLf(EtlCsvReader *reader);

/* Whether the first line has ended with an LF; false: not, or it has not ended yet. */
extern bool EtlCsvReaderHasLf(const EtlCsvReader *reader);

extern char *EtlCsvReaderRoom(EtlCsvReader *reader, size_t *len);
extern void EtlCsvReaderFed(EtlCsvReader *reader, size_t n);
extern EtlCsvStatus EtlCsvReaderNext(EtlCsvReader *reader, EtlCsvRecord *record);

/* After a fatal status, which every further call repeats: the line where the quote, the field or (too long) the record began. */
extern uint64 EtlCsvReaderFaultLine(const EtlCsvReader *reader);

/* Whether the record is text, whatever else is wrong with it. */
static inline bool
EtlCsvIsText(const EtlCsvRecord *record)
{
	return record->defect != ETL_CSV_NUL_BYTE && record->defect != ETL_CSV_BAD_ENCODING;
}

/* The physical line of the defect. */
extern uint64 EtlCsvDefectLine(const EtlCsvRecord *record);

/* The raw bytes of field i, quotes and all. */
static inline const char *
EtlCsvFieldRaw(const EtlCsvRecord *record, int i, size_t *len)
{
	uint32 start = i == 0 ? 0 : record->ends[i - 1] - record->base + record->delimiter_len;

	*len = record->ends[i] - record->base - start;
	return record->data + start;
}

/*
 * Takes quotes and escapes out of the raw bytes of a field into out, which has room for len bytes, and
 * returns how many bytes that gave.  Quotes may start and end anywhere in the field, as COPY reads them.
 */
extern size_t EtlCsvUnquote(const EtlCsvDialect *dialect, const char *raw, size_t len, char *out);

#endif /* ETL_CSV_H */
