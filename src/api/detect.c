/*
 * detect.c
 *		The dialect of an API, as its first answer shows it.
 *
 *		body -> fields (all values within MAX_DEPTH objects, with their paths)
 *			 -> items		a list of objects, by the only one there is or by its name
 *			 -> reference	Link header, a URL, a cursor, numbered pages, an offset
 *
 * Names are compared in lower case without punctuation, so that next_page_token and nextPageToken are one.
 * A null in the place of a reference is as good as a reference: it says that this is the last page.
 *
 * A parameter's name is a guess where nothing in the answer tells.  A server that does not know it sends
 * the same page again, and the loop guard raises an error: nothing is lost or doubled in silence.
 */
#include "etl.h"

#include <ctype.h>

#include "api/detect.h"
#include "api/paging.h"
#include "format/link_header.h"
#include "lib/stringinfo.h"

#define MAX_DEPTH 4
#define MAX_FIELDS 200
#define MAX_KEY 64
#define MAX_SEEN 12 /* fields that a message names */

typedef struct Field
{
	const char *path;
	const EtlJsonToken *token;
	char key[MAX_KEY]; /* folded */
	int depth;		   /* 1: a member of the root */
} Field;

typedef struct Fields
{
	const EtlJsonItem *body;
	int n;
	Field field[MAX_FIELDS];
} Fields;

typedef struct KnownKey
{
	const char *key;   /* folded */
	const char *value; /* what it tells; NULL: its own name */
} KnownKey;

/* ----------------------------------------------------------------
 *	Fields
 * ---------------------------------------------------------------- */

static void
fold_key(const char *name, size_t len, char *key)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < MAX_KEY - 1; i++)
		if ((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9'))
			key[n++] = name[i];
		else if (name[i] >= 'A' && name[i] <= 'Z')
			key[n++] = name[i] - 'A' + 'a';
	key[n] = '\0';
}

/* A step of a path, quoted if need be. */
static const char *
step(const char *name, size_t len)
{
	StringInfoData out;
	size_t plain = 0;

	while (plain < len && (isalnum((unsigned char) name[plain]) || name[plain] == '_' ||
						   name[plain] == '-' || IS_HIGHBIT_SET(name[plain])))
		plain++;
	if (len > 0 && plain == len)
		return pnstrdup(name, len);
	initStringInfo(&out);
	appendStringInfoChar(&out, '"');
	for (size_t i = 0; i < len; i++)
	{
		if (name[i] == '"' || name[i] == '\\')
			appendStringInfoChar(&out, '\\');
		appendStringInfoChar(&out, name[i]);
	}
	appendStringInfoChar(&out, '"');
	return out.data;
}

static void
collect(Fields *fields, const EtlJsonToken *object, const char *path, int depth)
{
	const EtlJsonItem *body = fields->body;

	for (const EtlJsonToken *token = EtlJsonFirstIn(body, object); token != NULL;
		 token = EtlJsonNextIn(body, object, token))
	{
		const char *name = EtlJsonTokenKey(body, token);
		Field *field;

		if (fields->n == MAX_FIELDS)
			return;
		field = &fields->field[fields->n++];
		fold_key(name, token->key_len, field->key);
		field->path = step(name, token->key_len);
		if (path != NULL)
			field->path = psprintf("%s.%s", path, field->path);
		field->token = token;
		field->depth = depth;
		if (token->type == ETL_JSON_OBJECT && depth < MAX_DEPTH)
			collect(fields, token, field->path, depth + 1);
	}
}

static const char *
raw_text(const Fields *fields, const Field *field)
{
	return fields->body->data + field->token->start;
}

static char *
text_of(const Fields *fields, const Field *field)
{
	size_t len;
	const char *text = EtlJsonTokenText(fields->body, field->token, &len);

	return pnstrdup(text, len);
}

/* The value as paging sees it. */
static EtlJsonValue
value_of(const Fields *fields, const Field *field)
{
	EtlJsonValue value;

	value.type = field->token->type;
	value.text = EtlJsonTokenText(fields->body, field->token, &value.len);
	return value;
}

static const KnownKey *
known_key(const Field *field, const KnownKey *keys, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(keys[i].key, field->key) == 0)
			return &keys[i];
	return NULL;
}

