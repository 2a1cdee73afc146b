/*
 * bucket_test.c
 *		Addresses of buckets: what s3:// names, where that is asked for, and in which region.
 */
#include "etl.h"

#include "source/http/bucket.h"

#include "check.h"

#define NAME_FAULT                                                                            \
	"What follows s3:// must be the name of a bucket: at least three letters, digits, dots, " \
	"hyphens or underscores."

/* "bucket key", or why there is none. */
static const char *
parsed(const char *text)
{
	char *bucket, *key;
	EtlBucketKind kind;
	const char *fault = EtlBucketParse(text, &kind, &bucket, &key);

	if (fault)
		return fault;
	return psprintf("%s%s %s", kind == ETL_BUCKET_S3 ? "" : EtlBucketScheme(kind), bucket, key);
}

static const char *
url_of(const char *bucket, const char *key, const char *endpoint, const char *region,
	   const char *addressing)
{
	EtlBucketPlace place = {ETL_BUCKET_S3, endpoint, region, addressing};
	EtlUrl url;
	const char *fault = EtlBucketUrl(bucket, key, &place, &url);

	return fault ? fault : EtlUrlText(&url);
}

static void
test_parse(void)
{
	CHECK(EtlIsBucketUrl("s3://a") && EtlIsBucketUrl("S3://a"), "s3://");
	CHECK(!EtlIsBucketUrl("s3:/a") && !EtlIsBucketUrl("http://s3://a"), "others");
	CHECK_STR(parsed("s3://lake"), "lake ");
	CHECK_STR(parsed("s3://lake/"), "lake ");
	CHECK_STR(parsed("s3://lake/a/b?c#d%20"), "lake a/b?c#d%20");
	CHECK_STR(parsed("s3://lake//a"), "lake /a");
	CHECK_STR(parsed("s3://My_Old.Bucket-1/x"), "My_Old.Bucket-1 x");
	CHECK_STR(parsed("s3://"), NAME_FAULT);
	CHECK_STR(parsed("s3://ab/x"), NAME_FAULT);
	CHECK_STR(parsed("s3://a..b/x"), NAME_FAULT);
	CHECK_STR(parsed("s3://.abc/x"), NAME_FAULT);
	CHECK_STR(parsed("s3://user@host/x"), NAME_FAULT);
	CHECK_STR(parsed("s3://host:80/x"), NAME_FAULT);
	CHECK_STR(parsed("s3://b\xc3\xa4r/x"), NAME_FAULT);
}

static const char *
blob_url(const char *key, const char *endpoint)
{
	EtlBucketPlace place = {ETL_BUCKET_AZURE, endpoint};
	EtlUrl url;
	const char *fault = EtlBucketUrl("lake", key, &place, &url);

	return fault ? fault : EtlUrlText(&url);
}

static void
test_azure(void)
{
	CHECK(EtlIsBucketUrl("az://a") && EtlIsBucketUrl("AZ://a"), "az://");
	CHECK(!EtlIsBucketUrl("az:a") && !EtlIsBucketUrl("azs://a"), "others");
	CHECK_STR(parsed("az://lake/a/b?c"), "az://lake a/b?c");
	CHECK_STR(parsed("AZ://$web"), "az://$web ");
	CHECK_STR(parsed("s3://$web"), NAME_FAULT);
	CHECK_STR(parsed("az://$"),
			  "What follows az:// must be the name of a container: at least three "
			  "letters, digits or hyphens.");
	CHECK_STR(blob_url("a b%.csv", "https://acme.blob.core.windows.net"),
			  "https://acme.blob.core.windows.net/lake/a%20b%25.csv");
	CHECK_STR(blob_url("", "http://127.0.0.1:10000/devstoreaccount1/"),
			  "http://127.0.0.1:10000/devstoreaccount1/lake/");
	CHECK_STR(blob_url("", NULL), "The endpoint must say whose container that is: "
								  "https://ACCOUNT.blob.core.windows.net.");
}

