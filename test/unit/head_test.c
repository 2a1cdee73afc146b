/*
 * head_test.c
 *		Headers of a response: which are found, and what their values are.
 */
#include "etl.h"

#include "source/http/head.h"

#include "check.h"

static const char head[] = "HTTP/1.1 200 OK\r\n"
						   "Content-Type: text/csv\r\n"
						   "ETAG:\"x\"\r\n"
						   "X-Empty:\r\n"
						   "X-Blank:  \t \r\n"
						   "X-Padded: \t a b \t\r\n"
						   "Link: <a>; rel=next\r\n"
						   "X-Linker: no\r\n"
						   "link: <b>; rel=last\n"
						   "Folded: one\r\n"
						   " Link: not a header\r\n"
						   "No-Colon\r\n"
						   "X: Y: z\r\n"
						   "\r\n";

static void
test_values(void)
{
	CHECK_STR(EtlHeadValue(head, "Content-Type"), "text/csv");
	CHECK_STR(EtlHeadValue(head, "content-type"), "text/csv");
	CHECK_STR(EtlHeadValue(head, "ETag"), "\"x\"");
	CHECK_STR(EtlHeadValue(head, "X-Empty"), "");
	CHECK_STR(EtlHeadValue(head, "X-Blank"), "");
	CHECK_STR(EtlHeadValue(head, "X-Padded"), "a b");
	CHECK_STR(EtlHeadValue(head, "Link"), "<a>; rel=next, <b>; rel=last");
	CHECK_STR(EtlHeadValue(head, "X"), "Y: z");
	CHECK(EtlHeadValue(head, "HTTP/1.1 200 OK") == NULL, "the status line is no header");
	CHECK(EtlHeadValue(head, "No-Colon") == NULL, "a line without a colon is no header");
	CHECK(EtlHeadValue(head, "Content") == NULL, "the beginning of a name is another name");
	CHECK(EtlHeadValue(head, "Y") == NULL, "a value is no name");
	CHECK(EtlHeadValue("", "X") == NULL, "an empty head");
	CHECK(EtlHeadValue("HTTP/1.1 200 OK\r\n", "X") == NULL, "a head of one line");
	CHECK_STR(EtlHeadValue("HTTP/1.1 200 OK\r\nX: cut", "X"), "cut");
}

static void
test_next(void)
{
	size_t len;
	const char *value = EtlHeadNext(head, "Link", NULL, &len);

	CHECK(value && len == 13 && strncmp(value, "<a>", 3) == 0, "the first");
	value = EtlHeadNext(head, "Link", value, &len);
	CHECK(value && len == 13 && strncmp(value, "<b>", 3) == 0, "the second");
	CHECK(EtlHeadNext(head, "Link", value, &len) == NULL, "no third");
}

int
main(void)
{
	test_values();
	test_next();
	return check_report("head");
}
