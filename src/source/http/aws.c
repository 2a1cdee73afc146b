/*
 * aws.c
 *		Requests to AWS and to what is like S3: signed, and sent to the region where the bucket is.
 *
 * A signature names a region and a time.  A server that expects another region says which, and one that finds our clock
 * wrong says what time it is.  Both are remembered in the backend for the bucket (or the host, if no bucket is known), and
 * the request is sent again.  So it is if the keys have become others since, or can (aws_keys.c).
 */
#include "etl.h"

#include <time.h>

#include "utils/memutils.h"

#include "source/clock.h"
#include "source/http/answer.h"
#include "source/http/aws.h"
#include "source/http/aws_keys.h"
#include "source/http/bucket.h"
#include "source/http/sigv4.h"

#define MAX_PLACES 64
#define MAX_REGION 64

/* Of an error's body: bytes looked at, and ms waited for them. */
#define MAX_SAID 4096
#define WAIT_SAID 1000

/* Seconds: what is further off is no clock. */
#define MAX_SKEW (24 * 3600)

typedef struct Place
{
	char *name;				 /* NULL: the slot is free */
	char region[MAX_REGION]; /* "": as the target has it */
	int64 skew;				 /* seconds that its clock is ahead of ours */
} Place;

static Place places[MAX_PLACES];
static int next_place; /* the slot to be used next */

static char *
name_of(const EtlTarget *target, const EtlUrl *url)
{
	return psprintf("%s %s", EtlUrlOrigin(url), target->bucket ? target->bucket : "");
}

static Place *
find_place(const char *name)
{
	for (int i = 0; i < MAX_PLACES; i++)
		if (places[i].name != NULL && strcmp(places[i].name, name) == 0)
			return &places[i];
	return NULL;
}

/* The place of this name, perhaps new, in the slot of the oldest. */
static Place *
make_place(const char *name)
{
	Place *place = find_place(name);
	char *copy;

	if (place != NULL)
		return place;
	copy = MemoryContextStrdup(TopMemoryContext, name);
	place = &places[next_place];
	next_place = (next_place + 1) % MAX_PLACES;
	if (place->name != NULL)
		pfree(place->name);
	*place = (Place){.name = copy};
	return place;
}

static const char *
region_of(const EtlTarget *target, const Place *place)
{
	if (place != NULL && place->region[0] != '\0')
		return place->region;
	return target->region ? target->region : ETL_DEFAULT_REGION;
}

/* What a request shows that another answer, or another look, might change. */
static char *
shown_of(const EtlTarget *target, const Place *place, const EtlAwsKeys *keys)
{
	return psprintf("%s " INT64_FORMAT " %s %s", region_of(target, place),
					place != NULL ? place->skew : 0, keys->access_key_id ? keys->access_key_id : "",
					keys->session_token ? keys->session_token : "");
}

/* ----------------------------------------------------------------
 *	Signing
 * ---------------------------------------------------------------- */

/* Who is between must not change what is signed, so only these are. */
static bool
is_signed(const char *header)
{
	return pg_strncasecmp(header, "X-Amz-", 6) == 0 ||
		   pg_strncasecmp(header, "Content-Type:", 13) == 0;
}

static void
sign(const EtlTarget *target, const EtlUrl *url, const Place *place, const EtlAwsKeys *keys,
	 EtlHttpRequest *request)
{
	const char **headers = palloc(sizeof(char *) * (list_length(request->headers) + 1));
	bool is_s3 = strncmp(target->service, "s3", 2) == 0;
	EtlSigv4 sign = {
		.access_key_id = keys->access_key_id,
		.secret_access_key = keys->secret_access_key,
		.session_token = keys->session_token,
		.region = region_of(target, place),
		.service = target->service,
		.time = (int64) time(NULL) + (place != NULL ? place->skew : 0),
		.as_object = is_s3,
		.shows_hash = is_s3,
		.method = request->method,
		.path = url->path,
		.query = url->query,
		.body = request->body,
		.body_len = request->body_len,
		.headers = headers,
	};
	EtlSigv4Headers added;
	ListCell *lc;

	headers[sign.nheaders++] = psprintf("Host: %s", strstr(EtlUrlOrigin(url), "//") + 2);
	foreach (lc, request->headers)
		if (is_signed(lfirst(lc)))
			headers[sign.nheaders++] = lfirst(lc);
	EtlSigv4Sign(&sign, &added);
	EtlHttpAddHeader(request, added.date);
	if (added.token != NULL)
		EtlHttpAddHeader(request, added.token);
	if (added.hash != NULL)
		EtlHttpAddHeader(request, added.hash);
	EtlHttpAddHeader(request, added.authorization);
}

