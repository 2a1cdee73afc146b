/*
 * lines_rows.c
 *		Rows of text lines: the kinds behind etl_lines and etl_fixed.
 *
 *		files -> decompress -> decode -> lines -> fields -> values
 *
 * Of etl_lines the fields are the named groups of a pattern, and columns find them by name.  Of etl_fixed they have widths,
 * and columns take them by position.
 *
 * A line that does not fit is a fault of its row: nothing of a file is passed over because it looks different.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "format/header.h"
#include "format/lines.h"
#include "mb/pg_wchar.h"
#include "optimizer/optimizer.h"
#include "scan/csv_records.h"
#include "scan/lines_rows.h"
#include "scan/part_rows.h"
#include "scan/scan.h"
#include "source/decode.h"
#include "source/set.h"
#include "source/text.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* What becomes of the blanks around a field of fixed width. */
typedef enum Blanks
{
	BLANKS_NULL, /* they go, and a field of nothing else is NULL */
	BLANKS_TRIM, /* they go */
	BLANKS_KEEP
} Blanks;

typedef struct LinesRows
{
	EtlRows base;
	EtlLinesOptions options;
	Blanks blanks;
	const char *encoding; /* as it was given; or NULL */
	EtlStream stream;
	EtlParts parts;
	EtlLine line; /* the current one */
	const char *source;
	MemoryContextCallback callback; /* releases the patterns */

	/* for pipelines */
	char *kept_source; /* a copy of source that lasts as long as the scan */
	EtlSpan *revived;  /* [nfields] of a dead letter */
} LinesRows;

/* ----------------------------------------------------------------
 *	Options
 * ---------------------------------------------------------------- */

#define TEXT_IN_QUOTES "[^\"\\\\]*+(?:\\\\.[^\"\\\\]*+)*+"
#define REQUEST                                                                                      \
	"\"(?<request>(?<method>[A-Z]++) (?<path>\\S++)(?: (?<protocol>HTTP/[0-9.]++))?|" TEXT_IN_QUOTES \
	")\""
#define COMMON                                                                                      \
	"(?<host>\\S++) (?:-|(?<ident>\\S++)) (?:-|(?<user>[^\\[]+?)) \\[(?<time>[^\\]]++)\\] " REQUEST \
	" (?<status>\\d{3}) (?:-|(?<size>\\d++))"
#define RFC3339 \
	"\\d{4}-\\d\\d-\\d\\d[Tt ]\\d\\d:\\d\\d:\\d\\d(?:\\.\\d++)?(?:[Zz]|[+-]\\d\\d:?\\d\\d)"

/* Patterns that have a name. */
static const struct
{
	const char *name;
	const char *pattern;
} named[] = {
	{"combined",
	 COMMON " \"(?:-|(?<referer>" TEXT_IN_QUOTES "))\" \"(?:-|(?<agent>" TEXT_IN_QUOTES "))\""},
	{"common", COMMON},
	{"syslog",
	 "(?:<(?<priority>\\d{1,3})>)?(?<time>[A-Z][a-z]{2} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d|" RFC3339
	 ") (?<host>\\S++) (?<program>[^\\s:\\[]++)(?:\\[(?<pid>[^\\]]++)\\])?: ?(?<message>.*+)"},
	{"rfc3339", "(?<time>" RFC3339 ") \\[?(?<level>[A-Za-z]++)\\]?:? ++(?<message>.*+)"},
};

static const char *
list_named(void)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < lengthof(named); i++)
		appendStringInfo(&list, "%s\"%s\"",
						 i == 0					   ? ""
						 : i < lengthof(named) - 1 ? ", "
												   : " and ",
						 named[i].name);
	return list.data;
}

static void
free_patterns(void *arg)
{
	LinesRows *scan = arg;

	if (scan->options.pattern != NULL)
		EtlPatternFree(scan->options.pattern);
	if (scan->options.continuation != NULL)
		EtlPatternFree(scan->options.continuation);
}

static EtlPattern *
compile(const char *argument, const char *text)
{
	EtlPatternFault fault;
	EtlPattern *pattern = EtlPatternCompile(text, GetDatabaseEncoding() == PG_UTF8, &fault);

	if (pattern == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
						errmsg("invalid pattern in argument \"%s\": %s", argument, fault.message),
						errdetail("This shows at byte %zu of the pattern.", fault.at + 1)));
	return pattern;
}

