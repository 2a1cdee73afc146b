/*
 * http_source.c
 *		What a URL holds, as a source of bytes.
 *
 *		exchange (attempts, redirects) -> body -> reader's own buffer
 *		   ^                               |
 *		   +--- Range, If-Range -----------+ broken off
 *
 * Bytes that were handed out have been parsed, and perhaps loaded: they cannot be taken back.  So the rest
 * must be the rest of the same thing, and If-Range with a validator that changes whenever a byte does (a
 * strong ETag, or a Last-Modified that is old enough) has the server itself vouch for that.
 *
 * What a response says of its length, or the last of its chunks, tells an end from a lost connection.  A body
 * that says neither ends where the connection does, and is taken at its word: nobody can know better.  A server
 * may answer a request for the rest with less than that, so a part ends the source only where the whole does.
 *
 * The body is asked for as it is stored: then a byte has the same number in every answer, and the length is
 * known.  A server that compresses all the same is understood, and can resume only what it has stored in
 * compressed form.
 *
 * Buckets know If-Match in the place of If-Range: what has changed is not sent (412).
 */
#include "etl.h"

#include "utils/memutils.h"

#include "source/content.h"
#include "source/http/http_source.h"

typedef struct HttpSource
{
	EtlSource base;
	MemoryContext context; /* whoever reads may do so in one that ends before the source */
	EtlExchange *exchange;
	EtlCall call;
	bool is_object; /* of a bucket */
	EtlSourcePast
		past; /* what is known of it; all zero: nothing, or nothing that the server could compare */
	char *validator;	/* for If-Range or If-Match; NULL: the server gives none that would do */
	char *seen;			/* the same, or a weak ETag */
	char *type;			/* Content-Type; NULL: none was said */
	EtlSourcePlan plan; /* as far as the answer tells */
	uint64 reached;		/* how far the attempts before the one in hand came */
	bool asked;			/* for the rest, and the answer is still to come */
	bool ended;
} HttpSource;

static size_t http_read(EtlSource *source, char *buf, size_t len);
static void http_close(EtlSource *source);
static bool http_ready(EtlSource *source, int64 until);
static void http_state(EtlSource *source, int64 at, EtlSourceState *state);
static EtlSourcePlan http_plan(EtlSource *source, const EtlSourcePast *past);
static void http_beginning(EtlSource *source, EtlBeginning *beginning);

static const EtlSourceOps http_ops = {
	.read = http_read,
	.close = http_close,
	.ready = http_ready,
	.rewind = NULL,
	.state = http_state,
	.plan = http_plan,
	.beginning = http_beginning,
};

static void
end(HttpSource *http)
{
	EtlExchangeClose(http->exchange);
	http->ended = true;
}

static int64
parse_length(const char *text)
{
	char *end;
	int64 value;

	if (!text || *text < '0' || *text > '9')
		return -1;
	errno = 0;
	value = strtoi64(text, &end, 10);
	return errno == 0 && *end == '\0' ? value : -1;
}

/* Whether a date of the last change is old enough for a later one to differ (RFC 9110, 8.8.2.2). */
static bool
is_strong_date(const char *modified, const char *date)
{
	int64 modified_at;
	int64 now;

	return modified && date && EtlRetryParseDate(modified, 0, &modified_at) &&
		   EtlRetryParseDate(date, 0, &now) && now - modified_at >= 1000;
}

static char *
find_validator(const HttpSource *http)
{
	char *etag = EtlExchangeHeader(http->exchange, "ETag");
	char *modified = EtlExchangeHeader(http->exchange, "Last-Modified");

	if (etag)
		return etag;
	return is_strong_date(modified, EtlExchangeHeader(http->exchange, "Date")) ? modified : NULL;
}

/* Whether it changes with each byte. */
static bool
is_strong(const char *validator)
{
	return validator && strncmp(validator, "W/", 2) != 0;
}

