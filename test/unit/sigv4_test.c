/*
 * sigv4_test.c
 *		Signatures against the AWS signing test suite (test/fixtures/sigv4), and what S3 has of its own.
 */
#include "etl.h"

#include "source/http/crypto.h"
#include "source/http/sigv4.h"

#include "check.h"

#define VECTORS "test/fixtures/sigv4/vectors.txt"
#define NVECTORS 38
#define MAX_HEADERS 10

/* A paragraph of the file. */
typedef struct Vector
{
	char *name;
	char *authorization;
	bool normalize;
	EtlSigv4 request;
	const char *headers[MAX_HEADERS];
} Vector;

static char *
read_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	static char text[64 * 1024];
	size_t len = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;

	text[len] = '\0';
	if (file != NULL)
		fclose(file);
	return text;
}

/* The next line, cut off; NULL: there is none. */
static char *
next_line(char **text)
{
	char *line = *text;
	char *end = strchr(line, '\n');

	if (*line == '\0')
		return NULL;
	*text = end != NULL ? end + 1 : line + strlen(line);
	if (end != NULL)
		*end = '\0';
	return line;
}

/* What follows a word and a blank at the start of a line; NULL: another word is there. */
static char *
after(char *line, const char *word)
{
	size_t len = strlen(word);

	return strncmp(line, word, len) == 0 && line[len] == ' ' ? line + len + 1 : NULL;
}

/* "GET /path?query HTTP/1.1" */
static void
read_request_line(Vector *vector, char *line)
{
	char *path = strchr(line, ' ') + 1;
	char *end = strrchr(line, ' ');
	char *query = strchr(path, '?');

	path[-1] = *end = '\0';
	if (query != NULL)
	{
		*query = '\0';
		vector->request.query = query + 1;
	}
	vector->request.method = line;
	vector->request.path = path;
}

/* Up to an empty line; one that begins with a blank goes on with the header before it. */
static void
read_headers(Vector *vector, char **text)
{
	EtlSigv4 *request = &vector->request;
	char *line;

	while ((line = next_line(text)) != NULL && *line != '\0')
		if (*line == ' ')
			vector->headers[request->nheaders - 1] =
				psprintf("%s\n%s", vector->headers[request->nheaders - 1], line);
		else
			vector->headers[request->nheaders++] = line;
}

static bool
read_vector(Vector *vector, char **text)
{
	EtlSigv4 *request = &vector->request;
	char *line = next_line(text);
	char *value;

	memset(vector, 0, sizeof(*vector));
	if (line == NULL)
		return false;
	vector->name = line + 2;
	while ((line = next_line(text)) != NULL && strcmp(line, "request") != 0)
	{
		if ((value = after(line, "normalize")) != NULL)
			vector->normalize = strcmp(value, "true") == 0;
		if ((value = after(line, "sign_body")) != NULL)
			request->shows_hash = strcmp(value, "true") == 0;
		if ((value = after(line, "token")) != NULL)
			request->session_token = value;
		if ((value = after(line, "authorization")) != NULL)
			vector->authorization = value;
	}
	read_request_line(vector, next_line(text));
	read_headers(vector, text);
	if (**text != '#' && (line = next_line(text)) != NULL)
	{
		request->body = line;
		request->body_len = strlen(line);
		(void) next_line(text);
	}
	return true;
}

static const EtlSigv4 defaults = {
	.access_key_id = "AKIDEXAMPLE",
	.secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	.region = "us-east-1",
	.service = "service",
	.time = 1440938160,
};