static void
read_pattern(LinesRows *scan)
{
	const char *text = EtlArgText(scan->base.args, "pattern");
	const char *continuation = EtlArgText(scan->base.args, "continuation");

	if (text == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("pattern must not be null"),
						errhint("Patterns with a name are %s.", list_named())));
	for (int i = 0; i < lengthof(named); i++)
		if (strcmp(named[i].name, text) == 0)
			text = named[i].pattern;
	scan->options.pattern = compile("pattern", text);
	scan->options.nfields = EtlPatternGroups(scan->options.pattern);
	if (scan->options.nfields == 0 || scan->options.nfields > ETL_PATTERN_MAX_GROUPS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the pattern has %d named groups", scan->options.nfields),
				 errdetail("A group with a name, as in (?<level>[A-Z]+), is what a column reads; "
						   "there are 1 to %d.",
						   ETL_PATTERN_MAX_GROUPS),
				 errhint("Patterns with a name are %s.", list_named())));
	if (continuation != NULL)
		scan->options.continuation = compile("continuation", continuation);
}

static void
read_widths(LinesRows *scan)
{
	static const char *const blanks[] = {"null", "trim", "keep"};
	static const char *const ragged[] = {"error", "pad"};
	const EtlArg *arg = EtlArgFind(scan->base.args, "widths");
	ArrayType *array;
	int n = 0;

	if (arg == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("widths must not be null")));
	array = DatumGetArrayTypePCopy(arg->value);
	if (ARR_NDIM(array) == 1 && !array_contains_nulls(array))
		n = ARR_DIMS(array)[0];
	scan->options.widths = (const int32 *) ARR_DATA_PTR(array);
	scan->options.nfields = n;
	scan->options.pad = EtlArgChoice(scan->base.args, "ragged", ragged, lengthof(ragged)) == 1;
	scan->blanks = EtlArgChoice(scan->base.args, "blanks", blanks, lengthof(blanks));
	for (int i = 0; i < n; i++)
		if (scan->options.widths[i] <= 0)
			n = 0;
	if (n == 0 || n > ETL_PATTERN_MAX_GROUPS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("widths must be 1 to %d numbers above 0", ETL_PATTERN_MAX_GROUPS),
				 errhint("Each is the number of characters of a field, as in '{10,5,20}'.")));
}

/* ----------------------------------------------------------------
 *	Columns
 * ---------------------------------------------------------------- */

static void
map_by_name(LinesRows *scan)
{
	int n = scan->options.nfields;
	EtlName *names = palloc(sizeof(EtlName) * n);
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < n; i++)
	{
		names[i].name = (char *) EtlPatternGroupName(scan->options.pattern, i);
		names[i].len = strlen(names[i].name);
		appendStringInfo(&list, "%s\"%s\"", i > 0 ? ", " : "", names[i].name);
	}
	for (int i = 0; i < scan->base.desc->natts; i++)
	{
		EtlColumn *column = &scan->base.columns[i];
		EtlNameMatch match;

		if (column->kind != ETL_FIELD)
			continue;
		match = EtlMatchName(column->name, names, n);
		if (match.other >= 0)
			ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_COLUMN),
							errmsg("column \"%s\" is ambiguous in the pattern", column->name),
							errdetail("Both \"%s\" and \"%s\" match it.", names[match.index].name,
									  names[match.other].name)));
		if (match.index < 0)
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
							errmsg("the pattern has no group named \"%s\"", column->name),
							errdetail("Its groups are %s.", list.data),
							errhint("Declare columns by these names.")));
		column->field = match.index;
	}
}

static void
map_by_position(LinesRows *scan)
{
	int n = 0;

	for (int i = 0; i < scan->base.desc->natts; i++)
		if (scan->base.columns[i].kind == ETL_FIELD)
			scan->base.columns[i].field = n++;
	if (n > scan->options.nfields)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("there are more columns than widths"),
				 errdetail("%d columns are declared, and widths has %d numbers.", n,
						   scan->options.nfields)));
}

/* ----------------------------------------------------------------
 *	Files
 * ---------------------------------------------------------------- */

static void
start_file(void *arg)
{
	LinesRows *scan = arg;

	scan->source = scan->stream.source->name;
}

static void
raise_broken(void *arg, int step)
{
	LinesRows *scan = arg;

	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("a line is larger than \"%s\"", "etl.max_field_size"),
			 errdetail("It begins as line %llu, and has more than %zu kB with the lines that "
					   "continue it.",
					   (unsigned long long) EtlLinesFaultLine(scan->stream.reader),
					   scan->options.max_record / 1024)));
}

static void
end_file(void *arg)
{
	EtlPartRowsCheckEmpty(arg);
}

