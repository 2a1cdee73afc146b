/*
 * bucket_done.c
 *		What is done with an object that is loaded: it is deleted, tagged or moved.
 *
 *		HEAD --+--> DELETE
 *			   +--> GET ?tagging --> PUT ?tagging
 *			   +--> PUT elsewhere, as a copy --> DELETE
 *			   +--> (it is gone, or has another version: that is all)
 *
 * Only the version that was loaded is meant.  Each request says so, by If-Match, by x-amz-copy-source-if-match or by the ID of
 * the version.  A store that takes no condition for a DELETE ignores it or refuses it (501); nor can a tag have one where the
 * bucket keeps no versions.  Then the HEAD is what there is, and an object that is overwritten between the two is
 * deleted, or gets the tag.
 *
 * A DELETE names no version, though it could: a bucket that keeps versions keeps this one, and no older one comes to
 * light, which would be read as a new one.
 */
#include "etl.h"

#include "common/base64.h"

#include "source/http/bucket_done.h"
#include "source/http/bucket_list.h"
#include "source/http/crypto.h"
#include "source/http/sigv4.h"

#define MAX_ANSWER (64 * 1024) /* an object has ten tags */

typedef struct BucketDone
{
	EtlDone base;
	const EtlTarget *target;
	const EtlWhenDone *what;
	const char *key;
	const char *etag;	 /* of the version that was loaded */
	const char *new_key; /* where it goes; NULL: nowhere */
	char *version;		 /* NULL: the bucket keeps none */
	EtlExchange *exchange;
	EtlCall call;
	bool (*judge)(struct BucketDone *done,
				  int status); /* the answer in hand; false: that was the last */
} BucketDone;

/* ----------------------------------------------------------------
 *	Requests and answers
 * ---------------------------------------------------------------- */

/* Sends a request about a key; with "parameter" (NULL: none) about that of it. */
static void
ask(BucketDone *done, const EtlCall *call, const char *key, const char *parameter,
	bool (*judge)(BucketDone *done, int status))
{
	const char *verb = done->call.verb;
	StringInfoData query;

	EtlExchangeClose(done->exchange);
	done->call = *call;
	done->call.verb = verb;
	done->judge = judge;
	EtlBucketKeyUrl(done->target, key, &done->call.url);
	if (parameter != NULL)
	{
		initStringInfo(&query);
		EtlUrlAppendParam(&query, parameter, "");
		if (done->version != NULL)
			EtlUrlAppendParam(&query, "versionId", done->version);
		EtlUrlSetQuery(&done->call.url, &query);
	}
	EtlExchangeSend(done->exchange, &done->call);
}

/* The body of an answer, as far as it is looked at. */
static char *
read_answer(BucketDone *done)
{
	StringInfoData text;
	char buf[4096];
	size_t n;

	initStringInfo(&text);
	while (text.len < MAX_ANSWER && (n = EtlExchangeRead(done->exchange, buf, sizeof(buf))) > 0)
		appendBinaryStringInfo(&text, buf, (int) n);
	if (EtlExchangeBroke(done->exchange))
		EtlExchangeRaise(done->exchange);
	return text.data;
}

/* Whether there is nothing to be done: it is gone, or what is there now was not loaded. */
static bool
is_over(int status)
{
	return status == 404 || status == 410 || status == 412;
}

pg_noreturn static void
raise_bad_answer(const BucketDone *done, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("could not %s \"%s\"", done->call.verb, EtlBucketName(done->target, done->key)),
			 errdetail("%s", detail)));
}

/* ----------------------------------------------------------------
 *	Deleting
 * ---------------------------------------------------------------- */

static bool
judge_last(BucketDone *done, int status)
{
	if (status >= 300 && !is_over(status))
		EtlExchangeRaise(done->exchange);
	return false;
}

static bool
judge_delete(BucketDone *done, int status)
{
	EtlCall call = {.method = "DELETE"};

	if (status != 501)
		return judge_last(done, status);
	ask(done, &call, done->key, NULL, judge_last);
	return true;
}