/* The field of one of these names and types that is least deep; types as a set of 1 << EtlJsonType. */
static const Field *
find_field(const Fields *fields, const KnownKey *keys, int n, int types, const KnownKey **which)
{
	const Field *found = NULL;

	for (int i = 0; i < fields->n; i++)
	{
		const Field *field = &fields->field[i];
		const KnownKey *key = known_key(field, keys, n);

		if (key == NULL || !(types & (1 << field->token->type)) ||
			(found != NULL && found->depth <= field->depth))
			continue;
		found = field;
		if (which != NULL)
			*which = key;
	}
	return found;
}

#define TYPE(type) (1 << ETL_JSON_##type)
#define BOOLEANS (TYPE(TRUE) | TYPE(FALSE))

/* ----------------------------------------------------------------
 *	What was seen
 * ---------------------------------------------------------------- */

static const char *
type_name(const Field *field)
{
	static const char *const names[] = {"null",	  "false", "true",	"number",
										"string", "array", "object"};

	return names[field->token->type];
}

/* The path in quotes; a name that needs quotes in a path has them already. */
static const char *
quoted(const Field *field)
{
	return field->path[0] == '"' ? field->path : psprintf("\"%s\"", field->path);
}

static const char *
list_fields(const Fields *fields, const char *before)
{
	StringInfoData list;
	int shown = 0;

	initStringInfo(&list);
	appendStringInfo(&list, "%s an object with ", before);
	for (int i = 0; i < fields->n && shown < MAX_SEEN; i++)
		if (fields->field[i].token->type != ETL_JSON_OBJECT)
			appendStringInfo(&list, "%s%s (%s)", shown++ > 0 ? ", " : "", quoted(&fields->field[i]),
							 type_name(&fields->field[i]));
	if (shown == 0)
		appendStringInfoString(&list, "no members");
	appendStringInfoString(&list, shown == MAX_SEEN ? " and more." : ".");
	return list.data;
}

/* ----------------------------------------------------------------
 *	Items
 * ---------------------------------------------------------------- */

static const KnownKey item_keys[] = {
	{"data"},	 {"items"},		{"results"}, {"records"}, {"value"},	{"values"},	   {"entries"},
	{"entry"},	 {"features"},	{"rows"},	 {"hits"},	  {"list"},		{"content"},   {"elements"},
	{"objects"}, {"documents"}, {"docs"},	 {"issues"},  {"edges"},	{"nodes"},	   {"children"},
	{"orders"},	 {"result"},	{"members"}, {"events"},  {"messages"}, {"resources"},
};

/* Lists beside the items. */
static const KnownKey side_keys[] = {{"errors"}, {"warnings"}, {"links"}, {"link"}, {"included"}};

/* An array of objects, or an empty one. */
static bool
is_list(const Fields *fields, const Field *field, bool *empty)
{
	const char *text = raw_text(fields, field) + 1;

	if (field->token->type != ETL_JSON_ARRAY ||
		known_key(field, side_keys, lengthof(side_keys)) != NULL)
		return false;
	text += strspn(text, " \t\r\n");
	*empty = *text == ']';
	return *text == '{' || *empty;
}

/* GraphQL wraps each item in an edge. */
static const char *
items_path(const Fields *fields, const Field *field)
{
	const char *text = raw_text(fields, field) + 1;

	text += strspn(text, " \t\r\n{");
	if (strcmp(field->key, "edges") == 0 && strncmp(text, "\"node\"", 6) == 0)
		return psprintf("%s[].node", field->path);
	return field->path;
}

static bool
detect_items(const Fields *fields, EtlDetection *detection, const char **items)
{
	const Field *list = NULL;
	const Field *known = NULL;
	const Field *empty_list = NULL;
	int nlists = 0;
	int nknown = 0;

	for (int i = 0; i < fields->n; i++)
	{
		const Field *field = &fields->field[i];
		bool well_known = known_key(field, item_keys, lengthof(item_keys)) != NULL;
		bool empty;

		if (!is_list(fields, field, &empty))
			continue;
		if (empty)
		{
			if (empty_list == NULL && well_known)
				empty_list = field;
			continue;
		}
		nlists++;
		list = field;
		if (well_known && (known == NULL || field->depth <= known->depth))
		{
			nknown = known != NULL && known->depth == field->depth ? nknown + 1 : 1;
			known = field;
		}
	}
	if (nlists == 1 && nknown == 0 && empty_list != NULL && empty_list->depth <= list->depth)
		*items = empty_list->path; /* there is none, and something else beside it */
	else if (nlists == 1)
		*items = items_path(fields, list);
	else if (nknown == 1)
		*items = items_path(fields, known);
	else if (nlists == 0)
		*items = empty_list != NULL ? empty_list->path : NULL;
	else
	{
		detection->problem = "cannot tell which of several lists has the items";
		detection->hint = "Set items => 'path.of.items'.";
		return false;
	}
	return true;
}

