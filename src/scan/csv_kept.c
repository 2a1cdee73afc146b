/*
 * csv_kept.c
 *		Records of CSV files for pipelines: kept across transactions.
 *
 *		Keep		the reader's record -> a copy of its bytes and of the ends of its fields
 *		Use			a second copy, on which the converters may write -> the current record
 *
 * A batch may hold records of several files, with columns in different places; each file that a record was
 * kept of is remembered for as long as the scan.
 */
#include "etl.h"

#include "scan/csv_kept.h"

/* What kept records share with the others of their file. */
struct EtlCsvKeptFile
{
	char *name;
	char *header;	/* as it is written, or NULL */
	int *fields;	/* [natts] of the columns */
	bool *in_place; /* [natts] */
};

typedef struct KeptFields
{
	const EtlCsvKeptFile *file;
	int nfields;
	bool maybe_quoted;
	uint32 ends[FLEXIBLE_ARRAY_MEMBER]; /* from the start of the record */
} KeptFields;

/* ----------------------------------------------------------------
 *	Keeping records
 * ---------------------------------------------------------------- */

static const EtlCsvKeptFile *
kept_file(EtlCsvRows *csv)
{
	const EtlRows *rows = &csv->base;
	EtlCsvKeptFile *file;
	MemoryContext old;

	if (csv->kept_file != NULL)
		return csv->kept_file;
	old = MemoryContextSwitchTo(rows->context);
	file = palloc(sizeof(EtlCsvKeptFile));
	file->name = pstrdup(csv->records.stream.source->name);
	file->header = csv->records.header != NULL ? pstrdup(csv->records.header) : NULL;
	file->fields = palloc(sizeof(int) * rows->desc->natts);
	file->in_place = palloc(sizeof(bool) * rows->desc->natts);
	for (int i = 0; i < rows->desc->natts; i++)
	{
		file->fields[i] = rows->columns[i].field;
		file->in_place[i] = rows->columns[i].in_place;
	}
	MemoryContextSwitchTo(old);
	return csv->kept_file = csv->mapped_file = file;
}

void
EtlCsvKeep(EtlRows *rows, EtlKept *kept)
{
	EtlCsvRows *csv = (EtlCsvRows *) rows;
	const EtlCsvRecord *record = &csv->records.record;
	KeptFields *fields = palloc(offsetof(KeptFields, ends) + sizeof(uint32) * record->nfields);
	char *data = palloc(record->len + 1);

	fields->file = kept_file(csv);
	fields->nfields = record->nfields;
	fields->maybe_quoted = record->maybe_quoted;
	for (int i = 0; i < record->nfields; i++)
		fields->ends[i] = record->ends[i] - record->base;
	memcpy(data, record->data, record->len);
	data[record->len] = '\0';

	kept->source = fields->file->name;
	kept->header = fields->file->header;
	kept->line = (int64) record->line;
	kept->offset = record->offset;
	kept->data = data;
	kept->len = record->len;
	kept->is_text = EtlCsvIsText(record);
	kept->fields = fields;
}

/* The columns as they are in a file. */
static void
map_as_in(EtlCsvRows *csv, const EtlCsvKeptFile *file)
{
	for (int i = 0; i < csv->base.desc->natts; i++)
	{
		csv->base.columns[i].field = file->fields[i];
		csv->base.columns[i].in_place = file->in_place[i];
	}
	csv->mapped_file = file;
}

void
EtlCsvUse(EtlRows *rows, const EtlKept *kept)
{
	EtlCsvRows *csv = (EtlCsvRows *) rows;
	EtlCsvRecord *record = &csv->records.record;
	const KeptFields *fields = kept->fields;
	char *copy = palloc(kept->len + 1);

	if (csv->mapped_file != fields->file)
		map_as_in(csv, fields->file);
	memcpy(copy + 1, kept->data, kept->len); /* the byte before the first field is written on */
	record->data = copy + 1;
	record->len = kept->len;
	record->nfields = fields->nfields;
	record->ends = fields->ends;
	record->base = 0;
	record->delimiter_len = csv->records.options.dialect.delimiter_len;
	record->maybe_quoted = fields->maybe_quoted;
	record->line = (uint64) kept->line;
	record->offset = kept->offset;
	record->defect = kept->is_text ? ETL_CSV_SOUND : ETL_CSV_BAD_ENCODING;
	csv->used_source = kept->source;
	rows->faulty = false;
}

char *
EtlCsvRedact(EtlRows *rows, const EtlKept *kept, const Bitmapset *columns)
{
	const EtlCsvRows *csv = (const EtlCsvRows *) rows;
	const EtlCsvDialect *dialect = &csv->records.options.dialect;
	const KeptFields *fields = kept->fields;
	uint32 start = 0;
	StringInfoData text;

	if (kept->advance != ETL_ROW)
		return NULL;
	initStringInfo(&text);
	for (int f = 0; f < fields->nfields; f++)
	{
		bool hidden = false;
		int i = -1;

		while ((i = bms_next_member(columns, i)) >= 0)
			hidden |= fields->file->fields[i] == f;
		if (f > 0)
			appendBinaryStringInfo(&text, dialect->delimiter, dialect->delimiter_len);
		if (hidden)
			appendStringInfoString(&text, "***");
		else
			appendBinaryStringInfo(&text, kept->data + start, fields->ends[f] - start);
		start = fields->ends[f] + dialect->delimiter_len;
	}
	return text.data;
}
