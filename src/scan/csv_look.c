/*
 * csv_look.c
 *		A look at CSV files: records as objects, and columns from the header of each file and the values below it.
 *
 * Whatever is wrong with a record, or with the header, is shown rather than raised: fields without a name come as
 * "_etl_extra", and a record that is no text as "_etl_error".
 *
 * Each column starts with all types; each value takes those away whose form it does not have.
 */
#include "etl.h"

#include "miscadmin.h"
#include "catalog/pg_type.h"
#include "scan/csv_records.h"
#include "scan/doubts.h"
#include "scan/look.h"
#include "scan/names.h"
#include "source/set.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"

#define EXTRA_KEY "_etl_extra"

/* What makes a proposal doubtful. */
typedef struct CsvDoubts
{
	bool told;			 /* that it is CSV */
	const char *source;	 /* the first file's name */
	bool doubting;		 /* the current file is the first about which there are doubts */
	EtlDoubts of_header; /* of that file */
	int unfindable; /* the first column that etl_csv does not find by the name proposed, from 1; 0: none */
} CsvDoubts;

typedef struct CsvLook
{
	EtlLook base;
	EtlCsvRecords records;
	MemoryContext context; /* for the keys */
	int nkeys;			   /* of the current file */
	char **keys;		   /* [nkeys] its header, made unique */
} CsvLook;

/* ----------------------------------------------------------------
 *	Records as json
 * ---------------------------------------------------------------- */

/* An object has each key once, so a name that comes again gets a number, and an empty one its place. */
static void
set_keys(CsvLook *look)
{
	const EtlCsvRecords *records = &look->records;
	MemoryContext old;
	EtlNames *taken;

	MemoryContextReset(look->context);
	old = MemoryContextSwitchTo(look->context);
	taken = EtlNamesCreate();
	(void) EtlNamesAdd(taken, EXTRA_KEY);
	look->nkeys = records->nnames;
	look->keys = palloc(sizeof(char *) * (records->nnames + 1));
	for (int i = 0; i < records->nnames; i++)
	{
		EtlName name = records->names[i];

		CHECK_FOR_INTERRUPTS();
		look->keys[i] = EtlNamesAddUnique(
			taken, name.len > 0 ? pnstrdup(name.name, name.len) : psprintf("column_%d", i + 1), 0);
	}
	MemoryContextSwitchTo(old);
}

/* A string, as an element of an array or the value of a member. */
static void
add_string(StringInfo out, const char *s, size_t len)
{
	escape_json(out, pnstrdup(s, len));
}

/* What stands before an element, or before the value of a member (key). */
static void
begin_value(StringInfo out, const char *key)
{
	if (out->data[out->len - 1] != '{' && out->data[out->len - 1] != '[')
		appendStringInfoString(out, ", ");
	if (key == NULL)
		return;
	escape_json(out, key);
	appendStringInfoString(out, ": ");
}

static void
add_field(StringInfo out, CsvLook *look, int i)
{
	bool quoted;
	size_t len;
	const char *s = EtlCsvFieldText(&look->records, i, &len, &quoted);

	if (EtlCsvIsNull(&look->records, s, len, quoted))
		appendStringInfoString(out, "null");
	else
		add_string(out, s, len);
}

static void
add_array(StringInfo out, CsvLook *look, int first)
{
	appendStringInfoChar(out, '[');
	for (int i = first; i < look->records.record.nfields; i++)
	{
		begin_value(out, NULL);
		add_field(out, look, i);
	}
	appendStringInfoChar(out, ']');
}

static void
add_object(StringInfo out, CsvLook *look)
{
	const EtlCsvRecord *record = &look->records.record;
	int n = Min(record->nfields, look->nkeys);

	appendStringInfoChar(out, '{');
	for (int i = 0; i < n; i++)
	{
		begin_value(out, look->keys[i]);
		add_field(out, look, i);
	}
	if (record->nfields > n)
	{
		begin_value(out, EXTRA_KEY);
		add_array(out, look, n);
	}
	appendStringInfoChar(out, '}');
}

/* A member about what is wrong, if there is anything to say. */
static void
add_remark(StringInfo out, const char *key, const char *text)
{
	if (text == NULL)
		return;
	begin_value(out, key);
	add_string(out, text, strlen(text));
}

static void
add_defect(StringInfo out, CsvLook *look)
{
	EtlFault fault;

	EtlCsvDefectFault(&look->records, &fault);
	appendStringInfoChar(out, '{');
	add_remark(out, "_etl_error", fault.message);
	add_remark(out, "_etl_detail", fault.detail);
	add_remark(out, "_etl_hint", fault.hint);
	appendStringInfoChar(out, '}');
}

