/*
 * api_call.c
 *		The arguments of etl_api: what is asked for, and in which dialect.
 */
#include "etl.h"

#include "api/pages.h"
#include "miscadmin.h"
#include "scan/api_call.h"
#include "source/closest.h"
#include "source/http/head.h"
#include "source/utf8.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Of a request; servers take fewer. */
#define MAX_PARAMS 1000
#define MAX_HEADERS 100

#define invalid(...) ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg(__VA_ARGS__)))

/* ----------------------------------------------------------------
 *	jsonb arguments
 * ---------------------------------------------------------------- */

static char *
scalar_text(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(
				DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			return NULL;
	}
}

/* Calls use() for each member of an object, and for each element of a member that is an array; not for null. */
static void
each_member(const char *argument, Jsonb *object,
			void (*use)(void *arg, const char *name, const char *value), void *arg)
{
	JsonbIterator *it = JsonbIteratorInit(&object->root);
	JsonbIteratorToken token;
	JsonbValue value;
	char *name = NULL;
	int depth = 0;

	if (!JB_ROOT_IS_OBJECT(object))
		invalid("argument \"%s\" must be an object", argument);
	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_BEGIN_OBJECT && depth++ > 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("\"%s\" in argument \"%s\" is an object", name, argument),
							errhint("Give its JSON as text, if that is what the server expects.")));
		else if ((token == WJB_VALUE || token == WJB_ELEM) && value.type != jbvNull)
			use(arg, name, scalar_text(&value));
	}
}

static Jsonb *
jsonb_arg(const EtlArgs *args, const char *name)
{
	const EtlArg *arg = EtlArgFind(args, name);

	return arg != NULL ? DatumGetJsonbPCopy(arg->value) : NULL;
}

/* ----------------------------------------------------------------
 *	Dialect
 * ---------------------------------------------------------------- */

/* What is given of the options of a dialect, by their numbers; NULL: not given. */
typedef struct Given
{
	const char *value[ETL_DIALECT_OPTIONS];
	bool is_argument[ETL_DIALECT_OPTIONS]; /* and no member of the argument "options" or of a row */
} Given;

static bool
is_other_argument(const char *name)
{
	static const char *const arguments[] = {
		"source",		   "path",	   "params", "body",	"headers", "on_error", "reject_limit",
		"missing_columns", "requests", "query",	 "in_order"};

	for (int i = 0; i < lengthof(arguments); i++)
		if (strcmp(name, arguments[i]) == 0)
			return true;
	return false;
}

static void
raise_unknown(const char *name)
{
	EtlClosest closest = {name};
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < ETL_DIALECT_OPTIONS; i++)
	{
		EtlClosestSee(&closest, EtlDialectOption(i));
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", EtlDialectOption(i));
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("etl_api has no option \"%s\"", name),
			 is_other_argument(name) ? errhint("It is an argument of its own.")
			 : closest.name != NULL	 ? errhint("Perhaps you meant \"%s\".", closest.name)
									 : errhint("The options are %s.", names.data)));
}

static void
give_member(void *arg, const char *name, const char *value)
{
	Given *given = arg;
	int i = EtlDialectFindOption(name);

	if (i < 0)
		raise_unknown(name);
	if (given->value[i] != NULL)
		invalid("option \"%s\" is given twice", name);
	given->value[i] = value;
}

static void
set_options(EtlDialect *dialect, const Given *given)
{
	for (int i = 0; i < ETL_DIALECT_OPTIONS; i++)
	{
		const char *problem = NULL;

		if (given->value[i] != NULL)
			problem = EtlDialectSet(dialect, EtlDialectOption(i), EtlToUtf8(given->value[i]));
		if (problem != NULL)
			invalid("invalid value for %s \"%s\": %s",
					given->is_argument[i] ? "argument" : "option", EtlDialectOption(i),
					EtlShowUtf8(problem));
	}
}

void
EtlApiCallSetOptions(EtlDialect *dialect, Jsonb *options)
{
	Given given = {0};

	each_member("options", options, give_member, &given);
	set_options(dialect, &given);
}

static void
complete_dialect(EtlDialect *dialect)
{
	const char *problem = EtlDialectComplete(dialect);

	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the options of paging do not go together"),
						errdetail("%s.", EtlShowUtf8(problem))));
}

/* The arguments of a call that are options, and what "options" has beside them. */
static void
read_given(Given *given, const EtlArgs *args)
{
	int pagination = EtlDialectFindOption("pagination");
	Jsonb *options = jsonb_arg(args, "options");

	for (int i = 0; i < ETL_DIALECT_OPTIONS; i++)
	{
		given->value[i] = EtlArgAsText(args, EtlDialectOption(i));
		given->is_argument[i] = given->value[i] != NULL;
	}
	/* its default says nothing, so that an option or a server can */
	if (given->value[pagination] != NULL && strcmp(given->value[pagination], "auto") == 0)
		given->value[pagination] = NULL;
	if (options != NULL)
		each_member("options", options, give_member, given);
}