static const EtlPartKind part_kind = {
	.ready = start_file,
	.end = end_file,
	.broken = raise_broken,
};

static void
open_files(LinesRows *scan)
{
	EtlRows *rows = &scan->base;

	scan->options.encoding = GetDatabaseEncoding();
	scan->options.max_record = EtlMaxFieldSize();
	scan->encoding = EtlArgText(rows->args, "encoding");
	if (rows->resume != NULL && rows->resume->no_source)
		return;
	EtlStreamOpen(&scan->stream, EtlStreamSources(rows->args, rows->rewindable));
	scan->stream.decodes = true;
	scan->stream.encoding = scan->encoding;
	scan->stream.reader = EtlLinesFormat.create(&scan->options);
	rows->parts = &scan->parts;
	scan->parts = (EtlParts){
		.stream = &scan->stream,
		.record = &scan->line,
		.kind = &part_kind,
		.arg = scan,
		.resume = rows->resume,
		.reachable = true,
		.remote = EtlSourceSetIsRemote(scan->stream.set),
		.hashes = &scan->options.hashes,
	};
}

static void
lines_open(EtlRows *rows)
{
	LinesRows *scan = (LinesRows *) rows;

	scan->callback.func = free_patterns;
	scan->callback.arg = scan;
	MemoryContextRegisterResetCallback(rows->context, &scan->callback);
	read_pattern(scan);
	map_by_name(scan);
	open_files(scan);
}

static void
fixed_open(EtlRows *rows)
{
	LinesRows *scan = (LinesRows *) rows;

	read_widths(scan);
	map_by_position(scan);
	open_files(scan);
}

/* ----------------------------------------------------------------
 *	Records
 * ---------------------------------------------------------------- */

static bool
is_text(const EtlLine *line)
{
	return line->defect != ETL_LINE_NUL_BYTE && line->defect != ETL_LINE_BAD_ENCODING;
}

/* What cannot be decoded in the line; false: all can. */
static bool
set_decode_fault(LinesRows *scan)
{
	const EtlLine *line = &scan->line;
	const EtlDecodeFault *fault =
		EtlDecodeFaultBetween(scan->stream.source, line->offset, line->offset + line->len + 1);

	if (fault == NULL)
		return false;
	EtlRowsSetFault(&scan->base, fault->sqlstate, fault->message, NULL, NULL);
	return true;
}

static void
set_bytes_fault(LinesRows *scan, bool of_file)
{
	const EtlLine *line = &scan->line;
	const unsigned char *s = (const unsigned char *) line->data + line->defect_at;
	int len = line->defect == ETL_LINE_NUL_BYTE
				  ? 1
				  : Min((size_t) pg_mblen((const char *) s), line->len - line->defect_at);

	if (of_file && set_decode_fault(scan))
		return;
	EtlInvalidBytesFault(&scan->base.fault, s, len);
	scan->base.faulty = true;
	if (line->defect == ETL_LINE_BAD_ENCODING && scan->encoding == NULL)
		scan->base.fault.hint = "Name the encoding of the file, such as encoding => 'WIN1252'.";
}

static int64
width_of_fields(const LinesRows *scan)
{
	int64 sum = 0;

	for (int i = 0; i < scan->options.nfields; i++)
		sum += scan->options.widths[i];
	return sum;
}

/* What the current line is good for; of_file: it is from the current file. */
static EtlAdvance
judge_line(LinesRows *scan, bool of_file)
{
	EtlRows *rows = &scan->base;

	switch (scan->line.defect)
	{
		case ETL_LINE_SOUND:
			return ETL_ROW;
		case ETL_LINE_NUL_BYTE:
		case ETL_LINE_BAD_ENCODING:
			set_bytes_fault(scan, of_file);
			break;
		case ETL_LINE_DIFFERS:
			EtlRowsSetFault(rows, ERRCODE_BAD_COPY_FILE_FORMAT,
							"the line does not match the pattern", NULL,
							scan->options.continuation == NULL
								? "The pattern has to match all of a line. With continuation => "
								  "'\\s.*' lines that begin with a blank belong to the one before."
								: NULL);
			break;
		case ETL_LINE_GAVE_UP:
			EtlRowsSetFault(
				rows, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the pattern takes too long for the line",
				scan->line.len > ETL_PATTERN_MAX_TEXT
					? psprintf("The line has %zu bytes, and at most %d are matched.",
							   scan->line.len, ETL_PATTERN_MAX_TEXT)
					: NULL,
				"Nested repetitions such as (\\w+\\s?)* try every way to divide a text; "
				"possessive ones (++, *+) try one.");
			break;
		case ETL_LINE_TOO_SHORT:
		case ETL_LINE_TOO_LONG:
			EtlRowsSetFault(
				rows, ERRCODE_BAD_COPY_FILE_FORMAT,
				pstrdup(scan->line.defect == ETL_LINE_TOO_SHORT ? "the line is too short"
																: "the line is too long"),
				psprintf("The widths have " INT64_FORMAT " characters, and the line has %d.",
						 width_of_fields(scan),
						 pg_mbstrlen_with_len(scan->line.data, (int) scan->line.len)),
				scan->line.defect == ETL_LINE_TOO_SHORT
					? "With ragged => 'pad' blanks at the end of a line may be missing."
					: NULL);
			break;
	}
	return ETL_ROW_FAULTY;
}

