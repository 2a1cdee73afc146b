/*
 * dialect.c
 *		How an API hands out a collection page by page: the options, and what they are made of.
 *
 * A list ("empty|total=meta.total") has "|" between its members, outside of double quotes.
 */
#include "etl.h"

#include "api/dialect.h"
#include "source/head.h"

#define DEFAULT_MAX_EMPTY 3
#define DEFAULT_CONCURRENCY 2
#define MAX_CONCURRENCY 32

static const char *const pagination_names[] = {"auto",	 "none", "link",  "next_url",
											   "cursor", "page", "offset"};

/* ----------------------------------------------------------------
 *	Pieces of text
 * ---------------------------------------------------------------- */

/* Behind a prefix and a colon, NULL if text does not begin so. */
static const char *
after_prefix(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) == 0 && text[len] == ':' ? text + len + 1 : NULL;
}

/* Where the first of this byte is that stands outside of double quotes; NULL if there is none. */
static char *
find_bare(char *text, char c)
{
	bool quoted = false;

	for (; *text != '\0'; text++)
	{
		if (*text == '\\' && quoted && text[1] != '\0')
			text++;
		else if (*text == '"')
			quoted = !quoted;
		else if (*text == c && !quoted)
			return text;
	}
	return NULL;
}

/* Cuts the next member off a list; NULL behind the last one. */
static char *
next_member(char **list, char separator)
{
	char *member = *list;
	char *end;

	if (member == NULL)
		return NULL;
	end = find_bare(member, separator);
	*list = end != NULL ? end + 1 : NULL;
	if (end != NULL)
		*end = '\0';
	return member;
}

static EtlJsonPath *
parse_path(const char *text, const char **problem)
{
	EtlJsonPathFault fault;
	EtlJsonPath *path = EtlJsonPathParse(text, strlen(text), &fault);

	if (path == NULL)
		*problem =
			psprintf("\"%s\" is not a path: %s, at byte %zu", text, fault.problem, fault.at + 1);
	return path;
}

static bool
is_header_name(const char *name)
{
	return *name != '\0' &&
		   strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
			   strlen(name);
}

static bool
parse_count(const char *text, int64 min, int64 max, int64 *value)
{
	char *end;

	errno = 0;
	*value = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *value >= min && *value <= max;
}

static const char *
not_one_of(const char *value, const char *choices)
{
	return psprintf("\"%s\" is not one of %s", value, choices);
}

/* ----------------------------------------------------------------
 *	Signals and places
 * ---------------------------------------------------------------- */

static const char *
parse_signal(const char *text, EtlSignal *signal)
{
	const char *problem = NULL;
	const char *rest;

	memset(signal, 0, sizeof(*signal));
	signal->capture = -1;
	signal->name = text;
	if ((rest = after_prefix(text, "header")) != NULL)
	{
		signal->kind = ETL_IN_HEADER;
		signal->name = rest;
		return is_header_name(rest) ? NULL : psprintf("\"%s\" is not the name of a header", rest);
	}
	if (strcmp(text, "link") == 0 || (rest = after_prefix(text, "link")) != NULL)
	{
		signal->kind = ETL_IN_LINK;
		signal->name = rest != NULL ? rest : "next";
		return NULL;
	}
	if ((rest = after_prefix(text, "last")) != NULL)
		signal->kind = ETL_IN_LAST_ITEM;
	else
	{
		signal->kind = ETL_IN_BODY;
		rest = after_prefix(text, "body");
	}
	signal->path = parse_path(rest != NULL ? rest : text, &problem);
	if (signal->path == NULL || signal->kind != ETL_IN_LAST_ITEM)
		return problem;
	for (int i = 0; i < signal->path->nsteps; i++)
		if (signal->path->steps[i].kind != ETL_JSON_STEP_MEMBER)
			return psprintf("\"%s\" has more than names, and leads through the last item", rest);
	return NULL;
}

