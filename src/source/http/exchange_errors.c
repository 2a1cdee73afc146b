/*
 * exchange_errors.c
 *		What is said of an exchange that brings no answer, or one that is an error.
 *
 * Nothing that went out with the request and is secret comes back in a message.
 */
#include "etl.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "source/http/exchange_internal.h"
#include "source/utf8.h"

static int64 refused_wait = 0;

/* Of the body of an error response: bytes read at most, ms waited for them, and bytes shown. */
#define EXCERPT_READ 8192
#define EXCERPT_WAIT 1000
#define EXCERPT_SHOWN 200

/* Why there is no answer; a clause that follows "could not read ...:". */
static const char *
fault_clause(EtlHttpFault fault)
{
	switch (fault)
	{
		case ETL_HTTP_UNRESOLVED:
			return "the name of the host could not be resolved";
		case ETL_HTTP_UNREACHABLE:
			return "the host could not be reached";
		case ETL_HTTP_NO_TLS:
			return "the connection could not be encrypted";
		case ETL_HTTP_TIMED_OUT:
			return "the server took too long";
		case ETL_HTTP_DROPPED:
			return "the connection was lost";
		case ETL_HTTP_FORBIDDEN:
			return "the address is not one of the public internet";
		case ETL_HTTP_UNTRUSTED:
			return "the certificate of the server is not trusted";
		case ETL_HTTP_MALFORMED:
			return "the response is not one of HTTP";
		case ETL_HTTP_INTERNAL:
		case ETL_HTTP_OK:
			break;
	}
	return "the request could not be made";
}

static int
fault_sqlstate(EtlHttpFault fault)
{
	if (fault == ETL_HTTP_FORBIDDEN)
		return ERRCODE_INSUFFICIENT_PRIVILEGE;
	if (fault == ETL_HTTP_INTERNAL)
		return ERRCODE_FDW_ERROR;
	return ERRCODE_CONNECTION_FAILURE;
}

/* Whether an answer is about what was read, rather than about who reads it; a token or a signature is neither. */
static bool
is_about_request(const EtlExchange *exchange)
{
	return exchange->call->verb == NULL && exchange->target->auth != ETL_AUTH_AWS;
}

/* The same SQLSTATE as for a file, where there is such a thing. */
static int
status_sqlstate(const EtlExchange *exchange, int status)
{
	switch (status)
	{
		case 400:
		case 422:
			return is_about_request(exchange) ? ERRCODE_INVALID_PARAMETER_VALUE : ERRCODE_IO_ERROR;
		case 401:
		case 403:
		case 407:
			return ERRCODE_INSUFFICIENT_PRIVILEGE;
		case 404:
		case 410:
			return ERRCODE_UNDEFINED_FILE;
		case 429:
			return ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
		default:
			return ERRCODE_IO_ERROR;
	}
}

char *
EtlExchangeShownUrl(const EtlExchange *exchange)
{
	return EtlUrlDisplay(&exchange->url);
}

/* " after 123 bytes", if there was anything before. */
static const char *
position(const EtlExchange *exchange)
{
	uint64 bytes = exchange->call->offset + exchange->received;

	return bytes == 0 ? "" : psprintf(" after %llu bytes", (unsigned long long) bytes);
}

/* How often it was tried, if more than once. */
static const char *
attempts(const EtlExchange *exchange)
{
	return exchange->attempt <= 1 ? "" : psprintf(", in attempt %d", exchange->attempt);
}

static const char *
verb(const EtlExchange *exchange)
{
	return exchange->call->verb ? exchange->call->verb : "read";
}

/* Masks the secrets of the request in a text of the response. */
static void
mask(const EtlExchange *exchange, char *text, bool cut)
{
	const EtlHttpRequest *request = &exchange->request;

	EtlTargetMask(exchange->target, &exchange->url, request->headers, text, cut);
}

/* What to do about an address that is not one of the public internet: a redirect may have led whoever may go there. */
static const char *
private_hint(const EtlExchange *exchange)
{
	const EtlTarget *target = exchange->target;

	if (exchange->redirects == 0 || (!target->anywhere && !target->allow_private))
		return ETL_PRIVATE_HINT;
	return target->server
			   ? "A redirect leads there only if option \"allowed_origins\" of the server "
				 "lists the origin."
			   : "No redirect leads there from the public internet: read that URL itself.";
}

