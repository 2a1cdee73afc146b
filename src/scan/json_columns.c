/*
 * json_columns.c
 *		The declared columns of a scan, found in JSON items.
 *
 * What a value's text is depends on the column: json and jsonb take it as it stands, arrays and composite
 * types take it through json_populate_record, and all others take what a string says, or the text of
 * whatever else it is.  Numbers are never anything but text on the way.
 *
 * Bodies are UTF-8; names are compared as such, and texts are converted to the server's encoding.
 */
#include "etl.h"

#include "api/json_body.h"
#include "catalog/pg_type.h"
#include "format/header.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "scan/json_absent.h"
#include "scan/json_columns.h"
#include "scan/json_infer.h"
#include "source/utf8.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

typedef enum ColumnForm
{
	AS_TEXT,	/* the text of the value */
	AS_INTEGER, /* the same, but 1e2 is an integer too */
	AS_JSON		/* the value as it stands */
} ColumnForm;

typedef struct JsonColumn
{
	ColumnForm form;
	int whole; /* number of the name as it is */
	int path;  /* of what it leads to if it is a path, else -1 */
} JsonColumn;

struct EtlJsonColumns
{
	EtlJsonNames *names;
	JsonColumn *column; /* [natts] */
	bool any;			/* there is a column that needs an object */
	bool convert;		/* from UTF-8 to the server's encoding; false: bytes stay as they are */
};

/* ----------------------------------------------------------------
 *	Arrays and composite types
 * ---------------------------------------------------------------- */

/* What an input function of ours keeps between calls. */
typedef struct Populate
{
	FmgrInfo function; /* json_populate_record */
	TupleDesc desc;	   /* of a record with one column, of the type in question */
	Datum empty;	   /* such a record, with NULL */
} Populate;

static Populate *
create_populate(Oid type, int32 typmod)
{
	Populate *populate = palloc0(sizeof(Populate));
	Node *args[3];
	Datum value = (Datum) 0;
	bool isnull = true;

	populate->desc = CreateTemplateTupleDesc(1);
	TupleDescInitEntry(populate->desc, 1, "v", type, typmod, 0);
	BlessTupleDesc(populate->desc);
	populate->empty = HeapTupleGetDatum(heap_form_tuple(populate->desc, &value, &isnull));

	fmgr_info(F_JSON_POPULATE_RECORD, &populate->function);
	args[0] = (Node *) makeNullConst(RECORDOID, -1, InvalidOid);
	args[1] = (Node *) makeNullConst(JSONOID, -1, InvalidOid);
	args[2] = (Node *) makeBoolConst(false, false);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_JSON_POPULATE_RECORD, RECORDOID,
											 list_make3(args[0], args[1], args[2]), InvalidOid,
											 InvalidOid, COERCE_EXPLICIT_CALL),
					   &populate->function);
	return populate;
}

/*
 * An input function (cstring, type, typmod) that makes of a JSON text what json_populate_record makes of
 * it.  It stands in the place of the type's own in EtlColumn, so that errors are treated alike.
 */
static Datum
populate_in(PG_FUNCTION_ARGS)
{
	Populate *populate = fcinfo->flinfo->fn_extra;
	const char *text = PG_GETARG_CSTRING(0); /* NULL for a NULL */
	LOCAL_FCINFO(call, 3);
	StringInfoData json;
	Datum record, value;
	HeapTupleData tuple;
	bool isnull;

	if (populate == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		populate = create_populate(PG_GETARG_OID(1), PG_GETARG_INT32(2));
		fcinfo->flinfo->fn_extra = populate;
		MemoryContextSwitchTo(old);
	}
	initStringInfo(&json);
	appendStringInfo(&json, "{\"v\":%s}", text != NULL ? text : "null");
	InitFunctionCallInfoData(*call, &populate->function, 3, InvalidOid, NULL, NULL);
	call->args[0].value = populate->empty;
	call->args[0].isnull = false;
	call->args[1].value = CStringGetTextDatum(json.data);
	call->args[1].isnull = false;
	call->args[2].value = BoolGetDatum(false);
	call->args[2].isnull = false;
	record = FunctionCallInvoke(call);

	tuple.t_data = DatumGetHeapTupleHeader(record);
	tuple.t_len = HeapTupleHeaderGetDatumLength(tuple.t_data);
	value = heap_getattr(&tuple, 1, populate->desc, &isnull);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(value);
}