static const char *
parse_place(const char *text, EtlPlace *place)
{
	const char *problem = NULL;
	const char *rest;

	memset(place, 0, sizeof(*place));
	if (strcmp(text, "url") == 0)
	{
		place->kind = ETL_TO_URL;
		return NULL;
	}
	if ((rest = after_prefix(text, "header")) != NULL)
	{
		place->kind = ETL_TO_HEADER;
		place->name = rest;
		return EtlHeaderFault(rest, "") == NULL
				   ? NULL
				   : psprintf("\"%s\" is not the name of a header that can be set", rest);
	}
	if ((rest = after_prefix(text, "body")) != NULL)
	{
		place->kind = ETL_TO_BODY;
		place->path = parse_path(rest, &problem);
		for (int i = 0; place->path != NULL && i < place->path->nsteps; i++)
			if (place->path->steps[i].kind != ETL_JSON_STEP_MEMBER)
				problem = psprintf("\"%s\" has more than names, and leads into a request", rest);
		if (problem == NULL && place->path->nsteps == 0)
			problem = "a value cannot take the place of the whole body";
		return problem;
	}
	rest = after_prefix(text, "query");
	place->kind = ETL_TO_QUERY;
	place->name = rest != NULL ? rest : text;
	return *place->name != '\0' ? NULL : "the name of a parameter is missing";
}

/* ----------------------------------------------------------------
 *	Options
 * ---------------------------------------------------------------- */

static const char *
set_pagination(EtlDialect *dialect, const char *value)
{
	for (int i = 0; i < lengthof(pagination_names); i++)
		if (strcmp(value, pagination_names[i]) == 0)
		{
			dialect->pagination = (EtlPagination) i;
			return NULL;
		}
	return not_one_of(value, "auto, none, link, next_url, cursor, page and offset");
}

static const char *
set_items(EtlDialect *dialect, const char *value)
{
	const char *problem = NULL;

	dialect->items = parse_path(value, &problem);
	return problem;
}

static const char *
set_missing_items(EtlDialect *dialect, const char *value)
{
	dialect->items_optional = strcmp(value, "empty") == 0;
	return dialect->items_optional || strcmp(value, "error") == 0
			   ? NULL
			   : not_one_of(value, "error and empty");
}

static const char *
set_format(EtlDialect *dialect, const char *value)
{
	static const char *const names[] = {"auto", "ndjson", "csv"};

	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(value, names[i]) == 0)
		{
			dialect->format = (EtlPageFormat) i;
			return NULL;
		}
	return not_one_of(value, "auto, ndjson and csv");
}

static const char *
set_method(EtlDialect *dialect, const char *value)
{
	dialect->method = value;
	return strcmp(value, "GET") == 0 || strcmp(value, "POST") == 0
			   ? NULL
			   : not_one_of(value, "GET and POST");
}

static const char *
set_repeatable(EtlDialect *dialect, const char *value)
{
	dialect->repeatable = strcmp(value, "true") == 0;
	return dialect->repeatable || strcmp(value, "false") == 0 ? NULL
															  : not_one_of(value, "true and false");
}

static const char *
set_next(EtlDialect *dialect, const char *value)
{
	return parse_signal(value, &dialect->next);
}

static const char *
set_next_param(EtlDialect *dialect, const char *value)
{
	return parse_place(value, &dialect->next_to);
}

static const char *
set_next_path(EtlDialect *dialect, const char *value)
{
	dialect->next_path = value;
	return NULL;
}

static const char *
set_first(EtlDialect *dialect, const char *value)
{
	dialect->first = value;
	return NULL;
}

static const char *
set_carry(EtlDialect *dialect, const char *value)
{
	dialect->carry = value;
	return NULL;
}

static const char *
set_limit_param(EtlDialect *dialect, const char *value)
{
	return parse_place(value, &dialect->limit_to);
}

static const char *
set_page_size(EtlDialect *dialect, const char *value)
{
	return parse_count(value, 1, PG_INT32_MAX, &dialect->page_size) ? NULL
																	: "it must be at least 1";
}

/* A time or a number of the last item. */
static const char *
set_older(EtlDialect *dialect, const char *path, const char *value)
{
	if (value == NULL || *value == '\0')
		return "older needs a time or a number, as in older:updated_at=2024-01-31";
	dialect->older_than = value;
	return parse_signal(psprintf("last:%s", path), &dialect->older);
}

