/*
 * csv_rows.c
 *		Rows of CSV files: the kind behind etl_csv.
 *
 *		records (csv_records.c) -> fields -> values
 *
 * The bytes of a field are touched once, by the converter of its column.  A short text is not even copied:
 * the byte before a field (its delimiter or quote) has done its work when the record is handed out, and
 * takes the one-byte header that makes a varlena of the bytes behind it.
 *
 * Structure is checked for every record, whichever columns are read: the number of fields, the encoding
 * and NUL bytes.  Values are checked when they are converted.
 */
#include "etl.h"

#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "scan/csv_kept.h"
#include "scan/csv_rows.h"
#include "scan/csv_share.h"
#include "scan/doubts.h"
#include "scan/part_rows.h"
#include "scan/scan.h"
#include "scan/undeclared.h"
#include "source/closest.h"
#include "source/hidden.h"
#include "source/set.h"
#include "source/text.h"
#include "utils/builtins.h"

#define LISTED_BYTES 8192 /* of the names of a header, in an error */

/* ----------------------------------------------------------------
 *	Records
 * ---------------------------------------------------------------- */

/* The first column that a short record lacks, by its declared name if there are no others. */
static const char *
missing_name(const EtlCsvRows *csv)
{
	int missing = csv->records.record.nfields;

	for (int i = 0; csv->records.options.by_position && i < csv->base.desc->natts; i++)
		if (csv->base.columns[i].field == missing)
			return csv->base.columns[i].name;
	return EtlCsvFieldName(&csv->records, missing);
}

static void
set_ragged_fault(EtlCsvRows *csv)
{
	const EtlCsvRecord *record = &csv->records.record;

	EtlRowsSetFault(&csv->base, ERRCODE_BAD_COPY_FILE_FORMAT,
					record->nfields < csv->nfields
						? psprintf("missing data for column \"%s\"", missing_name(csv))
						: pstrdup("extra data after last expected column"),
					psprintf("Expected %d field%s, but the record has %d.", csv->nfields,
							 csv->nfields == 1 ? "" : "s", record->nfields),
					NULL);
}

static bool
is_ragged(const EtlCsvRows *csv)
{
	if (csv->records.record.nfields == csv->nfields || csv->nfields < 0)
		return false;
	return csv->records.options.ragged != ETL_RAGGED_PAD ||
		   csv->records.record.nfields > csv->nfields;
}

/* ----------------------------------------------------------------
 *	Header and columns
 * ---------------------------------------------------------------- */

/* All of them, unless that is no header that anybody wrote: not even a whole file of one line fills the log. */
static char *
list_names(const EtlCsvRows *csv)
{
	int n = csv->records.nnames;
	StringInfoData list;
	int i;

	initStringInfo(&list);
	for (i = 0; i < n && list.len < LISTED_BYTES; i++)
		appendStringInfo(&list, "%s\"%s\"", i > 0 ? ", " : "", EtlCsvFieldName(&csv->records, i));
	if (i < n)
		appendStringInfo(&list, ", and %d more", n - i);
	return list.data;
}

/* A name of the header that is like the one declared, as it could be declared; NULL: none is. */
static const char *
closest_name(const EtlCsvRows *csv, const char *declared)
{
	EtlClosest closest = {declared};

	for (int i = 0; i < csv->records.nnames; i++)
	{
		EtlName name = csv->records.names[i];
		char folded[NAMEDATALEN * 2];

		CHECK_FOR_INTERRUPTS();
		if (name.len >= NAMEDATALEN)
			continue;
		if (EtlFoldName(name.name, name.len, folded) > 0)
			EtlClosestSee(&closest, pstrdup(folded));
	}
	return closest.name;
}

/* What to do about a declared column that is not in the header. */
static const char *
missing_hint(const EtlCsvRows *csv, const char *declared)
{
	const char *hint = EtlDoubtsHint(&csv->records);
	const char *closest = hint == NULL ? closest_name(csv, declared) : NULL;

	if (closest != NULL)
		hint = psprintf("Perhaps you meant the column \"%s\".", EtlVisible(closest));
	if (hint != NULL)
		return hint;
	return csv->records.stream.set != NULL && EtlSourceSetCount(csv->records.stream.set) != 1
			   ? "With union_by_name => true a column that some of the files lack is NULL there."
			   : "Declare columns by these names, or use match => 'position'.";
}