static EtlAdvance
lines_advance(EtlRows *rows)
{
	LinesRows *scan = (LinesRows *) rows;
	EtlPartsStep step = EtlPartRowsNext(rows);

	if (unlikely(scan->stream.mid_line) && step == ETL_PARTS_RECORD &&
		EtlPartRowsIsRest(rows, scan->line.offset))
		return EtlPartRowsRejectRest(rows);
	if (likely(step == ETL_PARTS_RECORD))
		return judge_line(scan, true);
	return step == ETL_PARTS_LATE ? ETL_ROW_LATE : ETL_NO_MORE_ROWS;
}

/* ----------------------------------------------------------------
 *	Values
 * ---------------------------------------------------------------- */

/* The text of a field; false: it is NULL. */
static bool
field_text(const LinesRows *scan, int field, const char **s, size_t *len)
{
	const EtlSpan *span = &scan->line.fields[field];

	if (span->start < 0)
		return false;
	*s = scan->line.data + span->start;
	*len = span->len;
	if (scan->options.widths == NULL || scan->blanks == BLANKS_KEEP)
		return true;
	for (; *len > 0 && **s == ' '; (*s)++)
		(*len)--;
	while (*len > 0 && (*s)[*len - 1] == ' ')
		(*len)--;
	return *len > 0 || scan->blanks == BLANKS_TRIM;
}

static void
fetch_provenance(const LinesRows *scan, const EtlColumn *column, Datum *value, bool *isnull)
{
	const EtlLine *line = &scan->line;
	EtlOrigin origin = {
		.source = scan->source,
		.line = (int64) line->line,
		.raw = is_text(line) ? line->data : NULL,
		.len = line->len,
	};

	EtlColumnOrigin(column, &origin, value, isnull);
}

static void
lines_fetch(EtlRows *rows, const EtlWanted *targets, int n, Datum *values, bool *isnull)
{
	LinesRows *scan = (LinesRows *) rows;

	for (int i = 0; i < n; i++)
	{
		int number = targets[i].column;
		const EtlColumn *column = &rows->columns[number];
		Datum *value = &values[targets[i].place];
		bool *null = &isnull[targets[i].place];
		const char *s;
		size_t len;

		if (column->kind != ETL_FIELD)
			fetch_provenance(scan, column, value, null);
		else if (!field_text(scan, column->field, &s, &len))
			EtlColumnNull(rows, number, value, null);
		else
		{
			*null = false;
			*value = column->takes_bytes ? PointerGetDatum(cstring_to_text_with_len(s, (int) len))
										 : EtlColumnConvert(rows, number, s, len);
		}
		if (unlikely(rows->faulty) && column->kind == ETL_FIELD)
			break;
	}
}

/* ----------------------------------------------------------------
 *	For pipelines
 * ---------------------------------------------------------------- */

static void
lines_keep(EtlRows *rows, EtlKept *kept)
{
	LinesRows *scan = (LinesRows *) rows;
	const EtlLine *line = &scan->line;
	size_t size = sizeof(EtlSpan) * scan->options.nfields;
	char *data = palloc(line->len + 1);

	if (scan->kept_source == NULL || strcmp(scan->kept_source, scan->source) != 0)
		scan->kept_source = MemoryContextStrdup(rows->context, scan->source);
	memcpy(data, line->data, line->len);
	data[line->len] = '\0';
	kept->source = scan->kept_source;
	kept->line = (int64) line->line;
	kept->offset = line->offset;
	kept->data = data;
	kept->len = line->len;
	kept->is_text = is_text(line);
	if (line->defect != ETL_LINE_SOUND)
		return;
	kept->fields = palloc(size);
	memcpy(kept->fields, line->fields, size);
	kept->extra = size;
}