/* One member of the list of reasons to stop. */
static const char *
add_stop(EtlDialect *dialect, char *stop)
{
	char *value = find_bare(stop, '=');
	bool known = true;
	const char *path = after_prefix(stop, "older");

	if (value != NULL)
		*value++ = '\0';
	if (path != NULL)
		return set_older(dialect, path, value);
	if (value != NULL && strcmp(stop, "total") == 0)
		return parse_signal(value, &dialect->total);
	if (value != NULL && strcmp(stop, "pages") == 0)
		return parse_signal(value, &dialect->pages);
	if (strcmp(stop, "short") == 0)
	{
		dialect->stop_short = true;
		return value != NULL ? parse_signal(value, &dialect->echo) : NULL;
	}
	if (value == NULL)
	{
		dialect->stop_empty |= strcmp(stop, "empty") == 0;
		known = strcmp(stop, "empty") == 0 || strcmp(stop, "no_next") == 0;
		return known ? NULL
					 : not_one_of(stop, "no_next, empty, short, short=path, total=path, "
										"pages=path, older:path=value and path=value");
	}
	dialect->flag_value = value;
	return parse_signal(stop, &dialect->flag);
}

static const char *
set_stop(EtlDialect *dialect, const char *value)
{
	char *list = pstrdup(value);
	const char *problem = NULL;
	char *member;

	memset(&dialect->total, 0, sizeof(EtlSignal));
	memset(&dialect->pages, 0, sizeof(EtlSignal));
	memset(&dialect->echo, 0, sizeof(EtlSignal));
	memset(&dialect->flag, 0, sizeof(EtlSignal));
	memset(&dialect->older, 0, sizeof(EtlSignal));
	dialect->stop_short = dialect->stop_empty = false;
	while (problem == NULL && (member = next_member(&list, '|')) != NULL)
		problem = add_stop(dialect, member);
	return problem;
}

static const char *
set_on_empty(EtlDialect *dialect, const char *value)
{
	const char *count = after_prefix(value, "continue");
	int64 n = DEFAULT_MAX_EMPTY;

	dialect->max_empty = 0;
	if (strcmp(value, "stop") == 0)
		dialect->stop_empty = true;
	else if (count != NULL && parse_count(count, 1, PG_INT32_MAX, &n))
		dialect->max_empty = (int) n;
	else if (strcmp(value, "continue") == 0)
		dialect->max_empty = PG_INT32_MAX;
	else if (strcmp(value, "error") != 0)
		return not_one_of(value, "stop, continue, continue:3 and error");
	return NULL;
}

static const char *
set_guard(EtlDialect *dialect, const char *value)
{
	static const char *const names[] = {"off", "content", "on"};

	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(value, names[i]) == 0)
		{
			dialect->guard = (EtlGuard) i;
			return NULL;
		}
	return not_one_of(value, "on, content and off");
}

static const char *
set_max_pages(EtlDialect *dialect, const char *value)
{
	return parse_count(value, 1, PG_INT32_MAX, &dialect->max_pages) ? NULL
																	: "it must be at least 1";
}

static const char *
set_cap(EtlDialect *dialect, const char *value)
{
	return parse_count(value, 1, PG_INT64_MAX, &dialect->cap) ? NULL : "it must be at least 1";
}

static const char *
set_rekey(EtlDialect *dialect, const char *value)
{
	return parse_signal(value, &dialect->rekey);
}

static const char *
set_key(EtlDialect *dialect, const char *value)
{
	dialect->key = value;
	return NULL;
}

static const char *
set_slice(EtlDialect *dialect, const char *value)
{
	dialect->slice = value;
	return NULL;
}

static const char *
set_slice_from(EtlDialect *dialect, const char *value)
{
	dialect->slice_from = value;
	return NULL;
}

static const char *
set_slice_to(EtlDialect *dialect, const char *value)
{
	dialect->slice_to = value;
	return NULL;
}

static const char *
set_slice_gap(EtlDialect *dialect, const char *value)
{
	dialect->slice_gap = value;
	return NULL;
}

static const char *
set_slice_format(EtlDialect *dialect, const char *value)
{
	static const char *const names[] = {"iso", "date", "epoch", "epoch_ms"};

	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(value, names[i]) == 0)
		{
			dialect->slice_format = (EtlSliceFormat) i;
			return NULL;
		}
	return not_one_of(value, "iso, date, epoch and epoch_ms");
}

