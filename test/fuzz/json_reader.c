/*
 * json_reader.c
 *		Fuzz target: the JSON reader.
 *
 * The first byte of an input chooses what to look for, the second one in what pieces the rest is read; then
 * the same reader reads it whole, and one that need not give tokens to most members.  All must see the same.
 * Where a limit is set that a body can exceed, one of two faults may be found before the other: then all must
 * see the same items as far as they get.  Lines are also compared with json_reference.h.
 */
#include "etl.h"

#include <yajl/yajl_parse.h>

#include "format/header.h"

#include "../unit/json_dump.h"
#include "../unit/json_reference.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Wish
{
	const char *items;
	bool many;
	int max_depth;
	size_t max_item_size;
	const char *captures[4];
	const char *last;
	bool lines;
} Wish;

static const Wish wishes[] = {
	{NULL, false, 100, 1 << 20, {NULL}, NULL},
	{NULL, true, 100, 1 << 20, {NULL}, "a"},
	{"$", false, 100, 1 << 20, {"a", "[].a"}, "a.b"},
	{"a", false, 100, 1 << 20, {"b", "a", "a[].b", "c"}, "$"},
	{"a[].b", false, 100, 1 << 20, {"a[].b.c", "*.b"}, "c"},
	{"a[b=c].d", false, 100, 1 << 20, {"a[b=1].d", "d[a.b=c].c", "*[b=true]"}, "b"},
	{"a.*", true, 100, 1 << 20, {"*.*", "a.b.c.d"}, "a"},
	{"a[b=c].d", true, 4, 30, {"a[b=1].d", "c"}, "b"},
	{NULL, true, 100, 1 << 20, {NULL}, NULL, true},
	{NULL, false, 100, 1 << 20, {NULL}, NULL, true},
	{NULL, true, 4, 30, {NULL}, NULL, true},
	{"a", true, 100, 1 << 20, {"b", "a", "a[].b", "c"}, NULL, true},
	{"a[b=c].*", true, 100, 1 << 20, {"a[b=1].d", "d[a.b=c].c", "*[b=true]"}, NULL, true},
	{NULL, true, 100, 1 << 20, {"a", "$"}, NULL, true},
	{"$", true, 4, 30, {"a", "[].a"}, "a.b", true},
};

static EtlJsonPath *
parse_path(const char *text)
{
	EtlJsonPathFault fault;

	return text == NULL ? NULL : EtlJsonPathParse(text, strlen(text), &fault);
}

static EtlJsonOptions
options_of(const Wish *wish)
{
	EtlJsonOptions options = {0};

	options.items = parse_path(wish->items);
	options.many = wish->many;
	options.lines = wish->lines;
	options.max_depth = wish->max_depth;
	options.max_item_size = wish->max_item_size;
	for (int i = 0; i < lengthof(wish->captures) && wish->captures[i] != NULL; i++)
		options.captures[options.ncaptures++].path = parse_path(wish->captures[i]);
	if (wish->last != NULL)
	{
		options.captures[options.ncaptures].path = parse_path(wish->last);
		options.captures[options.ncaptures++].of_last_item = true;
	}
	return options;
}

static const bool initials[UCHAR_MAX + 1] = {['a'] = true};

typedef enum Use
{
	ALL_TOKENS,
	FEW_TOKENS,
	SINGLE_LINES, /* of lines, each as a body of its own */
	USES
} Use;

/* The readers live as long as the program: what one body leaves behind must not change the next. */
static EtlJsonReader *
reader_of(int i, Use use, EtlJsonOptions **options)
{
	static EtlJsonOptions all[lengthof(wishes)][USES];
	static EtlJsonReader *readers[lengthof(wishes)][USES];

	if (readers[i][use] == NULL)
	{
		all[i][use] = options_of(&wishes[i]);
		all[i][use].initials = use == FEW_TOKENS ? initials : NULL;
		all[i][use].lines &= use != SINGLE_LINES;
		readers[i][use] = EtlJsonReaderCreate(&all[i][use]);
	}
	*options = &all[i][use];
	return readers[i][use];
}

/* With few tokens, or of all the same members as if there were few. */
static void
dump(StringInfo out, int wish, Use use, const bool *shown, size_t chunk, const uint8_t *data,
	 size_t size)
{
	EtlJsonOptions *options;
	EtlJsonReader *reader = reader_of(wish, use, &options);
	EtlJsonOptions dumped = *options;

	dumped.initials = shown;
	resetStringInfo(out);
	EtlJsonReaderReset(reader);
	dump_body(out, reader, &dumped, chunk, (const char *) data, size);
	if (strstr(out->data, WRONG) != NULL)
		abort();
}

/* Cuts a dump off behind the items, unless it is one of a sound body. */
static void
keep_items(StringInfo out)
{
	char *end = out->data;

	while (*end >= '0' && *end <= '9' && strchr(end, '\n') != NULL)
		end = strchr(end, '\n') + 1;
	if (strncmp(end, "end\n", 4) == 0)
		return;
	*end = '\0';
	out->len = end - out->data;
}