static void
lines_use(EtlRows *rows, const EtlKept *kept)
{
	LinesRows *scan = (LinesRows *) rows;

	scan->line = (EtlLine){
		.data = kept->data,
		.len = kept->len,
		.line = (uint64) kept->line,
		.offset = kept->offset,
		.fields = kept->fields,
	};
	scan->source = kept->source;
	rows->faulty = false;
}

/* The text of a dead letter is one record, as it was. */
static void
lines_revive(EtlRows *rows, EtlKept *kept)
{
	LinesRows *scan = (LinesRows *) rows;

	if (scan->revived == NULL)
		scan->revived = MemoryContextAlloc(rows->context, sizeof(EtlSpan) * scan->options.nfields);
	lines_use(rows, kept);
	EtlLineSplit(&scan->options, &scan->line, scan->revived);
	kept->advance = judge_line(scan, false);
	kept->fault = rows->fault;
	lines_keep(rows, kept);
}

/* The end of what is hidden from byte "at" on; "at" if it is to be seen. */
static int32
end_of_hidden(const EtlRows *rows, const EtlSpan *fields, const Bitmapset *columns, int32 at)
{
	int32 end = at;
	int i = -1;

	while ((i = bms_next_member(columns, i)) >= 0)
	{
		const EtlSpan *span = rows->columns[i].field >= 0 ? &fields[rows->columns[i].field] : NULL;

		if (span != NULL && span->start >= 0 && span->start <= at)
			end = Max(end, span->start + span->len);
	}
	return end;
}

static char *
lines_redact(EtlRows *rows, const EtlKept *kept, const Bitmapset *columns)
{
	StringInfoData text;
	int32 at = 0;
	int i = -1;

	if (kept->advance != ETL_ROW)
		return NULL;
	while ((i = bms_next_member(columns, i)) >= 0)
		if (rows->columns[i].kind == ETL_FROM_RAW)
			return NULL;
	initStringInfo(&text);
	while (at < kept->len)
	{
		int32 end = end_of_hidden(rows, kept->fields, columns, at);

		if (end > at)
			appendStringInfoString(&text, "***");
		else
			appendStringInfoChar(&text, kept->data[end++]);
		at = end;
	}
	return text.data;
}

/* ----------------------------------------------------------------
 *	The functions
 * ---------------------------------------------------------------- */

PG_FUNCTION_INFO_V1(etl_lines);
PG_FUNCTION_INFO_V1(etl_fixed);

#define KIND_OF_LINES                                                                          \
	.in_parts = true, .size = sizeof(LinesRows),                                               \
	.provenance = ETL_COLUMN_SET(ETL_FROM_SOURCE) | ETL_COLUMN_SET(ETL_FROM_LINE) |            \
				  ETL_COLUMN_SET(ETL_FROM_RAW) | ETL_COLUMN_SET(ETL_FROM_ERROR),               \
	.advance = lines_advance, .fetch = lines_fetch, .rewind = EtlPartRowsRewind,               \
	.where = EtlPartRowsWhere, .mark = EtlPartRowsMark, .explain = EtlPartRowsExplain,         \
	.estimate = EtlStreamEstimate, .watches = EtlStreamWatches, .keep = lines_keep,            \
	.use = lines_use, .revive = lines_revive, .redact = lines_redact, .tell = EtlPartRowsTell, \
	.leave = EtlPartRowsLeave

const EtlScanKind EtlLinesKind = {
	.function = "etl_lines",
	.entry = etl_lines,
	.open = lines_open,
	KIND_OF_LINES,
};

const EtlScanKind EtlFixedKind = {
	.function = "etl_fixed",
	.entry = etl_fixed,
	.open = fixed_open,
	KIND_OF_LINES,
};

/*
 * etl_lines(source text, pattern text, ...) returns setof record
 * etl_lines(row_type anyelement, source text, pattern text, ...) returns setof anyelement
 *
 * Reads the lines of a text file, as a pattern divides them.
 */
Datum
etl_lines(PG_FUNCTION_ARGS)
{
	return EtlScanFunction(fcinfo, &EtlLinesKind);
}

/*
 * etl_fixed(source text, widths int[], ...) returns setof record
 * etl_fixed(row_type anyelement, source text, widths int[], ...) returns setof anyelement
 *
 * Reads the lines of a text file, whose fields have fixed widths.
 */
Datum
etl_fixed(PG_FUNCTION_ARGS)
{
	return EtlScanFunction(fcinfo, &EtlFixedKind);
}