/* The one list that is empty, whatever it is called; NULL if there are several. */
static const Field *
find_empty_list(const Fields *fields)
{
	const Field *found = NULL;
	int n = 0;

	for (int i = 0; i < fields->n; i++)
	{
		bool empty;

		if (!is_list(fields, &fields->field[i], &empty))
			continue;
		found = &fields->field[i];
		n++;
	}
	return n == 1 ? found : NULL;
}

/* A member of the root that says what went wrong, in an answer whose status says that nothing did. */
static const Field *
find_failure(const Fields *fields)
{
	static const KnownKey keys[] = {{"error"}, {"errors"}, {"errormessage"}};

	for (int i = 0; i < fields->n; i++)
	{
		const Field *field = &fields->field[i];
		EtlJsonValue value = value_of(fields, field);

		if (field->depth == 1 && known_key(field, keys, lengthof(keys)) != NULL &&
			value.type != ETL_JSON_NUMBER && EtlPagingMatches(&value, NULL))
			return field;
	}
	return NULL;
}

/* A member of the root that says that the request was refused: {"status": "error"}, {"success": false}. */
static const Field *
find_refusal(const Fields *fields)
{
	static const KnownKey keys[] = {{"status"}, {"success"}, {"ok"}};
	static const char *const words[] = {"error", "fail", "failed", "failure"};

	for (int i = 0; i < fields->n; i++)
	{
		const Field *field = &fields->field[i];

		if (field->depth != 1 || known_key(field, keys, lengthof(keys)) == NULL)
			continue;
		if (field->token->type == ETL_JSON_FALSE)
			return field;
		for (int word = 0; field->token->type == ETL_JSON_STRING && word < lengthof(words); word++)
			if (pg_strcasecmp(text_of(fields, field), words[word]) == 0)
				return field;
	}
	return NULL;
}

/* Is the list at this path there, and empty? */
static bool
is_empty_at(const Fields *fields, const char *path)
{
	bool empty;

	for (int i = 0; i < fields->n; i++)
		if (strcmp(fields->field[i].path, path) == 0)
			return is_list(fields, &fields->field[i], &empty) && empty;
	return false;
}

static void
find_no_items(const Fields *fields, const char *problem, EtlDetection *detection)
{
	detection->problem = problem;
	detection->doubt = list_fields(fields, "The body is");
	detection->hint = "Set items => 'path.of.items', or items => '$' if the answer as a whole is "
					  "an item.";
}

/*
 * An answer without a list of objects is one item, if nothing speaks against it.  If it pages, its items are what else may
 * be a list: one of plain values, an empty one, or null, as some servers write that.
 */
static void
detect_without_list(const Fields *fields, bool pages, EtlDetection *detection)
{
	static const KnownKey containers[] = {{"data"}, {"items"}, {"results"}, {"records"}};
	const Field *failure = find_failure(fields);
	const Field *items = find_field(fields, item_keys, lengthof(item_keys), TYPE(ARRAY), NULL);
	const Field *null = find_field(fields, containers, lengthof(containers), TYPE(NULL), NULL);

	if (pages && items == NULL)
		items = find_empty_list(fields);
	if (items == NULL)
		items = null;
	if (failure == NULL && pages && items != NULL)
		detection->value[EtlDialectFindOption("items")] = items->path;
	else if (failure != NULL || find_refusal(fields) != NULL)
		find_no_items(fields, "the answer seems to be an error", detection);
	else if (pages || items != NULL)
		find_no_items(fields, "cannot tell where the items are", detection);
}

/* ----------------------------------------------------------------
 *	References
 * ---------------------------------------------------------------- */

static void
set(EtlDetection *detection, const char *option, const char *value)
{
	detection->value[EtlDialectFindOption(option)] = value;
}

static void
add_stop(EtlDetection *detection, const char *stop)
{
	int i = EtlDialectFindOption("stop");

	detection->value[i] =
		detection->value[i] != NULL ? psprintf("%s|%s", detection->value[i], stop) : stop;
}