static void
raise_ambiguous(const EtlCsvRows *csv, const EtlColumn *column, const EtlNameMatch *match)
{
	const char *name = EtlCsvFieldName(&csv->records, match->index);
	const char *other = EtlCsvFieldName(&csv->records, match->other);
	bool same = strcmp(name, other) == 0;

	ereport(ERROR,
			(errcode(ERRCODE_AMBIGUOUS_COLUMN),
			 errmsg("column \"%s\" is ambiguous in \"%s\"", column->name,
					csv->records.stream.source->name),
			 same ? errdetail("Columns %d and %d of the file are called \"%s\".", match->index + 1,
							  match->other + 1, name)
				  : errdetail("Both \"%s\" and \"%s\" match it.", name, other),
			 same ? errhint("Declare all columns in the order of the file, and set match => "
							"'position'.")
				  : errhint("Declare the column by its exact name, or use match => 'position'.")));
}

/* Finds a declared column in the header; -1 if it is not there and need not be. */
static int
match_column(const EtlCsvRows *csv, const EtlColumn *column)
{
	EtlNameMatch match = EtlMatchName(column->name, csv->records.names, csv->records.nnames);

	if (match.other >= 0)
		raise_ambiguous(csv, column, &match);
	if (match.index >= 0 || csv->records.options.union_by_name)
		return match.index;
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
					errmsg("column \"%s\" does not exist in \"%s\"", column->name,
						   csv->records.stream.source->name),
					errdetail("The columns of the file are %s.", list_names(csv)),
					errhint("%s", missing_hint(csv, column->name))));
}

/*
 * Marks the text columns whose values may be made in the buffer.  Not those of a field that another column reads as
 * well, because the header would overwrite its opening quote; nor any if _etl_raw needs the record unchanged.
 */
static void
mark_in_place(EtlRows *rows)
{
	bool keep_bytes = false;

	for (int i = 0; i < rows->desc->natts; i++)
		keep_bytes |= rows->columns[i].kind == ETL_FROM_RAW;
	for (int i = 0; i < rows->desc->natts; i++)
	{
		EtlColumn *column = &rows->columns[i];

		column->in_place = column->takes_bytes && !keep_bytes;
		for (int j = 0; j < rows->desc->natts; j++)
			if (i != j && column->field == rows->columns[j].field)
				column->in_place = false;
	}
}

/* union_by_name is for files that lack a column, and not for those that are written in another way. */
static void
raise_nothing_found(const EtlCsvRows *csv)
{
	const char *hint = EtlDoubtsHint(&csv->records);

	ereport(
		ERROR,
		(errcode(ERRCODE_UNDEFINED_COLUMN),
		 errmsg("none of the columns exists in \"%s\"", csv->records.stream.source->name),
		 errdetail("The columns of the file are %s.", list_names(csv)),
		 errhint("%s", hint != NULL ? hint
									: "Check argument \"delimiter\", and whether the file has a "
									  "header.")));
}

/* Takes what the file has off the columns that no file has had. */
static void
note_seen(EtlRows *rows)
{
	int n = 0;

	for (int i = 0; i < rows->nunseen; i++)
		if (rows->columns[rows->unseen[i]].field < 0)
			rows->unseen[n++] = rows->unseen[i];
	rows->nunseen = n;
}

/* For a pipeline: notes the names of the header that no column reads. */
static void
note_undeclared(const EtlCsvRows *csv)
{
	const EtlRows *rows = &csv->base;
	bool *reads;

	if (rows->resume == NULL || rows->resume->undeclared == NULL ||
		csv->records.options.by_position)
		return;
	reads = palloc0(Max(csv->records.nnames, 1));
	for (int i = 0; i < rows->desc->natts; i++)
		if (rows->columns[i].kind == ETL_FIELD && rows->columns[i].field >= 0)
			reads[rows->columns[i].field] = true;
	for (int i = 0; i < csv->records.nnames; i++)
		if (!reads[i])
			EtlUndeclaredNote(rows->resume->undeclared, csv->records.names[i].name,
							  csv->records.names[i].len);
	pfree(reads);
}

