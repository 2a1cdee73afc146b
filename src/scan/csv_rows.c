/*
 * csv_rows.c
 *		Rows of CSV files: the kind behind etl_csv.
 *
 *		file -> decode -> reader's buffer -> record -> fields -> values
 *
 * The bytes of a field are touched once, by the converter of its column.  A short text is not even copied:
 * the byte before a field (its delimiter or quote) has done its work when the record is handed out, and
 * takes the one-byte header that makes a varlena of the bytes behind it.
 *
 * Structure is checked for every record, whichever columns are read: the number of fields, the encoding
 * and NUL bytes.  Values are checked when they are converted.
 */
#include "etl.h"

#include "format/csv.h"
#include "format/header.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "scan/csv_options.h"
#include "scan/csv_rows.h"
#include "source/decode.h"
#include "source/file.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

typedef struct CsvRows
{
	EtlRows base;
	EtlCsvOptions options;
	EtlSource *source; /* decoded */
	EtlCsvReader *reader;
	EtlCsvRecord record;	/* the current one */
	int nfields;			/* what a record should have; -1: anything goes */
	int nnames;				/* of the header */
	EtlName *names;			/* [nnames] */
	int nfields_named;		/* declared columns that are fields */
	bool keep_bytes;		/* _etl_raw wants the record as it was */
	StringInfoData scratch; /* a field without its quotes */
} CsvRows;

static int max_field_size_kb = 256 * 1024;

void
EtlCsvRowsInit(void)
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
raise_broken_file(CsvRows *csv, EtlCsvStatus status)
{
	unsigned long long line = EtlCsvReaderFaultLine(csv->reader);

	csv->record.line = line;
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

/* Reads the next record into csv->record; false at the end of the file. */
static bool
next_record(CsvRows *csv)
{
	for (;;)
	{
		EtlCsvStatus status = EtlCsvReaderNext(csv->reader, &csv->record);
		char *room;
		size_t len, n;

		if (status == ETL_CSV_RECORD)
			return true;
		if (status == ETL_CSV_END)
			return false;
		if (status != ETL_CSV_NEED_DATA)
			raise_broken_file(csv, status);
		room = EtlCsvReaderRoom(csv->reader, &len);
		n = EtlSourceRead(csv->source, room, len);
		EtlCsvReaderFed(csv->reader, n);
		csv->base.counters.bytes += n;
	}
}

static void
set_defect_fault(CsvRows *csv)
{
	const EtlCsvRecord *record = &csv->record;
	const unsigned char *s = (const unsigned char *) record->data + record->defect_at;
	const EtlDecodeFault *fault =
		EtlDecodeFaultBetween(csv->source, record->offset, record->offset + record->len + 1);

	if (fault != NULL)
		EtlRowsSetFault(&csv->base, fault->sqlstate, pstrdup(fault->message), NULL, NULL);
	else if (record->defect == ETL_CSV_NUL_BYTE)
		EtlRowsSetFault(
			&csv->base, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
			psprintf("invalid byte sequence for encoding \"%s\": 0x00", GetDatabaseEncodingName()),
			NULL, NULL);
	else
	{
		int len = Min((size_t) pg_mblen((const char *) s), record->len - record->defect_at);
		StringInfoData message;

		initStringInfo(&message);
		appendStringInfo(&message,
						 "invalid byte sequence for encoding \"%s\":", GetDatabaseEncodingName());
		for (int i = 0; i < len; i++)
			appendStringInfo(&message, " 0x%02x", s[i]);
		EtlRowsSetFault(&csv->base, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, message.data, NULL,
						csv->options.encoding == NULL
							? "Name the encoding of the file, such as encoding => 'WIN1252'."
							: NULL);
	}
}

/* The name of field i, for messages: that of its declared column, or in the header. */
static const char *
field_name(const CsvRows *csv, int i)
{
	if (csv->options.by_position)
	{
		for (int j = 0; j < csv->base.desc->natts; j++)
			if (csv->base.columns[j].field == i)
				return csv->base.columns[j].name;
	}
	else if (i < csv->nnames)
		return pnstrdup(csv->names[i].name, csv->names[i].len);
	return psprintf("%d", i + 1);
}

static void
set_ragged_fault(CsvRows *csv)
{
	const EtlCsvRecord *record = &csv->record;

	EtlRowsSetFault(
		&csv->base, ERRCODE_BAD_COPY_FILE_FORMAT,
		record->nfields < csv->nfields
			? psprintf("missing data for column \"%s\"", field_name(csv, record->nfields))
			: pstrdup("extra data after last expected column"),
		psprintf("Expected %d field%s, but the record has %d.", csv->nfields,
				 csv->nfields == 1 ? "" : "s", record->nfields),
		NULL);
}

static bool
is_ragged(const CsvRows *csv)
{
	if (csv->record.nfields == csv->nfields || csv->nfields < 0)
		return false;
	return csv->options.ragged != ETL_RAGGED_PAD || csv->record.nfields > csv->nfields;
}

static EtlAdvance
csv_advance(EtlRows *rows)
{
	CsvRows *csv = (CsvRows *) rows;

	if (!next_record(csv))
		return ETL_NO_MORE_ROWS;
	if (unlikely(csv->record.defect != ETL_CSV_SOUND))
	{
		set_defect_fault(csv);
		return ETL_ROW_FAULTY;
	}
	if (unlikely(is_ragged(csv)))
	{
		set_ragged_fault(csv);
		return csv->options.ragged == ETL_RAGGED_REJECT ? ETL_ROW_REJECTED : ETL_ROW_FAULTY;
	}
	return ETL_ROW;
}

/* ----------------------------------------------------------------
 *	Header and columns
 * ---------------------------------------------------------------- */

/* Takes the quotes out of a field; *quoted tells whether there were any. */
static inline const char *
field_text(CsvRows *csv, int field, size_t *len, bool *quoted)
{
	const EtlCsvDialect *dialect = &csv->options.dialect;
	const char *raw = EtlCsvFieldRaw(&csv->record, field, len);
	char quote = dialect->quote;

	*quoted = false;
	if (!csv->record.maybe_quoted || *len == 0)
		return raw;
	/* "plain": nothing but the quotes around it */
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
	resetStringInfo(&csv->scratch);
	enlargeStringInfo(&csv->scratch, *len);
	*len = EtlCsvUnquote(dialect, raw, *len, csv->scratch.data);
	return csv->scratch.data;
}

/* Reads the header, if the file has one; false if the file has no record at all. */
static bool
read_header(CsvRows *csv)
{
	if (!csv->options.header)
		return true;
	if (!next_record(csv))
		return false;
	if (csv->record.defect != ETL_CSV_SOUND)
	{
		set_defect_fault(csv);
		ereport(ERROR,
				(errcode(csv->base.fault.sqlstate), errmsg_internal("%s", csv->base.fault.message),
				 csv->base.fault.hint ? errhint("%s", csv->base.fault.hint) : 0));
	}
	csv->nnames = csv->record.nfields;
	csv->names = palloc(sizeof(EtlName) * csv->nnames);
	for (int i = 0; i < csv->nnames; i++)
	{
		bool quoted;
		size_t len;
		const char *name = field_text(csv, i, &len, &quoted);

		csv->names[i].name = pnstrdup(name, len);
		csv->names[i].len = len;
	}
	return true;
}

static char *
list_names(const CsvRows *csv)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < csv->nnames; i++)
		appendStringInfo(&list, "%s\"%.*s\"", i > 0 ? ", " : "", (int) csv->names[i].len,
						 csv->names[i].name);
	return list.data;
}

