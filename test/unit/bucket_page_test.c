/*
 * bucket_page_test.c
 *		Pages of the list of a bucket, as several servers write them, in pieces of any size.
 */
#include "etl.h"

#include "lib/stringinfo.h"
#include "source/http/bucket_page.h"

#include "check.h"

#define HEAD                                       \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" \
	"<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
#define TAIL "</ListBucketResult>"
#define OBJECT(key)                                                                     \
	"<Contents><Key>" key "</Key><LastModified>2026-12-01T00:00:00.000Z</LastModified>" \
	"<ETag>&quot;e1&quot;</ETag><Size>12</Size><Owner><ID>x</ID><Key>no</Key></Owner></Contents>"

/* "key etag size; ... token", or what is wrong. */
static const char *
read_in_pieces(const char *text, size_t piece)
{
	EtlBucketPage *page = EtlBucketPageCreate();
	StringInfoData out;
	size_t len = strlen(text);
	bool is_well = true;

	for (size_t i = 0; i < len && is_well; i += piece)
		is_well = EtlBucketPageFeed(page, text + i, Min(piece, len - i));
	is_well = is_well && EtlBucketPageEnd(page);
	EtlBucketPageFree(page);
	if (!is_well)
		return page->fault;
	initStringInfo(&out);
	for (EtlBucketObject *object = page->objects; object != NULL; object = object->next)
		appendStringInfo(&out, "%s %s %d %s; ", object->key, object->etag ? object->etag : "-",
						 (int) object->size, object->modified ? object->modified : "-");
	appendStringInfoString(&out, page->token ? page->token : "end");
	return out.data;
}

/* The same whatever comes at once. */
static const char *
page_of(const char *text)
{
	const char *whole = read_in_pieces(text, strlen(text) + 1);

	for (size_t piece = 1; piece < 8; piece++)
		CHECK_STR(read_in_pieces(text, piece), whole);
	return whole;
}

#define BLOBS \
	"<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ContainerName=\"lake\"><Prefix>x</Prefix><Blobs>"
#define BLOB(name, more)                                                                     \
	"<Blob>" name "<Properties><Last-Modified>Tue, 01 Dec 2026 00:00:00 GMT</Last-Modified>" \
	"<Etag>0x8D1</Etag><Content-Length>12</Content-Length>" more "</Properties></Blob>"

static void
test_azure(void)
{
	CHECK_STR(page_of(BLOBS "</Blobs><NextMarker /></EnumerationResults>"), "end");
	CHECK_STR(page_of(BLOBS BLOB("<Name>a+%20b.csv</Name>", "")
						  BLOB("<Name Encoded=\"true\">a%EF%BF%BE+</Name>",
							   "") "</Blobs><NextMarker>2!76!x</NextMarker></EnumerationResults>"),
			  "a+%20b.csv \"0x8D1\" 12 Tue, 01 Dec 2026 00:00:00 GMT; "
			  "a\xef\xbf\xbe+ \"0x8D1\" 12 Tue, 01 Dec 2026 00:00:00 GMT; 2!76!x");
	CHECK_STR(
		page_of(
			BLOBS BLOB("<Name>dir</Name>", "<ResourceType>directory</ResourceType>")
				BLOB("<Name>dir/a</Name>", "<ResourceType>file</ResourceType>") BLOB(
					"<Name>e</Name>",
					"<ResourceType>directory</ResourceType>") "</Blobs><NextMarker/></EnumerationResults>"),
		"dir/a \"0x8D1\" 12 Tue, 01 Dec 2026 00:00:00 GMT; end");
	CHECK_STR(page_of(BLOBS BLOB("", "") "</Blobs></EnumerationResults>"),
			  "An object in it has no key.");
	CHECK_STR(page_of(BLOBS BLOB("<Name Encoded=\"true\">%zz</Name>",
								 "") "</Blobs></EnumerationResults>"),
			  "A key in it is empty, or not escaped as it should be.");
}