static void
set_populate_input(EtlRows *rows, EtlColumn *column)
{
	MemSet(&column->input, 0, sizeof(FmgrInfo));
	column->input.fn_addr = populate_in;
	column->input.fn_nargs = 3;
	column->input.fn_strict =
		!OidIsValid(get_element_type(column->type)) && get_typtype(column->type) != TYPTYPE_DOMAIN;
	column->input.fn_mcxt = rows->context;
	column->ioparam = column->type;
	column->fast = NULL;
	column->pure = false;
}

/* ----------------------------------------------------------------
 *	Which columns there are
 * ---------------------------------------------------------------- */

static ColumnForm
form_of(EtlRows *rows, EtlColumn *column)
{
	Oid base = getBaseType(column->type);

	switch (base)
	{
		case JSONOID:
		case JSONBOID:
			return AS_JSON;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return AS_INTEGER;
		default:
			break;
	}
	if (!OidIsValid(get_element_type(base)) && get_typtype(base) != TYPTYPE_COMPOSITE)
		return AS_TEXT;
	set_populate_input(rows, column);
	return AS_JSON;
}

EtlJsonPath *
EtlJsonColumnPath(const char *name, size_t len)
{
	EtlJsonPathFault fault;
	EtlJsonPath *path;

	if (memchr(name, '.', len) == NULL)
		return NULL;
	path = EtlJsonPathParse(name, len, &fault);
	if (path == NULL || path->nsteps < 2)
		return NULL;
	for (int i = 0; i < path->nsteps; i++)
		if (path->steps[i].kind != ETL_JSON_STEP_MEMBER)
			return NULL;
	return path;
}

/* Takes the name as a path, if it is one. */
static int
add_path(EtlJsonColumns *columns, const char *name, size_t len, bool *initials)
{
	EtlJsonPath *path = EtlJsonColumnPath(name, len);

	if (path == NULL)
		return -1;
	for (int i = 0; i < path->nsteps; i++)
		EtlAddInitials(path->steps[i].name.text, path->steps[i].name.len, initials);
	return EtlJsonNamesAddPath(columns->names, path);
}

static void
add_column(EtlJsonRows *json, int number, bool *initials)
{
	EtlJsonColumns *columns = json->columns;
	EtlColumn *column = &json->base.columns[number];
	const char *name = EtlToUtf8(column->name);
	JsonColumn *found = &columns->column[number];

	EtlAddInitials(name, strlen(name), initials);
	found->whole = EtlJsonNamesAdd(columns->names, name, strlen(name));
	found->path = json->from_csv ? -1 : add_path(columns, name, strlen(name), initials);
	found->form = json->from_csv ? AS_TEXT : form_of(&json->base, column);
}

void
EtlJsonColumnsInit(EtlJsonRows *json, EtlMissing missing)
{
	static const char *const words[] = {"error", "notice", "null"};
	EtlRows *rows = &json->base;
	EtlJsonColumns *columns = palloc0(sizeof(EtlJsonColumns));
	bool *initials = palloc0(sizeof(bool) * (UCHAR_MAX + 1));

	json->columns = columns;
	columns->names = EtlJsonNamesCreate();
	columns->column = palloc0(sizeof(JsonColumn) * rows->desc->natts);
	columns->convert = EtlUtf8IsForeign();
	if (rows->resume != NULL)
		EtlJsonNamesNote(columns->names, rows->resume->undeclared);
	for (int i = 0; i < rows->desc->natts; i++)
		columns->any |= rows->columns[i].kind == ETL_FIELD;
	rows->missing = EtlArgFind(rows->args, "missing_columns") == NULL
						? missing
						: EtlArgChoice(rows->args, "missing_columns", words, lengthof(words));
	rows->unseen = palloc(sizeof(int) * rows->desc->natts);
	for (int i = 0; i < rows->nwanted; i++)
	{
		int number = rows->wanted[i].column;

		if (rows->columns[number].kind != ETL_FIELD)
			continue;
		add_column(json, number, initials);
		if (!json->from_csv)
			rows->unseen[rows->nunseen++] = number;
	}
	/*
	 * A pipeline takes whatever else is in an item for its dead letters; an import refuses it; of CSV an error lists all
	 * columns.
	 */
	if (rows->resume == NULL && rows->load == NULL && !json->from_csv)
		json->initials = initials;
}