static bool
find_encoding(const HttpSource *http)
{
	char *coding = EtlExchangeHeader(http->exchange, "Content-Encoding");

	if (!coding || *coding == '\0' || pg_strcasecmp(coding, "identity") == 0)
		return false;
	if (pg_strcasecmp(coding, "gzip") == 0 || pg_strcasecmp(coding, "x-gzip") == 0 ||
		pg_strcasecmp(coding, "zstd") == 0)
		return true;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("could not read \"%s\": its content coding is not supported", http->base.name),
			 errdetail("It was not asked for, and is neither gzip nor zstd.")));
}

static void
raise_cannot_resume(const HttpSource *http, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_CONNECTION_FAILURE),
					errmsg("could not resume reading \"%s\" after %llu bytes", http->base.name,
						   (unsigned long long) http->base.bytes_read),
					errdetail("The connection was lost. %s", detail)));
}

/* The first answer: what there is to read. */
static void
begin(HttpSource *http)
{
	int status = EtlExchangeAwait(http->exchange);
	MemoryContext old;

	if (status != 200 && status != 203 && status != 204)
		EtlExchangeRaise(http->exchange);
	/* Chunks have their own lengths, and overrule what a header says of all. */
	http->base.size = -1;
	if (EtlExchangeHeader(http->exchange, "Transfer-Encoding") == NULL)
		http->base.size = parse_length(EtlExchangeHeader(http->exchange, "Content-Length"));
	old = MemoryContextSwitchTo(http->context);
	http->seen = find_validator(http);
	http->type = EtlExchangeHeader(http->exchange, "Content-Type");
	http->validator = is_strong(http->seen) ? http->seen : NULL;
	MemoryContextSwitchTo(old);
	http->base.coded = find_encoding(http);
	http->base.plain = !http->base.coded;
}

/* Why the answer is not what follows the bytes that we have, of the same thing; NULL: it is. */
static const char *
problem_of_part(HttpSource *http)
{
	char *range = EtlExchangeHeader(http->exchange, "Content-Range");
	char *etag = EtlExchangeHeader(http->exchange, "ETag");
	unsigned long long first;
	unsigned long long last;
	int end = 0;
	int64 size;

	if (!range || sscanf(range, "bytes %20llu-%20llu/%n", &first, &last, &end) != 2 || end == 0)
		return "The server did not say which part it sent.";
	if (first != http->base.bytes_read)
		return "The server sent another part than it was asked for.";
	size = parse_length(range + end);
	if (http->base.size >= 0 && size >= 0 && size != http->base.size)
		return "What the URL holds has another size now.";
	if (http->base.size < 0)
		http->base.size = size;
	if (http->base.size < 0)
		return "The server did not say how large the whole is.";
	if (etag && http->validator[0] == '"' && strcmp(etag, http->validator) != 0)
		return "What the URL holds has changed since.";
	if (find_encoding(http) != http->base.coded)
		return "The server sent the rest in another coding.";
	return NULL;
}

/* Whether the server says that the bytes we have are all: only the end itself was lost. */
static bool
is_complete(const HttpSource *http)
{
	char *range = EtlExchangeHeader(http->exchange, "Content-Range");
	int64 reached = (int64) http->base.bytes_read;

	return range && strncmp(range, "bytes */", 8) == 0 && parse_length(range + 8) == reached &&
		   (http->base.size < 0 || http->base.size == reached);
}

/* The answer to a request for the rest. */
static void
check_answer(HttpSource *http)
{
	int status = EtlExchangeAwait(http->exchange);
	char *etag = EtlExchangeHeader(http->exchange, "ETag");
	const char *problem = status == 206 ? problem_of_part(http) : NULL;

	if (problem)
		raise_cannot_resume(http, problem);
	if (status == 206)
		return;
	if (status == 416 && is_complete(http))
		http->ended = true;
	else if (status == 200 && etag && strcmp(etag, http->validator) == 0)
		raise_cannot_resume(http, "The server does not send parts.");
	else if (status == 200)
		raise_cannot_resume(http, "What the URL holds has changed since, or the server does not "
								  "send parts.");
	else if (status == 412)
		raise_cannot_resume(http, "What the URL holds has changed since.");
	else if (status == 416)
		raise_cannot_resume(http, "What the URL holds has become shorter.");
	else
		EtlExchangeRaise(http->exchange);
}