/* The Link header, if it is there: with or without a next page, it says which. */
static bool
detect_link(EtlHeaderLookup lookup, void *arg, EtlDetection *detection)
{
	const char *link = lookup(arg, "Link");
	const char *target;
	size_t len;
	bool paging = false;

	if (link == NULL)
		return false;
	for (int i = 0; i < 4; i++)
	{
		static const char *const relations[] = {"next", "prev", "first", "last"};

		paging |=
			EtlLinkHeaderFind(link, strlen(link), relations[i], &target, &len) == ETL_LINK_FOUND;
	}
	if (!paging)
		return false;
	set(detection, "pagination", "link");
	detection->evidence = "the Link header";
	return true;
}

/* Headers that some servers send in its place. */
static bool
detect_headers(EtlHeaderLookup lookup, void *arg, EtlDetection *detection)
{
	if (lookup(arg, "X-Next-Page") != NULL)
	{
		set(detection, "pagination", "cursor");
		set(detection, "next", "header:X-Next-Page");
		set(detection, "next_param", "page");
		detection->evidence = "the header X-Next-Page";
		return true;
	}
	if (lookup(arg, "X-WP-TotalPages") != NULL)
	{
		set(detection, "pagination", "page");
		add_stop(detection, "pages=header:X-WP-TotalPages");
		detection->evidence = "the header X-WP-TotalPages";
		return true;
	}
	if (lookup(arg, "X-Total-Count") != NULL)
	{
		set(detection, "pagination", "none");
		add_stop(detection, "total=header:X-Total-Count");
		detection->evidence = "the header X-Total-Count";
		return true;
	}
	return false;
}

static const KnownKey totals[] = {{"total"},		{"totalcount"},	  {"totalitems"},
								  {"totalresults"}, {"totalrecords"}, {"totalelements"},
								  {"totalsize"},	{"numfound"},	  {"totalrows"}};

/*
 * There is no next page.  Some servers say so for ever where the first request did not ask for a cursor in
 * the right way; then the number of items gives them away.
 */
static void
hold_against_total(const Fields *fields, EtlDetection *detection)
{
	static const KnownKey count[] = {{"count"}};
	const Field *total = find_field(fields, totals, lengthof(totals), TYPE(NUMBER), NULL);

	if (total == NULL)
		total = find_field(fields, count, lengthof(count), TYPE(NUMBER), NULL);
	if (total != NULL)
		add_stop(detection, psprintf("total=%s", total->path));
}

static bool
looks_like_url(const char *text)
{
	return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0 ||
		   strchr("/?.", text[0]) != NULL ||
		   (strchr(text, '?') != NULL && strchr(text, '=') != NULL);
}

/* The field under a key that means the URL of the next page: a text, null, or an object with "href". */
static bool
detect_next_url(const Fields *fields, EtlDetection *detection)
{
	/* What is under the keys with a value is a URL, whatever it looks like: it may begin with a name. */
	static const KnownKey keys[] = {{"next"},
									{"nextpage"},
									{"nextlink", "url"},
									{"odatanextlink", "url"},
									{"nexturl", "url"},
									{"nextpageurl", "url"},
									{"nextpageuri", "url"},
									{"nexthref", "url"},
									{"nextrecordsurl", "url"},
									{"nextpagelink", "url"}};
	const Field *found = NULL;

	for (int i = 0; i < fields->n; i++)
	{
		const Field *field = &fields->field[i];
		const Field *inner = i + 1 < fields->n ? field + 1 : NULL;
		const KnownKey *key = known_key(field, keys, lengthof(keys));

		if (key == NULL)
			continue;
		if (field->token->type == ETL_JSON_OBJECT && inner != NULL &&
			inner->depth == field->depth + 1 && strcmp(inner->key, "href") == 0)
			field = inner;
		else if (field->token->type != ETL_JSON_STRING && field->token->type != ETL_JSON_NULL)
			continue;
		if (field->token->type == ETL_JSON_STRING && key->value == NULL &&
			!looks_like_url(text_of(fields, field)))
			continue;
		if (found == NULL || found->token->type == ETL_JSON_NULL)
			found = field;
	}
	if (found == NULL)
		return false;
	set(detection, "pagination", "next_url");
	set(detection, "next", found->path);
	detection->evidence = quoted(found);
	if (found->token->type == ETL_JSON_NULL)
		hold_against_total(fields, detection);
	return true;
}

