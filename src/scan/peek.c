/*
 * peek.c
 *		etl_peek: the first records of a source, before anybody has named a column.
 *
 * A source that begins as JSON does is shown item by item, as etl_json reads it without being told where the
 * items are.
 *
 * Whatever is wrong with a record of CSV, or with the header, is shown rather than raised: fields without a name come as
 * "_etl_extra", and a record that is no text as "_etl_error".
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "scan/csv_records.h"
#include "scan/json_rows.h"
#include "scan/names.h"
#include "source/set.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#define EXTRA_KEY "_etl_extra"

typedef struct Peek
{
	EtlRows *items; /* of a source that is JSON; NULL: it is CSV */
	EtlCsvRecords records;
	MemoryContext context; /* for the keys */
	int64 left;			   /* records still to be shown */
	int nkeys;			   /* of the file in hand */
	char **keys;		   /* [nkeys] its header, made unique */
} Peek;

/* ----------------------------------------------------------------
 *	Keys
 * ---------------------------------------------------------------- */

/* An object has each key once, so a name that comes again gets a number, and an empty one its place. */
static void
set_keys(Peek *peek)
{
	const EtlCsvRecords *records = &peek->records;
	MemoryContext old;
	EtlNames *taken;

	MemoryContextReset(peek->context);
	old = MemoryContextSwitchTo(peek->context);
	taken = EtlNamesCreate();
	(void) EtlNamesAdd(taken, EXTRA_KEY);
	peek->nkeys = records->nnames;
	peek->keys = palloc(sizeof(char *) * (records->nnames + 1));
	for (int i = 0; i < records->nnames; i++)
	{
		EtlName name = records->names[i];

		CHECK_FOR_INTERRUPTS();
		peek->keys[i] = EtlNamesAddUnique(
			taken, name.len > 0 ? pnstrdup(name.name, name.len) : psprintf("column_%d", i + 1), 0);
	}
	MemoryContextSwitchTo(old);
}

/* ----------------------------------------------------------------
 *	Records as jsonb
 * ---------------------------------------------------------------- */

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, const char *s, size_t len)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = pnstrdup(s, len);
	value.val.string.len = len;
	(void) pushJsonbValue(state, token, &value);
}

/* Pushes a field as a value of an object or an element of an array. */
static void
push_field(JsonbParseState **state, JsonbIteratorToken token, Peek *peek, int i)
{
	JsonbValue null = {.type = jbvNull};
	bool quoted;
	size_t len;
	const char *s = EtlCsvFieldText(&peek->records, i, &len, &quoted);

	if (EtlCsvIsNull(&peek->records, s, len, quoted))
		(void) pushJsonbValue(state, token, &null);
	else
		push_string(state, token, s, len);
}

static JsonbValue *
push_array(JsonbParseState **state, Peek *peek, int first)
{
	(void) pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = first; i < peek->records.record.nfields; i++)
		push_field(state, WJB_ELEM, peek, i);
	return pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

static JsonbValue *
push_object(JsonbParseState **state, Peek *peek)
{
	const EtlCsvRecord *record = &peek->records.record;
	int n = Min(record->nfields, peek->nkeys);

	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < n; i++)
	{
		push_string(state, WJB_KEY, peek->keys[i], strlen(peek->keys[i]));
		push_field(state, WJB_VALUE, peek, i);
	}
	if (record->nfields > n)
	{
		push_string(state, WJB_KEY, EXTRA_KEY, strlen(EXTRA_KEY));
		(void) push_array(state, peek, n);
	}
	return pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Pushes a member about what is wrong, if there is anything to say. */
static void
push_remark(JsonbParseState **state, const char *key, const char *text)
{
	if (text == NULL)
		return;
	push_string(state, WJB_KEY, key, strlen(key));
	push_string(state, WJB_VALUE, text, strlen(text));
}