/* The call is for what is behind so many bytes (0: for all) of what has this validator (NULL: of anything). */
static void
ask_from(HttpSource *http, uint64 offset, const char *validator)
{
	http->call.offset = offset;
	http->call.if_range = http->is_object ? NULL : validator;
	http->call.if_match = http->is_object ? validator : NULL;
}

/* The body broke off: asks for what is missing, and does not wait for it. */
static void
ask_for_rest(HttpSource *http)
{
	bool from_start = http->base.bytes_read == 0;

	if (!from_start && !http->validator)
		raise_cannot_resume(http, "The server gives neither a strong ETag nor a date of the last "
								  "change, so nobody could tell whether the rest belongs to it.");
	ask_from(http, http->base.bytes_read, from_start ? NULL : http->validator);
	if (http->base.bytes_read > http->reached)
		EtlExchangeProgressed(http->exchange);
	http->reached = http->base.bytes_read;
	EtlExchangeSendAgain(http->exchange, &http->call, ETL_NO_WAIT_ASKED);
	http->asked = true;
}

/* The answer to that. */
static void
go_on(HttpSource *http)
{
	http->asked = false;
	if (http->call.offset == 0)
		begin(http);
	else
		check_answer(http);
	if (http->ended)
		EtlExchangeClose(http->exchange);
}

/* Whether an answer came to its end before what the URL holds did. */
static bool
is_short(const HttpSource *http)
{
	return http->call.offset > 0 && http->base.bytes_read < (uint64) http->base.size;
}

static size_t
http_read(EtlSource *source, char *buf, size_t len)
{
	HttpSource *http = (HttpSource *) source;
	size_t n = 0;

	while (!http->ended)
	{
		if (http->asked)
		{
			go_on(http);
			continue;
		}
		n = EtlExchangeRead(http->exchange, buf, len);
		if (n > 0)
			break;
		if (EtlExchangeBroke(http->exchange) || is_short(http))
			ask_for_rest(http);
		else
			end(http);
	}
	if (http->call.offset > 0 && source->bytes_read + n > (uint64) source->size)
		raise_cannot_resume(http, "The server sent more than it said there is.");
	source->bytes_read += n;
	return n;
}

static bool
http_ready(EtlSource *source, int64 until)
{
	HttpSource *http = (HttpSource *) source;
	char byte;

	while (!http->ended)
	{
		if (http->asked)
		{
			if (!EtlExchangeReady(http->exchange, until))
				return false;
			go_on(http);
			continue;
		}
		if (!EtlExchangeBodyReady(http->exchange, until))
			return false;
		if (!EtlExchangeBroke(http->exchange) || EtlExchangeHasBody(http->exchange))
			break;
		(void) EtlExchangeRead(http->exchange, &byte,
							   1); /* which says so, to the origin's breaker too */
		ask_for_rest(http);
	}
	return true;
}

static void
http_close(EtlSource *source)
{
	HttpSource *http = (HttpSource *) source;

	if (!http->ended)
		EtlExchangeClose(http->exchange);
	http->ended = true;
}

/* ----------------------------------------------------------------
 *	What was read before
 * ---------------------------------------------------------------- */

/* Asks for all, as if nothing had been read before. */
static void
ask_for_all(HttpSource *http)
{
	ask_from(http, 0, NULL);
	http->base.bytes_read = http->reached = 0;
	http->base.size = -1;
	http->base.coded = false;
	EtlExchangeSend(http->exchange, &http->call);
	begin(http);
}