/* OData leaves the link to the next page out of the last one, and of the only one. */
static bool
detect_odata(const Fields *fields, EtlDetection *detection)
{
	static const KnownKey context[] = {{"odatacontext"}};
	const Field *field = find_field(fields, context, lengthof(context), TYPE(STRING), NULL);

	if (field == NULL || field->depth != 1)
		return false;
	set(detection, "pagination", "next_url");
	set(detection, "next", "\"@odata.nextLink\"");
	detection->evidence = quoted(field);
	return true;
}

/* "has_more" and its kin: whether there is a next page, in so many words. */
static const Field *
find_flag(const Fields *fields, const char **last)
{
	static const KnownKey keys[] = {
		{"hasmore", "false"},	  {"more", "false"},		  {"hasnextpage", "false"},
		{"hasnext", "false"},	  {"islast", "true"},		  {"done", "true"},
		{"endofstream", "true"},  {"last", "true"},			  {"islastpage", "true"},
		{"moreresults", "false"}, {"hasnextresults", "false"}};
	const KnownKey *key = NULL;
	const Field *field = find_field(fields, keys, lengthof(keys), BOOLEANS, &key);

	if (field != NULL)
		*last = key->value;
	return field;
}

/* A value that goes into the next request, under a name that tells under which. */
static bool
detect_cursor(const Fields *fields, EtlDetection *detection)
{
	static const KnownKey keys[] = {{"nextcursor", "cursor"},
									{"nextpagetoken", "pageToken"},
									{"nexttoken", "nextToken"},
									{"after", "after"},
									{"startingafter", "starting_after"},
									{"cursor", "cursor"},
									{"aftercursor", "cursor"},
									{"bookmark", "bookmark"},
									{"continuationtoken", "continuationToken"},
									{"nextcursormark", "cursorMark"},
									{"nextpage", "page"},
									{"next", NULL},
									{"nextstart", "start"},
									{"nextoffset", "offset"}};
	const KnownKey *key = NULL;
	const Field *field = find_field(fields, keys, lengthof(keys),
									TYPE(STRING) | TYPE(NULL) | TYPE(NUMBER) | TYPE(FALSE), &key);
	EtlJsonValue value;

	if (field == NULL)
		return false;
	value = value_of(fields, field);
	if (key->value == NULL && EtlPagingIsReference(&value))
	{
		set(detection, "pagination", "none");
		detection->doubt = psprintf("\"%s\" seems to lead to the next page, but not to say under "
									"which parameter.",
									field->path);
		return true;
	}
	set(detection, "pagination", "cursor");
	set(detection, "next", field->path);
	set(detection, "next_param",
		strstr(field->path, "next_page_token") != NULL ? "page_token"
		: key->value != NULL						   ? key->value
													   : "cursor");
	detection->evidence = quoted(field);
	if (!EtlPagingIsReference(&value))
		hold_against_total(fields, detection);
	return true;
}

/* The number of pages, or of items and where this page begins, or that and a flag. */
static bool
detect_counts(const Fields *fields, const Field *flag, EtlDetection *detection)
{
	static const KnownKey page_totals[] = {{"totalpages"}, {"pagecount"}, {"lastpage"},
										   {"pages"},	   {"numpages"},  {"maxpages"}};
	static const KnownKey numbers[] = {{"page"}, {"currentpage"}, {"pagenumber"}, {"number"}};
	static const KnownKey offsets[] = {{"offset"}, {"skip"}, {"start"}, {"startat"}};
	const Field *npages =
		find_field(fields, page_totals, lengthof(page_totals), TYPE(NUMBER), NULL);
	const Field *total = find_field(fields, totals, lengthof(totals), TYPE(NUMBER), NULL);
	const Field *number = find_field(fields, numbers, lengthof(numbers), TYPE(NUMBER), NULL);
	const Field *offset = find_field(fields, offsets, lengthof(offsets), TYPE(NUMBER), NULL);

	if (npages != NULL)
	{
		set(detection, "pagination", "page");
		add_stop(detection, psprintf("pages=%s", npages->path));
		if (number != NULL && strcmp(text_of(fields, number), "0") == 0)
			set(detection, "first", "0");
		detection->evidence = quoted(npages);
		return true;
	}
	if (total != NULL)
	{
		add_stop(detection, psprintf("total=%s", total->path));
		detection->evidence = quoted(total);
	}
	else if (flag != NULL && (offset != NULL || number != NULL))
		detection->evidence =
			psprintf("\"%s\" and \"%s\"", offset != NULL ? offset->path : number->path, flag->path);
	else
		return false;
	set(detection, "pagination", offset != NULL ? "offset" : number != NULL ? "page" : "none");
	if (offset != NULL)
		set(detection, "offset_param",
			strrchr(offset->path, '.') != NULL ? strrchr(offset->path, '.') + 1 : offset->path);
	else if (number != NULL && strcmp(text_of(fields, number), "0") == 0)
		set(detection, "first", "0");
	return true;
}

