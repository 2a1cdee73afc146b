/*
 * request.c
 *		The request for a page.
 *
 * The first request has what the user gave and the reference that the dialect begins with.  The others have
 * what the dialect carries along, and their reference.  A reference that is a URL takes the place of the
 * first one, query and all; it is resolved against the URL that it was found at and has to stay at the
 * origin of the scan, or go to one that the server's options list.
 */
#include "etl.h"

#include "api/json_body.h"
#include "api/paging.h"
#include "api/request.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "source/utf8.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

/* Bytes of a text in which holes were filled. */
#define MAX_FILLED (16 * 1024 * 1024)

/* A request in the making. */
typedef struct Draft
{
	EtlUrl url;
	StringInfoData query; /* of the URL, which gets it at the end */
	List *headers;
	Jsonb *body;
	const EtlHoles *holes;
} Draft;

/* ----------------------------------------------------------------
 *	References
 * ---------------------------------------------------------------- */

static EtlReference *
create_reference(EtlJsonType type, const char *text, const char *raw)
{
	EtlReference *reference = palloc(sizeof(EtlReference));

	reference->type = type;
	reference->text = text;
	reference->raw = raw;
	return reference;
}

EtlReference *
EtlReferenceOfText(const char *text, size_t len)
{
	char *copy = pnstrdup(text, len);
	StringInfoData raw;

	initStringInfo(&raw);
	escape_json(&raw, copy);
	return create_reference(ETL_JSON_STRING, copy, raw.data);
}

EtlReference *
EtlReferenceOfNumber(int64 number)
{
	char *text = psprintf(INT64_FORMAT, number);

	return create_reference(ETL_JSON_NUMBER, text, text);
}

EtlReference *
EtlReferenceOfValue(const EtlJsonValue *value)
{
	char *text;

	if (value->type == ETL_JSON_STRING)
		return EtlReferenceOfText(value->text, value->len);
	text = pnstrdup(value->text, value->len);
	return create_reference(value->type, text, text);
}

EtlReference *
EtlReferenceCopy(const EtlReference *reference)
{
	return create_reference(reference->type, pstrdup(reference->text), pstrdup(reference->raw));
}

const char *
EtlReferenceHash(const EtlReference *reference)
{
	return psprintf(
		"%08x", hash_bytes((const unsigned char *) reference->text, (int) strlen(reference->text)));
}

/* ----------------------------------------------------------------
 *	Bodies
 * ---------------------------------------------------------------- */

/* The name of a path's step in a body, which is jsonb and so in the server's encoding. */
static const char *
name_in_body(const EtlJsonStep *step)
{
	return EtlFromUtf8(pnstrdup(step->name.text, step->name.len));
}

static bool
has_object(Jsonb *body, const EtlJsonPath *path, int n)
{
	JsonbContainer *container = &body->root;
	JsonbValue value;

	for (int i = 0; i < n; i++)
	{
		const char *name = name_in_body(&path->steps[i]);

		if (!JsonContainerIsObject(container) ||
			getKeyJsonValueFromContainer(container, name, (int) strlen(name), &value) == NULL ||
			value.type != jbvBinary)
			return false;
		container = value.val.binary.data;
	}
	return JsonContainerIsObject(container);
}

static Jsonb *
set_at(Jsonb *body, const EtlJsonPath *path, int n, const char *json)
{
	Datum *names = palloc(sizeof(Datum) * n);
	ArrayType *array;

	for (int i = 0; i < n; i++)
		names[i] = CStringGetTextDatum(name_in_body(&path->steps[i]));
	array = construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT);
	return DatumGetJsonbP(DirectFunctionCall4(
		jsonb_set, JsonbPGetDatum(body), PointerGetDatum(array),
		DirectFunctionCall1(jsonb_in, CStringGetDatum(EtlFromUtf8(json))), BoolGetDatum(true)));
}

/* Puts a value at a path of names; objects on the way are made. */
static Jsonb *
set_in_body(Jsonb *body, const EtlJsonPath *path, const char *json)
{
	if (body == NULL || !JB_ROOT_IS_OBJECT(body))
		body = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
	for (int i = 1; i < path->nsteps; i++)
		if (!has_object(body, path, i))
			body = set_at(body, path, i, "{}");
	return set_at(body, path, path->nsteps, json);
}

/* ----------------------------------------------------------------
 *	Holes
 * ---------------------------------------------------------------- */