static void
map_columns(EtlCsvRows *csv)
{
	EtlRows *rows = &csv->base;
	bool wanted = false;
	bool found = false;
	int n = 0;

	for (int i = 0; i < rows->desc->natts; i++)
	{
		EtlColumn *column = &rows->columns[i];

		if (column->kind != ETL_FIELD)
			continue;
		column->field = csv->records.options.by_position ? n++ : match_column(csv, column);
		wanted = true;
		found |= column->field >= 0;
	}
	if (wanted && !found)
		raise_nothing_found(csv);
	note_seen(rows);
	note_undeclared(csv);
	if (!csv->records.options.by_position)
		csv->nfields = csv->records.nnames;
	else
		csv->nfields = n > 0 ? n : -1;
	mark_in_place(rows);
}

/* ----------------------------------------------------------------
 *	Files
 * ---------------------------------------------------------------- */

/* union_by_name lets a column be missing in a file, but not in all of them. */
static void
expect_columns(EtlRows *rows)
{
	rows->unseen = palloc(sizeof(int) * rows->desc->natts);
	for (int i = 0; i < rows->desc->natts; i++)
		if (rows->columns[i].kind == ETL_FIELD)
			rows->unseen[rows->nunseen++] = i;
}

static void
csv_missing(EtlRows *rows, EtlFault *fault)
{
	const EtlCsvRows *csv = (const EtlCsvRows *) rows;
	const char *name = rows->columns[rows->unseen[0]].name;
	const char *closest = closest_name(csv, name);

	*fault = (EtlFault){
		.sqlstate = ERRCODE_UNDEFINED_COLUMN,
		.message = psprintf("column \"%s\" does not exist in any of the files", name),
		.detail = psprintf("The columns of the last one are %s.", list_names(csv)),
		.hint = closest != NULL
					? psprintf("Perhaps you meant the column \"%s\".", EtlVisible(closest))
					: NULL,
	};
}

/* In a pipeline it counts what earlier runs have seen. */
static void
check_all_found(EtlRows *rows)
{
	EtlFault fault;

	if (rows->nunseen == 0 || rows->resume != NULL)
		return;
	csv_missing(rows, &fault);
	EtlRaiseFault(&fault);
}

/*
 * At the end of all files.  Where no rows would mean that there are none, a header is due that says so; a pipeline that goes
 * on where it stopped may well find nothing.
 */
static void
check_files(EtlCsvRows *csv)
{
	const EtlResume *resume = csv->base.resume;
	const EtlStream *stream = &csv->records.stream;

	if (resume != NULL && !resume->complete)
		return;
	if (csv->has_header)
		check_all_found(&csv->base);
	else if (csv->records.options.header)
		ereport(ERROR, (errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
						EtlSourceSetCount(stream->set) != 1 ? errmsg("no file has a header")
															: errmsg("the file has no header"),
						errdetail("Nothing was found where the names of the columns should be."),
						errhint("Among the files of a pattern, an empty one is passed over.")));
}

/* Where all of the source counts, a file without a header is none that has no rows. */
static void
raise_empty(const EtlCsvRows *csv)
{
	ereport(ERROR, (errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					errmsg("file \"%s\" has no header", csv->records.stream.source->name),
					errdetail("Nothing was found where the names of the columns should be."),
					errhint("An empty file is passed over only by runs that read what is new.")));
}

/* Of the rest of a file its header is known from before. */
static int
read_header(void *arg)
{
	EtlCsvRows *csv = arg;
	const char *known = csv->parts.found.header != NULL ? csv->parts.found.header : "";
	int step = EtlCsvRecordsBegin(&csv->records, csv->parts.here ? known : NULL);

	if (step == ETL_FORMAT_END && csv->base.resume != NULL && csv->base.resume->complete)
		raise_empty(csv);
	csv->parts.header = csv->records.header;
	csv->has_header |= step == ETL_FORMAT_RECORD;
	return step;
}

static void
start_file(void *arg)
{
	EtlCsvRows *csv = arg;
	MemoryContext old = MemoryContextSwitchTo(csv->base.context);

	csv->kept_file = csv->mapped_file = NULL;
	csv->used_source = csv->records.stream.source->name;
	map_columns(csv);
	MemoryContextSwitchTo(old);
}

