/*
 * sigv4.c
 *		Signatures of requests to AWS (Signature Version 4).
 *
 *		method, path, query, headers, hash of the body -> canonical request
 *		algorithm, time, scope, hash of that           -> what is signed
 *		secret key -> date -> region -> service        -> the key that signs it, each the HMAC of the one before
 */
#include "etl.h"

#include <time.h>

#include "lib/stringinfo.h"

#include "source/http/crypto.h"
#include "source/http/sigv4.h"
#include "source/http/url.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define DIGEST ETL_SHA256_LENGTH
#define BLANKS " \t\r\n"

/* A parameter of the query, or a header. */
typedef struct Pair
{
	char *name;
	char *value;
	int number; /* as it was given */
} Pair;

/* ----------------------------------------------------------------
 *	Hashes
 * ---------------------------------------------------------------- */

/* Only memory, or a library that forbids SHA-256, can be the reason. */
static void
check_hashed(bool done)
{
	if (done)
		return;
#ifdef FRONTEND
	abort();
#else
	elog(ERROR, "could not compute a SHA-256 hash");
#endif
}

static char *
hex(const uint8 *digest)
{
	char *text = palloc(2 * DIGEST + 1);

	for (int i = 0; i < DIGEST; i++)
		sprintf(text + 2 * i, "%02x", digest[i]);
	return text;
}

static char *
hash_hex(const char *data, size_t len)
{
	uint8 digest[DIGEST];

	check_hashed(EtlSha256(data, len, digest));
	return hex(digest);
}

static void
hmac(const void *key, size_t key_len, const char *text, uint8 *digest)
{
	check_hashed(EtlHmacSha256(key, key_len, text, strlen(text), digest));
}

/* ----------------------------------------------------------------
 *	The path
 * ---------------------------------------------------------------- */

/* Appends text, each byte escaped that is neither unreserved nor a slash. */
static void
append_path(StringInfo out, const char *text)
{
	const char *slash;

	for (; (slash = strchr(text, '/')) != NULL; text = slash + 1)
	{
		EtlUrlEscape(out, pnstrdup(text, slash - text));
		appendStringInfoChar(out, '/');
	}
	EtlUrlEscape(out, text);
}

char *
EtlSigv4Escape(const char *name)
{
	StringInfoData out;

	initStringInfo(&out);
	append_path(&out, name);
	return out.data;
}

char *
EtlSigv4Path(const char *path)
{
	char *meant = EtlUrlUnescape(path);

	return EtlSigv4Escape(meant != NULL ? meant : path);
}

/* Removes empty segments and ".", and what a ".." leaves (RFC 3986, 5.2.4). */
static char *
normalise(const char *path)
{
	char *out = palloc(strlen(path) + 2);
	size_t len = 0;
	bool ends_in_slash = true;

	for (const char *p = path; *p != '\0';)
	{
		size_t n = strcspn(p, "/");

		ends_in_slash =
			p[n] == '/' || n == 0 || strncmp(p, ".", n) == 0 || strncmp(p, "..", n) == 0;
		if (n == 2 && p[0] == '.' && p[1] == '.')
		{
			while (len > 0 && out[--len] != '/')
				;
		}
		else if (n > 0 && !(n == 1 && *p == '.'))
		{
			out[len++] = '/';
			memcpy(out + len, p, n);
			len += n;
		}
		p += n + (p[n] == '/');
	}
	if (ends_in_slash)
		out[len++] = '/';
	out[len] = '\0';
	return out;
}

static void
append_canonical_path(StringInfo out, const EtlSigv4 *request)
{
	if (request->as_object)
		appendStringInfoString(out, request->path);
	else
		append_path(out, normalise(request->path));
}

/* ----------------------------------------------------------------
 *	The query
 * ---------------------------------------------------------------- */

static int
compare_parameters(const void *a, const void *b)
{
	const Pair *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : strcmp(x->value, y->value);
}

/* A name or value of a query with each byte escaped that has to be, and no other. */
static char *
canonical_part(const char *text, size_t len)
{
	char *sent = pnstrdup(text, len);
	char *meant = EtlUrlUnescape(sent);
	StringInfoData out;

	initStringInfo(&out);
	EtlUrlEscape(&out, meant != NULL ? meant : sent);
	return out.data;
}

static void
append_canonical_query(StringInfo out, const char *query)
{
	Pair *pairs = palloc(sizeof(Pair) * (strlen(query) / 2 + 1));
	int count = 0;

	for (const char *p = query; *p != '\0';)
	{
		size_t len = strcspn(p, "&");
		size_t name_len = strcspn(p, "=&");
		size_t value_at = Min(name_len + 1, len);

		if (len > 0)
			pairs[count++] = (Pair){.name = canonical_part(p, name_len),
									.value = canonical_part(p + value_at, len - value_at)};
		p += len + (p[len] == '&');
	}
	qsort(pairs, count, sizeof(Pair), compare_parameters);
	for (int i = 0; i < count; i++)
		appendStringInfo(out, "%s%s=%s", i > 0 ? "&" : "", pairs[i].name, pairs[i].value);
}