/* True if the answer says anything of other pages. */
static bool
detect_reference(const Fields *fields, const char *items, EtlHeaderLookup lookup, void *arg,
				 EtlDetection *detection)
{
	const char *last = NULL;
	const Field *flag = find_flag(fields, &last);

	if (detect_link(lookup, arg, detection) || detect_next_url(fields, detection) ||
		detect_odata(fields, detection))
		return true;
	if (flag != NULL)
		add_stop(detection, psprintf("%s=%s", flag->path, last));
	if (detect_cursor(fields, detection) || detect_counts(fields, flag, detection) ||
		detect_headers(lookup, arg, detection))
		return true;
	set(detection, "pagination", "none");
	if (flag != NULL)
		detection->evidence = quoted(flag);
	else if (items != NULL)
		detection->doubt = list_fields(fields, "The answer has no Link header, and its body is");
	else
		detection->evidence = "a single object without a list";
	return flag != NULL;
}

void
EtlDetectFromHeaders(EtlHeaderLookup lookup, void *arg, EtlDetection *detection)
{
	memset(detection, 0, sizeof(*detection));
	if (detect_link(lookup, arg, detection) || detect_headers(lookup, arg, detection))
		return;
	set(detection, "pagination", "none");
	detection->doubt = "The answer has no Link header, and its body is a bare list of items.";
}

/* Where the items are; NULL if there is no list of objects.  False if that cannot be told. */
static bool
find_items(const Fields *fields, EtlDetection *detection, const char **items)
{
	*items = NULL;
	if (!detect_items(fields, detection, items))
	{
		detection->doubt = list_fields(fields, "The answer has no Link header, and its body is");
		return false;
	}
	if (*items != NULL && is_empty_at(fields, *items) && find_refusal(fields) != NULL)
	{
		find_no_items(fields, "the answer seems to be an error", detection);
		return false;
	}
	set(detection, "items", *items != NULL ? *items : "$");
	return true;
}

static Fields *
collect_fields(const EtlJsonItem *body)
{
	Fields *fields = palloc0(sizeof(Fields));

	fields->body = body;
	collect(fields, body->tokens, NULL, 1);
	return fields;
}

void
EtlDetectFromBody(const EtlJsonItem *body, const char *items, EtlHeaderLookup lookup, void *arg,
				  EtlDetection *detection)
{
	Fields *fields = collect_fields(body);
	bool given = items != NULL;

	memset(detection, 0, sizeof(*detection));
	if (given || find_items(fields, detection, &items))
	{
		bool pages = detect_reference(fields, items, lookup, arg, detection);

		if (items == NULL)
			detect_without_list(fields, pages, detection);
	}
	pfree(fields);
}

void
EtlDetectItems(const EtlJsonItem *body, bool pages, EtlDetection *detection)
{
	Fields *fields = collect_fields(body);
	const char *items;

	memset(detection, 0, sizeof(*detection));
	if (find_items(fields, detection, &items) && items == NULL)
		detect_without_list(fields, pages, detection);
	pfree(fields);
}

const char *
EtlDetectionApply(const EtlDetection *detection, EtlDialect *dialect)
{
	const char *problem = NULL;

	for (int i = 0; i < ETL_DIALECT_OPTIONS && problem == NULL; i++)
	{
		const char *name = EtlDialectOption(i);

		if (detection->value[i] != NULL &&
			(dialect->given[i] == NULL || strcmp(name, "pagination") == 0))
			problem = EtlDialectSet(dialect, name, detection->value[i]);
	}
	dialect->doubt = detection->doubt;
	return problem != NULL ? problem : EtlDialectComplete(dialect);
}