static void
test_pages(void)
{
	CHECK_STR(page_of(HEAD TAIL), "end");
	CHECK_STR(page_of(HEAD OBJECT("a.csv") OBJECT("b.csv") "<IsTruncated>false</IsTruncated>" TAIL),
			  "a.csv \"e1\" 12 2026-12-01T00:00:00.000Z; "
			  "b.csv \"e1\" 12 2026-12-01T00:00:00.000Z; end");
	CHECK_STR(page_of(HEAD "<IsTruncated>true</IsTruncated><NextContinuationToken>1/+=&amp;"
						   "</NextContinuationToken>" TAIL),
			  "1/+=&");
	CHECK_STR(page_of(HEAD "<NextContinuationToken>x</NextContinuationToken>" TAIL), "end");
	/* another namespace, white space, less of an object, and the word that keys are escaped behind them */
	CHECK_STR(
		page_of("<s3:ListBucketResult xmlns:s3=\"x\">\n <s3:Contents>\n  <s3:Key>a%20b+c%2Bd%0A"
				"</s3:Key>\n </s3:Contents>\n <s3:EncodingType>url</s3:EncodingType>\n"
				"</s3:ListBucketResult>\n"),
		"a b c+d\n - -1 -; end");
	CHECK_STR(page_of(HEAD "<Contents><Key>100%+&lt;&#233;</Key></Contents>" TAIL),
			  "100%+<\xc3\xa9 - -1 -; end");
	/* folders of a list that has delimiters are no objects */
	CHECK_STR(page_of(HEAD "<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>" TAIL), "end");
}

static void
test_faults(void)
{
	const char *broken = "It is not the XML that it should be.";
	StringInfoData text;

	CHECK_STR(page_of(""), broken);
	CHECK_STR(page_of("{\"a\": 1}"), broken);
	CHECK_STR(page_of(HEAD OBJECT("a")), broken);
	CHECK_STR(page_of(HEAD "<Contents></Key>" TAIL), broken);
	CHECK_STR(page_of(HEAD TAIL "x"), broken);
	CHECK_STR(page_of("<html><body>Hello</body></html>"), "It is not the list of a bucket.");
	CHECK_STR(page_of("<html>" HEAD OBJECT("a") TAIL "</html>"), broken);
	CHECK_STR(page_of("<html><ListBucketResult/></html>"), "It is not the list of a bucket.");
	CHECK_STR(page_of(HEAD "<Contents><Size>1</Size></Contents>" TAIL),
			  "An object in it has no key.");
	CHECK_STR(page_of(HEAD "<Contents><Key></Key></Contents>" TAIL),
			  "A key in it is empty, or not escaped as it should be.");
	CHECK_STR(
		page_of(HEAD "<Contents><Key>a%0</Key></Contents><EncodingType>url</EncodingType>" TAIL),
		"A key in it is empty, or not escaped as it should be.");
	CHECK_STR(
		page_of(HEAD "<Contents><Key>a%00b</Key></Contents><EncodingType>url</EncodingType>" TAIL),
		"A key in it is empty, or not escaped as it should be.");
	CHECK_STR(page_of(HEAD "<IsTruncated>true</IsTruncated>" TAIL),
			  "It says that there is more, but not how to ask for that.");
	CHECK_STR(page_of("<!DOCTYPE x [<!ENTITY a \"b\">]><ListBucketResult>&a;</ListBucketResult>"),
			  "It declares a type of document.");

	initStringInfo(&text);
	appendStringInfoString(&text, HEAD);
	for (int i = 0; i < 16 * 1024; i++)
		appendStringInfo(&text, "<Contents><Key>%1000d</Key></Contents>", i);
	CHECK_STR(read_in_pieces(text.data, 8192), "It is larger than 16 MB.");
	resetStringInfo(&text);
	appendStringInfoString(&text, HEAD "<Contents><Key>");
	for (int i = 0; i < 8193; i++)
		appendStringInfoChar(&text, 'k');
	CHECK_STR(page_of(text.data), "A key or a token in it is too long.");
	resetStringInfo(&text);
	for (int i = 0; i < 17; i++)
		appendStringInfoString(&text, "<a>");
	CHECK_STR(page_of(text.data), "Its elements are nested too deeply.");
}

int
main(void)
{
	test_pages();
	test_azure();
	test_faults();
	return check_report("bucket_page");
}
