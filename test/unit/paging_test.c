/*
 * paging_test.c
 *		What options mean, what follows a page, and what an answer shows about the dialect.
 */
#include "etl.h"

#include "api/detect.h"
#include "api/dialect.h"
#include "api/paging.h"
#include "format/json.h"
#include "source/http/head.h"
#include "source/http/retry.h"

#include "check.h"

/* ----------------------------------------------------------------
 *	Options
 * ---------------------------------------------------------------- */

/* What is wrong with an option, or "" */
static const char *
problem_with(const char *name, const char *value)
{
	EtlDialect dialect;
	const char *problem;

	EtlDialectInit(&dialect);
	problem = EtlDialectSet(&dialect, name, value);
	return problem != NULL ? problem : "";
}

static void
test_options(void)
{
	static const char *const good[][2] = {
		{"pagination", "offset"},
		{"items", "data.items[kind=a]"},
		{"next", "header:X-Next"},
		{"next", "last:a.b"},
		{"next", "link:next"},
		{"next", "\"@odata.nextLink\""},
		{"next", "body:header"},
		{"next_param", "body:page.after"},
		{"next_param", "header:X-Cursor"},
		{"next_param", "$offset"},
		{"next_param", "query:url"},
		{"stop", "has_more=false|total=meta.total|pages=header:X-Pages|short=limit|empty|no_next"},
		{"stop", "\"a|b=c\"=true"},
		{"stop", "older:a.b=2024-01-01|empty"},
		{"on_empty", "continue:7"},
		{"wait", "header:X-Reset=epoch_s|body.retry_after=delta|x"},
		{"wait", "error.message~\"in ([0-9]+)|(\\\"|=)\"=delta|x~[0-9]+"},
		{"answers",
		 "403 header:x-remaining=0 wait|422 error.type=GONE restart|* ok=false fail|404 empty"},
		{"concurrency", "32"},
		{"slice_format", "epoch_ms"},
	};
	static const char *const bad[][2] = {
		{"pagination", "pages"},
		{"items", "data..x"},
		{"next", "header:a b"},
		{"next", "header:"},
		{"next", "last:a[]"},
		{"next", ""},
		{"next_param", "body:a[]"},
		{"next_param", "body:$"},
		{"next_param", ""},
		{"next_param", "header:X\r\nEvil"},
		{"stop", "sometimes"},
		{"stop", "total="},
		{"stop", "older:a"},
		{"stop", "older:a[]=1"},
		{"on_empty", "continue:0"},
		{"page_size", "0"},
		{"page_size", "ten"},
		{"max_pages", "-1"},
		{"guard", "perhaps"},
		{"wait", "header:X=yesterday"},
		{"wait", "a|b|c|d|e"},
		{"answers", "4000 wait"},
		{"answers", "403"},
		{"answers", "403 perhaps"},
		{"answers", "403 a=b wait now"},
		{"concurrency", "33"},
		{"slice_format", "rfc"},
	};

	for (size_t i = 0; i < lengthof(good); i++)
		CHECK(problem_with(good[i][0], good[i][1])[0] == '\0', "%s => %s: %s", good[i][0],
			  good[i][1], problem_with(good[i][0], good[i][1]));
	for (size_t i = 0; i < lengthof(bad); i++)
		CHECK(problem_with(bad[i][0], bad[i][1])[0] != '\0', "%s => %s is taken", bad[i][0],
			  bad[i][1]);
}

