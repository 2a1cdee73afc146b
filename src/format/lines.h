/*
 * lines.h
 *		Lines of text, and the fields that a pattern or widths find in them.
 *
 * EtlLinesFormat (see format.h) takes EtlLinesOptions and gives EtlLine.  A line ends with LF or CR LF, which is no part of
 * it, or with the stream.  An empty line is no record.
 *
 * With a pattern for continuations a record is a line and all lines behind it that the pattern matches, with the line feeds
 * between them: a message and its stack trace.  It is only complete when another line is seen, or the end.
 */
#ifndef ETL_LINES_H
#define ETL_LINES_H

#include "etl.h"
#include "format/format.h"
#include "format/pattern.h"

typedef enum EtlLinesStatus
{
	ETL_LINES_TOO_LONG =
		ETL_FORMAT_BROKEN /* a record is beyond max_record: see EtlLinesFaultLine */
} EtlLinesStatus;

/* What is wrong with a record, whichever of its fields are wanted. */
typedef enum EtlLineDefect
{
	ETL_LINE_SOUND,
	ETL_LINE_NUL_BYTE,
	ETL_LINE_BAD_ENCODING,
	ETL_LINE_DIFFERS,	/* the pattern does not match it */
	ETL_LINE_GAVE_UP,	/* the pattern would have cost too much */
	ETL_LINE_TOO_SHORT, /* the widths go beyond its end */
	ETL_LINE_TOO_LONG,	/* more than blanks is behind the widths */
} EtlLineDefect;

/* Pointers are borrowed.  There is a pattern, or there are widths. */
typedef struct EtlLinesOptions
{
	EtlPattern *pattern;
	const int32 *widths; /* [nfields] in characters */
	int nfields;
	bool pad;				  /* a line may be shorter than the widths */
	EtlPattern *continuation; /* or NULL */
	int encoding;			  /* of the bytes, one that a server can have */
	size_t max_record;		  /* bytes */
	bool hashes;			  /* places have the hash of the records before them */
} EtlLinesOptions;

typedef struct EtlLine
{
	const char *data;
	size_t len;
	uint64 line;   /* from 1 */
	uint64 offset; /* byte of the stream at which it starts */
	EtlLineDefect defect;
	size_t defect_at;	   /* byte of the record, of NUL_BYTE and BAD_ENCODING */
	const EtlSpan *fields; /* [nfields], if it is sound */
} EtlLine;

/* After ETL_LINES_TOO_LONG: the line on which the record begins. */
extern uint64 EtlLinesFaultLine(const EtlReader *reader);

/* Checks a record that is in memory, and finds its fields in spans, which has a place for each. */
extern void EtlLineSplit(const EtlLinesOptions *options, EtlLine *line, EtlSpan *spans);

#endif /* ETL_LINES_H */