void
EtlExchangeRaiseFault(EtlExchange *exchange)
{
	EtlHttpFault fault = EtlHttpGetFault(exchange->http);
	char *text = pstrdup(EtlHttpFaultText(exchange->http));
	const char *purpose = EtlHttpPurpose(exchange->http);

	mask(exchange, text, false);
	/* It may quote what the server sent, in whatever encoding. */
	for (char *p = text; *p; p++)
	{
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
	ereport(ERROR, (errcode(fault_sqlstate(fault)),
					errmsg("could not %s \"%s\": %s%s", verb(exchange),
						   EtlExchangeShownUrl(exchange), fault_clause(fault), position(exchange)),
					fault == ETL_HTTP_FORBIDDEN
						? errdetail("It is set aside for another use: %s.", purpose)
						: errdetail("The HTTP library says%s: %s.", attempts(exchange), text),
					fault == ETL_HTTP_FORBIDDEN ? errhint("%s", private_hint(exchange)) : 0));
}

/* A text of "len" bytes of the response, shortened, without secrets; NULL if it is no text. */
static char *
show_text(const EtlExchange *exchange, char *text, size_t len, bool cut)
{
	bool is_utf8;

	text[len] = '\0';
	for (size_t i = 0; i < len; i++)
	{
		if (strchr("\t\r\n", text[i]) && text[i] != '\0')
			text[i] = ' ';
		if ((unsigned char) text[i] < ' ' || text[i] == 0x7f)
			return NULL;
	}
	is_utf8 = pg_verify_mbstr(PG_UTF8, text, (int) len, true);
	if (!is_utf8 && !pg_verify_mbstr(GetDatabaseEncoding(), text, (int) len, true))
		return NULL;
	mask(exchange, text, cut);
	if (is_utf8)
		text = pstrdup(EtlShowUtf8(text));
	text[pg_mbcliplen(text, (int) strlen(text), EXCERPT_SHOWN)] = '\0';
	return *text ? text : NULL;
}

char *
EtlExchangeShow(const EtlExchange *exchange, const char *text)
{
	size_t len = Min(strlen(text), EXCERPT_READ);
	char *copy = palloc(EXCERPT_READ + 1);

	memcpy(copy, text, len);
	return show_text(exchange, copy, len, len == EXCERPT_READ);
}

/* How much of a body is kept for messages. */
static size_t
said_room(const EtlExchange *exchange)
{
	return EtlHttpStatus(exchange->http) < 300 ? EXCERPT_SHOWN : EXCERPT_READ;
}

char *
EtlExchangeBeginning(const EtlExchange *exchange)
{
	size_t len = exchange->said_len;
	char *copy = palloc(EXCERPT_READ + 1);

	if (len == 0)
		return NULL;
	memcpy(copy, exchange->said, len);
	if (len == EXCERPT_SHOWN) /* and perhaps in the midst of a character */
		len =
			pg_encoding_mbcliplen(PG_UTF8, copy, (int) len, EXCERPT_SHOWN - MAX_MULTIBYTE_CHAR_LEN);
	return show_text(exchange, copy, len, exchange->said_len == EXCERPT_SHOWN);
}

/*
 * The beginning of an error's body, if it is text.  It is read before it is masked, so that no secret is cut in two,
 * and only for a short time.
 */
static char *
excerpt(EtlExchange *exchange)
{
	char *text = palloc(EXCERPT_READ + 1);
	size_t len = exchange->said_len;

	if (len > 0)
		memcpy(text, exchange->said, len);
	if (len < EXCERPT_READ)
		len += EtlHttpReadUntil(exchange->http, text + len, EXCERPT_READ - len,
								EtlClock() + EXCERPT_WAIT);
	return show_text(exchange, text, len, len == EXCERPT_READ);
}

/* Somebody else reads the body: a message may need its beginning, and that of an error more of it. */
void
EtlExchangeKeepSaid(EtlExchange *exchange, const char *data, size_t len)
{
	size_t room = said_room(exchange);

	if (exchange->said_len >= room)
		return;
	if (!exchange->said)
		exchange->said = MemoryContextAlloc(exchange->hop_context, room);
	len = Min(len, room - exchange->said_len);
	memcpy(exchange->said + exchange->said_len, data, len);
	exchange->said_len += len;
}

/* Whether the answer says that an object of a bucket has to be taken out of an archive first. */
static bool
is_archived(const EtlExchange *exchange, const char *text)
{
	int status = EtlHttpStatus(exchange->http);

	return exchange->target->bucket && text &&
		   ((status == 403 && strstr(text, "<Code>InvalidObjectState</Code>")) ||
			(status == 409 && strstr(text, "<Code>BlobArchived</Code>")));
}

static void
raise_archived(const EtlExchange *exchange)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("could not %s \"%s\": the object is in an archive", verb(exchange),
						   EtlExchangeShownUrl(exchange)),
					errhint("Restore it, and read it when that is done.")));
}

/* Whether who asks is known, but may not do this: as S3 and Azure say it. */
static bool
is_denied(const char *text)
{
	return strstr(text, "AccessDenied") != NULL ||
		   strstr(text, "AuthorizationPermissionMismatch") != NULL;
}