/* The text with a value in the place of each hole. */
static const char *
replace_all(const char *text, const char *hole, const char *value)
{
	StringInfoData out;
	const char *found = strstr(text, hole);

	if (found == NULL)
		return text;
	initStringInfo(&out);
	for (; found != NULL; found = strstr(text, hole))
	{
		CHECK_FOR_INTERRUPTS();
		if (out.len > MAX_FILLED)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("the request is too large with what takes the place of %s", hole)));
		appendBinaryStringInfo(&out, text, (int) (found - text));
		appendStringInfoString(&out, value);
		text = found + strlen(hole);
	}
	appendStringInfoString(&out, text);
	return out.data;
}

/* In a parameter: the value as it is. */
static const char *
fill_param(const char *text, const EtlHoles *holes)
{
	if (holes->key != NULL)
		text = replace_all(text, "{key}", holes->key);
	if (holes->from != NULL)
		text = replace_all(replace_all(text, "{from}", holes->from), "{to}", holes->to);
	return text;
}

/* In JSON: inside a string, or, as {name:number}, all of one, in the place of which comes a number. */
static const char *
fill_json_hole(const char *json, const char *name, const char *value)
{
	const char *number = psprintf("\"{%s:number}\"", name);
	StringInfoData escaped;

	if (strstr(json, number) != NULL)
	{
		if (*value == '\0' || strspn(value, "0123456789") != strlen(value))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("what takes the place of {%s:number} is no whole number", name)));
		json = replace_all(json, number, value);
	}
	initStringInfo(&escaped);
	escape_json(&escaped, value);
	escaped.data[escaped.len - 1] = '\0';
	return replace_all(json, psprintf("{%s}", name), escaped.data + 1);
}

static const char *
fill_json(const char *json, const EtlHoles *holes)
{
	if (holes->key != NULL)
		json = fill_json_hole(json, "key", holes->key);
	if (holes->from != NULL)
		json = fill_json_hole(fill_json_hole(json, "from", holes->from), "to", holes->to);
	return json;
}

/* ----------------------------------------------------------------
 *	What is carried along
 * ---------------------------------------------------------------- */

static bool
is_carried(const EtlDialect *dialect, const char *name)
{
	const char *list = dialect->carry;
	size_t len = strlen(name);

	if (strcmp(list, "all") == 0)
		return true;
	for (; list != NULL; list = strchr(list, ','))
	{
		CHECK_FOR_INTERRUPTS();
		list += strspn(list, ", ");
		if (strncmp(list, name, len) == 0 && strchr(", ", list[len]) != NULL)
			return true;
	}
	return false;
}

/* The members of the body's root that are carried; NULL if there is no body. */
static Jsonb *
carried_body(const EtlDialect *dialect, Jsonb *body)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue value;
	JsonbParseState *state = NULL;
	JsonbValue *carried;
	bool carries = true;

	if (body == NULL || strcmp(dialect->carry, "all") == 0 || !JB_ROOT_IS_OBJECT(body))
		return body;
	it = JsonbIteratorInit(&body->root);
	carried = pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (token == WJB_KEY)
			carries = is_carried(dialect,
								 EtlToUtf8(pnstrdup(value.val.string.val, value.val.string.len)));
		if (token == WJB_END_OBJECT)
			carried = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
		else if ((token == WJB_KEY || token == WJB_VALUE) && carries)
			(void) pushJsonbValue(&state, token, &value);
	}
	return JsonbValueToJsonb(carried);
}

/* Adds a parameter to the query, which is not longer than a URL may be. */
static void
add_param(Draft *draft, const char *name, const char *value)
{
	CHECK_FOR_INTERRUPTS();
	EtlUrlAppendParam(&draft->query, name, value);
	if (draft->query.len > ETL_MAX_URL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the parameters make a URL of more than 64 kB"),
						errhint("Send what is long in the body of the request, or ask for less at "
								"a time.")));
}

static void
add_params(Draft *draft, const EtlApiBase *base, const EtlDialect *dialect, bool all)
{
	ListCell *lc;

	foreach (lc, base->params)
	{
		const EtlParam *param = lfirst(lc);

		if (all || is_carried(dialect, param->name))
			add_param(draft, param->name, fill_param(param->value, draft->holes));
	}
}

/* ----------------------------------------------------------------
 *	What the call asks for
 * ---------------------------------------------------------------- */

/* The next parameter of a query; false at its end.  NULL: it cannot be decoded. */
static bool
next_in_query(const char **query, char **name, char **value)
{
	size_t len;
	size_t name_len;

	if (*query == NULL || **query == '\0')
		return false;
	len = strcspn(*query, "&");
	name_len = strcspn(*query, "=&");
	*name = EtlUrlUnescape(pnstrdup(*query, name_len));
	*value = name_len == len ? pstrdup("")
							 : EtlUrlUnescape(pnstrdup(*query + name_len + 1, len - name_len - 1));
	*query += len + ((*query)[len] == '&');
	return true;
}