static void
ask_delete(BucketDone *done)
{
	EtlCall call = {.method = "DELETE", .if_match = done->etag};

	ask(done, &call, done->key, NULL, judge_delete);
}

/* ----------------------------------------------------------------
 *	Tagging
 * ---------------------------------------------------------------- */

/* Takes the tag with our name out of the document of tags. */
static void
remove_tag(char *tags, const char *name)
{
	char *wanted = psprintf("<Key>%s</Key>", name);

	for (char *tag = strstr(tags, "<Tag>"); tag != NULL; tag = strstr(tag, "<Tag>"))
	{
		char *end = strstr(tag, "</Tag>");
		char *found = strstr(tag, wanted);

		if (end == NULL)
			return;
		end += strlen("</Tag>");
		if (found != NULL && found < end)
			memmove(tag, end, strlen(end) + 1);
		else
			tag = end;
	}
}

/* The document of tags with ours in it; NULL: it is no such document. */
static char *
add_tag(char *tags, const EtlWhenDone *what)
{
	char *ours = psprintf("<Tag><Key>%s</Key><Value>%s</Value></Tag>", what->name, what->value);
	char *end;

	remove_tag(tags, what->name);
	end = strstr(tags, "</TagSet>");
	if (end != NULL)
		return psprintf("%.*s%s%s", (int) (end - tags), tags, ours, end);
	end = strstr(tags, "<TagSet/>");
	if (end == NULL)
		return NULL;
	return psprintf("%.*s<TagSet>%s</TagSet>%s", (int) (end - tags), tags, ours,
					end + strlen("<TagSet/>"));
}

/* Stores want to be sure that such a body came as it was sent. */
static char *
checksum_header(const char *body)
{
	uint8 digest[ETL_SHA256_LENGTH];
	char text[64];
	int len;

	if (!EtlSha256(body, strlen(body), digest))
		elog(ERROR, "could not compute a checksum");
	len = pg_b64_encode((const void *) digest, sizeof(digest), text, sizeof(text));
	return psprintf("X-Amz-Checksum-Sha256: %.*s", len, text);
}

static bool
judge_tags(BucketDone *done, int status)
{
	EtlCall call = {.method = "PUT"};
	char *tags;

	if (is_over(status))
		return false;
	if (status != 200)
		EtlExchangeRaise(done->exchange);
	tags = add_tag(read_answer(done), done->what);
	if (tags == NULL)
		raise_bad_answer(done, "What the server says are its tags is no list of tags.");
	call.body = tags;
	call.body_len = strlen(tags);
	call.headers = list_make2("Content-Type: application/xml", checksum_header(tags));
	ask(done, &call, done->key, "tagging", judge_last);
	return true;
}

/* ----------------------------------------------------------------
 *	Moving
 * ---------------------------------------------------------------- */

/* The answer begins before the copy is made, and may say behind its 200 that it failed. */
static bool
judge_copied(BucketDone *done, int status)
{
	const char *answer;

	if (is_over(status))
		return false;
	if (status != 200)
		EtlExchangeRaise(done->exchange);
	answer = read_answer(done);
	if (strstr(answer, "<Error>") != NULL || strstr(answer, "CopyObjectResult") == NULL)
		raise_bad_answer(done,
						 psprintf("The server says: %s", EtlExchangeShow(done->exchange, answer)));
	ask_delete(done);
	return true;
}

static void
ask_copy(BucketDone *done)
{
	EtlCall call = {.method = "PUT"};
	StringInfoData from;

	initStringInfo(&from);
	appendStringInfo(&from, "X-Amz-Copy-Source: /%s/%s", done->target->bucket,
					 EtlSigv4Escape(done->key));
	if (done->version != NULL)
		appendStringInfo(&from, "?versionId=%s", EtlSigv4Escape(done->version));
	call.headers = list_make2(from.data, psprintf("X-Amz-Copy-Source-If-Match: %s", done->etag));
	ask(done, &call, done->new_key, NULL, judge_copied);
}