static void
raise_broken(void *arg, int step)
{
	EtlCsvRaiseBroken(&((EtlCsvRows *) arg)->records, step);
}

static bool
is_mine(void *arg, int number)
{
	return EtlCsvIsMine(arg, number);
}

static const EtlPartKind with_header = {
	.mine = is_mine,
	.begin = read_header,
	.ready = start_file,
	.broken = raise_broken,
};
static void
end_file(void *arg)
{
	EtlPartRowsCheckEmpty(arg);
}

static const EtlPartKind without_header = {
	.mine = is_mine,
	.end = end_file,
	.ready = start_file,
	.broken = raise_broken,
};

static void
csv_open(EtlRows *rows)
{
	EtlCsvRows *csv = (EtlCsvRows *) rows;

	EtlCsvRecordsOpen(&csv->records, rows->args);
	csv->parts.stream = &csv->records.stream;
	rows->parts = &csv->parts;
	if (rows->resume != NULL && rows->resume->no_source)
	{
		csv->records.options.dialect.sets_aside = true;
		return;
	}
	if (csv->records.options.union_by_name)
		expect_columns(rows);
	csv->records.stream.set = EtlStreamSources(rows->args, rows->rewindable);
	csv->parts = (EtlParts){
		.stream = &csv->records.stream,
		.record = &csv->records.record,
		.kind = csv->records.options.header ? &with_header : &without_header,
		.arg = csv,
		.resume = rows->resume,
		.reachable = true,
		.remote = EtlSourceSetIsRemote(csv->records.stream.set),
		.hashes = &csv->records.options.dialect.hashes,
	};
	/* A pipeline opens its sources in a transaction, in which it must not wait for any. */
	if (rows->share != NULL)
		EtlCsvShareOpen(csv);
	else if (rows->resume == NULL)
		(void) EtlPartsOpenNext(&csv->parts);
	else
		csv->records.options.dialect.sets_aside = true;
}

static void
csv_rewind(EtlRows *rows)
{
	EtlCsvRows *csv = (EtlCsvRows *) rows;

	csv->most_stray = Max(csv->most_stray, csv->nstray);
	csv->nstray = 0;
	EtlPartRowsRewind(rows);
	(void) EtlPartsOpenNext(&csv->parts);
}

static void
note_stray_quote(EtlCsvRows *csv)
{
	StringInfoData where;

	csv->base.counters.stray++;
	if (csv->nstray++ > 0 || csv->first_stray != NULL)
		return;
	csv->stray_at = (uint64) csv->records.stream.number << 44 | csv->records.record.line;
	initStringInfo(&where);
	EtlStreamWhere(&csv->records.stream, &where);
	csv->first_stray = MemoryContextStrdup(csv->base.context, where.data);
	pfree(where.data);
}

static void
tell_stray_quotes(unsigned long long n, const char *first)
{
	if (n == 0)
		return;
	ereport(
		NOTICE,
		(errmsg_plural("%llu record has quotes elsewhere than around a field",
					   "%llu records have quotes elsewhere than around a field", n, n),
		 errdetail("The first is in %s.", first),
		 errhint(
			 "It is read as COPY reads it, which may join lines.  With stray_quotes => 'error' such "
			 "a record is a fault of its row.")));
}

static void
csv_report(EtlRows *rows)
{
	const EtlCsvRows *csv = (const EtlCsvRows *) rows;

	if (rows->resume == NULL)
		tell_stray_quotes(Max(csv->nstray, csv->most_stray), csv->first_stray);
}

static void
csv_give(EtlRows *rows)
{
	EtlCsvRows *csv = (EtlCsvRows *) rows;

	if (csv->nstray > 0)
		EtlShareGiveStray(rows->share, csv->nstray, csv->stray_at, csv->first_stray);
	csv->nstray = 0;
}

static void
csv_report_all(const EtlShare *share)
{
	tell_stray_quotes(share->nstray, share->first_stray);
}

