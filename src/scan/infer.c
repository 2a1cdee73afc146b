/*
 * infer.c
 *		Proposals for the columns of a CSV file: names and types.
 *
 * Each column starts with all types; each value takes those away whose form it does not have.  What a
 * form is, the fast converters say (convert.h), since they know only canonical texts; numbers are held to
 * more: no leading zeros, and an exponent only behind a decimal point, for 12E4 may well be a part number.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "scan/convert/types.h"
#include "scan/csv_records.h"
#include "scan/infer.h"
#include "scan/input.h"
#include "scan/names.h"
#include "source/set.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define MAX_NUMBER_BYTES 1000 /* what numeric surely takes */

typedef struct Form
{
	Oid type;
	bool (*has)(const char *s, size_t len);
} Form;

/* ----------------------------------------------------------------
 *	Forms
 * ---------------------------------------------------------------- */

static size_t
skip_digits(const char *s, size_t len, size_t pos)
{
	while (pos < len && s[pos] >= '0' && s[pos] <= '9')
		pos++;
	return pos;
}

/* The end of -?(0|[1-9][0-9]*) at the start of s; 0 if it does not start so. */
static size_t
skip_integer(const char *s, size_t len)
{
	size_t start = (len > 0 && s[0] == '-') ? 1 : 0;
	size_t end = skip_digits(s, len, start);

	if (end == start || (s[start] == '0' && end > start + 1))
		return 0;
	return end;
}

static bool
fast_takes(Oid type, const char *s, size_t len)
{
	EtlFastConverter convert = EtlFastConverterFor(type, -1);
	Datum value;

	return convert != NULL && convert(s, len, -1, &value);
}

static bool
is_bigint(const char *s, size_t len)
{
	return len > 0 && skip_integer(s, len) == len && fast_takes(INT8OID, s, len);
}

static bool
is_numeric(const char *s, size_t len)
{
	size_t pos = skip_integer(s, len);
	size_t end;

	if (pos == 0 || len > MAX_NUMBER_BYTES)
		return false;
	if (pos == len)
		return true;
	if (s[pos] != '.' || (end = skip_digits(s, len, pos + 1)) == pos + 1)
		return false;
	if (end < len && (s[end] == 'e' || s[end] == 'E'))
	{
		pos = end + 1;
		if (pos < len && (s[pos] == '-' || s[pos] == '+'))
			pos++;
		end = skip_digits(s, len, pos);
		if (end == pos || end > pos + 3) /* to 10^999 */
			return false;
	}
	return end == len;
}

static bool
is_boolean(const char *s, size_t len)
{
	return (len == 1 && strchr("tfTF", s[0]) != NULL) ||
		   (len == 4 && pg_strncasecmp(s, "true", 4) == 0) ||
		   (len == 5 && pg_strncasecmp(s, "false", 5) == 0);
}

static bool
is_date(const char *s, size_t len)
{
	return fast_takes(DATEOID, s, len);
}

static bool
is_timestamptz(const char *s, size_t len)
{
	return fast_takes(TIMESTAMPTZOID, s, len) || is_date(s, len);
}

static bool
is_uuid(const char *s, size_t len)
{
	return fast_takes(UUIDOID, s, len);
}

static bool
may_be_jsonb(const char *s, size_t len)
{
	return len > 0 && (s[0] == '{' || s[0] == '[');
}

static bool
is_jsonb(const char *s, size_t len)
{
	EtlColumn column = {.type = JSONBOID, .typmod = -1, .pure = true};
	EtlFault fault;
	Datum value;
	Oid function;

	if (!may_be_jsonb(s, len))
		return false;
	getTypeInputInfo(JSONBOID, &function, &column.ioparam);
	fmgr_info(function, &column.input);
	return EtlInputTry(&column, pnstrdup(s, len), &value, &fault);
}

/* The first that is left is proposed. */
static const Form forms[] = {
	{INT8OID, is_bigint}, {NUMERICOID, is_numeric},			{BOOLOID, is_boolean},
	{DATEOID, is_date},	  {TIMESTAMPTZOID, is_timestamptz}, {UUIDOID, is_uuid},
	{JSONBOID, is_jsonb},
};
#define ALL_FORMS ((1 << lengthof(forms)) - 1)

static void
see_value(EtlProposedColumn *column, const char *s, size_t len)
{
	column->has_values = true;
	for (int i = 0; column->forms >> i != 0; i++)
		if ((column->forms & (1 << i)) != 0 && !forms[i].has(s, len))
			column->forms &= ~(1 << i);
}