/* Servers do not agree on what a '+' is. */
static char *
escape_blanks(const char *query)
{
	StringInfoData out;

	initStringInfo(&out);
	for (const char *p = query; *p != '\0'; p++)
		if (*p == '+')
			appendStringInfoString(&out, "%20");
		else
			appendStringInfoChar(&out, *p);
	return out.data;
}

const char *
EtlAwsApply(const EtlTarget *target, EtlUrl *url, EtlHttpRequest *request, EtlHttpStats *stats)
{
	const Place *place = find_place(name_of(target, url));
	EtlAwsKeys keys = EtlAwsKeysGet(target, stats);

	EtlBucketSetRegion(url, region_of(target, place));
	if (target->request_payer)
		EtlHttpAddHeader(request, "X-Amz-Request-Payer: requester");
	if (target->auth == ETL_AUTH_AWS)
	{
		url->path = EtlSigv4Path(url->path);
		url->query = url->query ? escape_blanks(url->query) : NULL;
		sign(target, url, place, &keys, request);
	}
	return shown_of(target, place, &keys);
}

/* ----------------------------------------------------------------
 *	Answers
 * ---------------------------------------------------------------- */

static void
learn_region(Place *place, const char *region)
{
	if (region != NULL && EtlIsRegion(region))
		strlcpy(place->region, region, sizeof(place->region));
}

static void
learn_time(Place *place, const char *date)
{
	int64 now = (int64) time(NULL);
	int64 theirs;

	if (date != NULL && EtlRetryParseDate(date, now * 1000, &theirs) &&
		llabs(theirs / 1000 - now) <= MAX_SKEW)
		place->skew = theirs / 1000 - now;
}

/* Takes what an answer tells; returns the code of its error ("": it has none). */
static const char *
learn(Place *place, EtlHttp *http)
{
	char *said = palloc(MAX_SAID + 1);
	char *region = EtlHttpHeader(http, "X-Amz-Bucket-Region");
	char *code;

	said[EtlHttpPeek(http, said, MAX_SAID, EtlClock() + WAIT_SAID)] = '\0';
	code = EtlAnswerElement(said, "Code");
	if (code == NULL)
		code = "";
	if (region == NULL && strcmp(code, "AuthorizationHeaderMalformed") == 0)
		region = EtlAnswerElement(said, "Region");
	learn_region(place, region);
	if (strcmp(code, "RequestTimeTooSkewed") == 0)
		learn_time(place, EtlHttpHeader(http, "Date"));
	return code;
}

/* Whether an answer may refuse the keys, and not something else that is signed. */
static bool
refuses_keys(int status, const char *code)
{
	return strcmp(code, "ExpiredToken") == 0 || status == 401 ||
		   (status == 403 && strcmp(code, "RequestTimeTooSkewed") != 0);
}

/* Whether a request that is sent again would show something else than the one that was refused. */
bool
EtlAwsRefused(const EtlTarget *target, const EtlUrl *url, const char *shown, EtlHttp *http)
{
	int status = EtlHttpStatus(http);
	Place *place;
	EtlAwsKeys keys;
	const char *code;

	if (status != 301 && status != 307 && status != 400 && status != 401 && status != 403)
		return false;
	place = make_place(name_of(target, url));
	code = learn(place, http);
	keys = EtlAwsKeysLook(target);
	if (strcmp(shown_of(target, place, &keys), shown) != 0)
		return true;
	return refuses_keys(status, code) && EtlAwsKeysForget(target);
}
