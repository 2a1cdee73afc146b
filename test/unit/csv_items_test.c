/*
 * csv_items_test.c
 *		Records of CSV as JSON items: each is, token by token, what the JSON reader makes of its text; in pieces of every
 *		size; and how a body is broken.
 */
#include "etl.h"

#include "format/csv_items.h"

#include "check.h"

/* A path to the member "id", for the capture. */
static EtlJsonPath *id_path;

static EtlJsonOptions
make_options(size_t max_item_size)
{
	EtlJsonOptions options = {.many = true, .max_depth = 10, .max_item_size = max_item_size};

	options.ncaptures = 1;
	options.captures[0].path = id_path;
	options.captures[0].of_last_item = true;
	return options;
}

/* Compares an item with what the JSON reader finds in its text. */
static void
check_item(const EtlJsonItem *item)
{
	EtlJsonOptions options = make_options(100000);
	EtlReader *reader = EtlJsonFormat.create(&options);
	EtlBytes bytes = {item->data, item->len};
	EtlJsonItem other;

	CHECK(EtlReaderNext(reader, &other, EtlFeedBytes, &bytes) == ETL_FORMAT_RECORD,
		  "%.*s is an item", (int) item->len, item->data);
	CHECK(item->len == other.len && item->ntokens == other.ntokens, "%.*s: %d tokens",
		  (int) item->len, item->data, (int) other.ntokens);
	for (uint32 i = 0; i < item->ntokens; i++)
	{
		const EtlJsonToken *a = &item->tokens[i], *b = &other.tokens[i];
		size_t a_len, b_len;
		const char *a_text = EtlJsonTokenText(item, a, &a_len);
		const char *b_text = EtlJsonTokenText(&other, b, &b_len);

		CHECK(a->type == b->type && a->start == b->start && a->len == b->len && a->next == b->next,
			  "token %d of %.*s", (int) i, (int) item->len, item->data);
		CHECK(a_len == b_len && memcmp(a_text, b_text, a_len) == 0, "text %d of %.*s", (int) i,
			  (int) item->len, item->data);
		if (i > 0)
			CHECK(a->key_len == b->key_len &&
					  memcmp(EtlJsonTokenKey(item, a), EtlJsonTokenKey(&other, b), a->key_len) == 0,
				  "name %d of %.*s", (int) i, (int) item->len, item->data);
	}
	reader->format->free(reader);
}

/* The items of a body that comes in pieces, their texts with | between them, the step that ends it, and the last id. */
static char *
read_body(const char *body, size_t len, size_t chunk, size_t max_item_size)
{
	EtlJsonOptions options = make_options(max_item_size);
	EtlReader *reader = EtlCsvItemsFormat.create(&options);
	const EtlJsonValue *id;
	StringInfoData out;
	EtlJsonItem item;
	int step = ETL_FORMAT_NEED_DATA;

	initStringInfo(&out);
	for (int round = 0; round < 2; round++) /* a reader is used again */
	{
		const char *p = body;
		size_t left = len;

		EtlReaderReset(reader, NULL);
		resetStringInfo(&out);
		do
		{
			EtlBytes bytes = {p, Min(chunk, left), .cut = left > 0};

			p += bytes.len;
			left -= bytes.len;
			while ((step = EtlReaderNext(reader, &item, EtlFeedBytes, &bytes)) == ETL_FORMAT_RECORD)
			{
				check_item(&item);
				appendStringInfo(&out, "%.*s|", (int) item.len, item.data);
			}
		} while (step == ETL_FORMAT_NEED_DATA);
	}
	appendStringInfo(&out, "%d", step);
	id = reader->format->captured(reader, 0);
	if (id != NULL)
		appendStringInfo(&out, " id %.*s", (int) id->len, id->text);
	if (step >= ETL_FORMAT_BROKEN)
		appendStringInfo(&out, " line %d", (int) EtlCsvItemsReaderFault(reader)->line);
	return out.data;
}

static const struct
{
	const char *body;
	const char *expected;
} cases[] = {
	{"id,name\n1,a\n2,\n3,\"\"\n",
	 "{\"id\":\"1\",\"name\":\"a\"}|{\"id\":\"2\",\"name\":null}|{\"id\":\"3\",\"name\":\"\"}|2 id 3"},
	{"\xef\xbb\xbfid,\"a\"\"b\",c\\d\r\n7,\"x\r\ny\",\"q\"\"\\\t\x01\"\r\n",
	 "{\"id\":\"7\",\"a\\\"b\":\"x\\u000d\\u000ay\",\"c\\\\d\":\"q\\\"\\\\\\u0009\\u0001\"}|2 id 7"},
	{"id,,\n\xc3\xa4,1,2", "{\"id\":\"\xc3\xa4\",\"\":\"1\",\"\":\"2\"}|2 id \xc3\xa4"},
	{"", "3"},
	{"id,name\n", "3"},
	{"id,id\n1,2\n", "10 line 1"},
	{"id,a\n1,2\n3\n", "{\"id\":\"1\",\"a\":\"2\"}|8 id 1 line 3"},
	{"id,a\n1,2\n3,4,5\n", "{\"id\":\"1\",\"a\":\"2\"}|9 id 1 line 3"},
	{"id,a\n1,\"x\n", "4 line 2"},
	{"id,a\n1,\xff\n", "7 line 2"},
	{"id,a\n1,012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\n",
	 "5 line 2"},
};

int
main(void)
{
	EtlJsonPathFault fault;

	id_path = EtlJsonPathParse("id", 2, &fault);
	for (int i = 0; i < lengthof(cases); i++)
		for (size_t chunk = 1; chunk < 40; chunk++)
			CHECK_STR(read_body(cases[i].body, strlen(cases[i].body), chunk, 80),
					  cases[i].expected);
	CHECK_STR(read_body("id\n1\0\n", 6, 3, 80), "6 line 2");
	return check_report("csv_items");
}
