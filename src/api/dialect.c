/*
 * dialect.c
 *		How an API hands out a collection page by page: the options, and what they are made of.
 *
 * A list ("empty|total=meta.total") has "|" between its members, outside of double quotes.
 */
#include "etl.h"

#include "api/dialect.h"
#include "source/http/head.h"

#define DEFAULT_MAX_EMPTY 3
#define DEFAULT_CONCURRENCY 2
#define MAX_CONCURRENCY 32

/* Words of an enum, in its order, and a NULL. */
#define WORDS(...)        \
	(const char *const[]) \
	{                     \
		__VA_ARGS__, NULL \
	}

static const char *const paginations[] = {"auto",	"none", "link",	  "next_url",
										  "cursor", "page", "offset", NULL};

/* An option: how its value is taken, and the member of EtlDialect that it sets. */
typedef struct Option Option;
struct Option
{
	const char *name;
	/* Returns what is wrong with the value, NULL: nothing.  The value is borrowed. */
	const char *(*set)(const Option *option, void *member, const char *value);
	size_t offset;
	const char *const *words; /* of set_word and kin */
	int64 max;				  /* of set_count */
};

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

/* Sets the number of a word. */
static const char *
find_word(const char *const *words, const char *text, int *word)
{
	const char *choices = words[0];

	for (*word = 0; words[*word] != NULL; (*word)++)
		if (strcmp(text, words[*word]) == 0)
			return NULL;
	for (int i = 1; words[i] != NULL; i++)
		choices = psprintf("%s%s%s", choices, words[i + 1] == NULL ? " and " : ", ", words[i]);
	return not_one_of(text, choices);
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
set_stop(const Option *option, void *whole, const char *value)
{
	EtlDialect *dialect = whole;
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
set_on_empty(const Option *option, void *whole, const char *value)
{
	EtlDialect *dialect = whole;
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
	static const char *const kinds[] = {"auto", "delta", "epoch_s", "epoch_ms", "date", NULL};
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
		const char *problem;
		int word;

		*kind++ = '\0';
		problem = find_word(kinds, kind, &word);
		if (problem != NULL)
			return problem;
		wait->kind = (EtlWaitKind) word;
	}
	if (regex != NULL)
		wait->regex = unquoted(regex);
	return parse_signal(text, &wait->at);
}

static const char *
set_wait(const Option *option, void *whole, const char *value)
{
	EtlDialect *dialect = whole;
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
	static const char *const verdicts[] = {"ok",   "wait",	  "restart", "empty",
										   "fail", "refresh", NULL};
	EtlAnswerRule *rule = &dialect->rules[dialect->nrules];
	char *status = next_member(&text, ' ');
	char *condition = next_member(&text, ' ');
	char *verdict = next_member(&text, ' ');
	const char *problem;
	char *value;
	int64 n = 0;
	int word;

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
	problem = find_word(verdicts, verdict, &word);
	if (problem != NULL)
		return problem;
	rule->verdict = (EtlVerdict) word;
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
set_answers(const Option *option, void *whole, const char *value)
{
	EtlDialect *dialect = whole;
	char *list = pstrdup(value);
	const char *problem = NULL;
	char *member;

	dialect->nrules = 0;
	while (problem == NULL && (member = next_member(&list, '|')) != NULL)
		problem = add_rule(dialect, member);
	return problem;
}

/* ----------------------------------------------------------------
 *	The table of options
 * ---------------------------------------------------------------- */

static const char *
set_text(const Option *option, void *member, const char *value)
{
	*(const char **) member = value;
	return NULL;
}

static const char *
set_word(const Option *option, void *member, const char *value)
{
	return find_word(option->words, value, member);
}

/* A word that is false or true. */
static const char *
set_flag(const Option *option, void *member, const char *value)
{
	int word;
	const char *problem = find_word(option->words, value, &word);

	*(bool *) member = word == 1;
	return problem;
}

static const char *
set_method(const Option *option, void *member, const char *value)
{
	int word;

	*(const char **) member = value;
	return find_word(option->words, value, &word);
}

static const char *
set_count(const Option *option, void *member, const char *value)
{
	if (parse_count(value, 1, option->max, member))
		return NULL;
	return option->max == PG_INT64_MAX
			   ? "it must be at least 1"
			   : psprintf("it must be from 1 to " INT64_FORMAT, option->max);
}

static const char *
set_path(const Option *option, void *member, const char *value)
{
	const char *problem = NULL;

	*(EtlJsonPath **) member = parse_path(value, &problem);
	return problem;
}

static const char *
set_signal(const Option *option, void *member, const char *value)
{
	return parse_signal(value, member);
}

static const char *
set_place(const Option *option, void *member, const char *value)
{
	return parse_place(value, member);
}

#define MEMBER(name) offsetof(EtlDialect, name)
#define THE_DIALECT 0

static const Option options[] = {
	{"pagination", set_word, MEMBER(pagination), .words = paginations},
	{"items", set_path, MEMBER(items)},
	{"missing_items", set_flag, MEMBER(items_optional), .words = WORDS("error", "empty")},
	{"format", set_word, MEMBER(format), .words = WORDS("auto", "ndjson", "csv")},
	{"method", set_method, MEMBER(method), .words = WORDS("GET", "POST")},
	{"repeatable", set_flag, MEMBER(repeatable), .words = WORDS("false", "true")},
	{"next", set_signal, MEMBER(next)},
	{"next_param", set_place, MEMBER(next_to)},
	{"next_path", set_text, MEMBER(next_path)},
	{"first", set_text, MEMBER(first)},
	{"page_param", set_place, MEMBER(next_to)},
	{"offset_param", set_place, MEMBER(next_to)},
	{"limit_param", set_place, MEMBER(limit_to)},
	{"page_size", set_count, MEMBER(page_size), .max = PG_INT32_MAX},
	{"carry", set_text, MEMBER(carry)},
	{"stop", set_stop, THE_DIALECT},
	{"on_empty", set_on_empty, THE_DIALECT},
	{"guard", set_word, MEMBER(guard), .words = WORDS("off", "content", "on")},
	{"max_pages", set_count, MEMBER(max_pages), .max = PG_INT32_MAX},
	{"cap", set_count, MEMBER(cap), .max = PG_INT64_MAX},
	{"rekey", set_signal, MEMBER(rekey)},
	{"key", set_text, MEMBER(key)},
	{"slice", set_text, MEMBER(slice)},
	{"slice_from", set_text, MEMBER(slice_from)},
	{"slice_to", set_text, MEMBER(slice_to)},
	{"slice_gap", set_text, MEMBER(slice_gap)},
	{"slice_format", set_word, MEMBER(slice_format),
	 .words = WORDS("iso", "date", "epoch", "epoch_ms")},
	{"wait", set_wait, THE_DIALECT},
	{"answers", set_answers, THE_DIALECT},
	{"concurrency", set_count, MEMBER(concurrency), .max = MAX_CONCURRENCY},
	{"on_truncation", set_word, MEMBER(truncation), .words = WORDS("error", "warning")},
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

static const char *
set_option(EtlDialect *dialect, int i, const char *value)
{
	return options[i].set(&options[i], (char *) dialect + options[i].offset, value);
}

const char *
EtlDialectSet(EtlDialect *dialect, const char *name, const char *value)
{
	int i = EtlDialectFindOption(name);

	Assert(i >= 0);
	dialect->given[i] = value;
	return set_option(dialect, i, value);
}

bool
EtlDialectCounts(const EtlDialect *dialect)
{
	return dialect->pagination == ETL_PAGING_PAGE || dialect->pagination == ETL_PAGING_OFFSET;
}

const char *
EtlPaginationName(EtlPagination pagination)
{
	return paginations[pagination];
}

bool
EtlIsPagination(const char *name)
{
	int word;

	return find_word(paginations, name, &word) == NULL;
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
		(void) set_option(dialect, EtlDialectFindOption(name), value);
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
