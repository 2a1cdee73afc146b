/*
 * csv_records.c
 *		The records of one CSV file, or of several, as text.
 *
 *		files -> decompress -> decode -> reader's buffer -> record -> fields
 */
#include "etl.h"

#include "mb/pg_wchar.h"
#include "monitor/progress.h"
#include "scan/csv_records.h"
#include "source/clock.h"
#include "source/decode.h"
#include "source/text.h"
#include "utils/guc.h"

#define SHOWN_NAME_BYTES 100

static int max_field_size_kb = 256 * 1024;

void
EtlCsvRecordsInit(void)
{
	DefineCustomIntVariable(
		"etl.max_field_size", "Sets the largest field that is read from a CSV file.",
		"A quote that is never closed makes a field of the rest of the file; this bounds the memory "
		"that takes.",
		&max_field_size_kb, 256 * 1024, 1, 1024 * 1024 - 1, PGC_SUSET, GUC_UNIT_KB, NULL, NULL,
		NULL);
}

/* ----------------------------------------------------------------
 *	Records
 * ---------------------------------------------------------------- */

/* A file whose records cannot even be told apart: no error policy helps. */
static void
raise_broken_file(EtlCsvRecords *records, EtlCsvStatus status)
{
	unsigned long long line = EtlCsvReaderFaultLine(records->reader);

	records->record.line = line;
	switch (status)
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
			elog(ERROR, "unexpected status %d of the CSV reader", status);
	}
}

/* Holds back the last record of a file that is still being written; false, for it ends the file. */
static bool
hold_back(EtlCsvRecords *records, uint64 offset, uint64 line)
{
	records->held = true;
	records->held_offset = offset;
	records->held_line = line;
	return false;
}

bool
EtlCsvRecordsNext(EtlCsvRecords *records)
{
	for (;;)
	{
		EtlCsvStatus status = EtlCsvReaderNext(records->reader, &records->record);
		char *room;
		size_t len;

		if (likely(status == ETL_CSV_RECORD && !records->growing))
		{
			records->nread++;
			return true;
		}
		if (status == ETL_CSV_RECORD)
			return !EtlCsvReaderCutOff(records->reader, &records->record) ||
				   hold_back(records, records->record.offset, records->record.line);
		if (status == ETL_CSV_UNCLOSED_QUOTE && records->growing)
		{
			uint64 offset, line;

			EtlCsvReaderPosition(records->reader, &offset, &line);
			return hold_back(records, offset, line);
		}
		if (status == ETL_CSV_END)
			return false;
		if (status != ETL_CSV_NEED_DATA)
			raise_broken_file(records, status);
		if (records->until != ETL_FOREVER && !EtlSourceReady(records->source, records->until))
		{
			records->late = true;
			return false;
		}
		room = EtlCsvReaderRoom(records->reader, &len);
		EtlCsvReaderFed(records->reader, EtlSourceRead(records->source, room, len));
		if (records->files != NULL)
			records->nbytes = EtlSourceSetBytesRead(records->files);
		EtlProgressReport(records->nbytes, records->size, records->nread);
	}
}

static void
invalid_bytes_fault(EtlFault *fault, const unsigned char *s, int len)
{
	StringInfoData message;

	initStringInfo(&message);
	appendStringInfo(&message,
					 "invalid byte sequence for encoding \"%s\":", GetDatabaseEncodingName());
	for (int i = 0; i < len; i++)
		appendStringInfo(&message, " 0x%02x", s[i]);
	fault->message = message.data;
}