/* ----------------------------------------------------------------
 *	Values
 * ---------------------------------------------------------------- */

/* The row is faulty as its item is, which the reader keeps only until the next one. */
static void
set_item_fault(EtlJsonRows *json)
{
	EtlJsonError error = EtlJsonErrorOfItem(&json->item);

	EtlRowsSetFault(&json->base, error.sqlstate, pstrdup(error.message),
					error.detail != NULL ? pstrdup(error.detail) : NULL,
					error.hint != NULL ? pstrdup(error.hint) : NULL);
}

bool
EtlJsonIsText(const EtlJsonItem *item)
{
	if (item->ntokens > 0)
		return true;
	return item->fault->status != ETL_JSON_ITEM_TOO_LARGE &&
		   pg_encoding_verifymbstr(PG_UTF8, item->data, (int) item->len) == (int) item->len;
}

EtlAdvance
EtlJsonRowsTake(EtlJsonRows *json, const EtlJsonItem *item)
{
	json->item = *item;
	json->located = false;
	if (unlikely(item->fault != NULL))
	{
		set_item_fault(json);
		return ETL_ROW_FAULTY;
	}
	if (!json->columns->any || item->tokens[0].type == ETL_JSON_OBJECT)
	{
		json->base.nsearchable++;
		return ETL_ROW;
	}
	EtlRowsSetFault(
		&json->base, ERRCODE_SQL_JSON_OBJECT_NOT_FOUND,
		psprintf("the item is %s, not an object", EtlJsonTypeName(item->tokens[0].type)),
		pstrdup("Columns are members of objects."),
		pstrdup("Declare \"_etl_item jsonb\" to read whole items, or say where the "
				"items are with items => 'path.of.items'."));
	return ETL_ROW_FAULTY;
}

/* The row is faulty as rows->fault says; an error if faults are. */
static void
report_fault(EtlRows *rows)
{
	if (rows->on_error == ETL_ON_ERROR_FAIL)
		EtlRaiseFault(&rows->fault);
}

static void
set_untranslatable_fault(EtlRows *rows, const char *s)
{
	StringInfoData bytes;

	initStringInfo(&bytes);
	for (int i = 0; i < pg_encoding_mblen(PG_UTF8, s); i++)
		appendStringInfo(&bytes, "%s0x%02x", i > 0 ? " " : "", (unsigned char) s[i]);
	EtlRowsSetFault(
		rows, ERRCODE_UNTRANSLATABLE_CHARACTER,
		psprintf("character with byte sequence %s in encoding \"%s\" has no equivalent in "
				 "encoding \"%s\"",
				 bytes.data, "UTF8", GetDatabaseEncodingName()),
		NULL, NULL);
	report_fault(rows);
}

static const char *
converted_text(EtlJsonRows *json, const char *s, size_t *len)
{
	char *out;
	size_t out_len;
	size_t done = EtlFromUtf8Part(s, *len, &out, &out_len);

	if (done < *len)
	{
		set_untranslatable_fault(&json->base, s + done);
		return NULL;
	}
	*len = out_len;
	return out;
}

/* Text of the body in the server's encoding; NULL where it cannot be converted, and the row is faulty. */
static inline const char *
server_text(EtlJsonRows *json, const char *s, size_t *len)
{
	return likely(!json->columns->convert) ? s : converted_text(json, s, len);
}

static const char *
shown_key(const EtlJsonItem *item, const EtlJsonToken *token)
{
	return EtlShowUtf8Len(EtlJsonTokenKey(item, token), token->key_len);
}

