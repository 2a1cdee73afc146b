/*
 * target.c
 *		Where requests go, in whose name, and how.
 *
 * Who may go where:
 *
 *		superuser		anywhere
 *		others			the origin of a server on which they have USAGE, and its allowed_origins;
 *						hosts that etl.allowed_hosts admits
 *
 * and of those but the superuser nobody to an address that has a purpose (loopback, private, link-local:
 * the database server's own neighbourhood), unless the server says allow_private, and then only to its own
 * origins: what etl.allowed_hosts admits stays public.  The name is judged here, before a request is sent
 * and again for every redirect; the address where it is known, in http.c.
 */
#include "etl.h"

#include <limits.h>

#include "common/base64.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "source/http/address.h"
#include "source/http/bucket.h"
#include "source/http/hosts.h"
#include "source/http/secret.h"
#include "source/http/server.h"
#include "source/http/target.h"
#include "source/utf8.h"

#define DEFAULT_CONCURRENCY 8

static char *allowed_hosts = "";
static int connect_timeout = 10 * 1000;
static int read_timeout = 30 * 1000;
static int max_attempts = 3;
static int max_wait = 60 * 1000;
static int retry_budget = 120 * 1000;

static bool
check_allowed_hosts(char **value, void **extra, GucSource source)
{
	char *fault = EtlHostsFault(*value, ETL_LIST_OF_HOSTS);

	if (fault)
		GUC_check_errdetail("\"%s\" is not a host, \"*.domain\" or \"*\", with a port or without.",
							fault);
	return fault == NULL;
}

void
EtlTargetInit(void)
{
	DefineCustomStringVariable(
		"etl.allowed_hosts", "Lists the hosts to which everybody may send requests.",
		"Separated by commas: host, *.domain, or *, each with :port or :* if need be. Private "
		"addresses stay closed. Superusers may go anywhere.",
		&allowed_hosts, "", PGC_SUSET, GUC_LIST_INPUT, check_allowed_hosts, NULL, NULL);
	DefineCustomIntVariable("etl.http_connect_timeout",
							"Sets how long a connection may take, its name and TLS included.", NULL,
							&connect_timeout, 10 * 1000, 1, INT_MAX, PGC_SUSET, GUC_UNIT_MS, NULL,
							NULL, NULL);
	DefineCustomIntVariable(
		"etl.http_read_timeout", "Sets how long a server may send less than a byte a second.", NULL,
		&read_timeout, 30 * 1000, 1, INT_MAX, PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("etl.http_max_attempts",
							"Sets how often a request is sent until it is given up.", NULL,
							&max_attempts, 3, 1, 1000, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("etl.http_max_wait",
							"Sets how long a server may ask to wait before the next attempt.",
							"If it asks for more, that is an error that names the time.", &max_wait,
							60 * 1000, 0, INT_MAX, PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"etl.http_retry_budget", "Sets how long after the first failure another attempt may start.",
		NULL, &retry_budget, 120 * 1000, 0, INT_MAX, PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
}

static EtlTarget *
make_target(void)
{
	EtlTarget *target = palloc0(sizeof(EtlTarget));

	target->role = GetUserId();
	target->anywhere = superuser();
	target->connect_timeout = connect_timeout;
	target->read_timeout = read_timeout;
	target->concurrency = DEFAULT_CONCURRENCY;
	target->retry.max_attempts = max_attempts;
	target->retry.max_wait = max_wait;
	target->retry.budget = retry_budget;
	return target;
}

/* Parses a URL, or s3://bucket, into a target; returns what is wrong with it, or NULL. */
static const char *
read_place(const char *url, EtlTarget *target)
{
	EtlBucketPlace place = {ETL_BUCKET_S3};
	char *bucket, *key;
	const char *fault;

	if (!EtlIsBucketUrl(url))
		return EtlUrlParse(url, &target->base);
	fault = EtlBucketParse(url, &target->kind, &bucket, &key);
	place.kind = target->kind;
	target->auth = ETL_AUTH_PUBLIC;
	target->bucket = bucket;
	target->prefix = key;
	return fault ? fault : EtlBucketUrl(bucket, key, &place, &target->base);
}

#define AZURE_HINT                                                                            \
	"Containers of Azure are read through a server: CREATE SERVER with url 'az://CONTAINER' " \
	"and its \"endpoint\"."

/* How to read what a URL of another scheme names; NULL: nobody knows. */
static const char *
scheme_hint(const char *url)
{
	static const struct
	{
		const char *scheme;
		const char *hint;
	} hints[] = {
		{"file:", "Give the path alone: it is read on the database server."},
		{"s3a:", "Buckets are read as s3://BUCKET/KEY."},
		{"s3n:", "Buckets are read as s3://BUCKET/KEY."},
		{"gs:", "Google Cloud Storage is read as S3: CREATE SERVER with url 's3://bucket' and its "
				"\"endpoint\"."},
		{"az:", AZURE_HINT},
		{"abfs", AZURE_HINT},
		{"wasb", AZURE_HINT},
	};

	for (int i = 0; i < lengthof(hints); i++)
		if (pg_strncasecmp(url, hints[i].scheme, strlen(hints[i].scheme)) == 0)
			return hints[i].hint;
	return NULL;
}

static EtlTarget *
target_of_url(const char *url)
{
	EtlTarget *target = make_target();
	const char *fault = read_place(EtlToUtf8(url), target);

	if (fault)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid URL \"%s\"", EtlUrlRedact(url)), errdetail("%s", fault),
						scheme_hint(url) ? errhint("%s", scheme_hint(url)) : 0));
	if (target->base.user)
	{
		target->auth = ETL_AUTH_BASIC;
		target->user = target->base.user;
		target->password = target->base.password;
		if (target->password)
			target->secrets = list_make1(target->base.password);
	}
	return target;
}

