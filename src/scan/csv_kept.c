/*
 * csv_kept.c
 *		Records of CSV files for pipelines: kept across transactions, and resumed where a run stopped.
 *
 *		Keep		the reader's record -> a copy of its bytes and of the ends of its fields
 *		Use			a second copy, on which the converters may write -> the current record
 *		Revive		the text of a dead letter, read again -> a kept record
 *
 * A batch may hold records of several files, with columns in different places; each file that a record was
 * kept of is remembered for as long as the scan.
 *
 * Where a file or URL is gone on with is for resume.h to say.
 */
#include "etl.h"

#include "common/hashfn.h"
#include "scan/csv_kept.h"
#include "scan/resume.h"
#include "source/clock.h"
#include "source/decode.h"
#include "source/text.h"

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
	file->name = pstrdup(csv->records.source->name);
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
	kept->is_text = record->defect == ETL_CSV_SOUND;
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

void
EtlCsvRevive(EtlRows *rows, EtlKept *kept)
{
	EtlCsvRows *csv = (EtlCsvRows *) rows;
	const char *source = kept->source;
	int64 line = kept->line;
	uint64 offset = kept->offset;
	StringInfoData text;

	initStringInfo(&text);
	if (kept->header != NULL)
		appendStringInfo(&text, "%s\n", kept->header);
	appendStringInfo(&text, "%s\n", kept->data);
	rows->faulty = false;
	kept->advance = EtlCsvAdvanceIn(csv, EtlTextOpen(text.data, text.len, source));
	if (kept->advance == ETL_NO_MORE_ROWS)
	{
		/* an option such as "comment" has changed since */
		kept->advance = ETL_ROW_FAULTY;
		EtlRowsSetFault(rows, ERRCODE_BAD_COPY_FILE_FORMAT, "the record is none any more", NULL,
						NULL);
	}
	else
		EtlCsvKeep(rows, kept);
	kept->fault = rows->fault;
	kept->source = source;
	kept->line = line;
	kept->offset = offset;
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

/* ----------------------------------------------------------------
 *	Going on where a run stopped
 * ---------------------------------------------------------------- */

void
EtlCsvCount(EtlCsvRows *csv)
{
	const EtlCsvRecord *record = &csv->records.record;

	csv->nrecords++;
	csv->hash =
		hash_bytes_extended((const unsigned char *) record->data, (int) record->len, csv->hash);
}

static void
mark(EtlCsvRows *csv, uint64 offset, uint64 line, bool finished)
{
	const EtlCsvRecords *records = &csv->records;
	EtlPosition position = {
		.offset = offset,
		.line = line,
		.records = csv->nrecords,
		.hash = csv->hash,
		.finished = finished,
		.mark = EtlDecodeMarkLength(records->source),
		.header = csv->counts ? records->header : NULL,
	};

	EtlResumeMark(&csv->base, records->files, records->source, &position);
}

void
EtlCsvTell(EtlRows *rows)
{
	EtlCsvRows *csv = (EtlCsvRows *) rows;
	uint64 offset, line;

	if (csv->records.source == NULL)
		return;
	EtlCsvReaderPosition(csv->records.reader, &offset, &line);
	mark(csv, offset, line, false);
}

void
EtlCsvTellEnd(EtlCsvRows *csv)
{
	uint64 offset, line;

	if (csv->records.held)
	{
		mark(csv, csv->records.held_offset, csv->records.held_line, false);
		EtlResumeTellHeld(&csv->base, csv->records.files);
		return;
	}
	EtlCsvReaderPosition(csv->records.reader, &offset, &line);
	mark(csv, offset, line, true);
}

const EtlSourcePast *
EtlCsvPast(EtlCsvRecords *records, const EtlPart *part)
{
	EtlCsvRows *csv = (EtlCsvRows *) ((char *) records - offsetof(EtlCsvRows, records));
	MemoryContext old = MemoryContextSwitchTo(EtlSourceSetContext(records->files));
	EtlSourcePast *past = NULL;
	EtlPosition position;

	csv->counts = EtlSourceSetIsRemote(records->files);
	if (EtlResumeFind(&csv->base, part, &position))
	{
		past = palloc(sizeof(EtlSourcePast));
		/* The byte before tells whether a line feed belongs to what is behind it. */
		EtlResumePast(&position, position.offset > 0 ? position.offset + position.mark - 1 : 0,
					  past);
		records->past_header =
			position.header != NULL ? psprintf("%s\n", position.header) : pstrdup("");
		records->past_mark = (int) position.mark;
	}
	MemoryContextSwitchTo(old);
	return past;
}

static void
go_to(EtlCsvRecords *records, const EtlPosition *position, EtlSourcePlan plan)
{
	char before = '\0';

	if (position->offset == 0)
		return;
	if (plan == ETL_READ_FROM)
	{
		EtlSourceRewind(records->source);
		EtlSourceSkip(records->source, position->offset - 1);
	}
	(void) EtlSourceRead(records->source, &before, 1);
	EtlCsvReaderResetAt(records->reader, position->offset, position->line, before == '\r');
}

/* Reads the records before a position, and tells whether they are the same. */
static bool
pass_over(EtlCsvRows *csv, const EtlPosition *position)
{
	csv->records.until = ETL_FOREVER;
	while (csv->nrecords < position->records && EtlCsvRecordsNext(&csv->records))
		EtlCsvCount(csv);
	return csv->nrecords == position->records && csv->hash == position->hash;
}

bool
EtlCsvResume(EtlCsvRows *csv)
{
	EtlCsvRecords *records = &csv->records;
	EtlPosition position;
	EtlSourcePlan plan;
	bool found = false;

	(void) EtlResumeFind(&csv->base, EtlSourceSetPart(records->files), &position);
	csv->nrecords = csv->hash = 0;
	plan = EtlResumeDecide(&csv->base, records->files, records->source, &position, true,
						   &records->growing);
	switch (plan)
	{
		case ETL_READ_NOTHING:
			return false;
		case ETL_READ_HERE:
		case ETL_READ_FROM:
			go_to(records, &position, plan);
			csv->nrecords = position.records;
			csv->hash = position.hash;
			found = true;
			break;
		case ETL_READ_BEHIND:
			found = pass_over(csv, &position);
			break;
		case ETL_READ_ALL:
			break;
	}
	if (found)
		EtlResumeMarkFound(&csv->base, records->files, &position);
	else
	{
		if (csv->nrecords > 0)
			EtlCsvRecordsAgain(records);
		csv->nrecords = csv->hash = 0;
		EtlCsvTell(&csv->base);
	}
	return true;
}