char *
EtlJsonServerText(EtlJsonRows *json, const char *s, size_t len)
{
	s = server_text(json, s, &len);
	return s != NULL ? pnstrdup(s, len) : NULL;
}

static void
set_ambiguous_fault(EtlJsonRows *json, int number, const EtlJsonFound *found)
{
	const EtlJsonItem *item = &json->item;

	EtlRowsSetFault(&json->base, ERRCODE_AMBIGUOUS_COLUMN,
					psprintf("column \"%s\" is ambiguous", json->base.columns[number].name),
					psprintf("Both \"%s\" and \"%s\" match it.", shown_key(item, found->other),
							 shown_key(item, found->token)),
					pstrdup("Declare the column by its exact name."));
	report_fault(&json->base);
}

static void
raise_missing_column(const EtlJsonRows *json, int number)
{
	const EtlJsonItem *item = &json->item;
	StringInfoData names;

	initStringInfo(&names);
	for (const EtlJsonToken *member = EtlJsonFirstIn(item, item->tokens); member != NULL;
		 member = EtlJsonNextIn(item, item->tokens, member))
		appendStringInfo(&names, "%s\"%s\"", names.len > 0 ? ", " : "", shown_key(item, member));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" does not exist in the page", json->base.columns[number].name),
			 errdetail("The columns of the page are %s.", names.data),
			 errhint("Declare columns by these names.")));
}

const EtlJsonFound *
EtlJsonColumnFound(const EtlJsonRows *json, int number)
{
	const EtlJsonColumns *columns = json->columns;
	const JsonColumn *column = &columns->column[number];
	const EtlJsonFound *found = EtlJsonNamesFound(columns->names, column->whole);

	if (!found->exact && column->path >= 0 &&
		EtlJsonNamesFound(columns->names, column->path)->token != NULL)
		found = EtlJsonNamesFound(columns->names, column->path);
	return found;
}

/* The value that a column means; NULL if there is none, or its name is ambiguous, which is a fault. */
static const EtlJsonToken *
find_value(EtlJsonRows *json, int number)
{
	const EtlJsonFound *found = EtlJsonColumnFound(json, number);

	if (likely(found->other == NULL))
	{
		if (unlikely(found->token == NULL && json->from_csv))
			raise_missing_column(json, number);
		return found->token;
	}
	set_ambiguous_fault(json, number, found);
	return NULL;
}

/* The text of a number written with an exponent as numeric, and so jsonb, writes it. */
static const char *
without_exponent(const char *s, size_t *len)
{
	Datum value = DirectFunctionCall3(numeric_in, CStringGetDatum(pnstrdup(s, *len)),
									  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));

	s = DatumGetCString(DirectFunctionCall1(numeric_out, value));
	*len = strlen(s);
	return s;
}

static bool
has_exponent(const char *s, size_t len)
{
	return memchr(s, 'e', len) != NULL || memchr(s, 'E', len) != NULL;
}

static const char *
value_text(const EtlJsonRows *json, ColumnForm form, const EtlJsonToken *token, size_t *len)
{
	const char *s;

	if (form == AS_JSON)
	{
		*len = token->len;
		return json->item.data + token->start;
	}
	s = EtlJsonTokenText(&json->item, token, len);
	if (form == AS_INTEGER && token->type == ETL_JSON_NUMBER && has_exponent(s, *len))
		return without_exponent(s, len);
	return s;
}

/* Of types that are guesses (EtlLoad). */
static void
check_guess(const EtlJsonRows *json, int number, const EtlJsonToken *token)
{
	const EtlColumn *column = &json->base.columns[number];

	if (json->base.load->guesses && !EtlJsonFits(column->type, &json->item, token))
		ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
						errmsg("a value of column \"%s\" is not plainly of type %s", column->name,
							   format_type_be(column->type))));
}

