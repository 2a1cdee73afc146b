/*
 * json_body.c
 *		What all readers of JSON bodies share: limits, which are settings, and faults as errors.
 */
#include "etl.h"

#include "api/json_body.h"
#include "lib/stringinfo.h"
#include "source/utf8.h"
#include "utils/guc.h"

static int max_json_depth = 1000;
static int max_item_size_kb = 64 * 1024;

void
EtlJsonBodyInit(void)
{
	DefineCustomIntVariable("etl.max_json_depth",
							"Sets how deep arrays and objects may be nested in JSON that is read.",
							"1 is one array or object that holds none.", &max_json_depth, 1000, 1,
							ETL_JSON_MAX_DEPTH, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"etl.max_item_size", "Sets the largest item that is read from JSON.",
		"An item is held in memory as a whole; what stands outside the items is not, and may be of "
		"any size.",
		&max_item_size_kb, 64 * 1024, 1, ETL_JSON_MAX_ITEM_SIZE / 1024, PGC_SUSET, GUC_UNIT_KB,
		NULL, NULL, NULL);
}

void
EtlJsonSetLimits(EtlJsonOptions *options)
{
	options->max_depth = max_json_depth;
	options->max_item_size = (size_t) max_item_size_kb * 1024;
}

EtlJsonPath *
EtlJsonPathOfArg(const char *name, const char *text)
{
	EtlJsonPathFault fault;
	EtlJsonPath *path;
	const char *utf8;

	if (text == NULL)
		return NULL;
	utf8 = EtlToUtf8(text);
	path = EtlJsonPathParse(utf8, strlen(utf8), &fault);
	if (path == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid path in argument \"%s\": %s", name, fault.problem),
				 errdetail("The path is \"%s\", and this shows at byte %zu.", text, fault.at + 1),
				 errhint("A path names members from the root of the body, as in data.items or "
						 "entry[].resource; a name that holds a dot is put in double quotes.")));
	return path;
}

/* ----------------------------------------------------------------
 *	Faults
 * ---------------------------------------------------------------- */

#define LINES_HINT "If each line is a value of its own, set format => 'ndjson'."

/* In the order of EtlJsonStatus, from the first that is a fault; one %s: what the body is. */
static const EtlJsonError fault_texts[] = {
	{ERRCODE_INVALID_JSON_TEXT, "the %s has no JSON value", "It is empty, or only white space.",
	 NULL},
	{ERRCODE_INVALID_JSON_TEXT, "the JSON %s ends inside a value", NULL,
	 "It may have been cut off on its way."},
	{ERRCODE_INVALID_JSON_TEXT, "something follows the end of the JSON %s", NULL, LINES_HINT},
	{ERRCODE_INVALID_JSON_TEXT, "the %s is not JSON", NULL, NULL},
	{ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "the JSON %s is not encoded in UTF-8", NULL, NULL},
	{ERRCODE_UNTRANSLATABLE_CHARACTER, "unsupported Unicode escape sequence in the JSON %s",
	 "\\u0000 cannot be converted to text.", NULL},
	{ERRCODE_INVALID_TEXT_REPRESENTATION, "broken Unicode escape sequence in the JSON %s",
	 "Unicode surrogates come in pairs, a high one and then a low one.", NULL},
	{ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "a number in the JSON %s is out of range", NULL, NULL},
	{ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the JSON %s is nested deeper than \"etl.max_json_depth\"",
	 NULL, NULL},
	{ERRCODE_PROGRAM_LIMIT_EXCEEDED, "an item of the JSON %s is larger than \"etl.max_item_size\"",
	 NULL, "If the items are deeper inside, say where they are with items => 'path.of.items'."},
	{ERRCODE_DUPLICATE_JSON_OBJECT_KEY_VALUE,
	 "a name on the way to the items stands twice in one object of the JSON %s", NULL, NULL},
};