/* A dialect of pairs of names and values, NULL at the end; completed. */
static const char *
make(EtlDialect *dialect, const char *const *options)
{
	EtlDialectInit(dialect);
	for (; *options != NULL; options += 2)
	{
		const char *problem = EtlDialectSet(dialect, options[0], options[1]);

		CHECK(problem == NULL, "%s => %s: %s", options[0], options[1], problem);
	}
	return EtlDialectComplete(dialect);
}

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void
test_complete(void)
{
	EtlDialect dialect;

	CHECK(make(&dialect, OPTIONS("pagination", "cursor", "next", "a", "next_param", "b")) == NULL,
		  "a cursor");
	CHECK(make(&dialect, OPTIONS("pagination", "cursor", "next", "a")) != NULL, "it goes nowhere");
	CHECK(make(&dialect, OPTIONS("pagination", "cursor", "next_param", "a")) != NULL,
		  "it comes from nowhere");
	CHECK(make(&dialect, OPTIONS("pagination", "next_url")) != NULL, "no URL");
	CHECK(make(&dialect, OPTIONS("pagination", "link", "next", "a.b")) != NULL, "not a relation");
	CHECK(make(&dialect, OPTIONS("next", "a")) != NULL, "next needs a pagination");
	CHECK(make(&dialect, OPTIONS("pagination", "page", "next", "a")) != NULL, "two references");
	CHECK(make(&dialect, OPTIONS("pagination", "page", "first", "one")) != NULL, "no number");

	CHECK(make(&dialect, OPTIONS("pagination", "page", "rekey", "last:id")) != NULL,
		  "no cap, no key");

	CHECK(make(&dialect, OPTIONS("pagination", "page")) == NULL, "defaults of pages");
	CHECK_STR(dialect.next_to.name, "page");
	CHECK_STR(dialect.first, "1");
	CHECK(dialect.stop_empty, "an empty page is the end");
	CHECK(make(&dialect, OPTIONS("pagination", "offset", "offset_param", "$skip")) == NULL,
		  "offset");
	CHECK_STR(dialect.next_to.name, "$skip");
	CHECK_STR(dialect.first, "0");
	CHECK(make(&dialect, OPTIONS("pagination", "link")) == NULL, "link");
	CHECK_STR(dialect.carry, "none");
}

/* ----------------------------------------------------------------
 *	What follows a page
 * ---------------------------------------------------------------- */

static const EtlPageFacts ordinary = {
	.number = 2,
	.nth = 2,
	.nitems = 10,
	.nbefore = 10,
	.longest = 10,
	.has_next = true,
	.total = -1,
	.npages = -1,
	.echo = -1,
};

static EtlDecision
decide(const char *const *options, EtlPageFacts facts)
{
	EtlDialect dialect;
	EtlDecision decision;
	const char *problem = make(&dialect, options);

	CHECK(problem == NULL, "%s", problem);
	EtlPagingDecide(&dialect, &facts, &decision);
	return decision;
}

#define CHECK_END(options, expected, sound, ...)                                    \
	do                                                                              \
	{                                                                               \
		EtlPageFacts facts = ordinary;                                              \
		EtlDecision decision;                                                       \
                                                                                    \
		__VA_ARGS__;                                                                \
		decision = decide(options, facts);                                          \
		CHECK(decision.end == (expected), "ended by %s", EtlEndName(decision.end)); \
		CHECK((decision.problem == NULL) == (sound), "%s",                          \
			  decision.problem != NULL ? decision.problem : "no problem");          \
	} while (0)

#define CURSOR "pagination", "cursor", "next", "n", "next_param", "c"