static void
test_address(void)
{
	CHECK_STR(url_of("lake", "a.csv", NULL, NULL, NULL),
			  "https://lake.s3.us-east-1.amazonaws.com/a.csv");
	CHECK_STR(url_of("lake", "", NULL, "eu-central-1", NULL),
			  "https://lake.s3.eu-central-1.amazonaws.com/");
	CHECK_STR(url_of("lake", "x", NULL, "cn-north-1", NULL),
			  "https://lake.s3.cn-north-1.amazonaws.com.cn/x");
	CHECK_STR(url_of("my.lake", "x", NULL, NULL, NULL),
			  "https://s3.us-east-1.amazonaws.com/my.lake/x");
	CHECK_STR(url_of("Lake", "x", NULL, NULL, NULL), "https://s3.us-east-1.amazonaws.com/Lake/x");
	CHECK_STR(url_of("lake", "x", NULL, NULL, "path"), "https://s3.us-east-1.amazonaws.com/lake/x");
	CHECK_STR(url_of("lake", "x", "http://localhost:9000", "eu", NULL),
			  "http://localhost:9000/lake/x");
	CHECK_STR(url_of("lake", "x", "http://localhost:9000/s3/", NULL, NULL),
			  "http://localhost:9000/s3/lake/x");
	CHECK_STR(url_of("lake", "x", "https://storage.example", NULL, "virtual"),
			  "https://lake.storage.example/x");
	CHECK_STR(url_of("lake", "a b/100%/c=1+2?#\xc3\xa9", NULL, NULL, NULL),
			  "https://lake.s3.us-east-1.amazonaws.com/a%20b/100%25/c%3D1%2B2%3F%23%C3%A9");
	CHECK_STR(url_of("lake", "/a//b/", NULL, NULL, NULL),
			  "https://lake.s3.us-east-1.amazonaws.com//a//b/");
	CHECK_STR(url_of("lake", "a/.b/..c/...", NULL, NULL, NULL),
			  "https://lake.s3.us-east-1.amazonaws.com/a/.b/..c/...");
}

static void
test_refused(void)
{
	const char *const keys[] = {".", "..", "../x", "a/../b", "a/./b", "a/..", "a/.", "./a"};

	for (int i = 0; i < lengthof(keys); i++)
		CHECK_STR(url_of("lake", keys[i], NULL, NULL, NULL),
				  "A key in which \".\" or \"..\" stands between slashes cannot be asked for.");
	CHECK_STR(url_of("lake", psprintf("%1025s", ""), NULL, NULL, NULL),
			  "A key has 1024 bytes at most.");
	CHECK_STR(url_of("lake", "x", NULL, "evil.example/", NULL),
			  "A region has lower-case letters, digits and hyphens only.");
	CHECK_STR(url_of("lake", "x", "ftp://host", NULL, NULL),
			  "Only http:// and https:// URLs can be read.");
	CHECK_STR(url_of("lake", "x", "https://u:p@host", NULL, NULL),
			  "The endpoint must have neither a user nor a query.");
}

static const char *
moved(const char *text, const char *region)
{
	EtlUrl url;

	CHECK(EtlUrlParse(text, &url) == NULL, "%s", text);
	EtlBucketSetRegion(&url, region);
	return EtlUrlText(&url);
}

static void
test_region(void)
{
	CHECK_STR(moved("https://lake.s3.us-east-1.amazonaws.com/x", "eu-west-1"),
			  "https://lake.s3.eu-west-1.amazonaws.com/x");
	CHECK_STR(moved("https://s3.us-east-1.amazonaws.com/my.lake/x", "cn-north-1"),
			  "https://s3.cn-north-1.amazonaws.com.cn/my.lake/x");
	CHECK_STR(moved("https://s3.us-east-1.storage.example/x", "eu-west-1"),
			  "https://s3.us-east-1.storage.example/x");
	CHECK_STR(moved("https://lake.s3.dualstack.us-east-1.amazonaws.com/x", "eu-west-1"),
			  "https://lake.s3.dualstack.us-east-1.amazonaws.com/x");
	CHECK_STR(moved("http://127.0.0.1:9000/lake/x", "eu-west-1"), "http://127.0.0.1:9000/lake/x");
}

int
main(void)
{
	test_parse();
	test_azure();
	test_address();
	test_refused();
	test_region();
	return check_report("bucket");
}