Oid
EtlProposedType(const EtlProposedColumn *column)
{
	for (int i = 0; i < lengthof(forms); i++)
		if (column->has_values && (column->forms & (1 << i)) != 0)
			return forms[i].type;
	return TEXTOID;
}

bool
EtlHasProposedForm(Oid type, const char *s, size_t len)
{
	if (type == JSONBOID)
		return may_be_jsonb(s, len); /* its input will tell */
	for (int i = 0; i < lengthof(forms); i++)
		if (forms[i].type == type)
			return forms[i].has(s, len);
	return true;
}

static bool
convert_bigint(const char *s, size_t len, int32 typmod, Datum *value)
{
	return len > 0 && skip_integer(s, len) == len && EtlConvertInt8(s, len, typmod, value);
}

static bool
convert_numeric(const char *s, size_t len, int32 typmod, Datum *value)
{
	return is_numeric(s, len) && EtlNumericConverterFor(-1)(s, len, typmod, value);
}

static bool
convert_boolean(const char *s, size_t len, int32 typmod, Datum *value)
{
	return is_boolean(s, len) && EtlConvertBool(s, len, typmod, value);
}

EtlFastConverter
EtlProposedConverterFor(Oid type)
{
	switch (type)
	{
		case INT8OID:
			return convert_bigint;
		case NUMERICOID:
			return convert_numeric;
		case BOOLOID:
			return convert_boolean;
		default:
			return EtlFastConverterFor(type, -1); /* which knows the one form only */
	}
}

/* ----------------------------------------------------------------
 *	Columns
 * ---------------------------------------------------------------- */

static void
add_column(EtlProposal *proposal, EtlName header)
{
	MemoryContext old = MemoryContextSwitchTo(proposal->context);
	EtlProposedColumn *column;

	if (proposal->ncolumns == proposal->max_columns)
	{
		proposal->max_columns *= 2;
		proposal->columns =
			repalloc_huge(proposal->columns, sizeof(EtlProposedColumn) * proposal->max_columns);
	}
	column = &proposal->columns[proposal->ncolumns++];
	memset(column, 0, sizeof(*column));
	column->header = pnstrdup(header.name, header.len);
	column->forms = ALL_FORMS;
	MemoryContextSwitchTo(old);
}

/* The columns of the first file. */
static void
add_columns(EtlProposal *proposal, const EtlCsvRecords *records)
{
	EtlNames *names = EtlNamesCreate();

	for (int i = 0; i < records->nnames; i++)
	{
		CHECK_FOR_INTERRUPTS();
		add_column(proposal, records->names[i]);
		if (!EtlNamesAdd(names, proposal->columns[i].header))
			proposal->by_name = false; /* twice in one file: only its place tells it apart */
	}
}

/* Whether the file in hand has the header of the first one, and nothing was added to that. */
static bool
has_same_header(const EtlProposal *proposal, const EtlCsvRecords *records)
{
	if (records->nnames != proposal->ncolumns)
		return false;
	for (int i = 0; i < records->nnames; i++)
		if (strlen(proposal->columns[i].header) != records->names[i].len ||
			memcmp(proposal->columns[i].header, records->names[i].name, records->names[i].len) != 0)
			return false;
	return true;
}

/*
 * The columns of a later file with another header: those that etl_csv will find for the columns there are, and new
 * ones.
 */
static void
merge_columns(EtlProposal *proposal, const EtlCsvRecords *records, int *column_of)
{
	int ncolumns = proposal->ncolumns;

	proposal->alike = false;
	for (int i = 0; i < records->nnames; i++)
		column_of[i] = -1;
	for (int i = 0; i < ncolumns; i++)
	{
		int field =
			EtlMatchName(proposal->columns[i].header, records->names, records->nnames).index;

		CHECK_FOR_INTERRUPTS();
		if (field >= 0)
			column_of[field] = i;
	}
	for (int i = 0; i < records->nnames; i++)
		if (column_of[i] < 0)
		{
			column_of[i] = proposal->ncolumns;
			add_column(proposal, records->names[i]);
		}
}