/* ----------------------------------------------------------------
 *	The headers
 * ---------------------------------------------------------------- */

static int
compare_headers(const void *a, const void *b)
{
	const Pair *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : x->number - y->number;
}

/* "Name: value" with its name in lower case, and in its value single blanks between words. */
static Pair
canonical_header(const char *header, int number)
{
	size_t len = strcspn(header, ":");
	Pair pair = {.name = pnstrdup(header, len), .number = number};
	const char *word = header + len + 1;
	StringInfoData value;

	for (char *p = pair.name; *p != '\0'; p++)
		*p = pg_ascii_tolower((unsigned char) *p);
	initStringInfo(&value);
	while (*(word += strspn(word, BLANKS)) != '\0')
	{
		if (value.len > 0)
			appendStringInfoChar(&value, ' ');
		appendBinaryStringInfo(&value, word, (int) strcspn(word, BLANKS));
		word += strcspn(word, BLANKS);
	}
	pair.value = value.data;
	return pair;
}

/* Appends the headers that are signed, and their names to another text. */
static void
append_canonical_headers(StringInfo out, StringInfo names, const EtlSigv4 *request,
						 const EtlSigv4Headers *ours)
{
	const char *added[] = {ours->date, ours->token, ours->hash};
	Pair *pairs = palloc(sizeof(Pair) * (request->nheaders + lengthof(added)));
	int count = 0;

	for (; count < request->nheaders; count++)
		pairs[count] = canonical_header(request->headers[count], count);
	for (int i = 0; i < lengthof(added); i++)
		if (added[i] != NULL)
		{
			pairs[count] = canonical_header(added[i], count);
			count++;
		}
	qsort(pairs, count, sizeof(Pair), compare_headers);
	for (int i = 0; i < count; i++)
	{
		bool same = i > 0 && strcmp(pairs[i].name, pairs[i - 1].name) == 0;

		if (same)
			appendStringInfo(out, ",%s", pairs[i].value);
		else
		{
			appendStringInfo(out, "%s%s:%s", i > 0 ? "\n" : "", pairs[i].name, pairs[i].value);
			appendStringInfo(names, "%s%s", i > 0 ? ";" : "", pairs[i].name);
		}
	}
	appendStringInfoChar(out, '\n');
}

/* ----------------------------------------------------------------
 *	The signature
 * ---------------------------------------------------------------- */

static char *
sign_text(const EtlSigv4 *request, const char *day, const char *text)
{
	char *secret = psprintf("AWS4%s", request->secret_access_key);
	uint8 key[DIGEST];

	hmac(secret, strlen(secret), day, key);
	hmac(key, DIGEST, request->region, key);
	hmac(key, DIGEST, request->service, key);
	hmac(key, DIGEST, "aws4_request", key);
	hmac(key, DIGEST, text, key);
	return hex(key);
}

void
EtlSigv4Sign(const EtlSigv4 *request, EtlSigv4Headers *headers)
{
	time_t seconds = (time_t) request->time;
	struct tm tm;
	char time[20], day[10];
	char *body_hash = hash_hex(request->body, request->body != NULL ? request->body_len : 0);
	char *scope;
	StringInfoData canonical, names;

	gmtime_r(&seconds, &tm);
	strftime(time, sizeof(time), "%Y%m%dT%H%M%SZ", &tm);
	strftime(day, sizeof(day), "%Y%m%d", &tm);
	scope = psprintf("%s/%s/%s/aws4_request", day, request->region, request->service);

	headers->date = psprintf("X-Amz-Date: %s", time);
	headers->token = request->session_token != NULL
						 ? psprintf("X-Amz-Security-Token: %s", request->session_token)
						 : NULL;
	headers->hash = request->shows_hash ? psprintf("X-Amz-Content-Sha256: %s", body_hash) : NULL;

	initStringInfo(&canonical);
	initStringInfo(&names);
	appendStringInfo(&canonical, "%s\n", request->method);
	append_canonical_path(&canonical, request);
	appendStringInfoChar(&canonical, '\n');
	if (request->query != NULL)
		append_canonical_query(&canonical, request->query);
	appendStringInfoChar(&canonical, '\n');
	append_canonical_headers(&canonical, &names, request, headers);
	appendStringInfo(&canonical, "\n%s\n%s", names.data, body_hash);

	headers->authorization =
		psprintf("Authorization: " ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s",
				 request->access_key_id, scope, names.data,
				 sign_text(request, day,
						   psprintf(ALGORITHM "\n%s\n%s\n%s", time, scope,
									hash_hex(canonical.data, canonical.len))));
}