static const char *
set_concurrency(EtlDialect *dialect, const char *value)
{
	int64 n = 1;

	if (!parse_count(value, 1, MAX_CONCURRENCY, &n))
		return psprintf("it must be from 1 to %d", MAX_CONCURRENCY);
	dialect->concurrency = (int) n;
	return NULL;
}

static const char *
set_on_truncation(EtlDialect *dialect, const char *value)
{
	bool warns = strcmp(value, "warning") == 0;

	dialect->truncation = warns ? ETL_TRUNCATION_WARNS : ETL_TRUNCATION_FAILS;
	return warns || strcmp(value, "error") == 0 ? NULL : not_one_of(value, "error and warning");
}

/* What stands between double quotes; a text without them is what it is. */
static char *
unquoted(char *text)
{
	char *to = text;

	if (*text != '"')
		return text;
	for (const char *p = text + 1; *p != '\0' && *p != '"'; p++)
	{
		if (*p == '\\' && p[1] == '"')
			p++;
		else if (*p == '\\' && p[1] != '\0')
			*to++ = *p++;
		*to++ = *p;
	}
	*to = '\0';
	return text;
}

/* SIGNAL or SIGNAL=KIND, and between the two perhaps ~REGEX */
static const char *
add_wait(EtlDialect *dialect, char *text)
{
	static const char *const kinds[] = {"auto", "delta", "epoch_s", "epoch_ms", "date"};
	char *kind = find_bare(text, '=');
	char *regex = find_bare(text, '~');
	EtlWaitSignal *wait = &dialect->waits[dialect->nwaits];

	if (dialect->nwaits == ETL_MAX_WAIT_SIGNALS)
		return psprintf("there may be %d signals at most", ETL_MAX_WAIT_SIGNALS);
	dialect->nwaits++;
	wait->kind = ETL_WAIT_AUTO;
	wait->regex = NULL;
	if (regex != NULL && (kind == NULL || regex < kind))
		*regex++ = '\0';
	else
		regex = NULL;
	if (kind != NULL)
	{
		int i = 0;

		*kind++ = '\0';
		while (i < lengthof(kinds) && strcmp(kind, kinds[i]) != 0)
			i++;
		if (i == lengthof(kinds))
			return not_one_of(kind, "auto, delta, epoch_s, epoch_ms and date");
		wait->kind = (EtlWaitKind) i;
	}
	if (regex != NULL)
		wait->regex = unquoted(regex);
	return parse_signal(text, &wait->at);
}

static const char *
set_wait(EtlDialect *dialect, const char *value)
{
	char *list = pstrdup(value);
	const char *problem = NULL;
	char *member;

	dialect->nwaits = 0;
	while (problem == NULL && (member = next_member(&list, '|')) != NULL)
		problem = add_wait(dialect, member);
	return problem;
}

/* STATUS VERDICT or STATUS SIGNAL=VALUE VERDICT */
static const char *
add_rule(EtlDialect *dialect, char *text)
{
	static const char *const verdicts[] = {"ok", "wait", "restart", "empty", "fail", "refresh"};
	EtlAnswerRule *rule = &dialect->rules[dialect->nrules];
	char *status = next_member(&text, ' ');
	char *condition = next_member(&text, ' ');
	char *verdict = next_member(&text, ' ');
	char *value;
	int64 n = 0;
	int i = 0;

	if (dialect->nrules == ETL_MAX_ANSWER_RULES)
		return psprintf("there may be %d rules at most", ETL_MAX_ANSWER_RULES);
	memset(rule, 0, sizeof(*rule));
	if (verdict == NULL)
	{
		verdict = condition;
		condition = NULL;
	}
	if (verdict == NULL || text != NULL)
		return "a rule is a status, perhaps a condition, and what the answer means";
	if (strcmp(status, "*") != 0 && !parse_count(status, 100, 599, &n))
		return psprintf("\"%s\" is not an HTTP status", status);
	rule->status = (int) n;
	while (i < lengthof(verdicts) && strcmp(verdict, verdicts[i]) != 0)
		i++;
	if (i == lengthof(verdicts))
		return not_one_of(verdict, "ok, wait, restart, empty, fail and refresh");
	rule->verdict = (EtlVerdict) i;
	dialect->nrules++;
	if (condition == NULL)
		return NULL;
	value = find_bare(condition, '=');
	if (value != NULL)
	{
		*value++ = '\0';
		rule->value = unquoted(value);
	}
	return parse_signal(condition, &rule->at);
}