void
EtlCsvDefectFault(EtlCsvRecords *records, EtlFault *fault)
{
	const EtlCsvRecord *record = &records->record;
	const unsigned char *s = (const unsigned char *) record->data + record->defect_at;
	const EtlDecodeFault *decoding =
		EtlDecodeFaultBetween(records->source, record->offset, record->offset + record->len + 1);

	fault->sqlstate = ERRCODE_CHARACTER_NOT_IN_REPERTOIRE;
	fault->detail = fault->hint = NULL;
	if (decoding != NULL)
	{
		fault->sqlstate = decoding->sqlstate;
		fault->message = pstrdup(decoding->message);
	}
	else if (record->defect == ETL_CSV_NUL_BYTE)
		invalid_bytes_fault(fault, s, 1);
	else
	{
		invalid_bytes_fault(
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
EtlCsvRecordsPrepare(EtlCsvRecords *records, const EtlArgs *args)
{
	memset(records, 0, sizeof(*records));
	records->context = CurrentMemoryContext;
	initStringInfo(&records->scratch);
	EtlCsvReadOptions(args, &records->options);
	records->options.dialect.max_field_size = (size_t) max_field_size_kb * 1024;
	records->reader = EtlCsvReaderCreate(&records->options.dialect);
	records->size = -1;
	records->until = ETL_FOREVER;
}

void
EtlCsvRecordsOpen(EtlCsvRecords *records, const EtlArgs *args, bool rewindable)
{
	char *source = EtlArgText(args, "source");

	if (source == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("source must not be null")));
	EtlCsvRecordsPrepare(records, args);
	records->files = EtlSourceSetOpen(source, EtlArgText(args, "path"), rewindable);
	records->size = EtlSourceSetSize(records->files);
}

/* Reads the header, if the file is to have one; false if the file has no record at all. */
static bool
read_header(EtlCsvRecords *records)
{
	uint64 nread = records->nread;
	EtlFault fault;

	records->nnames = 0;
	records->header = NULL;
	if (!records->options.header)
		return true;
	if (!EtlCsvRecordsNext(records))
		return false;
	records->nread = nread; /* it is no row */
	if (records->record.defect != ETL_CSV_SOUND)
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
	return true;
}

bool
EtlCsvRecordsUse(EtlCsvRecords *records, EtlSource *source)
{
	records->source = source;
	records->growing = records->held = false;
	EtlCsvReaderResetAt(records->reader, 0, 1, false);
	return read_header(records);
}

/* Begins to read a file; false if it has no record at all.  Of the rest of one the header is known. */
static bool
begin_file(EtlCsvRecords *records, EtlSource *source)
{
	MemoryContext old = MemoryContextSwitchTo(EtlSourceSetContext(records->files));
	bool found;

	if (source->bytes_read == 0)
	{
		records->source = EtlDecodeOpen(source, records->options.encoding);
		EtlCsvReaderReset(records->reader);
		found = read_header(records);
	}
	else
	{
		found = EtlCsvRecordsUse(
			records, EtlTextOpen(records->past_header, strlen(records->past_header), source->name));
		records->source = EtlDecodeContinue(source, records->past_mark);
	}
	MemoryContextSwitchTo(old);
	return found;
}

void
EtlCsvRecordsAgain(EtlCsvRecords *records)
{
	MemoryContext old = MemoryContextSwitchTo(records->context);
	EtlSource *source = EtlSourceSetOpenPart(records->files, NULL);

	MemoryContextSwitchTo(old);
	records->record.line = 0;
	(void) begin_file(records, source);
}

bool
EtlCsvRecordsNextFile(EtlCsvRecords *records)
{
	MemoryContext old = CurrentMemoryContext;
	const EtlPart *part;
	EtlSource *source;
	bool found = false;

	while (!found)
	{
		records->source = NULL;
		records->record.line = 0;
		records->growing = records->held = false;
		MemoryContextSwitchTo(records->context);
		part = EtlSourceSetNextPart(records->files);
		if (part == NULL)
			break;
		source = EtlSourceSetOpenPart(records->files,
									  records->past != NULL ? records->past(records, part) : NULL);
		if (records->size < 0) /* what is far away has a size only now */
			records->size = EtlSourceSetSize(records->files);
		found = begin_file(records, source);
	}
	MemoryContextSwitchTo(old);
	return found;
}

void
EtlCsvRecordsRewind(EtlCsvRecords *records)
{
	records->source = NULL;
	EtlSourceSetRewind(records->files);
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
	return psprintf("%.*s%s", len, name.name, len < (int) name.len ? "..." : "");
}

void
EtlCsvWhere(const EtlCsvRecords *records, StringInfo buf)
{
	if (records->source == NULL)
		return;
	appendStringInfo(buf, "file \"%s\"", records->source->name);
	if (records->record.line > 0)
		appendStringInfo(buf, ", line %llu", (unsigned long long) records->record.line);
}

static void
records_error_context(void *arg)
{
	StringInfoData where;

	initStringInfo(&where);
	EtlCsvWhere(arg, &where);
	if (where.len > 0)
		errcontext("%s", where.data);
}

void
EtlCsvPushErrorContext(EtlCsvRecords *records, ErrorContextCallback *callback)
{
	callback->callback = records_error_context;
	callback->arg = records;
	callback->previous = error_context_stack;
	error_context_stack = callback;
}
