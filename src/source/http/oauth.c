/*
 * oauth.c
 *		Access tokens of OAuth 2.0.
 *
 * A token is fetched when a request needs one, and kept in the backend until a minute before it expires or
 * until it is refused.  It is kept under everything that it was got with, so a changed server or mapping, or
 * another user, finds none.
 *
 * Some services give out a new refresh token with each access token and forget the old one.  The new one is
 * kept (kept_token.c) before the access token is used; the mapping is not ours to change.
 */
#include "etl.h"

#include <time.h>

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "source/clock.h"
#include "source/http/answer.h"
#include "source/http/exchange.h"
#include "source/http/jwt.h"
#include "source/kept_token.h"
#include "source/http/oauth.h"

#define MAX_TOKENS 16

/* A token without a lifetime is used for an hour; and none in its last minute. */
#define DEFAULT_LIFETIME 3600
#define MARGIN 60

/* Seconds; some services take no longer ones. */
#define ASSERTION_LIFETIME 180

typedef struct Token
{
	char *owner;   /* what it was got with; NULL: the slot is free */
	char *access;  /* NULL: forgotten */
	char *refresh; /* that could not be kept; NULL: none */
	int64 expires; /* on the clock */
} Token;

static Token tokens[MAX_TOKENS];

static char *
owner_of(const EtlTarget *target)
{
	const char *const parts[] = {
		target->token_url, target->client_id, target->client_secret, target->refresh_token,
		target->scope,	   target->algorithm, target->issuer,		 target->subject,
		target->audience,  target->key_id,	  target->private_key,
	};
	StringInfoData owner;

	initStringInfo(&owner);
	appendStringInfo(&owner, "%d %d", target->grant, target->token_auth_in_body);
	for (int i = 0; i < lengthof(parts); i++)
		appendStringInfo(&owner, "\n%s", parts[i] ? parts[i] : "");
	return owner.data;
}

/* The slot of an owner: its own, or a free one, or the one whose token expires first. */
static Token *
find_slot(const char *owner)
{
	Token *best = &tokens[0];

	for (int i = 0; i < MAX_TOKENS; i++)
	{
		if (tokens[i].owner && strcmp(tokens[i].owner, owner) == 0)
			return &tokens[i];
		if (best->owner && (!tokens[i].owner || tokens[i].expires < best->expires))
			best = &tokens[i];
	}
	return best;
}

static void
set(char **field, const char *value)
{
	char *old = *field;

	*field = value ? MemoryContextStrdup(TopMemoryContext, value) : NULL;
	if (old)
		pfree(old);
}

/*
 * The request
 */

static void
append_field(StringInfo body, const char *name, const char *value)
{
	if (!value)
		return;
	appendStringInfo(body, "%s%s=", body->len > 0 ? "&" : "", name);
	EtlUrlEscape(body, value);
}

static void
append_claim(StringInfo claims, const char *name, const char *value)
{
	if (!value)
		return;
	appendStringInfo(claims, "%s\"%s\":", claims->len > 1 ? "," : "", name);
	escape_json(claims, value);
}

/* What nobody can say but who has the private key; good for one request that is sent now. */
static char *
make_assertion(const EtlTarget *target)
{
	StringInfoData claims;
	int64 now = time(NULL);
	pg_uuid_t id;

	if (!pg_strong_random(&id, sizeof(id)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	initStringInfo(&claims);
	appendStringInfoChar(&claims, '{');
	append_claim(&claims, "iss", target->issuer ? target->issuer : target->client_id);
	append_claim(&claims, "sub", target->subject);
	append_claim(&claims, "aud", target->audience ? target->audience : target->token_url);
	append_claim(&claims, "scope", target->scope);
	append_claim(&claims, "jti",
				 DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&id))));
	appendStringInfo(&claims, ",\"iat\":" INT64_FORMAT ",\"exp\":" INT64_FORMAT "}", now,
					 now + ASSERTION_LIFETIME);
	return EtlJwtSign(target->algorithm ? target->algorithm : "RS256", target->key_id, claims.data,
					  target->private_key);
}

/* Does the client say who it is by its secret? */
static bool
has_client(const EtlTarget *target)
{
	return target->grant == ETL_GRANT_CLIENT || (target->client_id && target->client_secret);
}

static char *
request_body(const EtlTarget *target, const char *refresh, const char *assertion)
{
	StringInfoData body;

	initStringInfo(&body);
	append_field(&body, "grant_type",
				 assertion ? "urn:ietf:params:oauth:grant-type:jwt-bearer"
				 : refresh ? "refresh_token"
						   : "client_credentials");
	append_field(&body, "assertion", assertion);
	append_field(&body, "refresh_token", refresh);
	append_field(&body, "scope", target->scope);
	if (target->token_auth_in_body && has_client(target))
	{
		append_field(&body, "client_id", target->client_id);
		append_field(&body, "client_secret", target->client_secret);
	}
	return body.data;
}

/* id and secret are escaped before they are joined (RFC 6749, 2.3.1). */
static char *
client_authorization(const EtlTarget *target)
{
	StringInfoData id;
	StringInfoData secret;

	initStringInfo(&id);
	initStringInfo(&secret);
	EtlUrlEscape(&id, target->client_id);
	EtlUrlEscape(&secret, target->client_secret ? target->client_secret : "");
	return psprintf("Authorization: Basic %s", EtlTargetBasic(id.data, secret.data));
}