static void
set_from_preset(EtlApiCall *call, const char *name)
{
	Jsonb *options = EtlDialectLookUp(name);

	if (options == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("dialect \"%s\" does not exist", name),
				 errhint("\"pagination\" is auto, none, link, next_url, cursor, page, offset or "
						 "the name of a row of etl_dialects.")));
	call->preset = name;
	EtlApiCallSetOptions(&call->dialect, options);
}

static void
read_dialect(EtlApiCall *call, const EtlArgs *args)
{
	Given given = {0};
	const char **pagination = &given.value[EtlDialectFindOption("pagination")];

	EtlDialectInit(&call->dialect);
	read_given(&given, args);
	for (int i = 0; i < ETL_DIALECT_OPTIONS; i++)
		call->given[i] = given.value[i] != NULL;
	if (*pagination == NULL && call->base.target != NULL && call->base.target->dialect != NULL)
		*pagination = pstrdup(call->base.target->dialect);
	if (*pagination != NULL && !EtlIsPagination(*pagination))
	{
		set_from_preset(call, *pagination);
		*pagination = NULL;
	}
	set_options(&call->dialect, &given);
	complete_dialect(&call->dialect);
}

/* ----------------------------------------------------------------
 *	Request
 * ---------------------------------------------------------------- */

static void
add_param(void *arg, const char *name, const char *value)
{
	EtlApiBase *base = arg;
	EtlParam *param = palloc(sizeof(EtlParam));

	CHECK_FOR_INTERRUPTS();
	if (list_length(base->params) == MAX_PARAMS)
		invalid("argument \"params\" has more than %d parameters", MAX_PARAMS);
	param->name = EtlToUtf8(name);
	param->value = EtlToUtf8(value);
	base->params = lappend(base->params, param);
}

static void
add_header(void *arg, const char *name, const char *value)
{
	EtlApiBase *base = arg;
	const char *fault = EtlHeaderFault(name, value);

	CHECK_FOR_INTERRUPTS();
	if (list_length(base->headers) == MAX_HEADERS)
		invalid("argument \"headers\" has more than %d headers", MAX_HEADERS);
	if (fault != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid header \"%s\" in argument \"headers\"", name),
						errdetail("%s", fault)));
	base->headers = lappend(base->headers, psprintf("%s: %s", name, EtlToUtf8(value)));
}

static void
read_request(EtlApiCall *call, const EtlArgs *args)
{
	EtlApiBase *base = &call->base;
	char *source = EtlArgText(args, "source");
	Jsonb *params = jsonb_arg(args, "params");
	Jsonb *headers = jsonb_arg(args, "headers");

	if (source == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("source must not be null")));
	base->target = EtlTargetOf(source);
	EtlTargetUrl(base->target, EtlArgText(args, "path"), &base->url);
	if (params != NULL)
		each_member("params", params, add_param, base);
	if (headers != NULL)
		each_member("headers", headers, add_header, base);
	base->body = jsonb_arg(args, "body");
}

static char *
path_of_member(const JsonbValue *value)
{
	if (value->type != jbvString)
		invalid("member \"path\" of the request must be a string");
	return scalar_text(value);
}

static void
take_member(EtlApiBase *base, const char *name, JsonbValue *value)
{
	if (strcmp(name, "path") == 0)
		EtlTargetUrl(base->target, path_of_member(value), &base->url);
	else if (strcmp(name, "params") == 0)
		each_member("params", JsonbValueToJsonb(value), add_param, base);
	else if (strcmp(name, "headers") == 0)
		each_member("headers", JsonbValueToJsonb(value), add_header, base);
	else if (strcmp(name, "body") == 0)
		base->body = JsonbValueToJsonb(value);
	else
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a request has no member \"%s\"", name),
						errhint("Its members are path, params, headers and body; the rest is the "
								"same for all requests of a call.")));
}

EtlApiCall *
EtlApiCallOfRequest(const EtlApiCall *common, Jsonb *request)
{
	EtlApiCall *call = palloc(sizeof(EtlApiCall));
	JsonbIterator *it = JsonbIteratorInit(&request->root);
	JsonbIteratorToken token;
	JsonbValue value;
	char *name = NULL;

	*call = *common;
	call->base.params = list_copy(common->base.params);
	call->base.headers = list_copy(common->base.headers);
	if (!JB_ROOT_IS_OBJECT(request))
		invalid("a request must be an object");
	(void) JsonbIteratorNext(&it, &value, true);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE && value.type != jbvNull)
			take_member(&call->base, name, &value);
	}
	return call;
}

EtlApiCall *
EtlApiCallReadDialect(const EtlArgs *args)
{
	EtlApiCall *call = palloc0(sizeof(EtlApiCall));

	read_dialect(call, args);
	return call;
}

EtlApiCall *
EtlApiCallRead(const EtlArgs *args)
{
	EtlApiCall *call = palloc0(sizeof(EtlApiCall));

	read_request(call, args);
	read_dialect(call, args);
	return call;
}