static const char *
set_answers(EtlDialect *dialect, const char *value)
{
	char *list = pstrdup(value);
	const char *problem = NULL;
	char *member;

	dialect->nrules = 0;
	while (problem == NULL && (member = next_member(&list, '|')) != NULL)
		problem = add_rule(dialect, member);
	return problem;
}

/* page_param and offset_param: where the number of a kind of paging that counts goes. */
static const char *
set_count_param(EtlDialect *dialect, const char *value)
{
	return parse_place(value, &dialect->next_to);
}

static const struct
{
	const char *name;
	const char *(*set)(EtlDialect *dialect, const char *value);
} options[] = {
	{"pagination", set_pagination},
	{"items", set_items},
	{"missing_items", set_missing_items},
	{"format", set_format},
	{"method", set_method},
	{"repeatable", set_repeatable},
	{"next", set_next},
	{"next_param", set_next_param},
	{"next_path", set_next_path},
	{"first", set_first},
	{"page_param", set_count_param},
	{"offset_param", set_count_param},
	{"limit_param", set_limit_param},
	{"page_size", set_page_size},
	{"carry", set_carry},
	{"stop", set_stop},
	{"on_empty", set_on_empty},
	{"guard", set_guard},
	{"max_pages", set_max_pages},
	{"cap", set_cap},
	{"rekey", set_rekey},
	{"key", set_key},
	{"slice", set_slice},
	{"slice_from", set_slice_from},
	{"slice_to", set_slice_to},
	{"slice_gap", set_slice_gap},
	{"slice_format", set_slice_format},
	{"wait", set_wait},
	{"answers", set_answers},
	{"concurrency", set_concurrency},
	{"on_truncation", set_on_truncation},
};

void
EtlDialectInit(EtlDialect *dialect)
{
	StaticAssertStmt(lengthof(options) == ETL_DIALECT_OPTIONS, "each option is remembered");
	memset(dialect, 0, sizeof(*dialect));
	dialect->guard = ETL_GUARD_ON;
	dialect->max_empty = DEFAULT_MAX_EMPTY;
	dialect->concurrency = DEFAULT_CONCURRENCY;
}

const char *
EtlDialectOption(int i)
{
	return options[i].name;
}

int
EtlDialectFindOption(const char *name)
{
	for (int i = 0; i < lengthof(options); i++)
		if (strcmp(options[i].name, name) == 0)
			return i;
	return -1;
}

const char *
EtlDialectSet(EtlDialect *dialect, const char *name, const char *value)
{
	int i = EtlDialectFindOption(name);

	Assert(i >= 0);
	dialect->given[i] = value;
	return options[i].set(dialect, value);
}

bool
EtlDialectCounts(const EtlDialect *dialect)
{
	return dialect->pagination == ETL_PAGING_PAGE || dialect->pagination == ETL_PAGING_OFFSET;
}

const char *
EtlPaginationName(EtlPagination pagination)
{
	return pagination_names[pagination];
}

bool
EtlIsPagination(const char *name)
{
	for (int i = 0; i < lengthof(pagination_names); i++)
		if (strcmp(name, pagination_names[i]) == 0)
			return true;
	return false;
}

/* ----------------------------------------------------------------
 *	What follows from the options
 * ---------------------------------------------------------------- */

static bool
is_given(const EtlDialect *dialect, const char *name)
{
	return dialect->given[EtlDialectFindOption(name)] != NULL;
}

static void
set_default(EtlDialect *dialect, const char *name, const char *value)
{
	if (!is_given(dialect, name))
		(void) options[EtlDialectFindOption(name)].set(dialect, value);
}

/* A kind of paging whose reference is a count of ours. */
static void
complete_count(EtlDialect *dialect, const char *param, const char *name, const char *first,
			   const char *limit_param)
{
	set_default(dialect, param, name);
	set_default(dialect, "first", first);
	set_default(dialect, "limit_param", limit_param);
	/* Nothing but an empty page says that the last one was the last. */
	if (!is_given(dialect, "on_empty"))
		dialect->stop_empty = true;
}