static JsonbValue *
push_defect(JsonbParseState **state, Peek *peek)
{
	EtlFault fault;

	EtlCsvDefectFault(&peek->records, &fault);
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	push_remark(state, "_etl_error", fault.message);
	push_remark(state, "_etl_detail", fault.detail);
	push_remark(state, "_etl_hint", fault.hint);
	return pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

static Datum
record_as_jsonb(Peek *peek)
{
	JsonbParseState *state = NULL;
	JsonbValue *value;

	if (peek->records.record.defect != ETL_CSV_SOUND)
		value = push_defect(&state, peek);
	else if (peek->records.options.header)
		value = push_object(&state, peek);
	else
		value = push_array(&state, peek, 0);
	return JsonbPGetDatum(JsonbValueToJsonb(value));
}

/* ---------------------------------------------------------------- */

/*
 * Whether a source begins as JSON does, and no CSV file that anybody would write.  The records start again with the
 * same bytes: a URL may be good for one request only.
 */
static bool
is_json(EtlCsvRecords *records)
{
	EtlSource *source = EtlSourceSetNext(records->stream.set);
	char start[64];
	size_t len = source != NULL ? EtlSourceRead(source, start, sizeof(start)) : 0;
	size_t pos = len >= 3 && memcmp(start, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
	bool json;

	while (pos < len && strchr(" \t\r\n", start[pos]) != NULL)
		pos++;
	json = pos < len && (start[pos] == '{' || start[pos] == '[');
	EtlStreamRewind(&records->stream);
	return json;
}

/* The rows of JSON are its items. */
static EtlRows *
open_items(const EtlArgs *args)
{
	TupleDesc desc = CreateTemplateTupleDesc(2);

	TupleDescInitEntry(desc, 1, "_etl_index", INT4OID, -1, 0);
	TupleDescInitEntry(desc, 2, "_etl_item", JSONBOID, -1, 0);
	return EtlRowsOpen(&EtlJsonKind, args, desc, bms_add_range(NULL, 0, 1), false, 0);
}

static Peek *
open_peek(const EtlArgs *args)
{
	Peek *peek = palloc0(sizeof(Peek));

	peek->left = EtlArgInt(args, "rows", 10);
	if (peek->left < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("rows must not be negative")));
	peek->context = AllocSetContextCreate(CurrentMemoryContext, "etl peek", ALLOCSET_SMALL_SIZES);
	EtlCsvRecordsOpen(&peek->records, args, true);
	peek->records.options.dialect.sets_aside = true; /* what is wrong is shown */
	peek->records.shows_header = true;
	if (is_json(&peek->records))
		peek->items = open_items(args);
	return peek;
}

/* Goes to the next item of a JSON source; false when there is none. */
static bool
next_item(Peek *peek, Datum *values)
{
	bool isnull[2];

	if (!EtlRowsNext(peek->items))
		return false;
	EtlRowsFetch(peek->items, peek->items->wanted, peek->items->nwanted, values, isnull);
	values[0] = Int64GetDatum(DatumGetInt32(values[0]));
	return true;
}

/* Goes to the next record, of whichever file; false when there is none. */
static bool
next_record(Peek *peek)
{
	while (peek->records.stream.source == NULL || !EtlCsvRecordsNext(&peek->records))
	{
		if (!EtlCsvRecordsNextFile(&peek->records))
			return false;
		set_keys(peek);
		if (peek->records.bad_header)
			break;
	}
	return true;
}

/* The next row of the result; false when there is none. */
static bool
next_row(Peek *peek, Datum *values)
{
	ErrorContextCallback callback;
	bool found;

	if (peek->left-- <= 0)
		return false;
	if (peek->items != NULL)
		return next_item(peek, values);
	EtlCsvPushErrorContext(&peek->records, &callback);
	found = next_record(peek);
	if (found)
	{
		values[0] = Int64GetDatum((int64) peek->records.record.line);
		values[1] = record_as_jsonb(peek);
	}
	error_context_stack = callback.previous;
	return found;
}

PG_FUNCTION_INFO_V1(etl_peek);

/*
 * etl_peek(source text, rows int, ...) returns table(line bigint, record jsonb)
 *
 * The first records of a source: objects by the names of the header, or arrays where there is none.
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