/* In the order of the file, which jsonb would not keep. */
static Datum
record_as_json(CsvLook *look)
{
	StringInfoData out;

	initStringInfo(&out);
	if (look->records.record.defect != ETL_CSV_SOUND)
		add_defect(&out, look);
	else if (look->records.options.header)
		add_object(&out, look);
	else
		add_array(&out, look, 0);
	return PointerGetDatum(cstring_to_text_with_len(out.data, out.len));
}

static EtlLook *
csv_open(const EtlArgs *args, EtlSourceSet *sources)
{
	CsvLook *look = palloc0(sizeof(CsvLook));

	look->base.stream = &look->records.stream;
	look->context = AllocSetContextCreate(CurrentMemoryContext, "etl keys", ALLOCSET_SMALL_SIZES);
	EtlCsvRecordsOpen(&look->records, args);
	look->records.stream.set = sources;
	look->records.options.dialect.sets_aside = true; /* what is wrong is shown */
	look->records.shows_header = true;
	return &look->base;
}

static bool
csv_next(EtlLook *base, int64 *number, Datum *record)
{
	CsvLook *look = (CsvLook *) base;

	while (look->records.stream.source == NULL || !EtlCsvRecordsNext(&look->records))
	{
		if (!EtlCsvRecordsNextFile(&look->records))
			return false;
		set_keys(look);
		if (look->records.bad_header)
			break;
	}
	*number = (int64) look->records.record.line;
	*record = record_as_json(look);
	return true;
}

/* ----------------------------------------------------------------
 *	Columns
 * ---------------------------------------------------------------- */

/* The columns of the first file. */
static void
add_columns(EtlProposal *proposal, const EtlCsvRecords *records)
{
	EtlNames *names = EtlNamesCreate();

	for (int i = 0; i < records->nnames; i++)
	{
		CHECK_FOR_INTERRUPTS();
		EtlProposalAdd(proposal, records->names[i].name, records->names[i].len);
		if (!EtlNamesAdd(names, proposal->columns[i].header))
			proposal->by_name = false; /* twice in one file: only its place tells it apart */
	}
}

/* Whether the current file has the header of the first one, and nothing was added to that. */
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
			EtlProposalAdd(proposal, records->names[i].name, records->names[i].len);
		}
}

/* Whether the current file is CSV at all: the first one that is not is told. */
static void
see_doubts(EtlProposal *proposal, const EtlCsvRecords *records)
{
	MemoryContext old = MemoryContextSwitchTo(proposal->context);
	CsvDoubts *doubts = proposal->doubts;

	if (doubts->source == NULL)
		doubts->source = pstrdup(records->stream.source->name);
	doubts->doubting = records->options.header && doubts->of_header.source == NULL &&
					   EtlDoubtsOfHeader(&doubts->of_header, records);
	if (doubts->told)
		doubts->of_header.begins_as = NULL;
	MemoryContextSwitchTo(old);
}

/* Takes the columns of a file over.  Gives each of its fields its column. */
static int *
see_header(EtlProposal *proposal, const EtlCsvRecords *records)
{
	int *column_of = palloc(sizeof(int) * (records->nnames + 1));

	if (proposal->nparts == 1)
		add_columns(proposal, records);
	see_doubts(proposal, records);
	for (int i = 0; i < records->nnames; i++)
	{
		EtlName name = records->names[i];

		column_of[i] = i;
		if (!EtlCanDeclare(name.name, name.len))
			proposal->by_name = false;
	}
	if (records->options.header && !has_same_header(proposal, records))
		merge_columns(proposal, records, column_of);
	return column_of;
}

