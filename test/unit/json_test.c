/*
 * json_test.c
 *		Tests of the JSON reader, its paths, and the Link header that need no server.
 *
 * usage: json_test [fixtures]					run all tests; fixtures defaults to test/fixtures
 *		  json_test --dump file.json			show what the reader makes of a fixture
 *
 * Fixtures are json/<name>.json with json/<name>.expected, a dump as json_dump.h describes it, and, if they
 * need it, json/<name>.options: lines like items=data that set_option() knows.  These and the cases below
 * are read in pieces of many sizes, twice by the same reader, and what comes out must always be the same.
 *
 * Random bodies, made of the bytes that mean something, are compared with json_reference.h.
 */
#include "etl.h"

#include <dirent.h>

#include "common/hashfn.h"

#include "format/header.h"
#include "format/json_internal.h"
#include "format/link_header.h"

#include "json_dump.h"
#include "json_reference.h"

static const size_t chunk_sizes[] = {1, 2, 3, 7, 64, 4096, SIZE_MAX};

static int passed = 0;
static int failed = 0;

static void
check(bool ok, const char *format, ...)
{
	va_list args;

	if (ok)
	{
		passed++;
		return;
	}
	failed++;
	printf("FAILED: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

static void
check_same(const char *got, const char *expected, const char *name, size_t chunk)
{
	bool same = strcmp(got, expected) == 0;

	check(same, "%s, in pieces of %zu bytes", name, chunk);
	if (!same)
		printf("--- expected\n%s--- got\n%s---\n", expected, got);
}

/*
 * Options
 */

static EtlJsonOptions
default_options(void)
{
	EtlJsonOptions options = {.max_depth = 64, .max_item_size = 1024 * 1024};

	return options;
}

static EtlJsonPath *
parse_path(const char *text)
{
	EtlJsonPathFault fault;
	EtlJsonPath *path = EtlJsonPathParse(text, strlen(text), &fault);

	if (path == NULL)
	{
		printf("not a path: %s: %s at %zu\n", text, fault.problem, fault.at);
		exit(1);
	}
	return path;
}

static void
add_capture(EtlJsonOptions *options, const char *path, bool of_last_item)
{
	EtlJsonCapture *capture = &options->captures[options->ncaptures++];

	capture->path = parse_path(path);
	capture->of_last_item = of_last_item;
}

static void
set_option(EtlJsonOptions *options, const char *name, const char *value)
{
	if (strcmp(name, "items") == 0)
		options->items = parse_path(value);
	else if (strcmp(name, "many") == 0)
		options->many = strcmp(value, "true") == 0;
	else if (strcmp(name, "lines") == 0)
		options->lines = strcmp(value, "true") == 0;
	else if (strcmp(name, "capture") == 0)
		add_capture(options, value, false);
	else if (strcmp(name, "last") == 0)
		add_capture(options, value, true);
	else if (strcmp(name, "max_depth") == 0)
		options->max_depth = atoi(value);
	else if (strcmp(name, "max_item_size") == 0)
		options->max_item_size = atoi(value);
	else
	{
		printf("no such option: %s\n", name);
		exit(1);
	}
}

/* Lines of name=value; *text is written into. */
static EtlJsonOptions
parse_options(char *text)
{
	EtlJsonOptions options = default_options();

	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
	{
		char *value = strchr(line, '=');

		if (value == NULL)
			continue;
		*value = '\0';
		set_option(&options, line, value + 1);
	}
	return options;
}

static void
free_options(EtlJsonOptions *options)
{
	if (options->items != NULL)
		pfree((void *) options->items);
	for (int i = 0; i < options->ncaptures; i++)
		pfree((void *) options->captures[i].path);
}

/*
 * Bodies and what is made of them
 */

static void
check_body(const char *name, const EtlJsonOptions *options, const char *body, size_t len,
		   const char *expected)
{
	EtlJsonReader *reader = EtlJsonReaderCreate(options);
	StringInfoData out;
	uint64 hash = 0;

	initStringInfo(&out);
	for (int i = 0; i < lengthof(chunk_sizes); i++)
	{
		resetStringInfo(&out);
		dump_body(&out, reader, options, chunk_sizes[i], body, len);
		check_same(out.data, expected, name, chunk_sizes[i]);
		if (i > 0)
			check(EtlJsonReaderHash(reader) == hash, "hash of %s", name);
		hash = EtlJsonReaderHash(reader);
		EtlJsonReaderReset(reader);
	}
	pfree(out.data);
	EtlJsonReaderFree(reader);
}

typedef struct Case
{
	const char *options; /* lines of name=value */
	const char *body;
	const char *expected;
} Case;

static const Case cases[] = {
	/* what the items are without a path */
	{"", "[1, \"a\", null, {}, []]",
	 "0 @1: 1\n1 @4: \"a\"\n2 @9: null\n3 @15: {}\n4 @19: []\nend\n"},
	{"", "{\"a\":1}", "0 @0: {a: 1}\nend\n"},
	{"", "{\"a\":1}\n{\"a\":2}\n", "0 @0: {a: 1}\n1 @8: {a: 2}\nend\n"},
	{"", " 1 null\r\n\"x\"\t[2]", "0 @1: 1\n1 @3: null\n2 @9: \"x\"\n3 @13: [2]\nend\n"},
	{"", "[]", "end\nitems were found\n"},
	{"", "[1] [2]", "0 @1: 1\ntrailing @4\n"},
	{"", "[1] ]", "0 @1: 1\ntrailing @4\n"},
	{"", "[1]x", "0 @1: 1\ntrailing @3\n"},
	{"", "[1], [2]", "0 @1: 1\ntrailing @3\n"},
	{"many=true", "[1] [2]", "0 @0: [1]\n1 @4: [2]\nend\n"},
	{"many=true", "[1][2]", "0 @0: [1]\nsyntax @3: White space is missing between two values.\n"},
	{"", "{}{}", "0 @0: {}\nsyntax @2: White space is missing between two values.\n"},
	{"", "1 2x", "0 @0: 1\n1 @2: 2\nsyntax @3: Invalid char in json text.\n"},
	{"", "1true", "0 @0: 1\nsyntax @1: White space is missing between two values.\n"},

	/* the end of the items path */
	{"items=$", "[1, 2]", "0 @1: 1\n1 @4: 2\nend\n"},
	{"items=$", "{\"a\": 1}", "0 @0: {a: 1}\nend\n"},
	{"items=$", "{} {}", "0 @0: {}\ntrailing @3\n"},
	{"items=$", "null", "end\nitems were found\n"},
	{"items=$\nmany=true", "[1] {} [2,3]", "0 @1: 1\n1 @4: {}\n2 @8: 2\n3 @10: 3\nend\n"},
	{"items=$[]", "[[1], 2, null]", "0 @1: [1]\n1 @6: 2\n2 @9: null\nend\n"},
	{"items=$[]", "{\"a\": 1}", "end\nitems were not found\n"},
	{"items=data", "{\"data\": [{\"id\": 1}, [2]], \"x\": [3]}",
	 "0 @10: {id: 1}\n1 @21: [2]\nend\n"},
	{"items=data", "{\"data\": {\"id\": 1}}", "0 @9: {id: 1}\nend\n"},
	{"items=data", "{\"data\": null}", "end\nitems were found\n"},
	{"items=data", "{\"data\": []}", "end\nitems were found\n"},
	{"items=data", "{\"data\": \"none\"}", "0 @9: \"none\"\nend\n"},
	{"items=data", "{\"datum\": [1], \"x\": {\"data\": [2]}}", "end\nitems were not found\n"},
	{"items=data", "[{\"data\": [1]}]", "end\nitems were not found\n"},
	{"items=data[]", "{\"data\": {\"id\": 1}}", "end\nitems were not found\n"},
	{"items=data[]", "{\"data\": [[1, 2], null]}", "0 @10: [1, 2]\n1 @18: null\nend\n"},
	{"items=d.results", "{\"d\": {\"results\": [1]}, \"results\": [2]}", "0 @19: 1\nend\n"},
	{"items=a[].b", "{\"a\": [{\"b\": [1, 2]}, {}, {\"b\": {\"c\": 3}}, {\"b\": null}]}",
	 "0 @14: 1\n1 @17: 2\n2 @32: {c: 3}\nend\n"},
	{"items=a.*", "{\"a\": {\"x\": 1, \"y\\n\": [2], \"x\": null}}",
	 "0 @12: x -> 1\n1 @22: y\\x0a -> [2]\n2 @32: x -> null\nend\n"},
	{"items=*[]", "{\"a\": [1], \"b\": 2, \"c\": [3]}", "0 @7: 1\n1 @25: 3\nend\n"},
	{"items=data\nmany=true", "{\"data\": [1]}\n{\"data\": [2]}", "0 @10: 1\n1 @24: 2\nend\n"},
	{"items=\"@odata.x\".\"a\\\"b\"", "{\"@odata.x\": {\"a\\u0022b\": [1]}}", "0 @27: 1\nend\n"},

	/* tokens */
	{"", "{\"a\": {\"b\": {}, \"c\": [{\"d\": 1}, \"x\\n\"]}, \"e\": true}",
	 "0 @0: {a: {b: {}, c: [{\"d\": 1}, \"x\\n\"]}, e: true}\nend\n"},
	{"", "[[1, [2, {\"a\": 3}], \"\\t\"]]", "0 @1: [1, [2, {\"a\": 3}], \"\\x09\"]\nend\n"},
	{"", "{\"a\\tb\": \"\\u00e9\\ud83d\\ude00\\\"\\\\\\/\", \"\": \"\"}",
	 "0 @0: {a\\x09b: \"é😀\\x22\\x5c/\", : \"\"}\nend\n"},
	{"", "{\"a\": 1, \"a\": 2}", "0 @0: {a: 1, a: 2}\nend\n"},
	{"", "12345678901234567890123456789012345 0.10 -0 1E400 1e-16383",
	 "0 @0: 12345678901234567890123456789012345\n1 @36: 0.10\n2 @41: -0\n3 @44: 1E400\n4 @50: "
	 "1e-16383\nend\n"},

	/* captures */
	{"items=data\ncapture=next\ncapture=meta.total",
	 "{\"next\": \"a\\tb\", \"data\": [1], \"meta\": {\"total\": 7}}",
	 "0 @26: 1\nend\n0: \"a\\x09b\"\n1: 7\n"},
	{"items=data\ncapture=next\ncapture=more", "{\"data\": [], \"next\": null, \"more\": false}",
	 "end\nitems were found\n0: null\n1: false\n"},
	{"items=data\ncapture=next\ncapture=next.a",
	 "{\"data\": [], \"next\": {\"a\": [1, {\"b\":2}]}}",
	 "end\nitems were found\n0: {\"a\": [1, {\"b\":2}]}\n1: [1, {\"b\":2}]\n"},
	{"items=data\ncapture=next\ncapture=next.a",
	 "{\"next\": 1, \"next\": {\"b\": 3}, \"data\": []}",
	 "end\nitems were found\n0: {\"b\": 3}\n1: none\n"},
	{"items=data\ncapture=a.b", "{\"a\": {\"b\": 1}, \"a\": {}, \"data\": []}",
	 "end\nitems were found\n0: none\n"},
	{"items=data\ncapture=data[].id\nlast=id\nlast=x.y\nlast=$",
	 "{\"data\": [{\"id\": 1, \"x\": {\"y\": [1]}}, {\"id\": 2}, {\"x\": {\"y\": [3], \"y\": [4]}}]}",
	 "0 @10: {id: 1, x: {y: [1]}}\n1 @38: {id: 2}\n2 @49: {x: {y: [3], y: [4]}}\nend\n"
	 "0: 2\n1: none\n2: [4]\n3: {\"x\": {\"y\": [3], \"y\": [4]}}\n"},
	{"items=hits.hits[]._source\ncapture=hits.hits[].sort",
	 "{\"hits\": {\"hits\": [{\"sort\": [1], \"_source\": {}}, {\"_source\": {}, \"sort\": [2, \"b\"]}]}}",
	 "0 @44: {}\n1 @61: {}\nend\n0: [2, \"b\"]\n"},
	{"items=data\ncapture=data", "{\"data\": [1, 2]}", "0 @10: 1\n1 @13: 2\nend\n0: [1, 2]\n"},

	/* tests */
	{"items=none\ncapture=link[relation=next].url",
	 "{\"link\": [{\"url\": \"s\", \"relation\": \"self\"}, {\"url\": \"n\", \"relation\": \"next\"}, "
	 "{\"relation\": \"last\", \"url\": \"l\"}]}",
	 "end\nitems were not found\n0: \"n\"\n"},
	{"items=none\ncapture=link[relation=next].url",
	 "{\"link\": [{\"relation\": \"next\", \"url\": \"n\"}, {\"relation\": \"next\"}, {\"url\": \"l\"}]}",
	 "end\nitems were not found\n0: \"n\"\n"},
	{"items=none\ncapture=link[a.b=1].url", "{\"link\": [{\"url\": \"n\", \"a\": {\"b\": [1]}}]}",
	 "end\nitems were not found\n0: none\n"},
	{"items=in[kind=order]",
	 "{\"in\": [{\"kind\": \"order\"}, {\"kind\": \"x\"}, 1, [], {}, {\"kind\": \"order\", \"n\": 2}]}",
	 "0 @8: {kind: \"order\"}\n1 @53: {kind: \"order\", n: 2}\nend\n"},
	{"items=in[kind=true].of",
	 "{\"in\": [{\"of\": [1, 2], \"kind\": true}, {\"of\": [3], \"kind\": null}, {\"kind\": \"true\", \"of\": [4]}]}",
	 "0 @16: 1\n1 @19: 2\n2 @89: 4\nend\n"},
	{"items=in[search.mode=match].resource\ncapture=in[search.mode=match].id",
	 "{\"in\": [{\"resource\": {\"a\": 1}, \"search\": {\"mode\": \"match\"}, \"id\": 1}, "
	 "{\"id\": 2, \"resource\": {\"a\": 2}, \"search\": {\"mode\": \"include\"}}]}",
	 "0 @21: {a: 1}\nend\n0: 1\n"},
	{"items=none\ncapture=link[relation=next].url",
	 "{\"link\": [{\"relation\": \"last\", \"url\": \"l\"}, {\"relation\": \"next\"}]}",
	 "end\nitems were not found\n0: none\n"},
	{"items=in[k=1]\nlast=n", "{\"in\": [{\"k\": 1, \"n\": 2}, 3, {\"k\": 4, \"n\": 5}]}",
	 "0 @8: {k: 1, n: 2}\nend\n0: 2\n"},
	{"items=in[k=null]", "{\"in\": [{\"k\": null}, {\"k\": \"null\"}]}",
	 "0 @21: {k: \"null\"}\nend\n"},
	{"items=in[k=\"a]b\"]", "{\"in\": [{\"k\": \"a]b\"}]}", "0 @8: {k: \"a]b\"}\nend\n"},

	/* names that come twice */
	{"items=data", "{\"data\": [1], \"data\": [2]}", "0 @10: 1\nduplicate key @14\n"},
	{"items=a[k=1].b", "{\"a\": [{\"k\": 1, \"b\": [1], \"k\": 2}]}",
	 "0 @22: 1\nduplicate key @26\n"},
	{"items=a.*", "{\"a\": {\"b\": 1, \"b\": 2}}", "0 @12: b -> 1\n1 @20: b -> 2\nend\n"},

	/* bodies that end too early, or never began */
	{"", "", "empty @0\n"},
	{"", " \n", "empty @2\n"},
	{"items=data", "{\"data\": [{\"id\": 1}, {\"id\"", "0 @10: {id: 1}\ntruncated @26 in item\n"},
	{"items=data", "{\"data\": [{\"id\": 1}", "0 @10: {id: 1}\ntruncated @19\n"},
	{"", "[\"abc", "truncated @5\n"},
	{"", "[\"abc\\", "truncated @6\n"},
	{"", "[12", "0 @1: 12\ntruncated @3\n"},
	{"", "[tru", "truncated @4\n"},
	{"", "[-", "truncated @2\n"},
	{"", "[1.", "truncated @3\n"},
	{"", "[1e", "truncated @3\n"},
	{"", "[1,", "0 @1: 1\ntruncated @3\n"},
	{"", "{\"a\": 1}\n{\"a\"", "0 @0: {a: 1}\ntruncated @13 in item\n"},

	/* syntax */
	{"", "[1,]", "0 @1: 1\nsyntax @3: Unallowed token at this point in JSON text.\n"},
	{"", "[1 2]", "0 @1: 1\nsyntax @3: After array element, I expect ',' or ']'.\n"},
	{"", "{\"a\" 1}",
	 "syntax @5 in item: Object key and value must be separated by a colon (':').\n"},
	{"", "{\"a\": 1,}", "syntax @8 in item: Invalid object key (must be a string).\n"},
	{"", "{a: 1}", "syntax @1 in item: Invalid char in json text.\n"},
	{"", "[1}", "0 @1: 1\nsyntax @2: After array element, I expect ',' or ']'.\n"},
	{"", "[01]", "0 @1: 0\nsyntax @2: After array element, I expect ',' or ']'.\n"},
	{"", "[1.]", "syntax @3: Malformed number, a digit is required after the decimal point.\n"},
	{"", "[+1]", "syntax @1: Invalid char in json text.\n"},
	{"", "[NaN]", "syntax @1: Invalid char in json text.\n"},
	{"", "[trux]", "syntax @4: Invalid string in json text.\n"},
	{"", "[1, /]",
	 "0 @1: 1\nsyntax @4: Probable comment found in input text, comments are not enabled.\n"},
	{"", "[1,,2]", "0 @1: 1\nsyntax @3: Unallowed token at this point in JSON text.\n"},
	{"", ",1", "syntax @0: Unallowed token at this point in JSON text.\n"},
	{"", "[/**/]", "syntax @1: Probable comment found in input text, comments are not enabled.\n"},
	{"", "[\"a\tb\"]", "syntax @3: Invalid character inside string.\n"},
	{"", "[\"\\x\"]",
	 "syntax @3: Inside a string, '\\' occurs before a character which it may not.\n"},
	{"", "[\"\\u12g4\"]",
	 "syntax @6: Invalid (non-hex) character occurs after '\\u' inside string.\n"},
	{"", "[1,\v2]", "0 @1: 1\nsyntax @3: Invalid char in json text.\n"},
	{"", "[\f]", "syntax @1: Invalid char in json text.\n"},
	{"", "<html>not found</html>", "syntax @0: Invalid char in json text.\n"},
	{"items=data", "{\"data\": [{\"a\": 1}, {\"a\": }], \"x\": 1}",
	 "0 @10: {a: 1}\nsyntax @26 in item: Unallowed token at this point in JSON text.\n"},

	/* characters */
	{"", "[\"\\u0000\"]", "0 @1: \"\\x5cu0000\" NUL character @2\nend\n"},
	{"", "{\"a\": \"x\\u0000\"}", "0 @0: {a: \"x\\x5cu0000\"} NUL character @8\nend\n"},
	{"", "{\"\\u0000\": 1}", "0 @0: {\\x5cu0000: 1} NUL character @2\nend\n"},
	{"", "[1, {\"a\": [[\"\\n\\u0000\"]], \"b\": \"\\ud800\"}, 2]",
	 "0 @1: 1\n1 @4: {a: [[\"\\n\\u0000\"]], b: \"\\x5cud800\"} NUL character @15\n2 @42: 2\nend\n"},
	{"items=a", "{\"b\": [[\"\\ud800\"]]}", "bad surrogate @9\n"},
	{"items=a", "{\"a\": [1, \"\\ud800\", 2], \"b\": 1e999999}",
	 "0 @7: 1\n1 @10: \"\\x5cud800\" bad surrogate @11\n2 @20: 2\nnumber range @29\n"},
	{"items=a.*", "{\"a\": {\"\\u0000\": 1, \"b\": 2}}",
	 "0 @17: \\x5cu0000 -> 1 NUL character @8\n1 @25: b -> 2\nend\n"},
	{"", "[\"\\ud800\\u0041\"]", "0 @1: \"\\x5cud800\\x5cu0041\" bad surrogate @2\nend\n"},
	{"", "[\"\\ud800\\ud800\"]", "0 @1: \"\\x5cud800\\x5cud800\" bad surrogate @2\nend\n"},
	{"", "[\"\\udc00\"]", "0 @1: \"\\x5cudc00\" bad surrogate @2\nend\n"},
	{"", "[\"\\\\\\udc00\"]", "0 @1: \"\\x5c\\x5c\\x5cudc00\" bad surrogate @4\nend\n"},
	{"", "[\"\\ud83d\\\\ude00\"]", "0 @1: \"\\x5cud83d\\x5c\\x5cude00\" bad surrogate @2\nend\n"},

	/* what is captured must be right, be it of an item */
	{"items=a\ncapture=b", "{\"a\": [1], \"b\": \"\\ud800\"}",
	 "0 @7: 1\nbad surrogate @17\n0: none\n"},
	{"items=a\ncapture=a[].b", "{\"a\": [{\"b\": \"\\u0000\"}]}",
	 "NUL character @14 in item\n0: none\n"},
	{"items=a\nlast=b", "{\"a\": [{\"b\": \"\\u0000\"}, {\"b\": 1, \"c\": \"\\ud800\"}]}",
	 "0 @7: {b: \"\\x5cu0000\"} NUL character @14\n"
	 "1 @24: {b: 1, c: \"\\x5cud800\"} bad surrogate @39\nend\n0: 1\n"},
	{"items=a\nlast=b", "{\"a\": [{\"b\": \"\\u0000\"}]}",
	 "0 @7: {b: \"\\x5cu0000\"} NUL character @14\nNUL character @14\n0: \"\\x5cu0000\"\n"},
	{"items=in[k=1]", "{\"in\": [{\"k\": 1, \"n\": \"\\u0000\"}, {\"k\": 2, \"n\": \"\\u0000\"}]}",
	 "0 @8: {k: 1, n: \"\\x5cu0000\"} NUL character @23\nend\n"},
	{"", "[\"\\\\ud800\"]", "0 @1: \"\\x5cud800\"\nend\n"},
	{"", "[\"\x7f\"]", "0 @1: \"\\x7f\"\nend\n"},
	{"", "[\"é\", \"\xc0\x80\"]", "0 @1: \"é\"\nbad encoding @8\n"},
	{"", "[\"\xed\xa0\x80\"]", "bad encoding @2\n"},
	{"", "[\"\xf4\x90\x80\x80\"]", "bad encoding @2\n"},
	{"", "[\"\xe2\x82\"]", "bad encoding @2\n"},
	{"", "\xef\xbb\xbf[1]", "0 @4: 1\nend\n"},
	{"", "\xef\xbb\xbf", "empty @3\n"},
	{"", "\xef\xbb", "bad encoding @0\n"},
	{"", "[1]\xef\xbb\xbf", "0 @1: 1\ntrailing @3\n"},

	/* numbers */
	{"", "[1e131071, 1e131072]", "0 @1: 1e131071\n1 @11: 1e131072 number range @11\nend\n"},
	{"", "[0.0001e131075, 0.0001e131076]",
	 "0 @1: 0.0001e131075\n1 @16: 0.0001e131076 number range @16\nend\n"},
	{"", "[0.10e-16381, 0.10e-16382]",
	 "0 @1: 0.10e-16381\n1 @14: 0.10e-16382 number range @14\nend\n"},
	{"", "[0e1073741822, 0e1073741823]",
	 "0 @1: 0e1073741822\n1 @15: 0e1073741823 number range @15\nend\n"},
	{"", "[1e99999999999999999999]", "0 @1: 1e99999999999999999999 number range @1\nend\n"},
	{"", "[0e-99999999999999999999]", "0 @1: 0e-99999999999999999999 number range @1\nend\n"},
	{"", "[1e18446744073709551616]", "0 @1: 1e18446744073709551616 number range @1\nend\n"},

	/* lines */
	{"lines=true\nmany=true", "{\"a\":1}\n{\"a\":}\n{\"a\":3}\n",
	 "0 @0: {a: 1}\n1 @8: broken: {\"a\":} | syntax @13: Unallowed token at this point in JSON "
	 "text.\n2 @15: {a: 3}\nend\n"},
	{"lines=true\nmany=true", "\n \r\n1\r\n x \r\n[2]\n\n\"a\"",
	 "0 @4: 1\n1 @7: broken:  x  | syntax @8: Invalid char in json text.\n2 @12: [2]\n3 @17: "
	 "\"a\"\nend\n"},
	{"lines=true\nmany=true", "1 2\n{}x\n{},\n{}{}\n[]]\n3\n",
	 "0 @0: broken: 1 2 | syntax @2: More than one value stands on the line.\n"
	 "1 @4: broken: {}x | syntax @6: Invalid char in json text.\n"
	 "2 @8: broken: {}, | syntax @10: Unallowed token at this point in JSON text.\n"
	 "3 @12: broken: {}{} | syntax @14: More than one value stands on the line.\n"
	 "4 @17: broken: []] | syntax @19: Unallowed token at this point in JSON text.\n"
	 "5 @21: 3\nend\n"},
	{"lines=true\nmany=true",
	 "{\"a\":1\n{\"a\":2}\n{\"a\":\"b\n\"\n\\\"\ntru\n{\"a\":\n1}\n[\n]\n3",
	 "0 @0: broken: {\"a\":1 | truncated @6\n1 @7: {a: 2}\n"
	 "2 @15: broken: {\"a\":\"b | truncated @22\n3 @23: broken: \" | truncated @24\n"
	 "4 @25: broken: \\\" | syntax @25: Invalid char in json text.\n"
	 "5 @28: broken: tru | truncated @31\n6 @32: broken: {\"a\": | truncated @37\n"
	 "7 @38: broken: 1} | syntax @39: Unallowed token at this point in JSON text.\n"
	 "8 @41: broken: [ | truncated @42\n"
	 "9 @43: broken: ] | syntax @43: Unallowed token at this point in JSON text.\n"
	 "10 @45: 3\nend\n"},
	{"lines=true\nmany=true",
	 "\"\xff\"\n\"a\v\"\n\v1\n1\f\n\"\\ud800\"\n1e999999\n\"\xc3\n\xa4\"\n\"\u00e4\"",
	 "0 @0: broken: \"\xff\" | bad encoding @1\n"
	 "1 @4: broken: \"a\\x0b\" | syntax @6: Invalid character inside string.\n"
	 "2 @9: broken: \\x0b1 | syntax @9: Invalid char in json text.\n"
	 "3 @12: broken: 1\\x0c | syntax @13: Invalid char in json text.\n"
	 "4 @15: \"\\x5cud800\" bad surrogate @16\n5 @24: 1e999999 number range @24\n"
	 "6 @33: broken: \"\xc3 | bad encoding @34\n7 @36: broken: \xa4\" | bad encoding @36\n"
	 "8 @39: \"\u00e4\"\nend\n"},
	{"lines=true\nmany=true",
	 "{\"a\":1}\n{\"a\":", "0 @0: {a: 1}\n1 @8: broken: {\"a\": | truncated @13\nend\n"},
	{"lines=true\nmany=true", "{\"a\":1}\n\"a\\",
	 "0 @0: {a: 1}\n1 @8: broken: \"a\\ | truncated @11\nend\n"},
	{"lines=true\nmany=true", " \n\r\n", "empty @4\n"},
	{"lines=true\nmany=true", "\xef\xbb\xbf{}\n\xef\xbb\xbf{}\n1",
	 "0 @3: {}\n1 @6: broken: \xef\xbb\xbf{} | syntax @6: Invalid char in json text.\n2 @12: 1\nend\n"},
	{"lines=true\nmany=true\nmax_depth=2", "[[1]]\n[[[1]]]\n[[2]]",
	 "0 @0: [[1]]\n1 @6: broken: [[[1]]] | too deep @8\n2 @14: [[2]]\nend\n"},
	{"lines=true\nmany=true\nmax_item_size=5", "\"abc\"\n\"abcd\"\n1",
	 "0 @0: \"abc\"\n1 @6: broken: \"abcd | item too large @6\n2 @13: 1\nend\n"},
	{"lines=true\nmany=true\nmax_item_size=5", "1\nxxxxxx\n1\nxxxxé",
	 "0 @0: 1\n1 @2: broken: xxxxx | item too large @2\n2 @9: 1\n"
	 "3 @11: broken: xxxx | item too large @11\nend\n"},
	{"lines=true\nmany=true\nmax_item_size=5", "[1,2,3,4]\r\n1",
	 "0 @0: broken: [1,2, | item too large @0\n1 @11: 1\nend\n"},
	/* as the first line shows */
	/* lines that hold items: of a broken one nothing counts, be it captured or an item that is whole */
	{"lines=true\nmany=true\nitems=d",
	 "{\"d\":[1,2]}\n{\"d\":[3,}\n\n{\"d\":4}\n{\"x\":5}\n{\"d\":[]}\n{\"d\":[6]} {\"d\":7}\n{\"d\":8}",
	 "0 @6: 1\n1 @8: 2\n2 @12: broken: {\"d\":[3,} | syntax @20: Unallowed token at this point in JSON text.\n"
	 "3 @28: 4\n4 @48: broken: {\"d\":[6]} {\"d\":7} | syntax @58: More than one value stands on the line.\n"
	 "5 @71: 8\nend\n"},
	{"lines=true\nmany=true\nitems=d\ncapture=n",
	 "{\"n\":1,\"d\":[1]}\n{\"n\":2,\"d\":[2,3]\n{\"n\":[3],\"d\":[]}\n{\"n\":4",
	 "0 @12: 1\n1 @16: broken: {\"n\":2,\"d\":[2,3] | truncated @32\n"
	 "2 @50: broken: {\"n\":4 | truncated @56\nend\n0: [3]\n"},
	{"lines=true\nmany=true\nitems=d\ncapture=n", "{\"n\":1\n{\"d\":1}\n",
	 "0 @0: broken: {\"n\":1 | truncated @6\n1 @12: 1\nend\n0: none\n"},
	{"lines=true\nmany=true\ncapture=n", "{\"n\":1}\n{\"n\":2,}\n[]",
	 "0 @0: {n: 1}\n1 @8: broken: {\"n\":2,} | syntax @15: Invalid object key (must be a string).\n"
	 "2 @17: []\nend\n0: 1\n"},
	/* what is wrong beside the items, and in them */
	{"lines=true\nmany=true\nitems=d",
	 "{\"d\":[1,\"\\ud800\"],\"x\":2}\n{\"d\":1,\"x\":\"\\ud800\"}\n{\"d\":1,\"d\":2}\n{\"d\":3}",
	 "0 @6: 1\n1 @8: \"\\x5cud800\" bad surrogate @9\n"
	 "2 @25: broken: {\"d\":1,\"x\":\"\\ud800\"} | bad surrogate @37\n"
	 "3 @46: broken: {\"d\":1,\"d\":2} | duplicate key @53\n4 @65: 3\nend\n"},
	/* the last item is not known */
	{"lines=true\nmany=true\nlast=a", "{\"a\":1}\n{\"a\":}\n{\"a\":3}",
	 "0 @0: {a: 1}\n1 @8: broken: {\"a\":} | syntax @13: Unallowed token at this point in JSON text.\n"
	 "2 @15: {a: 3}\nend\n0: 3\n"},
	{"lines=true\nmany=true\nlast=a", "{\"a\":1}\n{\"a\":}\n",
	 "0 @0: {a: 1}\n1 @8: broken: {\"a\":} | syntax @13: Unallowed token at this point in JSON text.\n"
	 "syntax @13: Unallowed token at this point in JSON text.\n0: null\n"},
	{"lines=true\nmany=true\nitems=d", "{\"x\":1}\n\n", "end\nitems were not found\n"},
	{"lines=true\nmany=true\nitems=d", "{\"d\":[]}\n{\"x\":1}", "end\nitems were found\n"},
	{"lines=true\nmany=true\nitems=d", " \n", "empty @2\n"},
	{"lines=true\nmany=true\nitems=d\nmax_item_size=9", "{\"d\":[1]}\n{\"d\":[1,2]}\n{\"d\":3}",
	 "0 @6: 1\n1 @10: broken: {\"d\":[1,2 | item too large @10\n2 @27: 3\nend\n"},
	{"lines=true", "\n{\"a\":1}\n{\"a\":}\n{\"a\":3}\n[4]",
	 "0 @1: {a: 1}\n1 @9: broken: {\"a\":} | syntax @14: Unallowed token at this point in JSON "
	 "text.\n2 @16: {a: 3}\n3 @24: [4]\nend\n"},
	{"lines=true", "{\"a\":1}\n{\"a\":2,\n\"b\":3}\n4",
	 "0 @0: {a: 1}\n1 @8: broken: {\"a\":2, | truncated @15\n"
	 "2 @16: broken: \"b\":3} | syntax @19: Unallowed token at this point in JSON text.\n3 @23: 4\nend\n"},
	{"lines=true", "[1,\n2]\n", "0 @1: 1\n1 @4: 2\nend\n"},
	{"lines=true\nmax_item_size=5", "[1,2,3,4,5,6,7,8,9,10]",
	 "0 @1: 1\n1 @3: 2\n2 @5: 3\n3 @7: 4\n4 @9: 5\n5 @11: 6\n6 @13: 7\n7 @15: 8\n8 @17: 9\n9 @19: 10\nend\n"},
	{"lines=true", "[1]\n[2]\n", "0 @1: 1\ntrailing @4\n"},
	{"lines=true", "{\"a\":\n1}\n{\"a\":}",
	 "0 @0: {a: 1}\nsyntax @14 in item: Unallowed token at this point in JSON text.\n"},
	{"lines=true", "1 2\n3 x",
	 "0 @0: 1\n1 @2: 2\n2 @4: 3\nsyntax @6: Invalid char in json text.\n"},
	{"lines=true", "{\"a\":}\n{\"a\":2}",
	 "syntax @5 in item: Unallowed token at this point in JSON text.\n"},
	{"lines=true", "1 x\n2", "0 @0: 1\nsyntax @2: Invalid char in json text.\n"},
	{"lines=true", "\"a\nb\"", "syntax @2: Invalid character inside string.\n"},
	{"lines=true", "{\"a\":1}", "0 @0: {a: 1}\nend\n"},
	{"lines=true", "{\"a\":1", "truncated @6 in item\n"},
	{"lines=true", "\"a", "truncated @2\n"},
	{"lines=true", "", "empty @0\n"},

	/* limits */
	{"max_depth=2", "[[1], {}, [[2]]]", "0 @1: [1]\n1 @6: {}\ntoo deep @11 in item\n"},
	{"max_depth=1", "{\"a\": {}}", "too deep @6 in item\n"},
	{"max_item_size=5", "[\"abc\", \"abcd\"]", "0 @1: \"abc\"\nitem too large @8\n"},
	{"max_item_size=5", "[[1,2], [1, 2]]", "0 @1: [1, 2]\nitem too large @8 in item\n"},
	{"items=a\nmax_item_size=5", "{\"long\": \"abcd\", \"a\": [1]}", "item too large @1\n"},
	{"items=a\nmax_item_size=6\ncapture=b", "{\"b\": [1, 2, 3], \"a\": [1]}",
	 "item too large @6\n0: none\n"},
	{"items=in[k=1].of\nmax_item_size=8", "{\"in\": [{\"of\": [1,2,3,4,5,6], \"k\": 1}]}",
	 "item too large @16\n"},
	{"items=a\nmax_item_size=5", "{\"b\": [1, 2, 3, 4, 5, 6, 7, 8], \"a\": [1]}",
	 "0 @38: 1\nend\n"},
};

static void
test_cases(void)
{
	for (int i = 0; i < lengthof(cases); i++)
	{
		char *text = pstrdup(cases[i].options);
		EtlJsonOptions options = parse_options(text);
		char name[128];

		snprintf(name, sizeof(name), "%.60s of %.60s", cases[i].options, cases[i].body);
		check_body(name, &options, cases[i].body, strlen(cases[i].body), cases[i].expected);
		free_options(&options);
		pfree(text);
	}
}

/*
 * Fixtures
 */

static char *
read_file(const char *path, size_t *len)
{
	FILE *file = fopen(path, "rb");
	StringInfoData data;
	char block[4096];
	size_t n;

	if (file == NULL)
		return NULL;
	initStringInfo(&data);
	while ((n = fread(block, 1, sizeof(block), file)) > 0)
		appendBinaryStringInfo(&data, block, n);
	fclose(file);
	if (len != NULL)
		*len = data.len;
	return data.data;
}

/* The file beside path with another suffix than .json; NULL if there is none. */
static char *
read_beside(const char *path, const char *suffix)
{
	char name[MAXPGPATH];

	snprintf(name, sizeof(name), "%.*s%s", (int) (strlen(path) - strlen(".json")), path, suffix);
	return read_file(name, NULL);
}

static EtlJsonOptions
options_of(const char *path)
{
	char *text = read_beside(path, ".options");
	EtlJsonOptions options = text == NULL ? default_options() : parse_options(text);

	if (text != NULL)
		pfree(text);
	return options;
}

static void
test_fixture(const char *path)
{
	EtlJsonOptions options = options_of(path);
	size_t len;
	char *body = read_file(path, &len);
	char *expected = read_beside(path, ".expected");

	check(expected != NULL, "%s: there is no .expected", path);
	if (expected != NULL)
	{
		check_body(path, &options, body, len, expected);
		pfree(expected);
	}
	pfree(body);
	free_options(&options);
}

static void
test_fixtures(const char *folder)
{
	char path[MAXPGPATH];
	DIR *dir;
	struct dirent *entry;
	int n = 0;

	snprintf(path, sizeof(path), "%s/json", folder);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
	{
		size_t len = strlen(entry->d_name);

		if (len < 5 || strcmp(entry->d_name + len - 5, ".json") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/json/%s", folder, entry->d_name);
		test_fixture(path);
		n++;
	}
	check(n > 0, "there are no fixtures in %s/json", folder);
	if (dir != NULL)
		closedir(dir);
}

static void
dump_fixture(const char *path)
{
	EtlJsonOptions options = options_of(path);
	EtlJsonReader *reader = EtlJsonReaderCreate(&options);
	size_t len;
	char *body = read_file(path, &len);
	StringInfoData out;

	initStringInfo(&out);
	dump_body(&out, reader, &options, SIZE_MAX, body, len);
	fputs(out.data, stdout);
	pfree(out.data);
	pfree(body);
	EtlJsonReaderFree(reader);
	free_options(&options);
}

/*
 * Random bodies
 */

static uint64 random_state = 1;

static uint32
random_below(uint32 n)
{
	random_state =
		random_state * UINT64CONST(6364136223846793005) + UINT64CONST(1442695040888963407);
	return (random_state >> 33) % n;
}

static void
random_value(StringInfo body, int depth)
{
	static const char *const scalars[] = {
		"null",
		"true",
		"false",
		"0",
		"-12.50",
		"1e5",
		"\"\"",
		"\"ab\"",
		"\"\\u00e9\\n\"",
		"\"é€\"",
		"\"\\ud83d\\ude00\"",
		"123456789012345678901",
		"\"\\\\\\\"\"",
		"\"\\ud800\"",
		"\"\\u0000\"",
		"-0.0E-2",
		"\"{[,:\"",
		"\"\xf0\x90\x80\x80\"",
	};
	static const char *const space[] = {"", "", "", " ", "\n", "\t\r"};
	bool object = random_below(2) == 0;
	int n = random_below(4);

	if (depth == 0 || random_below(3) == 0)
	{
		/* the two that are wrong are rare */
		int i = random_below(lengthof(scalars) * 20) / 20;

		appendStringInfoString(body,
							   random_below(4) != 0 && (i == 13 || i == 14) ? "1" : scalars[i]);
		return;
	}
	appendStringInfoChar(body, object ? '{' : '[');
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(body, i > 0 ? "," : "");
		appendStringInfoString(body, space[random_below(lengthof(space))]);
		if (object)
			appendStringInfo(body, "\"%c%s\":%s", 'a' + random_below(3),
							 random_below(4) == 0 ? "\\u0041" : "",
							 space[random_below(lengthof(space))]);
		random_value(body, depth - 1);
		appendStringInfoString(body, space[random_below(lengthof(space))]);
	}
	appendStringInfoChar(body, object ? '}' : ']');
}

/* Changes, removes or inserts a byte that means something. */
static void
mutate(StringInfo body)
{
	static const char bytes[] = "{}[]\",:\\u0-1e.+tfn \t\n\v\f\x7f\x80\xbf\xc3\xe0\xed\xf0\xf4\xff";
	int at = random_below(body->len);
	char c = bytes[random_below(sizeof(bytes))];

	switch (random_below(4))
	{
		case 0:
			body->data[at] = c;
			break;
		case 1:
			memmove(body->data + at, body->data + at + 1, body->len - at - 1);
			body->len--;
			break;
		case 2:
			enlargeStringInfo(body, 1);
			memmove(body->data + at + 1, body->data + at, body->len - at);
			body->data[at] = c;
			body->len++;
			break;
		case 3:
			body->len = at + 1;
			break;
	}
	body->data[body->len] = '\0';
}

static void
random_body(StringInfo body)
{
	static const char *const space[] = {"", " ", "\n", "\n\n", "\r\n"};
	int n = 1 + random_below(4);

	resetStringInfo(body);
	for (int i = 0; i < n; i++)
	{
		random_value(body, random_below(5));
		appendStringInfoString(body, space[random_below(20) == 0 ? 0 : 1 + random_below(4)]);
	}
	for (int i = random_below(4); i > 1 && body->len > 1; i--)
		mutate(body);
}

/* The reference does not know how large numbers may be. */
static bool
has_large_exponent(const StringInfoData *body)
{
	for (int i = 0; i + 4 < body->len; i++)
	{
		if ((body->data[i] == 'e' || body->data[i] == 'E') &&
			strspn(body->data + i + 1, "+-0123456789") > 4)
			return true;
	}
	return false;
}

static void
test_random_bodies(int n)
{
	EtlJsonOptions options = default_options();
	EtlJsonReader *reader;
	StringInfoData body;
	StringInfoData got;
	StringInfoData expected;
	int sound = 0;

	options.many = true;
	reader = EtlJsonReaderCreate(&options);
	initStringInfo(&body);
	initStringInfo(&got);
	initStringInfo(&expected);
	for (int i = 0; i < n; i++)
	{
		bool ok;
		size_t chunk = chunk_sizes[random_below(lengthof(chunk_sizes))];

		random_body(&body);
		if (has_large_exponent(&body) || strncmp(body.data, "\xef\xbb\xbf", 3) == 0)
			continue;
		resetStringInfo(&got);
		resetStringInfo(&expected);
		ok = reference_body(&expected, body.data, body.len);
		sound += ok;
		dump_body(&got, reader, &options, chunk, body.data, body.len);
		if (ok)
			check_same(got.data, expected.data, body.data, chunk);
		else
			check(strstr(got.data, "end\n") == NULL && strstr(got.data, WRONG) == NULL,
				  "%s, in pieces of %zu bytes: %s", body.data, chunk, got.data);
		EtlJsonReaderReset(reader);
	}
	check(sound > n / 4 && sound < n * 3 / 4, "of %d random bodies %d are sound", n, sound);
	pfree(body.data);
	pfree(got.data);
	pfree(expected.data);
	EtlJsonReaderFree(reader);
}

/* Puts so much somewhere that a line is longer than a slice, or just about as long. */
static void
lengthen(StringInfo body)
{
	int at = random_below(body->len);
	int n = random_below(2) == 0 ? 5000 : ETL_JSON_SLICE - random_below(body->len + 2);

	enlargeStringInfo(body, n);
	memmove(body->data + at + n, body->data + at, body->len - at);
	memset(body->data + at, random_below(2) == 0 ? ' ' : 'x', n);
	body->len += n;
	body->data[body->len] = '\0';
}

/*
 * The same bodies as lines: however broken they are, each line is what it would be alone.  With paths it is held against
 * a reader that sees nothing else than the line.
 */
static void
test_random_lines(int n, const char *paths)
{
	char *text = pstrdup(paths);
	EtlJsonOptions options = parse_options(text);
	EtlJsonReader *alone;
	EtlJsonReader *reader;
	StringInfoData body;
	StringInfoData got;
	StringInfoData expected;
	int broken = 0;

	options.many = true;
	alone = EtlJsonReaderCreate(&options);
	options.lines = true;
	reader = EtlJsonReaderCreate(&options);
	initStringInfo(&body);
	initStringInfo(&got);
	initStringInfo(&expected);
	for (int i = 0; i < n; i++)
	{
		size_t chunk = chunk_sizes[random_below(lengthof(chunk_sizes))];

		random_body(&body);
		if (random_below(8) == 0)
			lengthen(&body);
		if (has_large_exponent(&body) || strncmp(body.data, "\xef\xbb\xbf", 3) == 0)
			continue;
		resetStringInfo(&got);
		resetStringInfo(&expected);
		if (*paths == '\0')
			reference_lines(&expected, body.data, body.len);
		else
			reference_lines_of_items(&expected, alone, options.ncaptures, body.data, body.len);
		dump_body(&got, reader, &options, chunk, body.data, body.len);
		check(strstr(got.data, WRONG) == NULL, "lines of %s: %s", body.data, got.data);
		reference_plain(&got);
		broken += strstr(expected.data, "broken") != NULL;
		check_same(got.data, expected.data, body.data, chunk);
		EtlJsonReaderReset(reader);
	}
	/* each line of a value that goes over several is one */
	check(broken > n / 4 && broken < n * 9 / 10, "of %d random bodies %d have broken lines", n,
		  broken);
	pfree(body.data);
	pfree(got.data);
	pfree(expected.data);
	EtlJsonReaderFree(reader);
	EtlJsonReaderFree(alone);
	free_options(&options);
	pfree(text);
}

/*
 * Memory and time
 */

/* A body that is made while it is read: head, then n times part, then tail. */
typedef struct Endless
{
	const char *head;
	const char *part;
	const char *tail;
	uint64 n;
	const char *next; /* rest of the piece under way */
} Endless;

static size_t
read_endless(Endless *body, char *room, size_t len)
{
	size_t done = 0;

	if (body->next == NULL)
		body->next = body->head;
	while (done < len)
	{
		size_t n = Min(strlen(body->next), len - done);

		memcpy(room + done, body->next, n);
		done += n;
		body->next += n;
		if (*body->next != '\0')
			continue;
		if (body->n == 0)
			break;
		body->next = --body->n == 0 ? body->tail : body->part;
	}
	return done;
}

static EtlJsonStatus
count_items(EtlJsonReader *reader, Endless body, size_t chunk, uint64 *nitems)
{
	EtlJsonItem item;
	EtlJsonStatus status;

	*nitems = 0;
	while ((status = EtlJsonReaderNext(reader, &item)) <= ETL_JSON_NEED_DATA)
	{
		size_t len;
		char *room;

		if (status == ETL_JSON_ITEM)
		{
			(*nitems)++;
			continue;
		}
		room = EtlJsonReaderRoom(reader, &len);
		EtlJsonReaderFed(reader, read_endless(&body, room, Min(len, chunk)));
	}
	return status;
}

static void
check_memory(const EtlJsonReader *reader, const char *what, size_t buffer, size_t tokens)
{
	check(reader->buffer_size <= buffer, "%s: a buffer of %zu bytes", what, reader->buffer_size);
	check(reader->tokens_size <= tokens, "%s: %u tokens", what, reader->tokens_size);
	check(reader->queue_size <= tokens, "%s: %u items queued", what, reader->queue_size);
	check(reader->decoded_size <= buffer, "%s: %u bytes decoded", what, reader->decoded_size);
}

/* A long body takes the memory of one item, wherever its length comes from. */
static void
test_memory(void)
{
	static const struct
	{
		const char *what;
		const char *options;
		Endless body;
		uint64 nitems;
	} bodies[] = {
		{"many items",
		 "items=data",
		 {"{\"data\": [1", ",{\"id\": 1, \"name\\n\": \"a\\tb\", \"tags\": [1, 2]}", "]}", 300001},
		 300001},
		{"many numbers", "items=data", {"{\"data\": [1", ",2", "]}", 3000001}, 3000001},
		{"much beside the items",
		 "items=data",
		 {"{\"x\": [1", ",{\"data\": [\"a\\n\", 5]}", "], \"data\": []}", 300001},
		 0},
		{"much white space", "items=data", {"{\"data\": [", "    \n\t ", "1]}", 1000001}, 1},
		{"many members",
		 "items=data",
		 {"{\"a\": 1", ",\"a\\n\": 2", ", \"data\": [7]}", 1000001},
		 1},
		{"a capture, then many items",
		 "items=data\ncapture=meta\ncapture=meta.x",
		 {"{\"meta\": {\"x\": [1]}, \"data\": [1", ",2", "]}", 300001},
		 300001},
		{"captures in many items",
		 "items=data\ncapture=data[].x\nlast=x",
		 {"{\"data\": [1", ",{\"x\": [\"a\"]}", "]}", 300001},
		 300001},
		{"many tests, decided late",
		 "items=in[k=1].of",
		 {"{\"in\": [{\"of\": 1, \"k\": 1}", ",{\"of\": {\"x\": \"\\t\"}, \"k\": 1}", "]}", 300001},
		 300001},
		{"many tests, never passed",
		 "items=in[k=1].of",
		 {"{\"in\": [{\"of\": 1, \"k\": 1}", ",{\"of\": {\"x\": \"\\t\"}}", "]}", 300001},
		 1},
		{"many names",
		 "items=a.*",
		 {"{\"a\": {\"x\": 0", ",\"y\\n\": \"\\t\"", "}}", 300001},
		 300001},
		{"broken lines", "many=true\nlines=true", {"", "{\"a\":[1,\n", "1", 300001}, 300001},
		{"lines of open strings", "many=true\nlines=true", {"", "\"\\\n", "1", 300001}, 300001},
		{"a long line",
		 "many=true\nlines=true\nmax_item_size=10000",
		 {"", "{\"a\":[1,2,3", "}\n1", 3000001},
		 2},
		{"blank lines", "lines=true", {"", " \r\n", "1", 1000001}, 1},
		{"lines of items",
		 "many=true\nlines=true\nitems=d\ncapture=n",
		 {"", "{\"d\":[1,{\"x\":\"\\t\"}],\"n\":[3]}\n", "", 300001},
		 600000},
		{"broken lines of items",
		 "many=true\nlines=true\nitems=d[k=1].of\ncapture=n\nlast=x",
		 {"", "{\"n\":[1,2],\"d\":[{\"of\":{\"x\":2},\"k\":\n",
		  "{\"d\":[{\"of\":{\"x\":1},\"k\":1}]}", 300001},
		 300001},
	};

	for (int i = 0; i < lengthof(bodies); i++)
	{
		char *text = pstrdup(bodies[i].options);
		EtlJsonOptions options = parse_options(text);
		EtlJsonReader *reader = EtlJsonReaderCreate(&options);
		uint64 nitems;
		EtlJsonStatus status = count_items(reader, bodies[i].body, SIZE_MAX, &nitems);

		check(status == ETL_JSON_END && nitems == bodies[i].nitems,
			  "%s: status %d after " UINT64_FORMAT " items", bodies[i].what, status, nitems);
		check_memory(reader, bodies[i].what, 64 * 1024, 2 * ETL_JSON_SLICE_EVENTS);
		EtlJsonReaderFree(reader);
		free_options(&options);
		pfree(text);
	}
}

/*
 * One long string, with and without escapes, in small pieces.  If its beginning were read again with each of
 * them, this would take hours.
 */
static void
test_long_strings(void)
{
	static const Endless bodies[] = {
		{"[\"", "0123456789abcdef", "\"]", 1 << 20},
		{"[{\"a\": \"\\t", "\\u00e9 and \\\"", "\", \"\\n", 1 << 20},
		{"[{\"a\": \"\\t", "\\u00e9 and \\\"", "\"}]", 1 << 20},
		{"[[1, \"", "xxxxxxxx\\ud83d\\ude00", "\"]]", 1 << 20},
	};
	static const EtlJsonStatus expected[] = {ETL_JSON_END, ETL_JSON_TRUNCATED, ETL_JSON_END,
											 ETL_JSON_END};
	EtlJsonOptions options = default_options();
	EtlJsonReader *reader;
	uint64 nitems;

	options.max_item_size = 32 * 1024 * 1024;
	reader = EtlJsonReaderCreate(&options);
	for (int i = 0; i < lengthof(bodies); i++)
	{
		EtlJsonStatus status = count_items(reader, bodies[i], 100, &nitems);

		check(status == expected[i], "long string %d: status %d", i, status);
		EtlJsonReaderReset(reader);
	}
	check(count_items(reader, bodies[0], 100, &nitems) == ETL_JSON_END && nitems == 1,
		  "a long string again");
	EtlJsonReaderFree(reader);
}

/* What a string of n escapes says, whatever yajl's buffers had to grow to. */
static void
test_text_of_long_string(EtlJsonReader *reader, const EtlJsonOptions *options, int n, size_t chunk)
{
	StringInfoData body;
	StringInfoData expected;
	StringInfoData got;

	initStringInfo(&body);
	initStringInfo(&expected);
	initStringInfo(&got);
	appendStringInfoString(&body, "[\"");
	appendStringInfoString(&expected, "0 @1: \"");
	for (int i = 0; i < n; i++)
	{
		appendStringInfo(&body, "%d\\u00e9", i);
		appendStringInfo(&expected, "%dé", i);
	}
	appendStringInfoString(&body, "\"]");
	appendStringInfoString(&expected, "\"\nend\n");
	dump_body(&got, reader, options, chunk, body.data, body.len);
	check(strcmp(got.data, expected.data) == 0, "text of a string of %d escapes", n);
	EtlJsonReaderReset(reader);
	pfree(body.data);
	pfree(expected.data);
	pfree(got.data);
}

static void
test_text_of_long_strings(void)
{
	EtlJsonOptions options = default_options();
	EtlJsonReader *reader = EtlJsonReaderCreate(&options);

	for (int n = 1; n < 50000; n += 1 + n / 7)
	{
		test_text_of_long_string(reader, &options, n, SIZE_MAX);
		test_text_of_long_string(reader, &options, n, 1000);
	}
	EtlJsonReaderFree(reader);
}

/* What is too large is refused before it has taken much more memory than it may. */
static void
test_too_large(void)
{
	static const Endless bodies[] = {
		{"[\"", "0123456789abcdef", "\"]", 1 << 20},
		{"[{\"a\":[1", ",1", "]}]", 1 << 22},
		{"{\"items\":[]}, ", "99999999", "", 1 << 20},
		{"[{\"a\":1", ",\"b\":{}", "}]", 1 << 20},
	};
	EtlJsonOptions options = default_options();
	EtlJsonReader *reader;
	uint64 nitems;

	options.max_item_size = 100000;
	reader = EtlJsonReaderCreate(&options);
	for (int i = 0; i < lengthof(bodies); i++)
	{
		EtlJsonStatus status = count_items(reader, bodies[i], SIZE_MAX, &nitems);

		check(status == (i == 2 ? ETL_JSON_SYNTAX : ETL_JSON_ITEM_TOO_LARGE),
			  "too large %d: status %d", i, status);
		check_memory(reader, "too large", 256 * 1024, 64 * 1024);
		EtlJsonReaderReset(reader);
	}
	EtlJsonReaderFree(reader);
}

/* So is the rest of a line, also when it is known to be broken before it is too long. */
static void
test_too_large_line(void)
{
	static const Endless body = {"", "}\"\v,", "\n1", 1 << 20};
	EtlJsonOptions options = default_options();
	EtlJsonReader *reader;
	uint64 nitems;
	EtlJsonStatus status;

	options.many = options.lines = true;
	options.max_item_size = 100000;
	reader = EtlJsonReaderCreate(&options);
	status = count_items(reader, body, 1000, &nitems);
	check(status == ETL_JSON_END && nitems == 2, "too large a line: status %d", status);
	check_memory(reader, "too large a line", 256 * 1024, 64 * 1024);
	EtlJsonReaderFree(reader);
}

/* An array as deep as it may be, as often as yajl's stack has to grow for it. */
static void
test_depth(void)
{
	for (int depth = 1; depth <= 2000; depth += 37)
	{
		EtlJsonOptions options = default_options();
		EtlJsonReader *reader;
		uint64 nitems;

		options.max_depth = depth;
		reader = EtlJsonReaderCreate(&options);
		for (int more = 0; more < 2; more++)
		{
			Endless body = {"", "[", "", depth + more + 1};
			EtlJsonStatus status = count_items(reader, body, SIZE_MAX, &nitems);

			check(status == (more ? ETL_JSON_TOO_DEEP : ETL_JSON_TRUNCATED),
				  "%d of %d levels: status %d", depth + more, depth, status);
			EtlJsonReaderReset(reader);
		}
		EtlJsonReaderFree(reader);
	}
}

/*
 * Bodies that C strings cannot hold, and readers that are used again
 */

static void
test_nul_bytes(void)
{
	EtlJsonOptions options = default_options();

	check_body("NUL in a string", &options, "[1, \"a\0b\"]", 10,
			   "0 @1: 1\nsyntax @6: There is a NUL byte.\n");
	check_body("NUL behind a number", &options, "[1\0]", 4, "syntax @2: There is a NUL byte.\n");
	check_body("only NUL", &options, "\0", 1, "syntax @0: There is a NUL byte.\n");
}

/* Nothing of one body is left for the next one. */
static void
test_reset(void)
{
	static const char *const bodies[] = {
		"{\"next\": \"a\\n\", \"data\": [{\"id\": 1}]}",
		"{\"next\": \"a\", \"data\": [{\"id\": 1, \"x\": {\"y\": \"",
		"{\"data\": [{\"id\": 1}, {\"id\": [[",
		"{\"data\": {\"a\": \"\\ud800\"}}",
		"{\"next\": {\"data\": [1, 2",
		"\v",
		"{\"next\": [\"abc",
	};
	char text[] = "items=data\ncapture=next\nlast=id";
	EtlJsonOptions options = parse_options(text);
	EtlJsonReader *reader = EtlJsonReaderCreate(&options);
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < lengthof(bodies); i++)
	{
		dump_body(&out, reader, &options, SIZE_MAX, bodies[i], strlen(bodies[i]));
		EtlJsonReaderReset(reader);
		resetStringInfo(&out);
		dump_body(&out, reader, &options, SIZE_MAX, "[{}]", 4);
		check_same(out.data, "end\nitems were not found\n0: none\n1: none\n", bodies[i], SIZE_MAX);
		EtlJsonReaderReset(reader);
		resetStringInfo(&out);
	}
	pfree(out.data);
	EtlJsonReaderFree(reader);
	free_options(&options);
}

/*
 * Going on in the midst of a body
 */

/* Reads the rest of a body from a place on; what comes is appended. */
static void
dump_rest(StringInfo out, EtlJsonReader *reader, const EtlRecordPlace *from,
		  const StringInfoData *body)
{
	EtlBytes bytes = {body->data + from->offset, body->len - from->offset};
	EtlJsonItem item;
	int status;

	EtlReaderReset((EtlReader *) reader, from);
	while ((status = EtlReaderNext((EtlReader *) reader, &item, EtlFeedBytes, &bytes)) ==
		   ETL_FORMAT_RECORD)
	{
		appendStringInfo(out, UINT64_FORMAT " ", item.line);
		dump_item(out, &item, item.index, body->data, body->len, NULL);
	}
	dump_end(out, status, EtlJsonReaderFault(reader));
	appendStringInfo(out, UINT64_FORMAT "\n", EtlJsonReaderHash(reader));
}

/* What is read from the place behind any item on is what comes behind it when all is read. */
static void
check_places(EtlJsonReader *reader, const StringInfoData *body)
{
	static const EtlRecordPlace start = {.line = 1};
	EtlRecordPlace places[100] = {start};
	int ends[lengthof(places)] = {0};
	EtlBytes bytes = {body->data, body->len};
	EtlJsonItem item;
	StringInfoData whole, rest;
	int n = 0;

	initStringInfo(&whole);
	initStringInfo(&rest);
	dump_rest(&whole, reader, &start, body);
	EtlReaderReset((EtlReader *) reader, NULL);
	while (n + 1 < lengthof(places) &&
		   EtlReaderNext((EtlReader *) reader, &item, EtlFeedBytes, &bytes) == ETL_FORMAT_RECORD)
	{
		places[++n] = EtlReaderPlace((EtlReader *) reader);
		ends[n] = ends[n - 1];
		if (places[n].records > places[n - 1].records) /* else it is read again */
			ends[n] = strchr(whole.data + ends[n - 1], '\n') + 1 - whole.data;
	}
	for (int i = 0; i <= n; i++)
	{
		resetStringInfo(&rest);
		dump_rest(&rest, reader, &places[i], body);
		check_same(rest.data, whole.data + ends[i], body->data, i);
	}
	pfree(whole.data);
	pfree(rest.data);
}

static void
test_places(int n)
{
	EtlJsonOptions options = default_options();
	EtlJsonReader *readers[2];
	StringInfoData body;

	options.lines = true;
	readers[0] = EtlJsonReaderCreate(&options);
	options.many = true;
	readers[1] = EtlJsonReaderCreate(&options);
	initStringInfo(&body);
	for (int i = 0; i < n; i++)
	{
		random_body(&body);
		if (i % 2 == 0) /* such that shows that it is lines */
		{
			enlargeStringInfo(&body, 3);
			memmove(body.data + 3, body.data, body.len);
			memcpy(body.data, "\n1\n", 3);
			body.len += 3;
		}
		if (i % 2 == 0 || body.data[0] != '\xef')
			check_places(readers[i % 4 == 0 ? 0 : 1], &body);
	}
	pfree(body.data);
	EtlJsonReaderFree(readers[0]);
	EtlJsonReaderFree(readers[1]);
}

/*
 * Members that nobody looks for
 */

/* Items and what is captured are the same, if members that nobody looks for need no tokens. */
static void
check_initials(const Case *test, const bool *initials)
{
	char *text = pstrdup(test->options);
	EtlJsonOptions options = parse_options(text);
	EtlJsonReader *all = EtlJsonReaderCreate(&options);
	EtlJsonReader *some;
	StringInfoData expected, got;

	options.initials = initials;
	some = EtlJsonReaderCreate(&options);
	initStringInfo(&expected);
	initStringInfo(&got);
	dump_body(&expected, all, &options, SIZE_MAX, test->body, strlen(test->body));
	for (int i = 0; i < lengthof(chunk_sizes); i++)
	{
		resetStringInfo(&got);
		EtlJsonReaderReset(some);
		dump_body(&got, some, &options, chunk_sizes[i], test->body, strlen(test->body));
		check_same(got.data, expected.data, test->body, chunk_sizes[i]);
	}
	check(EtlJsonReaderHash(some) == EtlJsonReaderHash(all), "hash of %s", test->body);
	pfree(expected.data);
	pfree(got.data);
	EtlJsonReaderFree(all);
	EtlJsonReaderFree(some);
	free_options(&options);
	pfree(text);
}

static uint32
count_tokens(const char *body, const EtlJsonOptions *options)
{
	EtlJsonReader *reader = EtlJsonReaderCreate(options);
	EtlJsonItem item;
	size_t room;
	uint32 n = 0;

	memcpy(EtlJsonReaderRoom(reader, &room), body, strlen(body));
	EtlJsonReaderFed(reader, strlen(body));
	EtlJsonReaderFed(reader, 0);
	while (EtlJsonReaderNext(reader, &item) == ETL_JSON_ITEM)
		n += item.ntokens;
	EtlJsonReaderFree(reader);
	return n;
}

static void
test_initials(void)
{
	static const char body[] =
		"[{\"id\": 1, \"status\": {\"id\": 2}, \"note\": \"x\", \"\\u006eote\": 1, "
		"\"Item\": {\"in\": [{\"id\": 1}], \"out\": 2}, \" i\": null, \"n\": 1e9}]";
	static const bool none[UCHAR_MAX + 1] = {0};
	bool initials[UCHAR_MAX + 1] = {0};
	EtlJsonOptions options = default_options();

	check(count_tokens(body, &options) == 11, "tokens of all members");
	EtlAddInitials("id", 2, initials);
	options.initials = initials;
	/* the item, id, the name with an escape, Item, in, " i" */
	check(count_tokens(body, &options) == 6, "tokens of members with initials");
	add_capture(&options, "note", true);
	check(count_tokens(body, &options) == 8, "tokens of members that are captured");
	add_capture(&options, "\"\"", true);
	options.initials = none;
	check(count_tokens("[{\"\": 1, \"id\": 2}]", &options) == 2, "a capture of an empty name");
	free_options(&options);
	EtlAddInitials("a", 1, initials);
	for (int i = 0; i < lengthof(cases); i++)
		check_initials(&cases[i], initials);
}

/*
 * Hashes, paths, Link headers
 */

static uint64
hash_of(const char *body)
{
	EtlJsonOptions options = default_options();
	EtlJsonReader *reader;
	StringInfoData out;
	uint64 hash;

	options.items = parse_path("data");
	reader = EtlJsonReaderCreate(&options);
	initStringInfo(&out);
	dump_body(&out, reader, &options, SIZE_MAX, body, strlen(body));
	hash = EtlJsonReaderHash(reader);
	pfree(out.data);
	EtlJsonReaderFree(reader);
	free_options(&options);
	return hash;
}

static void
test_hashes(void)
{
	uint64 hash = hash_of("{\"page\": 1, \"data\": [{\"id\": 1}, {\"id\": 2}]}");

	check(hash == hash_of("{\"data\":[{\"id\": 1},{\"id\": 2}],\"page\":2}"),
		  "same items, same hash");
	check(hash != hash_of("{\"data\": [{\"id\": 2}, {\"id\": 1}]}"), "the order of items counts");
	check(hash != hash_of("{\"data\": [{\"id\": 1}, {\"id\": 3}]}"), "their content counts");
	check(hash != hash_of("{\"data\": [{\"id\": 1}, {\"id\": 2}, {\"id\": 2}]}"),
		  "their number counts");
	check(hash != hash_of("{\"data\": []}"), "no items");
}

typedef struct PathCase
{
	const char *text;
	const char *expected; /* its steps; or what is wrong with it and where */
} PathCase;

static const PathCase path_cases[] = {
	{"$", ""},
	{"data", ".<data>"},
	{"$.data", ".<data>"},
	{"d.results", ".<d>.<results>"},
	{"$[]", "[]"},
	{"[]", "[]"},
	{"[].a", "[].<a>"},
	{"$[][].*", "[][].*"},
	{"*", ".*"},
	{"\"*\"", ".<*>"},
	{"\"$\".a", ".<$>.<a>"},
	{"$skip", ".<$skip>"},
	{"a.$.b", ".<a>.<$>.<b>"},
	{"a*", ".<a*>"},
	{"hits.hits[]._source", ".<hits>.<hits>[].<_source>"},
	{"\"@odata.nextLink\"", ".<@odata.nextLink>"},
	{"a.\"b\\\"\\\\]\".c", ".<a>.<b\"\\]>.<c>"},
	{"\"\"", ".<>"},
	{"key with space.größe", ".<key with space>.<größe>"},
	{"link[relation=next].url", ".<link>[<relation>=<next>].<url>"},
	{"a[\"b.c\".d=x=[y.\"]", ".<a>[<b.c><d>=<x=[y.\">]"},
	{"a[b=\"]\\\"\"]", ".<a>[<b>=<]\">]"},
	{"", "a name is missing at 0"},
	{"$.", "a name is missing at 2"},
	{"$$.a", ".<$$>.<a>"},
	{"a.", "a name is missing at 2"},
	{".a", "a name is missing at 0"},
	{"a..b", "a name is missing at 2"},
	{"a[", "a name is missing at 2"},
	{"a[].", "a name is missing at 4"},
	{"a]", "a dot or a bracket is missing at 1"},
	{"a[]b", "a dot or a bracket is missing at 3"},
	{"a\"b\"", "a dot or a bracket is missing at 1"},
	{"a=b", "a dot or a bracket is missing at 1"},
	{"a[0]", "brackets are empty, as in items[], or hold a test, as in items[kind=order] at 3"},
	{"a[b=]", "a test needs a value behind the equals sign at 4"},
	{"a[b=c", "a bracket is not closed at 5"},
	{"a[b=\"c\"d]", "a bracket is not closed at 7"},
	{"a[b=c].d[e=f]", "there is more than one test at 9"},
	{"\"a", "a quoted name is not closed at 2"},
	{"\"a\\n\"", "a backslash can only precede a quote or a backslash at 3"},
	{"a\tb", "a dot or a bracket is missing at 1"},
	{"1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21.22.23.24.25.26.27.28.29.30.31.32.33",
	 "there are too many steps at 86"},
	{"a[1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21.22.23.24.25.26.27.28.29.30.31.32.33=4]",
	 "there are too many steps at 89"},
};

static void
dump_name(StringInfo out, const EtlJsonName *name)
{
	appendStringInfo(out, "<%.*s>", (int) name->len, name->text);
}

static void
dump_path(StringInfo out, const EtlJsonPath *path)
{
	for (int i = 0; i < path->nsteps; i++)
	{
		const EtlJsonStep *step = &path->steps[i];

		if (step->kind != ETL_JSON_STEP_ELEMENT)
			appendStringInfoChar(out, '.');
		if (step->kind == ETL_JSON_STEP_MEMBER)
			dump_name(out, &step->name);
		else if (step->kind == ETL_JSON_STEP_ANY_VALUE)
			appendStringInfoChar(out, '*');
		else
		{
			appendStringInfoChar(out, '[');
			for (int j = 0; step->test != NULL && j < step->test->nkeys; j++)
				dump_name(out, &step->test->keys[j]);
			if (step->test != NULL)
			{
				appendStringInfoChar(out, '=');
				dump_name(out, &step->test->literal);
			}
			appendStringInfoChar(out, ']');
		}
	}
}

static void
test_paths(void)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < lengthof(path_cases); i++)
	{
		size_t len = strlen(path_cases[i].text);
		char *text = palloc(len); /* not NUL-terminated */
		EtlJsonPathFault fault;
		EtlJsonPath *path;

		memcpy(text, path_cases[i].text, len);
		path = EtlJsonPathParse(text, len, &fault);
		resetStringInfo(&out);
		if (path == NULL)
			appendStringInfo(&out, "%s at %zu", fault.problem, fault.at);
		else
			dump_path(&out, path);
		check(strcmp(out.data, path_cases[i].expected) == 0, "path %s: %s", path_cases[i].text,
			  out.data);
		if (path != NULL)
			pfree(path);
		pfree(text);
	}
	pfree(out.data);
}