static void
test_decide(void)
{
	CHECK_END(OPTIONS(CURSOR), ETL_NOT_ENDED, true, (void) 0);
	CHECK_END(OPTIONS(CURSOR), ETL_END_NO_NEXT, true, facts.has_next = false);

	/* what the server says counts before the reference */
	CHECK_END(OPTIONS(CURSOR, "stop", "more=false"), ETL_END_FLAG, true,
			  facts.has_flag = facts.flag_set = true);
	CHECK_END(OPTIONS(CURSOR, "stop", "more=false"), ETL_NOT_ENDED, true, facts.has_flag = true);
	CHECK_END(OPTIONS(CURSOR, "stop", "more=false"), ETL_END_TRUNCATED, false,
			  (facts.has_flag = true, facts.has_next = false));
	CHECK_END(OPTIONS(CURSOR, "stop", "total=t"), ETL_END_TOTAL, true, facts.total = 20);
	CHECK_END(OPTIONS(CURSOR, "stop", "total=t"), ETL_NOT_ENDED, true, facts.total = 21);
	CHECK_END(OPTIONS(CURSOR, "stop", "total=t"), ETL_END_TRUNCATED, false,
			  (facts.total = 21, facts.has_next = false));
	CHECK_END(OPTIONS(CURSOR, "stop", "pages=p"), ETL_END_TOTAL, true, facts.npages = 2);
	CHECK_END(OPTIONS(CURSOR, "stop", "older:a=1"), ETL_END_OLDER, true, facts.older = true);
	CHECK_END(OPTIONS(CURSOR, "stop", "older:a=1", "cap", "20"), ETL_END_OLDER, true,
			  facts.older = true);

	/* empty pages */
	CHECK_END(OPTIONS(CURSOR), ETL_NOT_ENDED, true, (facts.nitems = 0, facts.empties = 3));
	CHECK_END(OPTIONS(CURSOR), ETL_END_TRUNCATED, false, (facts.nitems = 0, facts.empties = 4));
	CHECK_END(OPTIONS(CURSOR, "on_empty", "error"), ETL_END_TRUNCATED, false,
			  (facts.nitems = 0, facts.empties = 1));
	CHECK_END(OPTIONS(CURSOR, "on_empty", "continue"), ETL_NOT_ENDED, true,
			  (facts.nitems = 0, facts.empties = 1000));
	CHECK_END(OPTIONS(CURSOR, "on_empty", "stop"), ETL_END_EMPTY, true,
			  (facts.nitems = 0, facts.empties = 1));
	CHECK_END(OPTIONS("pagination", "page"), ETL_END_EMPTY, true, facts.nitems = 0);
	CHECK_END(OPTIONS("pagination", "page", "stop", "total=t"), ETL_END_TRUNCATED, false,
			  (facts.nitems = 0, facts.total = 100));
	CHECK_END(OPTIONS("pagination", "page", "stop", "pages=p"), ETL_END_TRUNCATED, false,
			  (facts.nitems = 0, facts.npages = 4));

	/* short pages: shorter than the server's own size, or than the one before, but never the first */
	CHECK_END(OPTIONS(CURSOR, "stop", "short"), ETL_END_SHORT, true, facts.nitems = 9);
	CHECK_END(OPTIONS(CURSOR), ETL_NOT_ENDED, true, facts.nitems = 9);
	CHECK_END(OPTIONS(CURSOR, "stop", "short"), ETL_NOT_ENDED, true,
			  (facts.number = 1, facts.nbefore = facts.longest = 0, facts.nitems = 3));
	CHECK_END(OPTIONS(CURSOR, "stop", "short=size", "page_size", "100"), ETL_NOT_ENDED, true,
			  facts.echo = 10);
	CHECK_END(OPTIONS(CURSOR, "stop", "short=size"), ETL_END_SHORT, true, facts.echo = 11);
	CHECK_END(OPTIONS(CURSOR, "stop", "short|total=t"), ETL_NOT_ENDED, true,
			  (facts.nitems = 9, facts.total = 100));
	CHECK_END(OPTIONS(CURSOR, "stop", "short|pages=p"), ETL_NOT_ENDED, true,
			  (facts.nitems = 9, facts.npages = 4));

	/* caps */
	CHECK_END(OPTIONS(CURSOR, "max_pages", "2"), ETL_END_CAP, true, (void) 0);
	CHECK_END(OPTIONS(CURSOR, "max_pages", "2"), ETL_END_NO_NEXT, true, facts.has_next = false);
	CHECK_END(OPTIONS(CURSOR, "cap", "20"), ETL_END_TRUNCATED, false, facts.has_next = false);
	CHECK_END(OPTIONS(CURSOR, "cap", "21"), ETL_END_NO_NEXT, true, facts.has_next = false);

	CHECK_END(OPTIONS(CURSOR), ETL_NOT_ENDED, true,
			  (facts.has_next = false, facts.more_slices = true));
	CHECK_END(OPTIONS(CURSOR, "stop", "older:at=7"), ETL_END_OLDER, true,
			  (facts.older = true, facts.more_slices = true));
	CHECK_END(OPTIONS(CURSOR, "max_pages", "2"), ETL_END_CAP, true,
			  (facts.has_next = false, facts.more_slices = true));
	CHECK_END(OPTIONS(CURSOR, "cap", "20"), ETL_END_TRUNCATED, false,
			  (facts.has_next = false, facts.more_slices = true));
	CHECK_END(OPTIONS(CURSOR, "cap", "20", "rekey", "last:id", "key", "0"), ETL_NOT_ENDED, true,
			  facts.has_next = false);
	CHECK_END(OPTIONS(CURSOR, "cap", "20", "rekey", "last:id", "key", "0"), ETL_END_NO_NEXT, true,
			  (facts.has_next = false, facts.nbefore = 20, facts.nitems = 0));
	CHECK_END(OPTIONS(CURSOR, "cap", "20", "rekey", "last:id", "key", "0", "stop", "total=t"),
			  ETL_END_TOTAL, true, facts.total = 20);

	/* a list that is not what it was, where that can do harm */
	CHECK_END(OPTIONS("pagination", "page", "stop", "total=t"), ETL_END_TRUNCATED, false,
			  (facts.total = 20, facts.recounted = true, facts.announced = 21, facts.recount = 20));
	CHECK_END(OPTIONS("pagination", "page", "stop", "total=t"), ETL_NOT_ENDED, true,
			  (facts.total = 30, facts.recounted = true, facts.announced = 21, facts.recount = 30));

	/* a total that is that of the page, as the call asks for */
	CHECK_END(OPTIONS("pagination", "none", "stop", "total=t"), ETL_END_TRUNCATED, false,
			  (facts.nbefore = 0, facts.total = 10, facts.as_asked = true));
	CHECK_END(OPTIONS("pagination", "none", "stop", "total=t"), ETL_END_TOTAL, true,
			  (facts.nbefore = 0, facts.total = 10));
	CHECK_END(OPTIONS("pagination", "none", "stop", "total=t"), ETL_END_TOTAL, true,
			  (facts.nbefore = facts.nitems = facts.total = 0, facts.as_asked = true));

	/* the last item has no cursor */
	CHECK_END(OPTIONS("pagination", "cursor", "next", "last:id", "next_param", "c"),
			  ETL_END_TRUNCATED, false, facts.has_next = false);
	CHECK_END(OPTIONS("pagination", "cursor", "next", "last:id", "next_param", "c"),
			  ETL_END_NO_NEXT, true, (facts.has_next = false, facts.nitems = 0));

	CHECK_END(OPTIONS("pagination", "none"), ETL_END_SINGLE, true, facts.has_next = false);
}