/* The first answer to a request for the bytes behind those of the past. */
static void
begin_rest(HttpSource *http)
{
	const EtlSourcePast *past = &http->past;
	int status = EtlExchangeAwait(http->exchange);

	http->base.bytes_read = http->reached = past->begin;
	http->validator = http->seen = pstrdup(past->state.validator);
	if (status == 206 && problem_of_part(http) == NULL)
	{
		const char *range = EtlExchangeHeader(http->exchange, "Content-Range");

		http->base.size = parse_length(strchr(range, '/') + 1);
		http->base.plain = true;
		http->plan = ETL_READ_HERE;
	}
	else if (status == 206 || status == 412 || status == 416)
	{
		if (http->is_object)
			ereport(NOTICE,
					(errmsg("\"%s\" has changed since it was read in part", http->base.name),
					 errdetail("It is read from its start.")));
		ask_for_all(http);
	}
	else
	{
		http->base.bytes_read = http->reached = 0;
		begin(http);
	}
}

/* The first answer where all was read before. */
static void
begin_unless_unchanged(HttpSource *http)
{
	bool unchanged = EtlExchangeAwait(http->exchange) == 304;

	if (!unchanged)
	{
		begin(http);
		/* Not every server knows conditions. */
		unchanged = http->seen && strcmp(http->seen, http->past.state.validator) == 0;
	}
	if (!unchanged)
		return;
	http->plan = ETL_READ_NOTHING;
	end(http);
}

/* What is known of the part, if the server can compare it with what there is. */
static void
take_past(HttpSource *http, const EtlSourcePast *past)
{
	if (past == NULL || past->state.validator == NULL)
		return;
	if (!past->whole && (past->begin == 0 || !is_strong(past->state.validator)))
		return;
	http->past = *past;
	http->past.state.validator = pstrdup(past->state.validator);
}

EtlSource *
EtlHttpSourceSend(const EtlHttpPart *part, const EtlSourcePast *past)
{
	HttpSource *http = palloc0(sizeof(HttpSource));

	http->context = CurrentMemoryContext;
	http->base.ops = &http_ops;
	http->base.size = -1;
	http->base.name = pstrdup(part->name);
	http->is_object = part->is_object;
	http->call.url = part->url;
	http->call.needs = part->needs;
	http->exchange = EtlExchangeCreate(part->target, part->stats);
	take_past(http, past);
	if (http->past.whole)
		http->call.unless = http->past.state.validator;
	else if (http->past.begin > 0)
		ask_from(http, http->past.begin, http->past.state.validator);
	EtlExchangeSend(http->exchange, &http->call);
	return &http->base;
}

void
EtlHttpSourceBegin(EtlSource *source)
{
	HttpSource *http = (HttpSource *) source;

	if (http->past.whole)
		begin_unless_unchanged(http);
	else if (http->past.begin > 0)
		begin_rest(http);
	else
		begin(http);
	http->call.unless = NULL;
}

EtlSource *
EtlHttpSourceOpen(const EtlHttpPart *part, const EtlSourcePast *past)
{
	EtlSource *source = EtlHttpSourceSend(part, past);

	EtlHttpSourceBegin(source);
	return source;
}

static void
http_state(EtlSource *source, int64 at, EtlSourceState *state)
{
	state->validator = ((const HttpSource *) source)->seen;
}

/* Where the answer is all that is there, a validator tells whether that is what it was; and none tells nothing. */
static EtlSourcePlan
http_plan(EtlSource *source, const EtlSourcePast *past)
{
	const HttpSource *http = (const HttpSource *) source;
	const char *before = past->state.validator;

	if (http->plan != ETL_READ_ALL)
		return http->plan;
	if (!http->seen || !before)
		return http->seen == before ? ETL_READ_BEHIND : ETL_READ_ALL;
	return strcmp(http->seen, before) == 0 ? ETL_READ_BEHIND : ETL_READ_ALL;
}

static void
http_beginning(EtlSource *source, EtlBeginning *beginning)
{
	const HttpSource *http = (const HttpSource *) source;

	beginning->text = EtlExchangeBeginning(http->exchange);
	beginning->type = http->type != NULL ? EtlExchangeShow(http->exchange, http->type) : NULL;
}