/* The value that the call itself gives a parameter; NULL: none. */
static const char *
given_param(const EtlApiBase *base, const char *name)
{
	const char *query = base->url.query;
	char *its_name;
	char *value;
	ListCell *lc;

	foreach (lc, base->params)
	{
		const EtlParam *param = lfirst(lc);

		if (strcmp(param->name, name) == 0)
			return param->value;
	}
	while (next_in_query(&query, &its_name, &value))
		if (its_name != NULL && strcmp(its_name, name) == 0)
			return value;
	return NULL;
}

bool
EtlRequestAsksFor(const EtlApiBase *base, int64 n)
{
	const char *query = base->url.query;
	char *name;
	char *value;
	ListCell *lc;

	foreach (lc, base->params)
	{
		const EtlParam *param = lfirst(lc);

		if (EtlPagingCount(param->value, strlen(param->value)) == n)
			return true;
	}
	while (next_in_query(&query, &name, &value))
		if (value != NULL && EtlPagingCount(value, strlen(value)) == n)
			return true;
	return false;
}

/* Where pages or items are counted, counting begins at "first", so the call cannot begin elsewhere. */
static void
check_count_given(const EtlApiBase *base, const EtlDialect *dialect, const char *given)
{
	const char *first = dialect->first != NULL ? dialect->first : "0";

	if (given == NULL || strcmp(given, first) == 0)
		return;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("the call gives parameter \"%s\", which pages are counted by",
						   EtlShowUtf8(dialect->next_to.name)),
					errhint("To begin at another page or item than \"%s\", set option \"first\".",
							EtlShowUtf8(first))));
}

/* ----------------------------------------------------------------
 *	Values in their places
 * ---------------------------------------------------------------- */

static void
check_header_value(const char *value)
{
	for (; *value != '\0'; value++)
		if ((unsigned char) *value < ' ' || *value == 0x7f)
			ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION),
							errmsg("cannot put a reference with control characters into a "
								   "header")));
}

/* A server that asks for more than it takes itself. */
static void
check_length(const EtlReference *reference)
{
	if (strlen(reference->text) > ETL_MAX_URL)
		ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION),
						errmsg("the reference to the next page is longer than 64 kB")));
}

static void
put(Draft *draft, const EtlPlace *place, const EtlReference *value)
{
	switch (place->kind)
	{
		case ETL_TO_QUERY:
			check_length(value);
			EtlUrlRemoveParam(&draft->query, place->name);
			add_param(draft, place->name, value->text);
			break;
		case ETL_TO_HEADER:
			check_length(value);
			check_header_value(value->text);
			draft->headers = lappend(draft->headers, psprintf("%s: %s", place->name, value->text));
			break;
		case ETL_TO_BODY:
			draft->body = set_in_body(draft->body, place->path, value->raw);
			break;
		case ETL_TO_URL:
		case ETL_NO_PLACE:
			break;
	}
}

static void
put_limit(Draft *draft, const EtlDialect *dialect, bool all)
{
	const EtlPlace *place = &dialect->limit_to;

	if (dialect->page_size > 0 &&
		(all || (place->name != NULL && is_carried(dialect, place->name)) ||
		 strcmp(dialect->carry, "all") == 0))
		put(draft, place, EtlReferenceOfNumber(dialect->page_size));
}

/* ----------------------------------------------------------------
 *	URLs
 * ---------------------------------------------------------------- */

/* A reference that is a URL: where it leads, and whether that is a place to go with our credentials. */
static void
follow(Draft *draft, const EtlApiBase *base, const EtlReference *reference, const EtlUrl *answered)
{
	const char *problem = EtlUrlResolve(answered, reference->text, &draft->url);

	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION),
						errmsg("the URL of the next page cannot be followed"),
						errdetail("%s (The URL is \"%s\".)", problem,
								  EtlShowUtf8(EtlUrlRedact(reference->text)))));
	if (EtlTargetTrusts(base->target, &draft->url))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("the next page is at another origin, \"%s\"", EtlUrlOrigin(&draft->url)),
			 errdetail("The scan began at \"%s\", and its credentials are for that one.",
					   EtlUrlOrigin(&base->url)),
			 errhint("If this is right, use a server whose option \"allowed_origins\" lists it.")));
}

bool
EtlRequestMayFollow(const EtlApiBase *base, const EtlReference *reference, const EtlUrl *answered)
{
	EtlUrl url;

	return EtlUrlResolve(answered, reference->text, &url) == NULL &&
		   EtlTargetTrusts(base->target, &url);
}

