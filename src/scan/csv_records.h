/*
 * csv_records.h
 *		The records of one CSV file, or of several, as text: what is between the bytes and the values.
 *
 *		Open		reads the options and finds the files
 *		NextFile	opens the next file and reads its header
 *		Next		goes to the next record of that file
 *		FieldText	gives a field of it, without its quotes
 */
#ifndef ETL_CSV_RECORDS_H
#define ETL_CSV_RECORDS_H

#include "etl.h"
#include "format/csv.h"
#include "format/header.h"
#include "lib/stringinfo.h"
#include "scan/csv_options.h"
#include "scan/rows.h"
#include "source/set.h"

typedef struct EtlCsvRecords
{
	EtlCsvOptions options;
	MemoryContext context; /* in which it was opened */
	EtlSourceSet *files;
	int64 size;		   /* of all files, as they are stored; -1: not known */
	EtlSource *source; /* the file in hand, decoded; NULL: none */
	EtlCsvReader *reader;
	EtlCsvRecord record;	/* the current one */
	uint64 nread;			/* of all files, without their headers */
	uint64 nbytes;			/* of the files, as they are stored */
	int nnames;				/* of the header in hand */
	EtlName *names;			/* [nnames] */
	char *header;			/* for pipelines: it, as it is written; NULL: there is none */
	StringInfoData scratch; /* a field whose quotes had to be taken out */

	int64 until; /* for pipelines: Next waits no longer than this (clock.h); or ETL_FOREVER */
	bool late;	 /* that is why it gave none */
	/* for pipelines, or NULL: what was read of a part before; with it, of one that begins in its midst, are: */
	const EtlSourcePast *(*past)(struct EtlCsvRecords *records, const EtlPart *part);
	const char *past_header;
	int past_mark; /* the length of its byte order mark */

	/* for pipelines: a last record without a line end may not be all there */
	bool growing;		/* somebody may be writing the file in hand */
	bool held;			/* its last record was held back for that reason; it starts at */
	uint64 held_offset; /* this byte */
	uint64 held_line;	/* and line */
} EtlCsvRecords;

/* The settings that reading takes. */
extern void EtlCsvRecordsInit(void);

/*
 * Takes the source and the options from the arguments; what it needs stays in the current memory context.
 * Only with rewindable may Rewind be called.
 */
extern void EtlCsvRecordsOpen(EtlCsvRecords *records, const EtlArgs *args, bool rewindable);

/* The same without the source: for records that EtlCsvRecordsUse gives. */
extern void EtlCsvRecordsPrepare(EtlCsvRecords *records, const EtlArgs *args);

/* Reads another source, up to its header, as if it were a file; false if it has no record. */
extern bool EtlCsvRecordsUse(EtlCsvRecords *records, EtlSource *source);

/*
 * Opens the next file that has a record, be it the header only; false if there is none.  A file without any
 * is passed over, as COPY would have no rows of it.
 */
extern bool EtlCsvRecordsNextFile(EtlCsvRecords *records);

/* Opens the file in hand once more, from its start. */
extern void EtlCsvRecordsAgain(EtlCsvRecords *records);

/*
 * Goes to the next record of the file in hand; false at its end (or if it is late).  A file whose records cannot be told apart
 * (22P04, 54000) is an error; a record that is no text has a defect, which EtlCsvDefectFault describes.
 */
extern bool EtlCsvRecordsNext(EtlCsvRecords *records);

/* Starts again, before the first file. */
extern void EtlCsvRecordsRewind(EtlCsvRecords *records);

/* Why the current record, which has a defect, is no text. */
extern void EtlCsvDefectFault(EtlCsvRecords *records, EtlFault *fault);

/* What the header calls field i, or else its number from 1; cut if it is long, for it is for people. */
extern const char *EtlCsvFieldName(const EtlCsvRecords *records, int i);

/* Where the current record is: file "a.csv", line 3 */
extern void EtlCsvWhere(const EtlCsvRecords *records, StringInfo buf);

/* Says that in the CONTEXT of errors, until the caller sets error_context_stack back to callback->previous. */
extern void EtlCsvPushErrorContext(EtlCsvRecords *records, ErrorContextCallback *callback);

/* EtlCsvFieldText for a field that holds a quote. */
extern const char *
EtlCsvQuotedFieldText(EtlCsvRecords *records, const char *raw, size_t *len, bool *quoted);

/*
 * The text of field i without its quotes.  It stands in the reader's buffer, or in "scratch" until the next call.
 * *quoted tells whether there were any.
 */
static inline const char *
EtlCsvFieldText(EtlCsvRecords *records, int i, size_t *len, bool *quoted)
{
	const char *raw = EtlCsvFieldRaw(&records->record, i, len);

	*quoted = false;
	if (!records->record.maybe_quoted || *len == 0)
		return raw;
	return EtlCsvQuotedFieldText(records, raw, len, quoted);
}

/* Whether the text of a field stands for NULL. */
static inline bool
EtlCsvIsNull(const EtlCsvRecords *records, const char *s, size_t len, bool quoted)
{
	return len == records->options.null_len && !quoted &&
		   (len == 0 || memcmp(s, records->options.null_string, len) == 0);
}

#endif /* ETL_CSV_RECORDS_H */
