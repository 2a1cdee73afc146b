/*
 * bucket.c
 *		Addresses of S3 and what is like it.
 *
 *		s3://bucket/key  ->  https://bucket.s3.REGION.amazonaws.com/key		AWS
 *							 https://s3.REGION.amazonaws.com/bucket/key		the name of the bucket is no label of a host
 *							 ENDPOINT/bucket/key							others
 *		az://container/key	 ENDPOINT/container/key
 */
#include "etl.h"

#include "source/http/bucket.h"
#include "source/http/sigv4.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define MAX_BUCKET 255
#define MAX_LABEL 63
#define MAX_KEY 1024

#define SCHEME_LENGTH 5

static const char *const schemes[] = {
	[ETL_BUCKET_S3] = "s3://",
	[ETL_BUCKET_AZURE] = "az://",
};

bool
EtlIsBucketUrl(const char *text)
{
	for (int i = 0; i < lengthof(schemes); i++)
		if (pg_strncasecmp(text, schemes[i], SCHEME_LENGTH) == 0)
			return true;
	return false;
}

const char *
EtlBucketScheme(EtlBucketKind kind)
{
	return schemes[kind];
}

bool
EtlIsRegion(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= MAX_LABEL && strspn(text, LOWER DIGITS "-") == len;
}

/* Today's rules are stricter; buckets from before them, and those of others, are older or laxer. */
static bool
is_bucket(const char *name)
{
	size_t len = strlen(name);

	return len >= 3 && len <= MAX_BUCKET &&
		   strspn(name, LOWER DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-_") == len && name[0] != '.' &&
		   strstr(name, "..") == NULL;
}

/* With a dot in it, it would not be covered by the certificate of *.s3.REGION.amazonaws.com. */
static bool
is_label(const char *bucket)
{
	size_t len = strlen(bucket);

	return len <= MAX_LABEL && strspn(bucket, LOWER DIGITS "-") == len && bucket[0] != '-' &&
		   bucket[len - 1] != '-';
}

const char *
EtlBucketParse(const char *text, EtlBucketKind *kind, char **bucket, char **key)
{
	const char *name = text + SCHEME_LENGTH;
	size_t len = strcspn(name, "/");
	bool is_s3 = pg_strncasecmp(text, schemes[ETL_BUCKET_S3], SCHEME_LENGTH) == 0;
	bool is_special;

	*kind = is_s3 ? ETL_BUCKET_S3 : ETL_BUCKET_AZURE;
	*bucket = pnstrdup(name, len);
	*key = pstrdup(name[len] == '/' ? name + len + 1 : "");
	is_special = !is_s3 && **bucket == '$'; /* $web, $root, $logs */
	if (is_bucket(*bucket + is_special))
		return NULL;
	return is_s3 ? "What follows s3:// must be the name of a bucket: at least three "
				   "letters, digits, dots, hyphens or underscores."
				 : "What follows az:// must be the name of a container: at least three letters, "
				   "digits or hyphens.";
}

/* Some servers, and those between, would take it for another key. */
static bool
has_dot_segment(const char *key)
{
	for (const char *p = key; p != NULL; p = strchr(p, '/'))
	{
		p += *p == '/';
		if (p[0] == '.' && strchr("/.", p[1]) != NULL &&
			(p[1] != '.' || p[2] == '/' || p[2] == '\0'))
			return true;
	}
	return false;
}

const char *
EtlBucketSuffix(const char *region)
{
	return strncmp(region, "cn-", 3) == 0 ? ".amazonaws.com.cn" : ".amazonaws.com";
}

static const char *
aws_url(const char *region, EtlUrl *url)
{
	if (!EtlIsRegion(region))
		return "A region has lower-case letters, digits and hyphens only.";
	return EtlUrlParse(psprintf("https://s3.%s%s", region, EtlBucketSuffix(region)), url);
}

const char *
EtlBucketUrl(const char *bucket, const char *key, const EtlBucketPlace *place, EtlUrl *url)
{
	const char *region = place->region != NULL ? place->region : ETL_DEFAULT_REGION;
	const char *fault =
		place->endpoint != NULL ? EtlUrlParse(place->endpoint, url) : aws_url(region, url);
	bool in_host = place->addressing != NULL ? strcmp(place->addressing, "virtual") == 0
											 : place->endpoint == NULL && is_label(bucket);
	size_t len;

	if (place->kind == ETL_BUCKET_AZURE && place->endpoint == NULL)
		return "The endpoint must say whose container that is: https://ACCOUNT.blob.core.windows.net.";
	if (fault != NULL)
		return fault;
	if (url->query != NULL || url->user != NULL)
		return "The endpoint must have neither a user nor a query.";
	if (strlen(key) > MAX_KEY)
		return "A key has 1024 bytes at most.";
	if (has_dot_segment(key))
		return "A key in which \".\" or \"..\" stands between slashes cannot be asked for.";
	len = strlen(url->path);
	while (len > 0 && url->path[len - 1] == '/')
		len--;
	url->path[len] = '\0';
	if (in_host)
		url->host = psprintf("%s.%s", bucket, url->host);
	else
		url->path = psprintf("%s/%s", url->path, bucket);
	/* A '%' in a key stands for itself. */
	url->path = psprintf("%s/%s", url->path, EtlSigv4Escape(key));
	return NULL;
}

void
EtlBucketSetRegion(EtlUrl *url, const char *region)
{
	char *service = strncmp(url->host, "s3.", 3) == 0 ? url->host : strstr(url->host, ".s3.");
	char *old;
	size_t len;

	if (service == NULL)
		return;
	old = strstr(service, "s3.") + 3;
	len = strcspn(old, ".");
	if (strcmp(old + len, ".amazonaws.com") == 0 || strcmp(old + len, ".amazonaws.com.cn") == 0)
		url->host = psprintf("%s%s%s", pnstrdup(url->host, old - url->host), region,
							 EtlBucketSuffix(region));
}