/* Where a key goes: what it is below the server's prefix stays, behind the new one. */
static char *
new_key_of(const EtlTarget *target, const char *prefix, const char *key)
{
	char *below = EtlBucketPrefix(target);

	return psprintf("%s%s%s", below, prefix, key + strlen(below));
}

/* ----------------------------------------------------------------
 *	All of it
 * ---------------------------------------------------------------- */

static bool
judge_head(BucketDone *done, int status)
{
	EtlCall read_tags = {.method = "GET"};
	char *etag = EtlExchangeHeader(done->exchange, "ETag");
	char *version = EtlExchangeHeader(done->exchange, "X-Amz-Version-Id");

	if (is_over(status) || (status == 200 && etag != NULL && strcmp(etag, done->etag) != 0))
		return false;
	if (status != 200)
		EtlExchangeRaise(done->exchange);
	if (version != NULL && strcmp(version, "null") != 0)
		done->version = version;
	switch (done->what->deed)
	{
		case ETL_KEEP:
			return false;
		case ETL_DELETE:
			ask_delete(done);
			break;
		case ETL_TAG:
			ask(done, &read_tags, done->key, "tagging", judge_tags);
			break;
		case ETL_MOVE:
			ask_copy(done);
			break;
	}
	return true;
}

static bool
bucket_step(EtlDone *base)
{
	BucketDone *done = (BucketDone *) base;
	bool more = done->judge(done, EtlExchangeAwait(done->exchange));

	if (!more)
		EtlExchangeClose(done->exchange);
	return more;
}

/* It would be read again from there, under another name. */
static void
check_not_found_again(const BucketDone *done, const EtlKeyPattern *pattern)
{
	if (EtlKeyPatternMatches(pattern, done->new_key))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("could not move \"%s\"", EtlBucketName(done->target, done->key)),
				 errdetail("It would be \"%s\", which the source matches as well, and be "
						   "loaded again.",
						   EtlBucketName(done->target, done->new_key)),
				 errhint("Give when_done another prefix, or the source a narrower pattern.")));
}

EtlDone *
EtlBucketDone(const EtlTarget *target, const EtlKeyPattern *pattern, const char *key,
			  const char *etag, const EtlWhenDone *what, EtlHttpStats *stats)
{
	static const char *const verbs[] = {
		[ETL_KEEP] = "keep", [ETL_DELETE] = "delete", [ETL_TAG] = "tag", [ETL_MOVE] = "move"};
	BucketDone *done = palloc0(sizeof(BucketDone));
	EtlCall call = {.method = "HEAD", .if_match = etag};

	done->base.step = bucket_step;
	done->target = target;
	done->what = what;
	done->key = key;
	done->etag = etag;
	done->call.verb = verbs[what->deed];
	if (what->deed == ETL_MOVE)
	{
		done->new_key = new_key_of(target, what->name, key);
		check_not_found_again(done, pattern);
	}
	if (etag == NULL || etag[0] != '"')
		raise_bad_answer(done, "The server gives no ETag that tells one version from another.");
	done->exchange = EtlExchangeCreate(target, stats);
	ask(done, &call, key, NULL, judge_head);
	return &done->base;
}

void
EtlBucketCheckDone(const EtlTarget *target)
{
	if (target->kind != ETL_BUCKET_S3)
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("objects of \"%s\" can only be read", EtlBucketName(target, "")),
			 errdetail(
				 "They are deleted, tagged or moved where the URL of their server is one of s3://.")));
	if (target->writable)
		return;
	if (target->server == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to change objects of bucket \"%s\"", target->bucket),
			 errhint(
				 "Read it through a server with the option \"writable\", which superusers set.")));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to change objects of server \"%s\"", target->server),
			 errdetail("It is not writable."),
			 errhint("A superuser can allow it: ALTER SERVER %s OPTIONS (ADD writable 'true');",
					 target->server)));
}