EtlTarget *
EtlTargetOf(const char *source)
{
	EtlTarget *target;

	if (EtlIsUrl(source))
		return target_of_url(source);
	target = make_target();
	EtlServerRead(source, target);
	return target;
}

void
EtlTargetUrl(const EtlTarget *target, const char *path, EtlUrl *url)
{
	const char *fault;

	*url = target->base;
	if (!path)
		return;
	fault = EtlUrlExtend(&target->base, EtlToUtf8(path), url);
	if (fault)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid path \"%s\"", EtlUrlRedact(path)), errdetail("%s", fault)));
}

bool
EtlTargetTrusts(const EtlTarget *target, const EtlUrl *url)
{
	if (target->secret_origins && !EtlHostsMatch(target->secret_origins, ETL_LIST_OF_ORIGINS, url))
		return false;
	return EtlUrlSameOrigin(url, &target->base) ||
		   (target->allowed_origins &&
			EtlHostsMatch(target->allowed_origins, ETL_LIST_OF_ORIGINS, url));
}

bool
EtlTargetIsPublicOnly(const EtlTarget *target, const EtlUrl *url)
{
	return !target->anywhere && !(target->allow_private && EtlTargetTrusts(target, url));
}

const char *
EtlTargetRefusal(const EtlTarget *target, const EtlUrl *url, const char **hint)
{
	struct sockaddr_storage address;

	if (target->anywhere)
		return NULL;
	if (target->server
			? !EtlTargetTrusts(target, url) && !EtlHostsMatch(allowed_hosts, ETL_LIST_OF_HOSTS, url)
			: !EtlHostsMatch(allowed_hosts, ETL_LIST_OF_HOSTS, url))
	{
		*hint = "Only superusers may read any URL; others use a foreign server on which they have "
				"USAGE.";
		return target->server
				   ? "The host is neither that of the server nor one of its \"allowed_origins\", "
					 "and \"etl.allowed_hosts\" does not admit it."
				   : "The host is not one that \"etl.allowed_hosts\" admits.";
	}
	/* A proxy would connect to it without our seeing where to. */
	*hint = ETL_PRIVATE_HINT;
	if (EtlTargetIsPublicOnly(target, url) && EtlAddressParse(url->host, &address) &&
		EtlAddressPurpose((struct sockaddr *) &address))
		return "The address is not one of the public internet.";
	return NULL;
}

/* The value of a header; and of "Bearer token" the token by itself, of a signature the ID of its key. */
static void
add_header(EtlSecrets *secrets, const char *header)
{
	static const char key[] = "AWS4-HMAC-SHA256 Credential=";
	const char *value = header + strcspn(header, ":");
	const char *blank;

	value += strspn(value, ": ");
	blank = strchr(value, ' ');
	EtlSecretsAdd(secrets, value);
	EtlSecretsAdd(secrets, blank ? blank + 1 : NULL);
	if (strncmp(value, key, strlen(key)) == 0)
	{
		const char *id = value + strlen(key);

		EtlSecretsAdd(secrets, pnstrdup(id, strcspn(id, "/")));
	}
}

/* The values of a query, as they are meant; one that means nothing, as it is. */
static void
add_query(EtlSecrets *secrets, const char *query)
{
	const char *p = query;

	while (p && *p)
	{
		size_t len = strcspn(p, "&;");
		size_t name_len = strcspn(p, "=&;");
		const char *value = name_len < len ? p + name_len + 1 : p;
		char *sent = pnstrdup(value, p + len - value);
		char *meant = EtlUrlUnescape(sent);

		EtlSecretsAdd(secrets, meant ? meant : sent);
		if (meant)
			pfree(meant);
		pfree(sent);
		p += len;
		p += *p != '\0';
	}
}

void
EtlTargetMask(const EtlTarget *target, const EtlUrl *url, const List *headers, char *text, bool cut)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "etl secrets", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	EtlSecrets *secrets = EtlSecretsCreate();
	ListCell *lc;

	add_query(secrets, url->query);
	foreach (lc, target->secrets)
		EtlSecretsAdd(secrets, lfirst(lc));
	foreach (lc, headers)
		add_header(secrets, lfirst(lc));
	EtlSecretsMask(secrets, text, cut);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* EtlTargetBasic encodes user and password as Basic authentication has them (RFC 7617). */
char *
EtlTargetBasic(const char *user, const char *password)
{
	char *plain = psprintf("%s:%s", user, password ? password : "");
	int room = pg_b64_enc_len(strlen(plain));
	char *encoded = palloc(room + 1);
	int len = pg_b64_encode((const void *) plain, strlen(plain), encoded, room);

	if (len < 0)
		elog(ERROR, "could not encode credentials");
	encoded[len] = '\0';
	return encoded;
}