static bool
same(StringInfo a, StringInfo b, bool limited)
{
	if (strcmp(a->data, b->data) == 0)
		return true;
	if (!limited)
		return false;
	keep_items(a);
	keep_items(b);
	return strncmp(a->data, b->data, Min(a->len, b->len)) == 0;
}

static void
compare(StringInfo pieces, StringInfo whole, const Wish *wish, size_t chunk)
{
	if (same(pieces, whole, wish->max_item_size < 100))
		return;
	fprintf(stderr, "--- in pieces of %zu\n%s--- whole\n%s", chunk, pieces->data, whole->data);
	abort();
}

/* The reference knows neither how large numbers may be, nor how deep values, nor a byte order mark. */
static bool
is_for_reference(const char *body, size_t len)
{
	int brackets = 0;

	for (size_t i = 0; i < len; i++)
	{
		brackets += body[i] == '[' || body[i] == '{';
		if (i + 4 < len && (body[i] == 'e' || body[i] == 'E') &&
			strchr("+-0123456789", body[i + 1]) != NULL && body[i + 1] != '\0')
			return false;
	}
	return brackets < 100 && len < 16000 && memchr(body, '|', len) == NULL &&
		   (len == 0 || body[0] != '\xef');
}

static void
compare_lines(StringInfo whole, int i, const char *body, size_t len)
{
	static StringInfoData expected;
	const Wish *wish = &wishes[i];
	EtlJsonOptions *options;
	EtlJsonReader *reader;

	if (!wish->lines || !wish->many || wish->max_item_size < 100 || !is_for_reference(body, len))
		return;
	if (expected.data == NULL)
		initStringInfo(&expected);
	resetStringInfo(&expected);
	reader = reader_of(i, SINGLE_LINES, &options);
	if (wish->captures[0] == NULL)
		reference_lines(&expected, body, len);
	else
		reference_lines_of_items(&expected, reader, options->ncaptures, body, len);
	reference_plain(whole);
	if (strcmp(whole->data, expected.data) == 0)
		return;
	fprintf(stderr, "--- reader\n%s--- reference\n%s", whole->data, expected.data);
	abort();
}

/*
 * yajl must take what the reader takes, and the other way round.  It lets pass white space that is none, values without any
 * between them, and half a token at the end, which is not looked at here.
 */
static void
compare_with_yajl(StringInfo whole, const Wish *wish, const uint8_t *body, size_t len)
{
	const char *fault = strrchr(whole->data, '@');
	bool sound = strcmp(whole->data + whole->len - 4, "end\n") == 0;
	bool broken = strstr(whole->data, "\nsyntax") != NULL || strncmp(whole->data, "syntax", 6) == 0;
	yajl_handle handle;
	bool taken;

	if (wish != &wishes[1] || memchr(body, '\v', len) || memchr(body, '\f', len) ||
		(len > 0 && body[0] == 0xef) || (!sound && !broken) ||
		(fault != NULL && strstr(fault, "White space is missing") != NULL))
		return;
	handle = yajl_alloc(NULL, NULL, NULL);
	yajl_config(handle, yajl_dont_validate_strings, 1);
	yajl_config(handle, yajl_allow_multiple_values, 1);
	taken = yajl_parse(handle, body, len) == yajl_status_ok &&
			yajl_complete_parse(handle) == yajl_status_ok;
	yajl_free(handle);
	if (taken == sound)
		return;
	fprintf(stderr, "--- yajl %s\n--- reader\n%s", taken ? "takes it" : "does not take it",
			whole->data);
	abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static StringInfoData whole;
	static StringInfoData pieces;
	int wish;
	size_t chunk;

	if (size < 2)
		return 0;
	if (whole.data == NULL)
	{
		initStringInfo(&whole);
		initStringInfo(&pieces);
	}
	wish = data[0] % lengthof(wishes);
	chunk = 1 + data[1];
	dump(&pieces, wish, ALL_TOKENS, NULL, chunk, data + 2, size - 2);
	dump(&whole, wish, ALL_TOKENS, NULL, SIZE_MAX, data + 2, size - 2);
	compare(&pieces, &whole, &wishes[wish], chunk);
	dump(&pieces, wish, FEW_TOKENS, initials, chunk, data + 2, size - 2);
	dump(&whole, wish, ALL_TOKENS, initials, SIZE_MAX, data + 2, size - 2);
	compare(&pieces, &whole, &wishes[wish], chunk);
	dump(&whole, wish, ALL_TOKENS, NULL, SIZE_MAX, data + 2, size - 2);
	compare_with_yajl(&whole, &wishes[wish], data + 2, size - 2);
	compare_lines(&whole, wish, (const char *) data + 2, size - 2);
	return 0;
}
