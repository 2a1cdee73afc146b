/*
 * csv_records.c
 *		The records of one CSV file, or of several, as text.
 *
 *		files -> decompress -> decode -> reader's buffer -> record -> fields
 */
#include "etl.h"

#include "mb/pg_wchar.h"
#include "scan/csv_records.h"
#include "source/decode.h"
#include "source/hidden.h"
#include "source/set.h"
#include "source/text.h"
#include "utils/guc.h"

#define SHOWN_NAME_BYTES 100

static int max_field_size_kb = 256 * 1024;

void
EtlCsvRecordsInit(void)
{
	DefineCustomIntVariable(
		"etl.max_field_size", "Sets the largest field of CSV, or line of text, that is read.",
		"A quote that is never closed makes a field of the rest of the file; this bounds the memory "
		"that takes.",
		&max_field_size_kb, 256 * 1024, 1, 1024 * 1024 - 1, PGC_SUSET, GUC_UNIT_KB, NULL, NULL,
		NULL);
}

size_t
EtlMaxFieldSize(void)
{
	return (size_t) max_field_size_kb * 1024;
}

/* ----------------------------------------------------------------
 *	Records
 * ---------------------------------------------------------------- */

void
EtlCsvRaiseBroken(const EtlCsvRecords *records, int step)
{
	unsigned long long line = EtlCsvReaderFaultLine((EtlCsvReader *) records->stream.reader);

	switch ((EtlCsvStatus) step)
	{
		case ETL_CSV_UNCLOSED_QUOTE:
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT), errmsg("unterminated CSV quoted field"),
					 errdetail("The quote that opens on line %llu is never closed.", line)));
			break;
		case ETL_CSV_FIELD_TOO_LONG:
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("a field is larger than \"%s\"", "etl.max_field_size"),
							errdetail("The field that begins on line %llu has more than %d kB.",
									  line, max_field_size_kb),
							errhint("Check whether a quote is missing there.")));
			break;
		case ETL_CSV_RECORD_TOO_LONG:
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("a record is too large"),
					 errdetail("The record that begins on line %llu has more than %d bytes "
							   "or %d fields.",
							   line, ETL_CSV_MAX_RECORD, ETL_CSV_MAX_FIELDS)));
			break;
		default:
			break;
	}
	elog(ERROR, "unexpected step %d of the CSV reader", step);
}

bool
EtlCsvRecordsNext(EtlCsvRecords *records)
{
	int step = EtlStreamNext(&records->stream, &records->record);

	if (step > ETL_FORMAT_END)
		EtlCsvRaiseBroken(records, step);
	return step == ETL_FORMAT_RECORD;
}

/* A record that was set aside. */
static void
structure_fault(const EtlCsvRecords *records, EtlFault *fault)
{
	const EtlCsvRecord *record = &records->record;
	const char *at = record->data + record->defect_at;
	unsigned long long line = EtlCsvDefectLine(record);

	fault->sqlstate = ERRCODE_BAD_COPY_FILE_FORMAT;
	switch (record->defect)
	{
		case ETL_CSV_LONE_CR:
			fault->message = pstrdup("unquoted carriage return found in data");
			fault->detail =
				pstrdup("The first line of the file ends with a line feed, so that a carriage "
						"return alone ends no line.");
			break;
		case ETL_CSV_OPEN_QUOTE:
			fault->message = pstrdup("unterminated CSV quoted field");
			fault->detail = psprintf("The quote that opens on line %llu is never closed.", line);
			break;
		case ETL_CSV_FAR_QUOTE:
			fault->message = pstrdup("unterminated CSV quoted field");
			fault->detail =
				psprintf("The quote that opens on line %llu is not closed within %d kB, the "
						 "limit set by \"etl.max_field_size\".",
						 line, max_field_size_kb);
			break;
		default:
			fault->message = *at == records->options.dialect.quote
								 ? pstrdup("an unquoted CSV field holds a quote")
								 : pstrdup("text follows a closing CSV quote");
			fault->detail = psprintf("It is on line %llu.", line);
			fault->hint = "To read it as COPY does, set stray_quotes => 'copy'.";
			break;
	}
}

void
EtlCsvDefectFault(EtlCsvRecords *records, EtlFault *fault)
{
	const EtlCsvRecord *record = &records->record;
	const unsigned char *s = (const unsigned char *) record->data + record->defect_at;
	const EtlDecodeFault *decoding;

	fault->detail = fault->hint = NULL;
	if (EtlCsvIsText(record))
	{
		structure_fault(records, fault);
		return;
	}
	decoding = EtlDecodeFaultBetween(records->stream.source, record->offset,
									 record->offset + record->len + 1);
	if (decoding != NULL)
	{
		fault->sqlstate = decoding->sqlstate;
		fault->message = pstrdup(decoding->message);
	}
	else if (record->defect == ETL_CSV_NUL_BYTE)
		EtlInvalidBytesFault(fault, s, 1);
	else
	{
		EtlInvalidBytesFault(
			fault, s, Min((size_t) pg_mblen((const char *) s), record->len - record->defect_at));
		if (records->options.encoding == NULL)
			fault->hint = "Name the encoding of the file, such as encoding => 'WIN1252'.";
	}
}