/* Finds a declared column in the header. */
static int
match_column(const CsvRows *csv, const EtlColumn *column)
{
	EtlNameMatch match = EtlMatchName(column->name, csv->names, csv->nnames);

	if (match.other >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_COLUMN),
				 errmsg("column \"%s\" is ambiguous in \"%s\"", column->name, csv->source->name),
				 errdetail("Both \"%s\" and \"%s\" match it.", field_name(csv, match.index),
						   field_name(csv, match.other)),
				 errhint("Declare the column by its exact name, or use match => "
						 "'position'.")));
	if (match.index < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" does not exist in \"%s\"", column->name, csv->source->name),
				 errdetail("The columns of the file are %s.", list_names(csv)),
				 errhint("Declare columns by these names, or use match => 'position'.")));
	return match.index;
}

/* Marks columns that read the same field: none of them may write on the byte before it. */
static void
mark_shared_fields(EtlRows *rows)
{
	for (int i = 0; i < rows->desc->natts; i++)
		for (int j = 0; j < i; j++)
			if (rows->columns[i].field >= 0 && rows->columns[i].field == rows->columns[j].field)
				rows->columns[i].field_shared = rows->columns[j].field_shared = true;
}

static void
map_columns(CsvRows *csv)
{
	EtlRows *rows = &csv->base;
	int n = 0;

	for (int i = 0; i < rows->desc->natts; i++)
	{
		EtlColumn *column = &rows->columns[i];

		if (column->kind == ETL_FROM_RAW)
			csv->keep_bytes = true;
		if (column->kind == ETL_FIELD)
			column->field = csv->options.by_position ? n++ : match_column(csv, column);
	}
	if (!csv->options.by_position)
		csv->nfields = csv->nnames;
	else
		csv->nfields = n > 0 ? n : -1;
	mark_shared_fields(rows);
}

static void
csv_open(EtlRows *rows)
{
	CsvRows *csv = (CsvRows *) rows;
	char *path = EtlArgText(rows->args, "source");

	if (path == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("source must not be null")));
	initStringInfo(&csv->scratch);
	EtlCsvReadOptions(rows->args, &csv->options);
	csv->options.dialect.max_field_size = (size_t) max_field_size_kb * 1024;
	csv->source = EtlDecodeOpen(EtlFileOpen(path), csv->options.encoding);
	csv->reader = EtlCsvReaderCreate(&csv->options.dialect);

	/* an empty file has no columns to hold the declared ones against, and no rows: COPY's answer too */
	if (read_header(csv))
		map_columns(csv);
}

