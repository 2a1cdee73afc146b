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
#include "scan/csv_records.h"
#include "scan/infer.h"
#include "scan/input.h"
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
	Datum value;

	return EtlFastConverterFor(type, -1)(s, len, -1, &value);
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
is_jsonb(const char *s, size_t len)
{
	EtlColumn column = {.type = JSONBOID, .typmod = -1, .pure = true};
	EtlFault fault;
	Datum value;
	Oid function;

	if (len == 0 || (s[0] != '{' && s[0] != '['))
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

/* ----------------------------------------------------------------
 *	Columns
 * ---------------------------------------------------------------- */

static int
find_header(const EtlProposal *proposal, EtlName name)
{
	for (int i = 0; i < proposal->ncolumns; i++)
		if (strlen(proposal->columns[i].header) == name.len &&
			memcmp(proposal->columns[i].header, name.name, name.len) == 0)
			return i;
	return -1;
}

static void
add_column(EtlProposal *proposal, const char *header)
{
	MemoryContext old = MemoryContextSwitchTo(proposal->context);
	EtlProposedColumn *column;

	if (proposal->ncolumns == 0)
		proposal->columns = palloc(sizeof(EtlProposedColumn));
	else
		proposal->columns =
			repalloc(proposal->columns, sizeof(EtlProposedColumn) * (proposal->ncolumns + 1));
	column = &proposal->columns[proposal->ncolumns++];
	memset(column, 0, sizeof(*column));
	column->header = pstrdup(header);
	column->forms = ALL_FORMS;
	MemoryContextSwitchTo(old);
}

/* Takes the columns of a file over; of a later file, those that are new.  Gives each field its column. */
static int *
see_header(EtlProposal *proposal, const EtlCsvRecords *records)
{
	int *column_of = palloc(sizeof(int) * (records->nnames + 1));

	for (int i = 0; i < records->nnames; i++)
	{
		EtlName name = records->names[i];

		column_of[i] = proposal->by_name ? find_header(proposal, name) : i;
		if (proposal->nfiles == 1 && column_of[i] >= 0 && proposal->by_name)
			proposal->by_name = false; /* twice in one file: only its place tells it apart */
		if (proposal->nfiles == 1 || column_of[i] < 0)
		{
			column_of[i] = proposal->ncolumns;
			add_column(proposal, pnstrdup(name.name, name.len));
		}
		if (name.len == 0 || name.len >= NAMEDATALEN || strncmp(name.name, "_etl_", 5) == 0)
			proposal->by_name = false;
	}
	return column_of;
}

/* Looks at the values of the record in hand. */
static void
see_record(EtlProposal *proposal, EtlCsvRecords *records, const int *column_of)
{
	if (records->record.defect != ETL_CSV_SOUND)
		return;
	for (int i = 0; i < records->record.nfields; i++)
	{
		bool quoted;
		size_t len;
		const char *s = EtlCsvFieldText(records, i, &len, &quoted);
		int column = i;

		if (records->options.header)
		{
			if (i >= records->nnames)
				break;
			column = column_of[i];
		}
		else if (i == proposal->ncolumns)
			add_column(proposal, "");
		if (!EtlCsvIsNull(records, s, len, quoted))
			see_value(&proposal->columns[column], s, len);
	}
}

static bool
name_taken(const EtlProposal *proposal, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(proposal->columns[i].name, name) == 0)
			return true;
	return false;
}

/* Cut to what a name of SQL may have, with room for a number. */
static char *
clip_name(const char *name, const char *suffix)
{
	int len = pg_mbcliplen(name, strlen(name), NAMEDATALEN - 1 - strlen(suffix));

	return psprintf("%.*s%s", len, name, suffix);
}

static void
set_names(EtlProposal *proposal)
{
	for (int i = 0; i < proposal->ncolumns; i++)
	{
		EtlProposedColumn *column = &proposal->columns[i];
		char *folded = palloc(2 * strlen(column->header) + 1);
		char *name;

		if (EtlFoldName(column->header, strlen(column->header), folded) == 0)
			folded = psprintf("column_%d", i + 1);
		name = clip_name(folded, "");
		for (int again = 2; name_taken(proposal, i, name); again++)
			name = clip_name(folded, psprintf("_%d", again));
		column->name = name;
	}
}

EtlProposal *
EtlPropose(const EtlArgs *args, int64 sample)
{
	EtlProposal *proposal = palloc0(sizeof(EtlProposal));
	EtlCsvRecords *records = palloc0(sizeof(EtlCsvRecords));
	MemoryContext scratch =
		AllocSetContextCreate(CurrentMemoryContext, "etl inference", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;

	EtlCsvRecordsOpen(records, args, false);
	proposal->context = CurrentMemoryContext;
	proposal->by_name = !records->options.by_position;
	while (EtlCsvRecordsNextFile(records))
	{
		int *column_of;

		proposal->nfiles++;
		column_of = see_header(proposal, records);
		while (sample != 0 && EtlCsvRecordsNext(records))
		{
			CHECK_FOR_INTERRUPTS();
			MemoryContextReset(scratch);
			old = MemoryContextSwitchTo(scratch);
			see_record(proposal, records, column_of);
			MemoryContextSwitchTo(old);
			if (sample > 0)
				sample--;
		}
	}
	set_names(proposal);
	MemoryContextDelete(scratch);
	return proposal;
}

/* ----------------------------------------------------------------
 *	etl_csv_columns
 * ---------------------------------------------------------------- */

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
	int64 sample = EtlArgInt(args, "sample_rows", -1);
	EtlProposal *proposal;

	if (sample < 0 && EtlArgFind(args, "sample_rows") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sample_rows must not be negative"), errhint("NULL looks at all rows.")));
	InitMaterializedSRF(fcinfo, 0);
	proposal = EtlPropose(args, sample);
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