/* Where a page is that the dialect's next_path leads to, with the reference in the place of {next}. */
static void
go_to_next_path(Draft *draft, const EtlApiBase *base, const EtlDialect *dialect,
				const EtlReference *reference)
{
	const char *hole = strstr(dialect->next_path, "{next}");
	const char *problem;
	StringInfoData path;

	initStringInfo(&path);
	if (hole == NULL)
		appendStringInfoString(&path, dialect->next_path);
	else
	{
		appendBinaryStringInfo(&path, dialect->next_path, (int) (hole - dialect->next_path));
		check_length(reference);
		EtlUrlEscape(&path, reference->text);
		appendStringInfoString(&path, hole + strlen("{next}"));
	}
	problem = EtlUrlResolve(&base->url, path.data, &draft->url);
	if (problem == NULL && !EtlTargetTrusts(base->target, &draft->url))
		problem = "It leads to another origin.";
	else if (problem == NULL && base->target->server != NULL &&
			 EtlUrlSameOrigin(&draft->url, &base->target->base) &&
			 !EtlUrlIsBelow(&base->target->base, &draft->url))
		problem = "It leads out of the URL of the server.";
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"next_path\""), errdetail("%s", problem)));
}

/* What the call itself puts where the reference goes; NULL: nothing. */
static const char *
given_in_call(const EtlApiBase *base, const EtlDialect *dialect)
{
	return dialect->next_to.kind == ETL_TO_QUERY ? given_param(base, dialect->next_to.name) : NULL;
}

static void
draft_first(Draft *draft, const EtlApiBase *base, const EtlDialect *dialect)
{
	draft->url = base->url;
	EtlUrlEditQuery(&draft->url, &draft->query);
	draft->body = base->body;
	add_params(draft, base, dialect, true);
	put_limit(draft, dialect, true);
	if (dialect->first == NULL)
		return;
	if (EtlDialectCounts(dialect))
		put(draft, &dialect->next_to, EtlReferenceOfNumber(strtoll(dialect->first, NULL, 10)));
	else if (given_in_call(base, dialect) == NULL)
		put(draft, &dialect->next_to, EtlReferenceOfText(dialect->first, strlen(dialect->first)));
}

static void
draft_next(Draft *draft, const EtlApiBase *base, const EtlDialect *dialect,
		   const EtlReference *reference, const EtlUrl *answered)
{
	if (dialect->next_to.kind == ETL_TO_URL)
		follow(draft, base, reference, answered);
	else if (dialect->next_path != NULL)
		go_to_next_path(draft, base, dialect, reference);
	else
	{
		draft->url = base->url;
		if (strcmp(dialect->carry, "all") != 0)
			draft->url.query = NULL;
	}
	EtlUrlEditQuery(&draft->url, &draft->query);
	draft->body = carried_body(dialect, base->body);
	add_params(draft, base, dialect, false);
	put_limit(draft, dialect, false);
	put(draft, &dialect->next_to, reference);
}

static bool
has_header(List *headers, const char *name)
{
	size_t len = strlen(name);
	ListCell *lc;

	foreach (lc, headers)
	{
		const char *line = lfirst(lc);

		if (pg_strncasecmp(line, name, len) == 0 && line[len] == ':')
			return true;
	}
	return false;
}

void
EtlRequestBuild(const EtlApiBase *base, const EtlDialect *dialect, const EtlReference *reference,
				const EtlUrl *answered, const EtlHoles *holes, EtlCall *call)
{
	Draft draft;

	memset(&draft, 0, sizeof(draft));
	memset(call, 0, sizeof(*call));
	draft.holes = holes;
	draft.headers = list_copy(base->headers);
	if (EtlDialectCounts(dialect))
		check_count_given(base, dialect, given_in_call(base, dialect));
	if (reference == NULL)
		draft_first(&draft, base, dialect);
	else
		draft_next(&draft, base, dialect, reference, answered);

	call->url = draft.url;
	EtlUrlSetQuery(&call->url, &draft.query);
	call->headers = draft.headers;
	call->repeatable = dialect->repeatable;
	call->any_status = true;
	call->accept_encoding = "identity";
	call->method = dialect->method;
	if (!has_header(call->headers, "Accept"))
		call->headers = lappend(call->headers, pstrdup("Accept: application/json"));
	if (draft.body != NULL)
	{
		char *body = JsonbToCString(NULL, &draft.body->root, VARSIZE(draft.body));

		call->body = fill_json(EtlToUtf8(body), holes);
		call->body_len = strlen(call->body);
		if (!has_header(call->headers, "Content-Type"))
			call->headers = lappend(call->headers, pstrdup("Content-Type: application/json"));
		if (call->method == NULL)
			call->method = "POST";
	}
}