/*
 * Whether the current record has the fields that it should have, or else is not loaded.  Without a header the first
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
			EtlProposalAdd(proposal, "", 0);
		expected = n;
	}
	return n == expected || (pad && n < expected);
}

static void
see_value(EtlProposedColumn *column, const char *s, size_t len)
{
	column->has_values = true;
	column->forms = EtlFormsOf(column->forms, s, len);
}

/* Looks at the values of the current record. */
static void
see_record(EtlProposal *proposal, EtlCsvRecords *records, const int *column_of)
{
	if (records->record.defect != ETL_CSV_SOUND || !has_right_length(proposal, records))
		return;
	if (((CsvDoubts *) proposal->doubts)->doubting)
		EtlDoubtsSee(&((CsvDoubts *) proposal->doubts)->of_header, records);
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
set_names(EtlProposal *proposal, bool header)
{
	CsvDoubts *doubts = proposal->doubts;
	EtlNames *taken = EtlNamesCreate();
	EtlNames *folds = EtlNamesCreate();

	for (int i = 0; i < proposal->ncolumns; i++)
	{
		EtlProposedColumn *column = &proposal->columns[i];
		char *folded = palloc(2 * strlen(column->header) + 1);
		size_t len = EtlFoldName(column->header, strlen(column->header), folded);

		CHECK_FOR_INTERRUPTS();
		if (len == 0)
			folded = psprintf("column_%d", i + 1);
		else if (!EtlNamesAdd(folds, folded) && !proposal->alike)
			proposal->by_name = false;
		column->name = EtlNamesAddUnique(taken, folded, NAMEDATALEN - 1);
		if (header && doubts->unfindable == 0 && (len == 0 || strcmp(column->name, folded) != 0))
			doubts->unfindable = i + 1;
	}
	for (int i = 0; i < proposal->ncolumns; i++)
		proposal->columns[i].declared =
			proposal->by_name ? proposal->columns[i].header : proposal->columns[i].name;
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

		proposal->nparts++;
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

static void
csv_propose(EtlProposal *proposal, const EtlArgs *args, EtlSourceSet *sources, int64 sample)
{
	const char *format = EtlArgText(args, "format");
	EtlCsvRecords *records = palloc0(sizeof(EtlCsvRecords));
	ErrorContextCallback callback;
	MemoryContext old;

	EtlStreamPushErrorContext(&records->stream, &callback);
	EtlCsvRecordsOpen(records, args);
	records->stream.set = sources;
	proposal->by_name = !records->options.by_position;
	proposal->settled = true;
	proposal->doubts = MemoryContextAllocZero(proposal->context, sizeof(CsvDoubts));
	((CsvDoubts *) proposal->doubts)->told = format != NULL && strcmp(format, "csv") == 0;
	see_files(proposal, records, proposal->types ? sample : 0);
	error_context_stack = callback.previous;
	old = MemoryContextSwitchTo(proposal->context);
	set_names(proposal, records->options.header);
	MemoryContextSwitchTo(old);
}

/* ----------------------------------------------------------------
 *	Doubts
 * ---------------------------------------------------------------- */

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
			if (type == types[j] && EtlHasPlainForm(type, column->header, strlen(column->header)))
				return column;
	}
	return NULL;
}

static void
tell_unfindable(const EtlProposal *proposal)
{
	int unfindable = ((const CsvDoubts *) proposal->doubts)->unfindable;
	const EtlProposedColumn *column = &proposal->columns[unfindable - 1];

	ereport(NOTICE, (errmsg("the columns can be declared by position only"),
					 column->header[0] == '\0'
						 ? errdetail("The name of column %d is empty.", unfindable)
						 : errdetail("Column %d, \"%s\", is not found by the name \"%s\".",
									 unfindable, column->header, column->name),
					 errhint("Declare all of them, in this order, and set match => 'position'.")));
}

/* An import takes names that cannot be declared by position itself. */
static void
csv_tell_doubts(const EtlProposal *proposal, bool refuse)
{
	const CsvDoubts *doubts = proposal->doubts;
	const EtlProposedColumn *column = find_value_as_name(proposal);

	EtlDoubtsTell(&doubts->of_header, refuse);
	if (column != NULL)
		ereport(NOTICE,
				(errmsg("the first line of \"%s\" looks like a record", doubts->source),
				 errdetail("Column \"%s\" has values that look like its name.", column->header),
				 errhint("If the file has no header, set header => false.")));
	if (!refuse && doubts->unfindable > 0)
		tell_unfindable(proposal);
}

/* ----------------------------------------------------------------
 *	For etl_import
 * ---------------------------------------------------------------- */

static bool
csv_takes(const char *argument)
{
	return strcmp(argument, "items") != 0 && strcmp(argument, "format") != 0;
}

static const char *
csv_adds(const EtlArgs *args, const EtlProposal *proposal)
{
	return psprintf("match => '%s', union_by_name => %s", proposal->by_name ? "name" : "position",
					proposal->by_name && proposal->nparts > 1 ? "true" : "false");
}

static bool
csv_by_position(const EtlArgs *args)
{
	return !EtlArgBool(args, "header", true);
}

const EtlLookKind EtlCsvLook = {
	.function = "etl_csv",
	.open = csv_open,
	.next = csv_next,
	.propose = csv_propose,
	.tell_doubts = csv_tell_doubts,
	.takes = csv_takes,
	.adds = csv_adds,
	.by_position = csv_by_position,
	.otherwise = "etl_csv and match => 'position'",
	.converter = EtlPlainConverterFor,
	.has_form = EtlHasPlainForm,
};