/* What the current record is good for. */
static EtlAdvance
judge_record(EtlCsvRows *csv)
{
	EtlRows *rows = &csv->base;

	if (unlikely(csv->records.record.stray_quote))
		note_stray_quote(csv);
	if (unlikely(csv->records.record.defect != ETL_CSV_SOUND))
	{
		rows->faulty = true;
		EtlCsvDefectFault(&csv->records, &rows->fault);
		return ETL_ROW_FAULTY;
	}
	if (unlikely(is_ragged(csv)))
	{
		set_ragged_fault(csv);
		return csv->records.options.ragged == ETL_RAGGED_REJECT ? ETL_ROW_REJECTED : ETL_ROW_FAULTY;
	}
	return ETL_ROW;
}

static EtlAdvance
csv_advance(EtlRows *rows)
{
	EtlCsvRows *csv = (EtlCsvRows *) rows;
	EtlPartsStep step =
		unlikely(rows->share != NULL) ? EtlCsvShareNext(csv) : EtlPartRowsNext(rows);

	if (unlikely(csv->records.stream.mid_line) && step == ETL_PARTS_RECORD &&
		EtlPartRowsIsRest(rows, csv->records.record.offset))
	{
		if (csv->records.record.len > 0)
			return EtlPartRowsRejectRest(rows);
		step = EtlPartRowsNext(rows);
	}
	if (likely(step == ETL_PARTS_RECORD))
	{
		/* its columns have been looked for in the header */
		rows->nsearched += rows->unseen != NULL && rows->resume != NULL;
		return judge_record(csv);
	}
	if (step == ETL_PARTS_LATE)
		return ETL_ROW_LATE;
	if (rows->share == NULL || EtlCsvShareEnd(csv))
		check_files(csv);
	return ETL_NO_MORE_ROWS;
}

/* The first record of a text with the header that the options ask for. */
static EtlAdvance
advance_in(EtlCsvRows *csv, EtlSource *source)
{
	if (!EtlCsvRecordsUse(&csv->records, source))
		return ETL_NO_MORE_ROWS;
	start_file(csv);
	return EtlCsvRecordsNext(&csv->records) ? judge_record(csv) : ETL_NO_MORE_ROWS;
}

/* The text of a dead letter, read again. */
static void
csv_revive(EtlRows *rows, EtlKept *kept)
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
	kept->advance = advance_in(csv, EtlTextOpen(text.data, text.len, source));
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

/* ----------------------------------------------------------------
 *	Fields
 * ---------------------------------------------------------------- */

/*
 * The text value of a field.  One of up to 126 bytes that stands in the reader's buffer gets its header
 * written on the byte before it.
 */
static inline Datum
text_value(const EtlCsvRows *csv, const EtlColumn *column, const char *s, size_t len)
{
	char *start = (char *) s - 1;

	if (len >= VARATT_SHORT_MAX || !column->in_place || s == csv->records.scratch.data)
		return PointerGetDatum(cstring_to_text_with_len(s, len));
	SET_VARSIZE_SHORT(start, len + 1);
	return PointerGetDatum(start);
}

static void
fetch_provenance(EtlCsvRows *csv, const EtlColumn *column, Datum *value, bool *isnull)
{
	const EtlCsvRecord *record = &csv->records.record;
	EtlOrigin origin = {
		.source = csv->used_source,
		.line = (int64) record->line,
		.raw = EtlCsvIsText(record) ? record->data : NULL,
		.len = record->len,
	};

	EtlColumnOrigin(column, &origin, value, isnull);
}

/* A column of any kind, of a record that may hold quotes. */
static void
fetch_column(EtlCsvRows *csv, int number, Datum *value, bool *isnull)
{
	const EtlColumn *column = &csv->base.columns[number];
	const char *s;
	size_t len;
	bool quoted;

	if (column->kind != ETL_FIELD)
	{
		fetch_provenance(csv, column, value, isnull);
		return;
	}
	if (column->field < 0) /* union_by_name */
	{
		EtlColumnLacking(&csv->base, number, value, isnull);
		return;
	}
	if (column->field >= csv->records.record.nfields) /* ragged => 'pad' */
	{
		EtlColumnNull(&csv->base, number, value, isnull);
		return;
	}
	s = EtlCsvFieldText(&csv->records, column->field, &len, &quoted);
	if (EtlCsvIsNull(&csv->records, s, len, quoted))
	{
		EtlColumnNull(&csv->base, number, value, isnull);
		return;
	}
	*isnull = false;
	*value = column->takes_bytes ? text_value(csv, column, s, len)
								 : EtlColumnConvert(&csv->base, number, s, len);
}