const char *
EtlCsvQuotedFieldText(EtlCsvRecords *records, const char *raw, size_t *len, bool *quoted)
{
	const EtlCsvDialect *dialect = &records->options.dialect;
	char quote = dialect->quote;

	/* nothing but the quotes around it */
	if (raw[0] == quote && *len >= 2 && raw[*len - 1] == quote &&
		memchr(raw + 1, quote, *len - 2) == NULL &&
		(dialect->escape == quote || memchr(raw + 1, dialect->escape, *len - 2) == NULL))
	{
		*quoted = true;
		*len -= 2;
		return raw + 1;
	}
	if (memchr(raw, quote, *len) == NULL)
		return raw;
	*quoted = true;
	resetStringInfo(&records->scratch);
	enlargeStringInfo(&records->scratch, *len);
	*len = EtlCsvUnquote(dialect, raw, *len, records->scratch.data);
	return records->scratch.data;
}

/* ----------------------------------------------------------------
 *	Files
 * ---------------------------------------------------------------- */

void
EtlCsvRecordsOpen(EtlCsvRecords *records, const EtlArgs *args)
{
	EtlStreamOpen(&records->stream, NULL);
	initStringInfo(&records->scratch);
	EtlCsvReadOptions(args, &records->options);
	records->options.dialect.max_field_size = EtlMaxFieldSize();
	records->stream.decodes = true;
	records->stream.encoding = records->options.encoding;
	records->stream.reader = EtlCsvFormat.create(&records->options.dialect);
}

/* Reads the header, as a step. */
static int
read_header(EtlCsvRecords *records)
{
	EtlFault fault;
	int step;

	records->nnames = 0;
	records->header = NULL;
	step = EtlStreamNext(&records->stream, &records->record);
	if (step != ETL_FORMAT_RECORD)
		return step;
	records->bad_header = records->record.defect != ETL_CSV_SOUND;
	if (records->bad_header && records->shows_header)
		return step;
	if (records->bad_header)
	{
		EtlCsvDefectFault(records, &fault);
		EtlRaiseFault(&fault);
	}
	records->header = pnstrdup(records->record.data, records->record.len);
	records->nnames = records->record.nfields;
	records->names = palloc(sizeof(EtlName) * records->nnames);
	for (int i = 0; i < records->nnames; i++)
	{
		bool quoted;
		size_t len;
		const char *name = EtlCsvFieldText(records, i, &len, &quoted);

		records->names[i].name = pnstrdup(name, len);
		records->names[i].len = len;
	}
	return step;
}

bool
EtlCsvRecordsUse(EtlCsvRecords *records, EtlSource *source)
{
	EtlStreamUse(&records->stream, source);
	EtlCsvReaderExpectLf((EtlCsvReader *) records->stream.reader);
	return !records->options.header || read_header(records) == ETL_FORMAT_RECORD;
}

int
EtlCsvRecordsBegin(EtlCsvRecords *records, const char *past)
{
	MemoryContext old = MemoryContextSwitchTo(EtlSourceSetContext(records->stream.set));
	EtlSource *source = records->stream.source;
	char *text;
	int step;

	if (past != NULL)
	{
		text = psprintf("%s\n", past);
		EtlStreamUse(&records->stream, EtlTextOpen(text, strlen(text), source->name));
	}
	step = read_header(records);
	records->stream.source = source;
	MemoryContextSwitchTo(old);
	return step;
}

bool
EtlCsvRecordsNextFile(EtlCsvRecords *records)
{
	while (EtlStreamNextSource(&records->stream))
	{
		int step = records->options.header ? EtlCsvRecordsBegin(records, NULL) : ETL_FORMAT_RECORD;

		if (step > ETL_FORMAT_END)
			EtlCsvRaiseBroken(records, step);
		if (step == ETL_FORMAT_RECORD)
			return true;
	}
	return false;
}

/* ----------------------------------------------------------------
 *	For people
 * ---------------------------------------------------------------- */

const char *
EtlCsvFieldName(const EtlCsvRecords *records, int i)
{
	EtlName name;
	int len;

	if (i >= records->nnames)
		return psprintf("%d", i + 1);
	name = records->names[i];
	len = pg_mbcliplen(name.name, (int) name.len, SHOWN_NAME_BYTES);
	return psprintf("%s%s", EtlVisible(pnstrdup(name.name, len)),
					len < (int) name.len ? "..." : "");
}