typedef struct LinkCase
{
	const char *header;
	const char *expected; /* target of rel=next; NULL: none; "BROKEN at N" */
} LinkCase;

static const LinkCase link_cases[] = {
	{"<https://a.example/x?page=2>; rel=\"next\"", "https://a.example/x?page=2"},
	{"<u>;rel=next", "u"},
	{"<u> ; REL = NeXt ", "u"},
	{"<p>; rel=\"prev\", <n>; rel=\"next\", <l>; rel=\"last\"", "n"},
	{"<a,b;c\">; rel=\"next\"", "a,b;c\""},
	{"<p>; title=\"a, <x>; rel=next; \\\"\"; rel=prev, <n>; rel=next", "n"},
	{"<u>; rel=\"first next http://a.example/r\"", "u"},
	{"<u>; rel=\" \tnext\t\"", "u"},
	{"<u>; rel=\"nextpage\", <v>; rel=\"next-page\", <w>; rel=\"ne xt\"", NULL},
	{"<u>; rel=prev; rel=next", NULL},
	{"<u>; rel=next; anchor=\"/other\", <v>; rel=next", "v"},
	{"<u>; xrel=next; relx=next", NULL},
	{"<u>; next", NULL},
	{"<u>; rel=", NULL},
	{"<u>; rel", NULL},
	{"<u>;; ;rel=next;", "u"},
	{",, <u>; rel=next ,", "u"},
	{"<>; rel=next", ""},
	{"<u>", NULL},
	{"<u>, <v>; rel=next", "v"},
	{"", NULL},
	{" , ", NULL},
	{"u; rel=next", "BROKEN at 0"},
	{"<u; rel=next", "BROKEN at 1"},
	{"<u>; rel=\"next", "BROKEN at 14"},
	{"<u>; rel=\"next\\", "BROKEN at 15"},
	{"<u> rel=next", "BROKEN at 4"},
	{"<u>; rel=\"prev\" x, <v>; rel=next", "BROKEN at 16"},
	{"<u>; rel=prev <v>; rel=next", "BROKEN at 14"},
	{"<u>; rel=next, ???", "u"},
};

