/*
 * look.c
 *		A look at a source before anybody has named a column: etl_peek, etl_csv_columns, etl_json_columns.
 *
 *		sources -> the first bytes -> which format -> its records, or its columns
 *
 * The first bytes stay to be read (EtlSourcePeek), so that a URL is requested once.
 */
#include "etl.h"

#include "funcapi.h"
#include "scan/look.h"
#include "source/set.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* The last takes what no other recognises. */
static const EtlLookKind *const kinds[] = {&EtlJsonLook, &EtlCsvLook};

/* ----------------------------------------------------------------
 *	Which format
 * ---------------------------------------------------------------- */

static bool
is_blank(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strchr(" \t\r\n", s[i]) == NULL)
			return false;
	return true;
}

/* By the first part that has more than white space to look at. */
static const EtlLookKind *
recognise(EtlSourceSet *sources)
{
	char start[ETL_MAX_PEEK];
	size_t len = 0;
	EtlSource *source;
	int i = 0;

	while ((source = EtlSourceSetNext(sources)) != NULL)
	{
		len = EtlSourcePeek(source, start, sizeof(start));
		if (!is_blank(start, len) || EtlSourceSetCount(sources) == 1)
			break;
	}
	EtlSourceSetPutBack(sources, source);
	while (kinds[i]->recognises != NULL && !kinds[i]->recognises(start, len))
		i++;
	return kinds[i];
}

/* As the argument "format" says, or, without one, the first bytes. */
static const EtlLookKind *
find_kind(const EtlArgs *args, EtlSourceSet *sources)
{
	static const char *const formats[] = {"auto", "csv", "json", "ndjson"};

	switch (EtlArgChoice(args, "format", formats, lengthof(formats)))
	{
		case 0:
			return recognise(sources);
		case 1:
			return &EtlCsvLook;
		default:
			return &EtlJsonLook;
	}
}

/* ----------------------------------------------------------------
 *	Records
 * ---------------------------------------------------------------- */

typedef struct Peek
{
	EtlLook *look;
	int64 left; /* records still to be shown */
} Peek;

static Peek *
open_peek(const EtlArgs *args)
{
	Peek *peek = palloc0(sizeof(Peek));
	EtlSourceSet *sources;
	const EtlLookKind *kind;

	peek->left = EtlArgInt(args, "rows", 10);
	if (peek->left < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("rows must not be negative")));
	sources = EtlStreamSources(args, false);
	kind = find_kind(args, sources);
	peek->look = kind->open(args, sources);
	peek->look->kind = kind;
	return peek;
}

/* The next row of the result; false when there is none. */
static bool
next_row(Peek *peek, Datum *values)
{
	ErrorContextCallback callback;
	int64 number;
	bool found;

	if (peek->left-- <= 0)
		return false;
	EtlStreamPushErrorContext(peek->look->stream, &callback);
	found = peek->look->kind->next(peek->look, &number, &values[1]);
	error_context_stack = callback.previous;
	values[0] = Int64GetDatum(number);
	return found;
}

PG_FUNCTION_INFO_V1(etl_peek);

/*
 * etl_peek(source text, rows int, ...) returns table(line bigint, record json)
 *
 * sql/etl--1.0.sql documents the arguments.
 */
Datum
etl_peek(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	Datum values[2];
	bool isnull[2] = {false, false};

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &call->tuple_desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		call->user_fctx = open_peek(EtlArgsOfCall(fcinfo));
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	if (!next_row(call->user_fctx, values))
		SRF_RETURN_DONE(call);
	SRF_RETURN_NEXT(call, HeapTupleGetDatum(heap_form_tuple(call->tuple_desc, values, isnull)));
}

/* ----------------------------------------------------------------
 *	Columns
 * ---------------------------------------------------------------- */

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

/* The sources are closed with their context: a load that follows opens them itself. */
EtlProposal *
EtlPropose(const EtlArgs *args, const EtlLookKind **kind, int64 sample, bool types)
{
	EtlProposal *proposal = EtlProposalCreate();
	MemoryContext reading =
		AllocSetContextCreate(CurrentMemoryContext, "etl proposal", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(reading);
	EtlSourceSet *sources = EtlStreamSources(args, false);

	proposal->types = types;
	if (*kind == NULL)
		*kind = find_kind(args, sources);
	(*kind)->propose(proposal, args, sources, sample);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(reading);
	return proposal;
}

static Datum
list_columns(FunctionCallInfo fcinfo, const EtlLookKind *kind)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	EtlArgs *args = EtlArgsOfCall(fcinfo);
	EtlProposal *proposal;

	InitMaterializedSRF(fcinfo, 0);
	proposal = EtlPropose(args, &kind, EtlSampleRows(args), true);
	if (kind->tell_doubts != NULL)
		kind->tell_doubts(proposal, false);
	for (int i = 0; i < proposal->ncolumns; i++)
	{
		const EtlProposedColumn *column = &proposal->columns[i];
		const char *type = format_type_be(EtlProposedType(column));
		Datum values[5] = {0};
		bool isnull[5] = {false};

		values[0] = Int32GetDatum(i + 1);
		values[1] = CStringGetTextDatum(column->header);
		isnull[1] = column->header[0] == '\0';
		values[3] = CStringGetTextDatum(type);
		isnull[2] = isnull[4] = column->name == NULL;
		if (column->name != NULL)
		{
			values[2] = CStringGetTextDatum(column->name);
			values[4] = CStringGetTextDatum(psprintf("%s %s%s", quote_identifier(column->name),
													 type, i + 1 < proposal->ncolumns ? "," : ""));
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(etl_csv_columns);
PG_FUNCTION_INFO_V1(etl_json_columns);

/*
 * etl_csv_columns(source text, sample_rows bigint, ...), etl_json_columns(source text, sample_rows bigint, ...)
 * returns table("position" int, header_name text, name text, data_type text, declaration text)
 *
 * sql/etl--1.0.sql documents arguments and results.
 */
Datum
etl_csv_columns(PG_FUNCTION_ARGS)
{
	return list_columns(fcinfo, &EtlCsvLook);
}

Datum
etl_json_columns(PG_FUNCTION_ARGS)
{
	return list_columns(fcinfo, &EtlJsonLook);
}