/* Whether the file in hand is CSV at all: the first one that is not is told. */
static void
see_doubts(EtlProposal *proposal, const EtlCsvRecords *records)
{
	MemoryContext old = MemoryContextSwitchTo(proposal->context);

	if (proposal->source == NULL)
		proposal->source = pstrdup(records->stream.source->name);
	proposal->doubting = records->options.header && proposal->doubts.source == NULL &&
						 EtlDoubtsOfHeader(&proposal->doubts, records);
	MemoryContextSwitchTo(old);
}

/* Takes the columns of a file over.  Gives each of its fields its column. */
static int *
see_header(EtlProposal *proposal, const EtlCsvRecords *records)
{
	int *column_of = palloc(sizeof(int) * (records->nnames + 1));

	if (proposal->nfiles == 1)
		add_columns(proposal, records);
	see_doubts(proposal, records);
	for (int i = 0; i < records->nnames; i++)
	{
		EtlName name = records->names[i];

		column_of[i] = i;
		if (name.len == 0 || name.len >= NAMEDATALEN || strncmp(name.name, "_etl_", 5) == 0)
			proposal->by_name = false;
	}
	if (records->options.header && !has_same_header(proposal, records))
		merge_columns(proposal, records, column_of);
	return column_of;
}

/*
 * Whether the record in hand has the fields that it should have, or else is not loaded.  Without a header the first
 * record says how many those are, unless short ones are padded: then the longest does.
 */
static bool
has_right_length(EtlProposal *proposal, const EtlCsvRecords *records)
{
	int n = records->record.nfields;
	int expected = records->options.header ? records->nnames : proposal->ncolumns;
	bool pad = records->options.ragged == ETL_RAGGED_PAD;

	if (!records->options.header && (expected == 0 || (pad && n > expected)))
	{
		while (proposal->ncolumns < n)
			add_column(proposal, (EtlName){"", 0});
		expected = n;
	}
	return n == expected || (pad && n < expected);
}

/* Looks at the values of the record in hand. */
static void
see_record(EtlProposal *proposal, EtlCsvRecords *records, const int *column_of)
{
	if (records->record.defect != ETL_CSV_SOUND || !has_right_length(proposal, records))
		return;
	if (proposal->doubting)
		EtlDoubtsSee(&proposal->doubts, records);
	for (int i = 0; i < records->record.nfields; i++)
	{
		bool quoted;
		size_t len;
		const char *s = EtlCsvFieldText(records, i, &len, &quoted);

		if (!EtlCsvIsNull(records, s, len, quoted))
			see_value(&proposal->columns[records->options.header ? column_of[i] : i], s, len);
	}
}

/* Names of SQL for the columns.  Headers that become the same do not tell columns of different files apart. */
static void
set_names(EtlProposal *proposal)
{
	EtlNames *taken = EtlNamesCreate();
	EtlNames *folds = EtlNamesCreate();

	for (int i = 0; i < proposal->ncolumns; i++)
	{
		EtlProposedColumn *column = &proposal->columns[i];
		char *folded = palloc(2 * strlen(column->header) + 1);
		size_t nfolded = EtlFoldName(column->header, strlen(column->header), folded);

		CHECK_FOR_INTERRUPTS();
		if (nfolded == 0)
			folded = psprintf("column_%d", i + 1);
		else if (!EtlNamesAdd(folds, folded) && !proposal->alike)
			proposal->by_name = false;
		column->name = EtlNamesAddUnique(taken, folded, NAMEDATALEN - 1);
		if (proposal->unfindable == 0 && (nfolded == 0 || strcmp(column->name, folded) != 0))
			proposal->unfindable = i + 1;
	}
}