static inline void
fetch_field(EtlJsonRows *json, int number, Datum *value, bool *isnull)
{
	EtlRows *rows = &json->base;
	const EtlJsonToken *token = find_value(json, number);
	const char *s;
	size_t len;

	if (unlikely(rows->faulty))
		return;
	if (token == NULL)
	{
		EtlColumnLacking(rows, number, value, isnull);
		return;
	}
	if (token->type == ETL_JSON_NULL)
	{
		EtlColumnNull(rows, number, value, isnull);
		return;
	}
	if (unlikely(rows->load != NULL))
		check_guess(json, number, token);
	s = value_text(json, json->columns->column[number].form, token, &len);
	s = server_text(json, s, &len);
	*isnull = s == NULL;
	if (unlikely(s == NULL))
		return;
	*value = rows->columns[number].takes_bytes ? PointerGetDatum(cstring_to_text_with_len(s, len))
											   : EtlColumnConvert(rows, number, s, len);
}

static void
fetch_provenance(EtlJsonRows *json, int number, Datum *value, bool *isnull)
{
	const char *s = json->item.data;
	size_t len = json->item.len;

	*isnull = false;
	switch (json->base.columns[number].kind)
	{
		case ETL_FROM_SOURCE:
			*value = CStringGetTextDatum(json->source);
			break;
		case ETL_FROM_PAGE:
			*value = Int32GetDatum(json->page);
			break;
		case ETL_FROM_REQUEST:
			*value = Int32GetDatum(json->request);
			break;
		case ETL_FROM_INDEX:
			if (json->item.index >= PG_INT32_MAX)
				ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
								errmsg("column \"_etl_index\" is out of range")));
			*value = Int32GetDatum((int32) json->item.index + 1);
			break;
		case ETL_FROM_RAW:
			*isnull = !EtlJsonIsText(&json->item);
			if (*isnull)
				break;
			s = server_text(json, s, &len);
			*isnull = s == NULL;
			if (s != NULL)
				*value = PointerGetDatum(cstring_to_text_with_len(s, len));
			break;
		case ETL_FROM_ITEM:
			*isnull = json->item.fault != NULL; /* not even jsonb takes it */
			if (*isnull)
				break;
			s = server_text(json, s, &len);
			*isnull = s == NULL;
			if (s != NULL)
				*value = EtlColumnInput(&json->base, number, s, len);
			break;
		default:
			*isnull = true;
			break;
	}
}

/* An import leaves nothing out. */
static void
refuse_unread_member(const EtlJsonRows *json)
{
	const EtlJsonToken *member = EtlJsonNamesUnread(json->columns->names, &json->item);

	if (member != NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("there is no column for member \"%s\" of the item",
							   shown_key(&json->item, member)),
						errhint("Add the column to the table, or use INSERT with SELECT from "
								"etl_json for some of the members.")));
}

bool
EtlJsonColumnsLocate(EtlJsonRows *json)
{
	bool found = EtlJsonNamesLocate(json->columns->names, &json->item);

	if (unlikely(json->base.nunseen > 0))
		EtlJsonNoteSeen(json);
	return found;
}

/* Looks for the columns in the current item; false if it has none of the declared ones, which is a fault. */
static bool
locate(EtlJsonRows *json)
{
	bool found = EtlJsonColumnsLocate(json);

	json->located = true;
	json->base.nsearched++;
	if (likely(found) || json->from_csv || EtlJsonHasOther(json))
	{
		if (unlikely(json->base.load != NULL))
			refuse_unread_member(json);
		return true;
	}
	report_fault(&json->base);
	return false;
}

void
EtlJsonRowsFetch(EtlRows *rows, const EtlWanted *targets, int n, Datum *values, bool *isnull)
{
	EtlJsonRows *json = (EtlJsonRows *) rows;

	for (int i = 0; i < n; i++)
	{
		int number = targets[i].column;
		Datum *value = &values[targets[i].place];
		bool *null = &isnull[targets[i].place];

		if (unlikely(rows->columns[number].kind != ETL_FIELD))
		{
			fetch_provenance(json, number, value, null);
			continue;
		}
		if (!json->located && !locate(json))
			break;
		fetch_field(json, number, value, null);
		if (unlikely(rows->faulty))
			break;
	}
}