static void
test_references(void)
{
	static const struct
	{
		EtlJsonType type;
		const char *text;
		bool expected;
	} values[] = {
		{ETL_JSON_NULL, "null", false}, {ETL_JSON_FALSE, "false", false},
		{ETL_JSON_TRUE, "true", true},	{ETL_JSON_STRING, "", false},
		{ETL_JSON_STRING, "0", true},	{ETL_JSON_NUMBER, "0", true},
		{ETL_JSON_ARRAY, "[]", false},	{ETL_JSON_ARRAY, "[ ]", false},
		{ETL_JSON_ARRAY, "[1]", true},	{ETL_JSON_OBJECT, "{}", false},
		{ETL_JSON_ARRAY, "[[]]", true}, {ETL_JSON_OBJECT, "{\"a\":1}", true},
	};

	for (size_t i = 0; i < lengthof(values); i++)
	{
		EtlJsonValue value = {values[i].type, values[i].text, strlen(values[i].text)};

		CHECK(EtlPagingIsReference(&value) == values[i].expected, "%s", values[i].text);
	}
	CHECK(!EtlPagingIsReference(NULL), "nothing");
	CHECK(EtlPagingCount("25", 2) == 25, "a number");
	CHECK(EtlPagingCount("2.5", 3) == -1, "no whole number");
	CHECK(EtlPagingCount("-1", 2) == -1, "less than nothing");
	CHECK(EtlPagingCount("", 0) == -1, "nothing");
	CHECK(EtlPagingCount("99999999999999999999", 20) == -1, "too much");
}

/* ----------------------------------------------------------------
 *	Detection
 * ---------------------------------------------------------------- */

static const char *
no_header(void *arg, const char *name)
{
	return NULL;
}

/* arg is the only header there is, as "Name: value". */
static const char *
one_header(void *arg, const char *name)
{
	const char *header = arg;
	size_t len = strlen(name);

	return strncmp(header, name, len) == 0 && header[len] == ':' ? header + len + 2 : NULL;
}

static EtlDetection
detect(const char *body, const char *header)
{
	EtlJsonPathFault fault;
	EtlJsonOptions options = {
		.items = EtlJsonPathParse("$", 1, &fault), .max_depth = 100, .max_item_size = 1000000};
	EtlJsonReader *reader = EtlJsonReaderCreate(&options);
	EtlDetection detection;
	EtlJsonItem item;
	size_t room;

	memcpy(EtlJsonReaderRoom(reader, &room), body, strlen(body));
	EtlJsonReaderFed(reader, strlen(body));
	while (EtlJsonReaderNext(reader, &item) == ETL_JSON_NEED_DATA)
		EtlJsonReaderFed(reader, 0);
	EtlDetectFromBody(&item, NULL, header != NULL ? one_header : no_header, (void *) header,
					  &detection);
	return detection;
}

static const char *
option(const EtlDetection *detection, const char *name)
{
	const char *value = detection->value[EtlDialectFindOption(name)];

	return value != NULL ? value : "-";
}