static void
csv_rewind(EtlRows *rows)
{
	CsvRows *csv = (CsvRows *) rows;

	EtlSourceRewind(csv->source);
	EtlCsvReaderReset(csv->reader);
	if (csv->options.header)
		(void) next_record(csv);
}

/* ----------------------------------------------------------------
 *	Fields
 * ---------------------------------------------------------------- */

/*
 * The text value of a field.  One of up to 126 bytes that stands in the reader's buffer gets its header
 * written on the byte before it.
 */
static inline Datum
text_value(const CsvRows *csv, const EtlColumn *column, const char *s, size_t len)
{
	char *start = (char *) s - 1;

	if (len + 1 > VARATT_SHORT_MAX || csv->keep_bytes || column->field_shared ||
		s == csv->scratch.data)
		return PointerGetDatum(cstring_to_text_with_len(s, len));
	SET_VARSIZE_SHORT(start, len + 1);
	return PointerGetDatum(start);
}

static void
fetch_provenance(CsvRows *csv, const EtlColumn *column, Datum *value, bool *isnull)
{
	const EtlCsvRecord *record = &csv->record;

	*isnull = false;
	switch (column->kind)
	{
		case ETL_FROM_SOURCE:
			*value = CStringGetTextDatum(csv->source->name);
			break;
		case ETL_FROM_LINE:
			*value = Int64GetDatum((int64) record->line);
			break;
		case ETL_FROM_RAW:
			*isnull = record->defect != ETL_CSV_SOUND; /* it is no text */
			if (!*isnull)
				*value = PointerGetDatum(cstring_to_text_with_len(record->data, record->len));
			break;
		default:
			*isnull = true;
			break;
	}
}

static inline void
fetch_field(CsvRows *csv, int number, Datum *value, bool *isnull)
{
	const EtlColumn *column = &csv->base.columns[number];
	const char *s;
	size_t len;
	bool quoted;

	if (column->field >= csv->record.nfields) /* ragged => 'pad' */
	{
		EtlColumnNull(&csv->base, number, value, isnull);
		return;
	}
	s = field_text(csv, column->field, &len, &quoted);
	if (!quoted && len == csv->options.null_len && memcmp(s, csv->options.null_string, len) == 0)
	{
		EtlColumnNull(&csv->base, number, value, isnull);
		return;
	}
	*isnull = false;
	*value = column->takes_bytes ? text_value(csv, column, s, len)
								 : EtlColumnConvert(&csv->base, number, s, len);
}

static void
csv_fetch(EtlRows *rows, const int *columns, int n, Datum *values, bool *isnull)
{
	CsvRows *csv = (CsvRows *) rows;

	for (int i = 0; i < n; i++)
	{
		int number = columns[i];

		if (likely(rows->columns[number].kind == ETL_FIELD))
			fetch_field(csv, number, &values[number], &isnull[number]);
		else
			fetch_provenance(csv, &rows->columns[number], &values[number], &isnull[number]);
		if (unlikely(rows->faulty))
			break;
	}
}

/* ----------------------------------------------------------------
 *	For people and for the planner
 * ---------------------------------------------------------------- */

static void
csv_where(const EtlRows *rows, StringInfo buf)
{
	const CsvRows *csv = (const CsvRows *) rows;

	if (csv->source == NULL)
		return;
	appendStringInfo(buf, "file \"%s\"", csv->source->name);
	if (csv->record.line > 0)
		appendStringInfo(buf, ", line %llu", (unsigned long long) csv->record.line);
}

/* From the size of the file and the length of the lines at its start, one of which may be all of that. */
static bool
csv_estimate(const EtlArgs *args, double *nrows, double *nbytes)
{
	char buf[8192];
	size_t len = sizeof(buf);
	char *path = EtlArgText(args, "source");
	int64 size;
	int lines = 0;

	if (path == NULL || !EtlFileSample(path, buf, &len, &size))
		return false;
	for (size_t i = 0; i < len; i++)
		lines += buf[i] == '\n' || (buf[i] == '\r' && (i + 1 == len || buf[i + 1] != '\n'));
	*nbytes = size;
	*nrows = len > 0 ? (double) size / len * Max(lines, 1) : 0;
	*nrows = clamp_row_est(*nrows - (EtlArgBool(args, "header", true) ? 1 : 0));
	return true;
}

extern Datum etl_csv(PG_FUNCTION_ARGS);

const EtlScanKind EtlCsvKind = {
	.function = "etl_csv",
	.entry = etl_csv,
	.size = sizeof(CsvRows),
	.open = csv_open,
	.advance = csv_advance,
	.fetch = csv_fetch,
	.rewind = csv_rewind,
	.where = csv_where,
	.estimate = csv_estimate,
};