static void
test_links(void)
{
	for (int i = 0; i < lengthof(link_cases); i++)
	{
		const LinkCase *link = &link_cases[i];
		size_t len = strlen(link->header);
		char *header = palloc(Max(len, 1)); /* not NUL-terminated */
		const char *target;
		size_t target_len;
		char got[100] = "none";

		memcpy(header, link->header, len);
		switch (EtlLinkHeaderFind(header, len, "next", &target, &target_len))
		{
			case ETL_LINK_FOUND:
				snprintf(got, sizeof(got), "%.*s", (int) target_len, target);
				break;
			case ETL_LINK_BROKEN:
				snprintf(got, sizeof(got), "BROKEN at %d", (int) (target - header));
				break;
			case ETL_LINK_NONE:
				break;
		}
		check(strcmp(got, link->expected == NULL ? "none" : link->expected) == 0, "Link: %s: %s",
			  link->header, got);
		pfree(header);
	}
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--dump") == 0)
	{
		dump_fixture(argv[2]);
		return 0;
	}

	test_paths();
	test_links();
	test_cases();
	test_fixtures(argc > 1 ? argv[1] : "test/fixtures");
	test_random_bodies(30000);
	test_random_lines(30000, "");
	test_random_lines(5000, "items=a\ncapture=b\ncapture=a");
	test_random_lines(5000, "items=$\ncapture=a[].b\ncapture=*[b=1].a");
	test_random_lines(5000, "items=a[b=1].*\ncapture=a");
	test_random_lines(5000, "capture=a\ncapture=$");
	test_nul_bytes();
	test_reset();
	test_places(5000);
	test_initials();
	test_hashes();
	test_memory();
	test_long_strings();
	test_text_of_long_strings();
	test_too_large();
	test_too_large_line();
	test_depth();

	printf("json_test: %d passed, %d failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}