static void
check_detected(const char *body, const char *header, const char *expected)
{
	EtlDetection detection = detect(body, header);
	char *got = psprintf("%s items=%s next=%s to=%s stop=%s%s%s", option(&detection, "pagination"),
						 option(&detection, "items"), option(&detection, "next"),
						 option(&detection, "next_param"), option(&detection, "stop"),
						 detection.doubt != NULL ? " doubt" : "",
						 detection.problem != NULL ? " problem" : "");

	CHECK_STR(got, expected);
}

#define ITEMS "[{\"id\":1},{\"id\":2}]"

static void
test_detect(void)
{
	check_detected("{\"data\":" ITEMS "}", "Link: </x?page=2>; rel=\"next\"",
				   "link items=data next=- to=- stop=-");
	check_detected("{\"data\":" ITEMS ",\"links\":{\"next\":\"/x?page=2\"}}", NULL,
				   "next_url items=data next=links.next to=- stop=-");
	check_detected("{\"value\":" ITEMS ",\"@odata.nextLink\":\"https://h/x\"}", NULL,
				   "next_url items=value next=\"@odata.nextLink\" to=- stop=-");
	check_detected("{\"data\":" ITEMS ",\"links\":{\"next\":{\"href\":\"/x\"}}}", NULL,
				   "next_url items=data next=links.next.href to=- stop=-");
	check_detected("{\"next\":null,\"results\":" ITEMS ",\"count\":2}", NULL,
				   "next_url items=results next=next to=- stop=total=count");
	check_detected("{\"items\":" ITEMS ",\"nextPageToken\":\"abc\"}", NULL,
				   "cursor items=items next=nextPageToken to=pageToken stop=-");
	check_detected("{\"items\":" ITEMS ",\"next_page_token\":\"abc\"}", NULL,
				   "cursor items=items next=next_page_token to=page_token stop=-");
	check_detected("{\"members\":" ITEMS ",\"response_metadata\":{\"next_cursor\":\"x\"}}", NULL,
				   "cursor items=members next=response_metadata.next_cursor to=cursor stop=-");
	check_detected("{\"results\":" ITEMS ",\"has_more\":true,\"next_cursor\":\"x\"}", NULL,
				   "cursor items=results next=next_cursor to=cursor stop=has_more=false");
	check_detected("{\"results\":" ITEMS ",\"page\":1,\"total_pages\":9}", NULL,
				   "page items=results next=- to=- stop=pages=total_pages");
	check_detected("{\"results\":" ITEMS ",\"offset\":0,\"total\":9}", NULL,
				   "offset items=results next=- to=- stop=total=total");
	check_detected("{\"results\":" ITEMS ",\"total\":2}", NULL,
				   "none items=results next=- to=- stop=total=total");
	check_detected("{\"results\":" ITEMS ",\"has_more\":true}", NULL,
				   "none items=results next=- to=- stop=has_more=false");
	check_detected("{\"results\":" ITEMS "}", NULL, "none items=results next=- to=- stop=- doubt");
	check_detected("{\"results\":" ITEMS ",\"next\":\"abc\"}", NULL,
				   "none items=results next=- to=- stop=- doubt");
	check_detected("{\"results\":" ITEMS "}", "X-Total-Count: 2",
				   "none items=results next=- to=- stop=total=header:X-Total-Count");
	check_detected("{\"id\":1,\"tags\":[\"a\"]}", NULL, "none items=$ next=- to=- stop=-");
	check_detected("{\"a\":" ITEMS ",\"b\":" ITEMS "}", NULL,
				   "- items=- next=- to=- stop=- doubt problem");
	check_detected("{\"a\":" ITEMS ",\"data\":" ITEMS ",\"more\":false}", NULL,
				   "none items=data next=- to=- stop=more=false");
	check_detected("{\"data\":[],\"next_cursor\":null}", NULL,
				   "cursor items=data next=next_cursor to=cursor stop=-");
	check_detected("{\"data\":{\"orders\":{\"edges\":[{\"node\":{\"id\":1}}]}}}", NULL,
				   "none items=data.orders.edges[].node next=- to=- stop=- doubt");
	check_detected("{}", NULL, "none items=$ next=- to=- stop=-");
}

int
main(void)
{
	test_options();
	test_complete();
	test_decide();
	test_references();
	test_detect();
	return check_report("paging");
}
