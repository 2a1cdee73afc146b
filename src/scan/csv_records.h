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
#include "scan/stream.h"

typedef struct EtlCsvRecords
{
	EtlStream stream;
	EtlCsvOptions options;
	EtlCsvRecord record;	/* the current one */
	int nnames;				/* of the current header */
	EtlName *names;			/* [nnames] */
	char *header;			/* for pipelines: it, as it is written; NULL: there is none */
	bool shows_header;		/* one that has a defect is shown by its owner, as the current record */
	bool bad_header;		/* so it is of the current file */
	StringInfoData scratch; /* a field whose quotes had to be taken out */
} EtlCsvRecords;

/* The settings that reading takes. */
extern void EtlCsvRecordsInit(void);
extern size_t EtlMaxFieldSize(void); /* bytes */

/*
 * Takes the options from the arguments; what it needs stays in the current memory context.  The sources are for the caller to
 * set; without them the records are those that EtlCsvRecordsUse gives.
 */
extern void EtlCsvRecordsOpen(EtlCsvRecords *records, const EtlArgs *args);

/* Reads another source, up to its header, as if it were a file; false if it has no record. */
extern bool EtlCsvRecordsUse(EtlCsvRecords *records, EtlSource *source);

/*
 * The current file, which is to have a header, has been opened: reads that (of the rest of a file it is known: past), and
 * returns the format's step.  ETL_FORMAT_END: the file has no record at all; COPY would have no rows of it.
 */
extern int EtlCsvRecordsBegin(EtlCsvRecords *records, const char *past);

/* Opens the next file that has a record; false if there is none. */
extern bool EtlCsvRecordsNextFile(EtlCsvRecords *records);

/*
 * Goes to the next record of the current file; false at its end.  A record that is no text has a defect, which
 * EtlCsvDefectFault describes.
 */
extern bool EtlCsvRecordsNext(EtlCsvRecords *records);

/*
 * Raises the error that broke a file (22P04, 54000).  No error policy applies, because the next record cannot be
 * found.
 */
pg_noreturn extern void EtlCsvRaiseBroken(const EtlCsvRecords *records, int step);

/* Why the current record, which has a defect, is no text. */
extern void EtlCsvDefectFault(EtlCsvRecords *records, EtlFault *fault);

/* What the header calls field i, or else its number from 1; cut if it is long, for it is for people. */
extern const char *EtlCsvFieldName(const EtlCsvRecords *records, int i);

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