static EtlJsonError
error_of(const EtlJsonFault *fault, const char *kind)
{
	int i = (int) fault->status - ETL_JSON_EMPTY;
	EtlJsonError error;

	StaticAssertStmt(lengthof(fault_texts) == ETL_JSON_DUPLICATE_KEY - ETL_JSON_EMPTY + 1,
					 "each fatal status has its text");
	Assert(i >= 0 && i < lengthof(fault_texts));
	error = fault_texts[i];
	error.message = psprintf(error.message, kind);
	if (fault->detail != NULL)
		error.detail = fault->detail;
	return error;
}

EtlJsonError
EtlJsonErrorOfItem(const EtlJsonItem *item)
{
	bool is_line = item->ntokens == 0 && item->line > 0;
	EtlJsonError error = error_of(item->fault, is_line ? "line" : "item");

	if (is_line && item->fault->status == ETL_JSON_ITEM_TOO_LARGE)
		error.message = "the line is larger than \"etl.max_item_size\"";
	if (is_line)
		error.hint = "Each line is a JSON value by itself.";
	return error;
}

#define BEGINNING_BYTES 100 /* what is no JSON from the beginning shows itself so early */

/* Whether it is no JSON from the beginning, rather than JSON that is broken. */
static bool
is_something_else(const EtlJsonFault *fault, const EtlBeginning *beginning)
{
	const char *text = beginning->text != NULL ? beginning->text : "";

	text += strspn(text, " ");
	return fault->status == ETL_JSON_SYNTAX && fault->offset < BEGINNING_BYTES &&
		   (*text != '\0' || beginning->type != NULL) && *text != '{' && *text != '[';
}

static const char *
show_beginning(const EtlBeginning *beginning)
{
	if (beginning->text == NULL)
		return psprintf("Its Content-Type is \"%s\".", beginning->type);
	if (beginning->type == NULL)
		return psprintf("It begins with \"%s\".", beginning->text);
	return psprintf("It begins with \"%s\", and its Content-Type is \"%s\".", beginning->text,
					beginning->type);
}

/* What the body may be, and so what to do; NULL: nobody can tell. */
static const char *
something_else_hint(const char *kind, const EtlBeginning *beginning)
{
	const char *text = beginning->text != NULL ? beginning->text : "";
	const char *type = beginning->type != NULL ? beginning->type : "";
	const char *begins_as = EtlBeginsAs(text, strlen(text));

	if (begins_as != NULL)
		return psprintf(
			"It is %s: check the path or URL, and whether the server wants credentials.",
			begins_as);
	if (pg_strncasecmp(type, "text/csv", 8) != 0 && strpbrk(text, ",;|\t") == NULL)
		return NULL;
	return strcmp(kind, "page") == 0 ? "If it is CSV, set format => 'csv'."
									 : "If it is CSV, read it with etl_csv.";
}

/* Where in the body is CONTEXT, with item and byte, which the caller's callback gives. */
void
EtlJsonRaiseFault(const EtlReader *reader, const char *kind, const EtlBeginning *beginning)
{
	const EtlJsonFault *fault = EtlJsonReaderFault((const EtlJsonReader *) reader);
	EtlRecordPlace place = EtlReaderPlace(reader);
	EtlJsonError error = error_of(fault, kind);

	if (is_something_else(fault, beginning))
	{
		error.detail = show_beginning(beginning);
		error.hint = something_else_hint(kind, beginning);
	}
	else if (error.hint == NULL && place.open && place.line == 0 && place.records > 0)
		error.hint = LINES_HINT;
	ereport(ERROR, (errcode(error.sqlstate), errmsg_internal("%s", error.message),
					error.detail != NULL ? errdetail_internal("%s", error.detail) : 0,
					error.hint != NULL ? errhint("%s", error.hint) : 0));
}

const char *
EtlJsonTypeName(EtlJsonType type)
{
	static const char *const names[] = {"null",		"a boolean", "a boolean", "a number",
										"a string", "an array",	 "an object"};

	return names[type];
}