/* The service that gives tokens: reached as the target is, without the target's own credentials. */
static EtlTarget *
token_target(const EtlTarget *target, const char *refresh, const char *assertion)
{
	EtlTarget *service = palloc(sizeof(EtlTarget));

	memcpy(service, target, sizeof(EtlTarget));
	if (EtlUrlParse(target->token_url, &service->base) != NULL)
		elog(ERROR, "option token_url was not checked");
	service->auth = ETL_AUTH_NONE;
	service->headers = NIL;
	service->secrets = list_copy(target->secrets);
	if (refresh)
		service->secrets = lappend(service->secrets, unconstify(char *, refresh));
	if (assertion)
		service->secrets = lappend(service->secrets, unconstify(char *, assertion));
	service->rate.requests = 0;
	return service;
}

/*
 * The answer
 */

static void
raise_no_token(const EtlTarget *service)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_ERROR),
			 errmsg("could not read an access token from \"%s\"", EtlUrlDisplay(&service->base)),
			 errdetail("The answer is not a JSON object with an \"access_token\".")));
}

static int64
lifetime(Jsonb *json)
{
	char *text = EtlAnswerMember(json, "expires_in");
	int64 seconds = text ? strtoi64(text, NULL, 10) : 0;

	if (seconds <= 0)
		seconds = DEFAULT_LIFETIME;
	return Max(Min(seconds, 365 * 24 * 3600) - MARGIN, seconds / 2) * 1000;
}

/* A refresh token may be good for one time only: then the one before is spent, and this one must not be lost. */
static void
keep_refresh_token(const EtlTarget *target, Token *token, const uint8 *key, const char *new_one)
{
	if (EtlKeptTokenWrite(key, new_one))
	{
		set(&token->refresh, NULL);
		return;
	}
	ereport(WARNING,
			(errmsg("the new refresh token of server \"%s\" could not be kept", target->server),
			 errdetail("Only this session has it, and the one before may not be accepted "
					   "any more."),
			 errhint("There was no background worker to write it: raise "
					 "\"max_worker_processes\", then set the token in the user mapping "
					 "anew.")));
	set(&token->refresh, new_one);
}

/* The answer to a request for a token. */
static Jsonb *
ask_for_token(const EtlTarget *target, const char *refresh, EtlHttpStats *stats)
{
	const char *assertion = target->grant == ETL_GRANT_JWT_BEARER ? make_assertion(target) : NULL;
	EtlTarget *service = token_target(target, refresh, assertion);
	EtlExchange *exchange = EtlExchangeCreate(service, stats);
	EtlCall call = {
		.method = "POST", .url = service->base, .verb = "get a token from", .repeatable = true};
	Jsonb *json;
	char *access;

	call.body = request_body(target, refresh, assertion);
	call.body_len = strlen(call.body);
	call.headers =
		list_make2("Content-Type: application/x-www-form-urlencoded", "Accept: application/json");
	if (!target->token_auth_in_body && has_client(target))
		call.headers = lappend(call.headers, client_authorization(target));
	EtlExchangeSend(exchange, &call);
	if (EtlExchangeAwait(exchange) != 200)
		EtlExchangeRaise(exchange);
	json = EtlAnswerJson(EtlAnswerRead(exchange));
	access = json != NULL ? EtlAnswerMember(json, "access_token") : NULL;
	if (!access || access[strcspn(access, "\r\n")] != '\0')
		raise_no_token(service);
	return json;
}

static void
take_token(Token *token, Jsonb *json)
{
	set(&token->access, EtlAnswerMember(json, "access_token"));
	token->expires = EtlClock() + lifetime(json);
}

/* With the refresh token that was given out last: by this session if it could not be kept, by any, or in the mapping. */
static void
refresh_token(const EtlTarget *target, Token *token, const char *owner, EtlHttpStats *stats)
{
	uint8 key[ETL_TOKEN_KEY];

	EtlKeptTokenKey(owner, key);
	EtlKeptTokenLock(key);
	PG_TRY();
	{
		const char *kept = token->refresh ? token->refresh : EtlKeptTokenRead(key);
		const char *refresh = kept ? kept : target->refresh_token;
		Jsonb *json = ask_for_token(target, refresh, stats);
		const char *new_one = EtlAnswerMember(json, "refresh_token");

		if (new_one && strcmp(new_one, refresh) != 0)
			keep_refresh_token(target, token, key, new_one);
		take_token(token, json);
	}
	PG_FINALLY();
	{
		EtlKeptTokenUnlock(key);
	}
	PG_END_TRY();
}

static void
fetch_token(const EtlTarget *target, Token *token, const char *owner, EtlHttpStats *stats)
{
	if (target->grant == ETL_GRANT_CLIENT && target->refresh_token)
		refresh_token(target, token, owner, stats);
	else
		take_token(token, ask_for_token(target, NULL, stats));
}

const char *
EtlOauthToken(const EtlTarget *target, EtlHttpStats *stats)
{
	char *owner = owner_of(target);
	Token *token = find_slot(owner);
	MemoryContext context;
	MemoryContext old;

	if (!token->owner || strcmp(token->owner, owner) != 0)
	{
		set(&token->access, NULL);
		set(&token->refresh, NULL);
		set(&token->owner, owner);
	}
	if (token->access && token->expires > EtlClock())
		return token->access;
	context = AllocSetContextCreate(CurrentMemoryContext, "etl oauth", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	fetch_token(target, token, owner, stats);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return token->access;
}

void
EtlOauthForget(const EtlTarget *target, const char *refused)
{
	char *owner = owner_of(target);
	Token *token = find_slot(owner);

	if (token->owner && strcmp(token->owner, owner) == 0 && token->access &&
		strcmp(token->access, refused) == 0)
		set(&token->access, NULL);
}