static const char *
check_count(const EtlDialect *dialect)
{
	int64 n;

	if (dialect->next.kind != ETL_NO_SIGNAL)
		return "\"next\" has no meaning where pages or items are counted";
	return parse_count(dialect->first, 0, PG_INT64_MAX / 2, &n)
			   ? NULL
			   : "\"first\" must be a number where pages or items are counted";
}

static const char *
check_reference(const EtlDialect *dialect)
{
	switch (dialect->pagination)
	{
		case ETL_PAGING_LINK:
			if (dialect->next.kind != ETL_IN_LINK)
				return "\"next\" can only name a relation, as in link:next";
			break;
		case ETL_PAGING_NEXT_URL:
			if (dialect->next.kind == ETL_NO_SIGNAL)
				return "\"next\" must say where the URL of the next page is";
			break;
		default:
			if (dialect->next.kind == ETL_NO_SIGNAL)
				return "\"next\" must say where the cursor is, as in next => 'meta.next_cursor'";
			if (!is_given(dialect, "next_param"))
				return "\"next_param\" must say where the cursor goes, as in next_param => "
					   "'cursor'";
			break;
	}
	return NULL;
}

/* Nothing stands beside the records of CSV. */
static const char *
check_csv(const EtlDialect *dialect)
{
	const EtlSignal *const signals[] = {&dialect->next,	 &dialect->flag, &dialect->total,
										&dialect->pages, &dialect->echo, &dialect->rekey};

	if (dialect->format != ETL_PAGE_CSV)
		return NULL;
	if (dialect->items != NULL)
		return "\"items\" has no meaning in CSV, where each record is an item";
	for (int i = 0; i < lengthof(signals); i++)
		if (signals[i]->kind == ETL_IN_BODY)
			return psprintf(
				"a page of CSV has nothing at \"%s\" but records: what leads on or ends the scan "
				"must be in a header, in the last record (last:column), or be counted",
				signals[i]->name);
	return NULL;
}

static const char *
check(const EtlDialect *dialect)
{
	const char *problem = check_csv(dialect);

	if (problem != NULL)
		return problem;
	if (dialect->slice == NULL && (dialect->slice_from != NULL || dialect->slice_to != NULL))
		return "\"slice_from\" and \"slice_to\" need \"slice\", the length of a slice";
	if (dialect->slice != NULL && dialect->slice_from == NULL)
		return "\"slice\" needs \"slice_from\", the time at which the first slice begins";
	if (dialect->pagination == ETL_PAGING_NONE || dialect->pagination == ETL_PAGING_AUTO)
		return dialect->next.kind != ETL_NO_SIGNAL
				   ? "\"next\" needs a pagination that says what it is: next_url, cursor or link"
				   : NULL;
	if (dialect->rekey.kind != ETL_NO_SIGNAL && (dialect->cap == 0 || dialect->key == NULL))
		return "\"rekey\" needs \"cap\", the number of items after which to begin again, and \"key\", the "
			   "first value of {key}";
	if (dialect->page_size > 0 && dialect->limit_to.kind == ETL_NO_PLACE)
		return "\"page_size\" needs limit_param, the name of the parameter";
	if (dialect->pagination == ETL_PAGING_PAGE || dialect->pagination == ETL_PAGING_OFFSET)
		return check_count(dialect);
	return check_reference(dialect);
}

const char *
EtlDialectComplete(EtlDialect *dialect)
{
	switch (dialect->pagination)
	{
		case ETL_PAGING_AUTO:
		case ETL_PAGING_NONE:
			break;
		case ETL_PAGING_LINK:
			set_default(dialect, "next", "link:next");
			dialect->next_to.kind = ETL_TO_URL;
			break;
		case ETL_PAGING_NEXT_URL:
			dialect->next_to.kind = ETL_TO_URL;
			break;
		case ETL_PAGING_CURSOR:
			set_default(dialect, "limit_param", "limit");
			break;
		case ETL_PAGING_PAGE:
			complete_count(dialect, "page_param", "page", "1", "per_page");
			break;
		case ETL_PAGING_OFFSET:
			complete_count(dialect, "offset_param", "offset", "0", "limit");
			break;
	}
	if (dialect->carry == NULL)
		dialect->carry = dialect->next_to.kind == ETL_TO_URL ? "none" : "all";
	return check(dialect);
}