/*
 * The same for a record without quotes, and the fields that most are: not NULL, and made in place or by a fast
 * converter.  The record is copied so that no store below makes the compiler load it again.
 */
static void
fetch_plain(EtlCsvRows *csv, const EtlWanted *targets, int n, Datum *values, bool *isnull)
{
	const EtlColumn *columns = csv->base.columns;
	const EtlCsvRecord record = csv->records.record;
	size_t null_len = csv->records.options.null_len;

	for (int i = 0; i < n; i++)
	{
		const EtlColumn *column = &columns[targets[i].column];
		Datum *value = &values[targets[i].place];
		char *s;
		size_t len;

		if (likely((unsigned int) column->field < (unsigned int) record.nfields))
		{
			s = (char *) EtlCsvFieldRaw(&record, column->field, &len);
			isnull[targets[i].place] = false;
			if (len == null_len)
				; /* perhaps a NULL */
			else if (column->in_place && len < VARATT_SHORT_MAX)
			{
				SET_VARSIZE_SHORT(s - 1, len + 1);
				*value = PointerGetDatum(s - 1);
				continue;
			}
			else if (column->fast != NULL && column->fast(s, len, column->typmod, value))
				continue;
		}
		fetch_column(csv, targets[i].column, value, &isnull[targets[i].place]);
		if (unlikely(csv->base.faulty))
			break;
	}
}

static void
csv_fetch(EtlRows *rows, const EtlWanted *targets, int n, Datum *values, bool *isnull)
{
	EtlCsvRows *csv = (EtlCsvRows *) rows;

	if (!csv->records.record.maybe_quoted)
	{
		fetch_plain(csv, targets, n, values, isnull);
		return;
	}
	for (int i = 0; i < n; i++)
	{
		fetch_column(csv, targets[i].column, &values[targets[i].place], &isnull[targets[i].place]);
		if (unlikely(rows->faulty))
			break;
	}
}

/* ----------------------------------------------------------------
 *	For people and for the planner
 * ---------------------------------------------------------------- */

static bool
csv_estimate(const EtlArgs *args, double *nrows, double *nbytes)
{
	if (!EtlStreamEstimate(args, nrows, nbytes))
		return false;
	*nrows = clamp_row_est(*nrows - (EtlArgBool(args, "header", true) ? 1 : 0));
	return true;
}

PG_FUNCTION_INFO_V1(etl_csv);

const EtlScanKind EtlCsvKind = {
	.function = "etl_csv",
	.entry = etl_csv,
	.size = sizeof(EtlCsvRows),
	.provenance = ETL_COLUMN_SET(ETL_FROM_SOURCE) | ETL_COLUMN_SET(ETL_FROM_LINE) |
				  ETL_COLUMN_SET(ETL_FROM_RAW) | ETL_COLUMN_SET(ETL_FROM_ERROR),
	.open = csv_open,
	.advance = csv_advance,
	.fetch = csv_fetch,
	.rewind = csv_rewind,
	.where = EtlPartRowsWhere,
	.mark = EtlPartRowsMark,
	.report = csv_report,
	.why_whole = EtlCsvWhyWhole,
	.in_parts = true,
	.give = csv_give,
	.report_all = csv_report_all,
	.missing = csv_missing,
	.explain = EtlPartRowsExplain,
	.estimate = csv_estimate,
	.watches = EtlStreamWatches,
	.keep = EtlCsvKeep,
	.use = EtlCsvUse,
	.revive = csv_revive,
	.redact = EtlCsvRedact,
	.tell = EtlPartRowsTell,
	.leave = EtlPartRowsLeave,
};

/*
 * etl_csv(source text, ...) returns setof record
 * etl_csv(row_type anyelement, source text, ...) returns setof anyelement
 *
 * Reads a CSV file; sql/etl--1.0.sql declares and documents the arguments.
 */
Datum
etl_csv(PG_FUNCTION_ARGS)
{
	return EtlScanFunction(fcinfo, &EtlCsvKind);
}