/* Looks at the files, and at up to "sample" of their records. */
static void
see_files(EtlProposal *proposal, EtlCsvRecords *records, int64 sample)
{
	MemoryContext scratch =
		AllocSetContextCreate(CurrentMemoryContext, "etl inference", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;

	while (EtlCsvRecordsNextFile(records))
	{
		int *column_of;

		proposal->nfiles++;
		old = MemoryContextSwitchTo(EtlSourceSetContext(records->stream.set));
		column_of = see_header(proposal, records);
		MemoryContextSwitchTo(scratch);
		while (sample != 0 && EtlCsvRecordsNext(records))
		{
			CHECK_FOR_INTERRUPTS();
			MemoryContextReset(scratch);
			see_record(proposal, records, column_of);
			if (sample > 0)
				sample--;
		}
		MemoryContextSwitchTo(old);
	}
	proposal->complete = sample != 0;
}

/* The column whose name looks like its values, as if the first line were a record; NULL: none does. */
static const EtlProposedColumn *
find_value_as_name(const EtlProposal *proposal)
{
	static const Oid types[] = {INT8OID, NUMERICOID, DATEOID, TIMESTAMPTZOID, UUIDOID};

	for (int i = 0; i < proposal->ncolumns; i++)
	{
		const EtlProposedColumn *column = &proposal->columns[i];
		Oid type = EtlProposedType(column);

		for (int j = 0; j < lengthof(types); j++)
			if (type == types[j] &&
				EtlHasProposedForm(type, column->header, strlen(column->header)))
				return column;
	}
	return NULL;
}

void
EtlTellDoubts(const EtlProposal *proposal, bool refuse)
{
	const EtlProposedColumn *column = find_value_as_name(proposal);

	EtlDoubtsTell(&proposal->doubts, refuse);
	if (column != NULL)
		ereport(NOTICE,
				(errmsg("the first line of \"%s\" looks like a record", proposal->source),
				 errdetail("Column \"%s\" has values that look like its name.", column->header),
				 errhint("If the file has no header, set header => false.")));
}

int64
EtlSampleRows(const EtlArgs *args)
{
	int64 sample = EtlArgInt(args, "sample_rows", -1);

	if (sample < 0 && EtlArgFind(args, "sample_rows") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sample_rows must not be negative"), errhint("NULL looks at all rows.")));
	return sample;
}

EtlProposal *
EtlPropose(const EtlArgs *args, int64 sample)
{
	EtlProposal *proposal = palloc0(sizeof(EtlProposal));
	EtlCsvRecords *records = palloc0(sizeof(EtlCsvRecords));
	MemoryContext old, reading;
	ErrorContextCallback callback;

	proposal->context = CurrentMemoryContext;
	proposal->max_columns = 16;
	proposal->columns = palloc(sizeof(EtlProposedColumn) * proposal->max_columns);
	proposal->alike = true;

	/* the source is closed with its context: a load that follows opens it itself */
	reading = AllocSetContextCreate(CurrentMemoryContext, "etl proposal", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(reading);
	EtlCsvPushErrorContext(records, &callback);
	EtlCsvRecordsOpen(records, args, false);
	proposal->by_name = !records->options.by_position;
	see_files(proposal, records, sample);
	error_context_stack = callback.previous;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(reading);
	pfree(records);
	set_names(proposal);
	return proposal;
}

/* ----------------------------------------------------------------
 *	etl_csv_columns
 * ---------------------------------------------------------------- */

static void
tell_unfindable(const EtlProposal *proposal)
{
	const EtlProposedColumn *column = &proposal->columns[proposal->unfindable - 1];

	ereport(NOTICE, (errmsg("the columns can be declared by position only"),
					 column->header[0] == '\0'
						 ? errdetail("The name of column %d is empty.", proposal->unfindable)
						 : errdetail("Column %d, \"%s\", is not found by the name \"%s\".",
									 proposal->unfindable, column->header, column->name),
					 errhint("Declare all of them, in this order, and set match => 'position'.")));
}

PG_FUNCTION_INFO_V1(etl_csv_columns);

/*
 * etl_csv_columns(source text, sample_rows bigint, ...)
 * returns table("position" int, header text, name text, data_type text, declaration text)
 *
 * sql/etl--1.0.sql documents arguments and results.
 */
Datum
etl_csv_columns(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	EtlArgs *args = EtlArgsOfCall(fcinfo);
	EtlProposal *proposal;

	InitMaterializedSRF(fcinfo, 0);
	proposal = EtlPropose(args, EtlSampleRows(args));
	EtlTellDoubts(proposal, false);
	if (proposal->unfindable > 0 && EtlArgBool(args, "header", true))
		tell_unfindable(proposal);
	for (int i = 0; i < proposal->ncolumns; i++)
	{
		const EtlProposedColumn *column = &proposal->columns[i];
		const char *type = format_type_be(EtlProposedType(column));
		Datum values[5];
		bool isnull[5] = {false};

		values[0] = Int32GetDatum(i + 1);
		values[1] = CStringGetTextDatum(column->header);
		isnull[1] = column->header[0] == '\0';
		values[2] = CStringGetTextDatum(column->name);
		values[3] = CStringGetTextDatum(type);
		values[4] = CStringGetTextDatum(psprintf("%s %s%s", quote_identifier(column->name), type,
												 i + 1 < proposal->ncolumns ? "," : ""));
		tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
	}
	return (Datum) 0;
}
