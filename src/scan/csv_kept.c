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
 * A position is that of a byte in the decoded file, with what tells whether the file is still the same:
 * its size and time, and hashes of its first bytes and of those before the position.  A plain file that grew
 * is continued there.  One that is decompressed or converted on the way has no such hashes; it
 * is continued only if it has not changed at all.
 */
#include "etl.h"

#include <inttypes.h>

#include "scan/csv_kept.h"
#include "source/decode.h"
#include "source/file.h"
#include "source/text.h"
#include "utils/timestamp.h"

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
	kept->line = record->line;
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
	record->line = kept->line;
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
	uint64 line = kept->line;
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

typedef struct Position
{
	uint64 offset;
	uint64 line;
	int finished;
	EtlFileState file;
} Position;

#define POSITION_FORMAT                                                              \
	"offset=" UINT64_FORMAT " line=" UINT64_FORMAT " finished=%d size=" INT64_FORMAT \
	" mtime=" INT64_FORMAT " head=%016" PRIx64 " tail=%016" PRIx64

static bool
read_position(const char *text, Position *p)
{
	return sscanf(text, POSITION_FORMAT, &p->offset, &p->line, &p->finished, &p->file.size,
				  &p->file.mtime, &p->file.head, &p->file.tail) == 7;
}

static EtlSource *
file_of(const EtlCsvRecords *records)
{
	EtlSource *source = records->source;

	while (source->inner != NULL)
		source = source->inner;
	return source;
}

/* Whether bytes of the stream are bytes of the file: then its size is known, too. */
static bool
is_plain(const EtlCsvRecords *records)
{
	return records->source->size >= 0;
}

static void
get_state(const EtlCsvRecords *records, uint64 offset, EtlFileState *state)
{
	EtlFileGetState(file_of(records),
					is_plain(records) ? (int64) offset + EtlDecodeMarkLength(records->source) : -1,
					state);
}

static void
mark(EtlCsvRows *csv, uint64 offset, uint64 line, bool finished)
{
	const EtlResume *resume = csv->base.resume;
	EtlFileState state;
	char text[256];

	get_state(&csv->records, offset, &state);
	snprintf(text, sizeof(text), POSITION_FORMAT, offset, line, (int) finished, state.size,
			 state.mtime, state.head, state.tail);
	resume->mark(resume->arg, csv->records.source->name, text);
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

/* For how long the file in hand has to be still from now on, for its last record to count; <= 0: it does. */
static int64
time_to_settle(const EtlCsvRecords *records, const EtlResume *resume)
{
	EtlFileState now;

	EtlFileGetState(file_of(records), -1, &now);
	return resume->settle_ms -
		   (GetCurrentTimestamp() - time_t_to_timestamptz(now.mtime / 1000000000)) / 1000;
}

static void
tell_held(const EtlCsvRows *csv)
{
	const EtlResume *resume = csv->base.resume;

	resume->held(resume->arg, time_to_settle(&csv->records, resume));
}

void
EtlCsvTellEnd(EtlCsvRows *csv)
{
	uint64 offset, line;

	if (csv->records.held)
	{
		mark(csv, csv->records.held_offset, csv->records.held_line, false);
		tell_held(csv);
		return;
	}
	EtlCsvReaderPosition(csv->records.reader, &offset, &line);
	mark(csv, offset, line, true);
}

static bool
same_time_and_size(const EtlFileState *a, const EtlFileState *b)
{
	return a->size == b->size && a->mtime == b->mtime;
}

/* Whether the file still has, up to the position, the bytes that were read. */
static bool
can_continue(const EtlCsvRecords *records, const Position *position)
{
	EtlFileState now;

	get_state(records, position->offset, &now);
	if (same_time_and_size(&now, &position->file))
		return true;
	if (!is_plain(records) || now.size < position->file.size)
		return false;
	return now.head == position->file.head && now.tail == position->file.tail;
}

static void
go_to(EtlCsvRecords *records, const Position *position)
{
	char before = '\0';

	if (position->offset == 0)
		return;
	EtlSourceRewind(records->source);
	EtlSourceSkip(records->source, position->offset - 1);
	(void) EtlSourceRead(records->source, &before, 1);
	EtlCsvReaderResetAt(records->reader, position->offset, position->line, before == '\r');
}

bool
EtlCsvResume(EtlCsvRows *csv)
{
	EtlCsvRecords *records = &csv->records;
	const EtlResume *resume = csv->base.resume;
	const char *text = resume->find(resume->arg, records->source->name);
	EtlFileState now;
	Position position;

	if (!EtlSourceIsFile(file_of(records)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a pipeline cannot read \"%s\": only files on the server can be resumed",
						records->source->name)));
	EtlFileGetState(file_of(records), -1, &now);
	records->growing = time_to_settle(records, resume) > 0;
	if (text != NULL && read_position(text, &position) && can_continue(records, &position))
	{
		if (position.finished && same_time_and_size(&now, &position.file))
			return false;
		go_to(records, &position);
		resume->mark(resume->arg, records->source->name, text);
	}
	else
		EtlCsvTell(&csv->base);
	return true;
}