static void
test_suite(void)
{
	char *text = read_file(VECTORS);
	Vector vector;
	int count = 0;

	while (read_vector(&vector, &text))
	{
		EtlSigv4 *request = &vector.request;
		EtlSigv4Headers headers;

		request->access_key_id = defaults.access_key_id;
		request->secret_access_key = defaults.secret_access_key;
		request->region = defaults.region;
		request->service = defaults.service;
		request->time = defaults.time;
		request->headers = vector.headers;
		/* A path that is not to be normalised is that of an object. */
		request->as_object = !vector.normalize;
		if (request->as_object)
			request->path = EtlSigv4Path(request->path);
		EtlSigv4Sign(request, &headers);
		CHECK(strcmp(headers.authorization + strlen("Authorization: "), vector.authorization) == 0,
			  "%s: got %s, expected %s", vector.name, headers.authorization, vector.authorization);
		CHECK_STR(headers.date, "X-Amz-Date: 20150830T123600Z");
		count++;
	}
	CHECK(count == NVECTORS, "%d vectors are there", count);
}

/* The examples of the documentation of S3: a range of an object, and a list of a bucket. */
static void
test_s3(void)
{
	const char *ranged[] = {"Host: examplebucket.s3.amazonaws.com", "Range: bytes=0-9"};
	EtlSigv4 request = {
		.access_key_id = "AKIAIOSFODNN7EXAMPLE",
		.secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		.region = "us-east-1",
		.service = "s3",
		.time = 1369353600,
		.as_object = true,
		.shows_hash = true,
		.method = "GET",
		.path = EtlSigv4Path("/test.txt"),
		.headers = ranged,
		.nheaders = 2,
	};
	EtlSigv4Headers headers;

	EtlSigv4Sign(&request, &headers);
	CHECK_STR(headers.authorization,
			  "Authorization: AWS4-HMAC-SHA256 "
			  "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
			  "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
			  "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
	CHECK_STR(headers.hash, "X-Amz-Content-Sha256: "
							"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	CHECK(headers.token == NULL, "there is no token");

	request.path = "/";
	request.query = "max-keys=2&prefix=J";
	request.nheaders = 1;
	EtlSigv4Sign(&request, &headers);
	CHECK_STR(headers.authorization,
			  "Authorization: AWS4-HMAC-SHA256 "
			  "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
			  "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
			  "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static const char *
signature_of(const char *path, const char *query)
{
	const char *host[] = {"Host: h"};
	EtlSigv4 request = defaults;
	EtlSigv4Headers headers;

	request.method = "GET";
	request.path = path;
	request.query = query;
	request.headers = host;
	request.nheaders = 1;
	EtlSigv4Sign(&request, &headers);
	return strstr(headers.authorization, "Signature=");
}

static void
test_canonical_form(void)
{
	CHECK_STR(EtlSigv4Path("/a b/\xc3\xa9"), "/a%20b/%C3%A9");
	CHECK_STR(EtlSigv4Path("/day=1/a+b,c(1)!'*"), "/day%3D1/a%2Bb%2Cc%281%29%21%27%2A");
	CHECK_STR(EtlSigv4Path("/day%3d1/%7Ea%2fb%20"), "/day%3D1/~a/b%20");
	CHECK_STR(EtlSigv4Path("//a/./../b//"), "//a/./../b//");
	CHECK_STR(EtlSigv4Path("/100%"), "/100%25");
	CHECK_STR(EtlSigv4Path("/"), "/");

	/* names are compared before values, and as they are escaped */
	CHECK_STR(signature_of("/", "a-b=1&a=2"), signature_of("/", "a=2&a-b=1"));
	CHECK_STR(signature_of("/", "a=2&a=10"), signature_of("/", "a=10&a=2"));
	CHECK_STR(signature_of("/", "&a=%2f&b&"), signature_of("/", "b=&a=/"));
	CHECK(strcmp(signature_of("/", "a=1"), signature_of("/", "a=2")) != 0, "values count");
	CHECK(strcmp(signature_of("/", "a=%2520"), signature_of("/", "a=%20")) != 0, "escapes count");
	CHECK_STR(signature_of("/a//b/../c/", NULL), signature_of("/a/c/", NULL));
	CHECK_STR(signature_of("/a/..", NULL), signature_of("/", NULL));
	CHECK(strcmp(signature_of("/a%20b", NULL), signature_of("/a b", NULL)) != 0,
		  "other services escape the path once more");
}

int
main(void)
{
	test_suite();
	test_s3();
	test_canonical_form();
	return check_report("sigv4");
}