/* What to do about a status; NULL: nothing that we know. */
static const char *
status_hint(const EtlExchange *exchange, int status, const char *text)
{
	const char *needs = exchange->call->needs;

	if (status == 403 && needs && text && is_denied(text))
		return needs;
	if ((status == 401 || status == 403) && exchange->target->server)
		return psprintf("Check the options of server \"%s\" and of its user mapping.",
						exchange->target->server);
	return NULL;
}

static void
raise_status(EtlExchange *exchange)
{
	int status = EtlHttpStatus(exchange->http);
	char *text = excerpt(exchange);
	const char *hint = status_hint(exchange, status, text);

	if (is_archived(exchange, text))
		raise_archived(exchange);
	ereport(ERROR,
			(errcode(status_sqlstate(exchange, status)),
			 errmsg("could not %s \"%s\": HTTP status %d%s%s", verb(exchange),
					EtlExchangeShownUrl(exchange), status, attempts(exchange), position(exchange)),
			 text ? errdetail("The response begins: %s", text) : 0,
			 hint ? errhint("%s", hint) : 0));
}

void
EtlExchangeRaiseRedirect(EtlExchange *exchange, int sqlstate, const char *why, const char *detail)
{
	ereport(ERROR, (errcode(sqlstate),
					errmsg("could not follow a redirect of \"%s\": %s",
						   EtlExchangeShownUrl(exchange), why),
					detail ? errdetail("%s", detail) : 0));
}

/* What this reader can do.  Where no transaction is open, nobody can tell who that is. */
static const char *
refused_hint(void)
{
	if (IsTransactionState() && superuser())
		return "The view etl_breakers has more; etl_breaker_reset() lets requests through at once.";
	if (IsTransactionState() && has_privs_of_role(GetUserId(), ROLE_PG_MONITOR))
		return "The view etl_breakers has more; a superuser can call etl_breaker_reset() to let "
			   "requests through at once.";
	return "Try again later; a superuser can call etl_breaker_reset() to let requests through at once.";
}

void
EtlExchangeRaiseRefused(EtlExchange *exchange, int64 wait)
{
	/* The error of the last attempt says more than that there is no further one. */
	if (exchange->attempt > 1)
		EtlExchangeRaise(exchange);
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("requests to \"%s\" are suspended after repeated failures", exchange->origin),
			 wait < 0 ? errdetail("A request that finds out whether it works again is under way.")
					  : errdetail("The next one may be sent in %.1f seconds.", wait / 1000.0),
			 errhint("%s", refused_hint())));
}

void
EtlExchangeRaiseTooManyRates(const EtlExchange *exchange)
{
	ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					errmsg("too many rate limits are in use"),
					errdetail("There is no room for that of server \"%s\" and origin \"%s\".",
							  exchange->target->server, exchange->origin),
					errhint("Try again when the periods of others are over.")));
}

void
EtlExchangeRaiseTooLate(const EtlExchange *exchange)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("could not %s \"%s\": the answer takes too long%s", verb(exchange),
					EtlExchangeShownUrl(exchange), position(exchange)),
			 errdetail("Server \"%s\" allows %.3f seconds for one (\"max_answer_time\").",
					   exchange->target->server, exchange->target->max_answer_time / 1000.0)));
}

void
EtlExchangeRaiseTooLarge(const EtlExchange *exchange)
{
	ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("could not %s \"%s\": the answer is too large", verb(exchange),
						   EtlExchangeShownUrl(exchange)),
					errdetail("Server \"%s\" allows %d kB for one (\"max_body\").",
							  exchange->target->server, exchange->target->max_body)));
}

int64
EtlExchangeRefusedWait(void)
{
	return refused_wait;
}

/* Raises the error of the last attempt, as there is no further one. */
void
EtlExchangeRaiseVerdict(EtlExchange *exchange, EtlRetryVerdict verdict, int64 asked)
{
	if (verdict == ETL_RETRY_TOO_LONG)
	{
		refused_wait = asked;
		ereport(
			ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("could not %s \"%s\": the server asks to wait %.3f seconds%s", verb(exchange),
					EtlExchangeShownUrl(exchange), asked / 1000.0, position(exchange)),
			 errdetail(
				 "HTTP status %d. It may be asked again at %s, and the longest wait that is "
				 "allowed is %.3f seconds.",
				 EtlHttpStatus(exchange->http),
				 timestamptz_to_str(TimestampTzPlusMilliseconds(GetCurrentTimestamp(), asked)),
				 exchange->target->retry.max_wait / 1000.0),
			 errhint("Run it later, or raise \"%s\".",
					 exchange->target->server ? "max_wait" : "etl.http_max_wait")));
	}
	EtlExchangeRaise(exchange);
}

void
EtlExchangeRaise(EtlExchange *exchange)
{
	if (EtlHttpGetFault(exchange->http) != ETL_HTTP_OK)
		EtlExchangeRaiseFault(exchange);
	raise_status(exchange);
	pg_unreachable();
}
