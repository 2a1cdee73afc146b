/*
 * server.c
 *		Foreign servers of the wrapper etl, and user mappings for them: their options.
 *
 *		CREATE SERVER / USER MAPPING -> etl_server_validator -> pg_foreign_server, pg_user_mapping
 *		etl_csv('shop', ...)         -> EtlServerRead        -> EtlTarget
 *
 * One table says what an option is called, where it belongs, who may set it and how its value is checked
 * and stored; validator and reader go through the same one, so that what was accepted can be read.
 *
 * An option that makes the server process open a file, or that lifts a restriction on where requests go,
 * is not for everybody who may create a server: see Privilege.
 */
#include "etl.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/syscache.h"

#include "source/closest.h"
#include "source/http/bucket.h"
#include "source/http/head.h"
#include "source/http/hosts.h"
#include "source/http/crypto.h"
#include "source/http/secret_file.h"
#include "source/http/server.h"
#include "source/http/server_check.h"
#include "source/utf8.h"

PG_FUNCTION_INFO_V1(etl_server_validator);

#define WRAPPER "etl"
#define MAX_HEADERS 100

typedef enum Privilege
{
	ANYBODY,
	FILE_READER, /* a member of pg_read_server_files: it makes the server open a file */
	SUPERUSER,	 /* it lets requests go where they otherwise may not, or change what is there */
	MACHINE,	 /* a superuser's, too: requests are made in the name of the database server */
} Privilege;

typedef struct Option
{
	const char *name;
	Oid catalog; /* ForeignServerRelationId or UserMappingRelationId */
	Privilege privilege;
	/* Checks a value and stores what it means; raises an error if it means nothing. */
	void (*read)(const struct Option *option, const char *value, EtlTarget *target);
	size_t offset; /* of the field, for those that store a string or an int */
	int flags;
} Option;

#define SECRET 1  /* no message may show the value */
#define IN_FILE 2 /* has a twin, name_file, that names a file which holds the value */

/*
 * Values
 */

static void
refuse(const Option *option, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					errmsg("invalid value for option \"%s\"", option->name),
					detail ? errdetail("%s", detail) : 0));
}

static void *
field(const Option *option, EtlTarget *target)
{
	return (char *) target + option->offset;
}

/* A text as it is: a name of ours, or a secret. */
static void
read_text(const Option *option, const char *value, EtlTarget *target)
{
	if (*value == '\0')
		refuse(option, "It must not be empty.");
	for (const char *p = value; *p; p++)
	{
		if ((unsigned char) *p < ' ' || *p == 0x7f)
			refuse(option, "It must not hold control characters.");
	}
	*(const char **) field(option, target) = pstrdup(value);
}

/* A text that is sent, and so is UTF-8. */
static void
read_sent(const Option *option, const char *value, EtlTarget *target)
{
	read_text(option, EtlToUtf8(value), target);
}

static void
read_file_name(const Option *option, const char *value, EtlTarget *target)
{
	if (!is_absolute_path(value))
		refuse(option, "It must be an absolute path.");
	read_text(option, value, target);
}

static void
read_url(const Option *option, const char *value, EtlTarget *target)
{
	const char *text = EtlToUtf8(value);
	bool is_bucket = EtlIsBucketUrl(text);
	const char *fault = is_bucket ? EtlBucketParse(text, &target->kind, (char **) &target->bucket,
												   (char **) &target->prefix)
								  : EtlUrlParse(text, &target->base);

	if (!fault && target->base.user)
		fault = "User and password belong into a user mapping.";
	if (fault)
		refuse(option, fault);
}

static void
read_endpoint(const Option *option, const char *value, EtlTarget *target)
{
	EtlBucketPlace place = {ETL_BUCKET_S3, .endpoint = pstrdup(EtlToUtf8(value))};
	EtlUrl url;
	const char *fault = EtlBucketUrl("bucket", "", &place, &url);

	if (fault)
		refuse(option, fault);
	target->endpoint = place.endpoint;
}

static void
read_region(const Option *option, const char *value, EtlTarget *target)
{
	if (!EtlIsRegion(value))
		refuse(option, "It must be the name of a region, such as eu-central-1.");
	target->region = pstrdup(value);
}

static void
read_service(const Option *option, const char *value, EtlTarget *target)
{
	/* names of services are written as those of regions */
	if (!EtlIsRegion(value))
		refuse(option, "It must be the name by which AWS signs for a service, such as s3.");
	target->service = pstrdup(value);
}

static void
read_addressing(const Option *option, const char *value, EtlTarget *target)
{
	if (strcmp(value, "virtual") != 0 && strcmp(value, "path") != 0)
		refuse(option, "It must be virtual or path.");
	target->addressing = pstrdup(value);
}

static void
read_token_url(const Option *option, const char *value, EtlTarget *target)
{
	EtlUrl url;
	const char *fault = EtlUrlParse(EtlToUtf8(value), &url);

	if (fault)
		refuse(option, fault);
	target->token_url = pstrdup(EtlToUtf8(value));
}

static void
read_auth(const Option *option, const char *value, EtlTarget *target)
{
	static const char *const names[] = {
		[ETL_AUTH_NONE] = "none",	  [ETL_AUTH_BEARER] = "bearer", [ETL_AUTH_BASIC] = "basic",
		[ETL_AUTH_HEADER] = "header", [ETL_AUTH_QUERY] = "query",	[ETL_AUTH_OAUTH2] = "oauth2",
		[ETL_AUTH_AWS] = "aws",		  [ETL_AUTH_SAS] = "sas",
	};

	for (int i = 0; i < lengthof(names); i++)
	{
		if (strcmp(value, names[i]) == 0)
		{
			target->auth = (EtlAuth) i;
			return;
		}
	}
	refuse(option, "It must be none, bearer, basic, header, query, oauth2, aws or sas.");
}

static void
read_token_auth(const Option *option, const char *value, EtlTarget *target)
{
	target->token_auth_in_body = strcmp(value, "body") == 0;
	if (!target->token_auth_in_body && strcmp(value, "basic") != 0)
		refuse(option, "It must be basic or body.");
}

static void
read_grant(const Option *option, const char *value, EtlTarget *target)
{
	bool is_jwt = strcmp(value, "jwt_bearer") == 0;

	target->grant = is_jwt ? ETL_GRANT_JWT_BEARER : ETL_GRANT_CLIENT;
	if (!is_jwt && strcmp(value, "client_credentials") != 0)
		refuse(option, "It must be client_credentials or jwt_bearer.");
}

static void
read_algorithm(const Option *option, const char *value, EtlTarget *target)
{
	if (!EtlCanSign(value))
		refuse(option, "It must be RS256 or ES256.");
	target->algorithm = pstrdup(value);
}

/* Whether it is a key is seen when it is used; what is in a file is not there yet. */
static void
read_key(const Option *option, const char *value, EtlTarget *target)
{
	if (strstr(value, "-----BEGIN ") == NULL)
		refuse(option, "It must be a private key in PEM.");
	target->private_key = pstrdup(value);
}

/* As the portal of Azure shows it, which may be with a '?'.  Its parameters but the signature are no secrets. */
static void
read_sas(const Option *option, const char *value, EtlTarget *target)
{
	const char *sig;
	char *sent;

	value += *value == '?';
	sig = strncmp(value, "sig=", 4) == 0 ? value : strstr(value, "&sig=");
	if (sig == NULL || strpbrk(value, " #\"<>") != NULL)
		refuse(option, "It must be a shared access signature: sv=...&sig=...");
	read_text(option, value, target);
	sig = strchr(sig, '=') + 1;
	sent = pnstrdup(sig, strcspn(sig, "&"));
	target->secrets = lappend(target->secrets, sent);
	if (EtlUrlUnescape(sent) != NULL)
		target->secrets = lappend(target->secrets, EtlUrlUnescape(sent));
}

/* The file is read with each request (aws.c). */
static void
read_credentials_file(const Option *option, const char *value, EtlTarget *target)
{
	read_file_name(option, value, target);
	target->has_secret_files = true;
}

static void
read_machine(const Option *option, const char *value, EtlTarget *target)
{
	static const char *const names[] = {
		[ETL_MACHINE_WEB_IDENTITY] = "web_identity",
		[ETL_MACHINE_CONTAINER] = "container",
		[ETL_MACHINE_INSTANCE] = "instance",
	};

	for (int i = ETL_MACHINE_WEB_IDENTITY; i < lengthof(names); i++)
		if (strcmp(value, names[i]) == 0)
			target->machine = (EtlMachine) i;
	if (target->machine == ETL_MACHINE_NONE)
		refuse(option, "It must be web_identity, container or instance.");
}

static void
read_rate(const Option *option, const char *value, EtlTarget *target)
{
	if (!EtlRateParse(value, &target->rate))
		refuse(option, "It must be a number of requests and a period, such as 10/s or 5000/h.");
}

static void
read_bool(const Option *option, const char *value, EtlTarget *target)
{
	if (!parse_bool(value, (bool *) field(option, target)))
		refuse(option, "It must be true or false.");
}

static void
read_count(const Option *option, const char *value, EtlTarget *target)
{
	int *number = field(option, target);

	if (!parse_int(value, number, 0, NULL) || *number < 1 || *number > 1000)
		refuse(option, "It must be a number from 1 to 1000.");
}

static void
read_concurrency(const Option *option, const char *value, EtlTarget *target)
{
	if (!parse_int(value, &target->concurrency, 0, NULL) || target->concurrency < 1 ||
		target->concurrency > ETL_MAX_CONCURRENCY)
		refuse(option, psprintf("It must be a number from 1 to %d.", ETL_MAX_CONCURRENCY));
}

static int
parse_time(const Option *option, const char *value)
{
	int ms;

	if (!parse_int(value, &ms, GUC_UNIT_MS, NULL) || ms < 1)
		refuse(option, "It must be a time with its unit, such as 500ms, 30s or 2min.");
	return ms;
}

static void
read_time(const Option *option, const char *value, EtlTarget *target)
{
	*(int *) field(option, target) = parse_time(option, value);
}

static void
read_budget(const Option *option, const char *value, EtlTarget *target)
{
	target->retry.budget = parse_time(option, value);
}

static void
read_origins(const Option *option, const char *value, EtlTarget *target)
{
	char *fault = EtlHostsFault(value, ETL_LIST_OF_ORIGINS);

	if (fault)
		refuse(option,
			   psprintf("\"%s\" is not an origin such as https://host:port.", EtlUrlRedact(fault)));
	*(const char **) field(option, target) = pstrdup(value);
}

static void
read_size(const Option *option, const char *value, EtlTarget *target)
{
	int *kilobytes = field(option, target);

	if (!parse_int(value, kilobytes, GUC_UNIT_KB, NULL) || *kilobytes < 1)
		refuse(option, "It must be a size with its unit, such as 500kB or 2GB.");
}

static void
read_headers(const Option *option, const char *value, EtlTarget *target)
{
	Jsonb *json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(value)));
	JsonbIterator *it = JsonbIteratorInit(&json->root);
	JsonbIteratorToken token;
	JsonbValue v;
	char *name = NULL;

	if (!JB_ROOT_IS_OBJECT(json))
		refuse(option, "It must be a JSON object of names and values.");
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(v.val.string.val, v.val.string.len);
		else if (token == WJB_VALUE)
		{
			char *text;
			const char *fault;

			if (v.type != jbvString)
				refuse(option, "The values of headers must be strings.");
			text = pnstrdup(v.val.string.val, v.val.string.len);
			fault = EtlHeaderFault(name, text);
			if (fault)
				refuse(option, fault);
			if (list_length(target->headers) == MAX_HEADERS)
				refuse(option, psprintf("There can be at most %d headers.", MAX_HEADERS));
			target->headers = lappend(target->headers, psprintf("%s: %s", name, EtlToUtf8(text)));
		}
	}
}

#define SERVER ForeignServerRelationId
#define MAPPING UserMappingRelationId
#define FIELD(name) offsetof(EtlTarget, name)

/* clang-format off */
static const Option options[] = {
	{"url",				SERVER, ANYBODY,	 read_url},
	{"auth",			SERVER, ANYBODY,	 read_auth},
	{"auth_name",		SERVER, ANYBODY,	 read_sent,		 FIELD(auth_name)},
	{"token_url",		SERVER, ANYBODY,	 read_token_url},
	{"token_auth",		SERVER, ANYBODY,	 read_token_auth},
	{"scope",			SERVER, ANYBODY,	 read_sent,		 FIELD(scope)},
	{"grant",			SERVER, ANYBODY,	 read_grant},
	{"algorithm",		SERVER, ANYBODY,	 read_algorithm},
	{"issuer",			SERVER, ANYBODY,	 read_sent,		 FIELD(issuer)},
	{"subject",			SERVER, ANYBODY,	 read_sent,		 FIELD(subject)},
	{"audience",		SERVER, ANYBODY,	 read_sent,		 FIELD(audience)},
	{"key_id",			SERVER, ANYBODY,	 read_sent,		 FIELD(key_id)},
	{"region",			SERVER, ANYBODY,	 read_region},
	{"service",			SERVER, ANYBODY,	 read_service},
	{"endpoint",		SERVER, ANYBODY,	 read_endpoint},
	{"addressing",		SERVER, ANYBODY,	 read_addressing},
	{"request_payer",	SERVER, ANYBODY,	 read_bool,		 FIELD(request_payer)},
	{"concurrency",		SERVER, ANYBODY,	 read_concurrency},
	{"headers",			SERVER, ANYBODY,	 read_headers},
	{"rate_limit",		SERVER, ANYBODY,	 read_rate},
	{"connect_timeout", SERVER, ANYBODY,	 read_time,		 FIELD(connect_timeout)},
	{"read_timeout",	SERVER, ANYBODY,	 read_time,		 FIELD(read_timeout)},
	{"max_answer_time", SERVER, ANYBODY,	 read_time,		 FIELD(max_answer_time)},
	{"max_body",		SERVER, ANYBODY,	 read_size,		 FIELD(max_body)},
	{"max_attempts",	SERVER, ANYBODY,	 read_count,	 FIELD(retry.max_attempts)},
	{"max_wait",		SERVER, ANYBODY,	 read_time,		 FIELD(retry.max_wait)},
	{"retry_budget",	SERVER, ANYBODY,	 read_budget},
	{"dialect",			SERVER, ANYBODY,	 read_text,		 FIELD(dialect)},
	{"allowed_origins", SERVER, ANYBODY,	 read_origins,	 FIELD(allowed_origins)},
	{"allow_private",	SERVER, SUPERUSER,	 read_bool,		 FIELD(allow_private)},
	{"writable",		SERVER, SUPERUSER,	 read_bool,		 FIELD(writable)},
	{"proxy",			SERVER, SUPERUSER,	 read_text,		 FIELD(proxy), SECRET},
	{"credentials",		SERVER, MACHINE,	 read_machine},
	{"role_arn",		SERVER, MACHINE,	 read_sent,		 FIELD(role_arn)},
	{"web_identity_token_file", SERVER, MACHINE, read_file_name, FIELD(identity_file)},
	{"ca_file",			SERVER, FILE_READER, read_file_name, FIELD(ca_file)},
	{"client_cert",		SERVER, FILE_READER, read_file_name, FIELD(client_cert)},
	{"client_key",		SERVER, FILE_READER, read_file_name, FIELD(client_key)},
	{"token",			MAPPING, ANYBODY,	 read_text,		 FIELD(token), SECRET | IN_FILE},
	{"user",			MAPPING, ANYBODY,	 read_text,		 FIELD(user), IN_FILE},
	{"password",		MAPPING, ANYBODY,	 read_text,		 FIELD(password), SECRET | IN_FILE},
	{"key",				MAPPING, ANYBODY,	 read_text,		 FIELD(key), SECRET | IN_FILE},
	{"client_id",		MAPPING, ANYBODY,	 read_text,		 FIELD(client_id), SECRET | IN_FILE},
	{"client_secret",	MAPPING, ANYBODY,	 read_text,		 FIELD(client_secret), SECRET | IN_FILE},
	{"refresh_token",	MAPPING, ANYBODY,	 read_text,		 FIELD(refresh_token), SECRET | IN_FILE},
	{"private_key",		MAPPING, ANYBODY,	 read_key,		 FIELD(private_key), SECRET | IN_FILE},
	{"access_key_id",	MAPPING, ANYBODY,	 read_text,		 FIELD(access_key_id), SECRET | IN_FILE},
	{"secret_access_key", MAPPING, ANYBODY,	 read_text,		 FIELD(secret_access_key), SECRET | IN_FILE},
	{"session_token",	MAPPING, ANYBODY,	 read_text,		 FIELD(session_token), SECRET | IN_FILE},
	{"sas_token",		MAPPING, ANYBODY,	 read_sas,		 FIELD(sas_token), SECRET | IN_FILE},
	{"credentials_file", MAPPING, FILE_READER, read_credentials_file, FIELD(credentials_file)},
	{"profile",			MAPPING, ANYBODY,	 read_text,		 FIELD(profile)},
	{"allowed_origins", MAPPING, ANYBODY,	 read_origins,	 FIELD(secret_origins)},
};
/* clang-format on */

/*
 * The validator
 */

/* The option of this name; *is_file if it is name_file, which names a file that holds the value (of a mapping). */
static const Option *
find_option(const char *name, Oid catalog, bool *is_file)
{
	*is_file = false;
	for (int i = 0; i < lengthof(options); i++)
	{
		size_t len = strlen(options[i].name);

		if (options[i].catalog != catalog || strncmp(name, options[i].name, len) != 0)
			continue;
		*is_file = (options[i].flags & IN_FILE) && strcmp(name + len, "_file") == 0;
		if (name[len] == '\0' || *is_file)
			return &options[i];
	}
	return NULL;
}

/* What others call an option of ours; NULL: nothing that we have. */
static const char *
option_by_meaning(const char *written, Oid catalog)
{
	static const struct
	{
		const char *written;
		Oid catalog;
		const char *name;
	} meanings[] = {
		{"base_url", SERVER, "url"},
		{"baseurl", SERVER, "url"},
		{"host", SERVER, "url"},
		{"bearer", MAPPING, "token"},
		{"api_key", MAPPING, "key"},
		{"apikey", MAPPING, "key"},
		{"username", MAPPING, "user"},
		{"access_token", MAPPING, "token"},
		{"access_key", MAPPING, "access_key_id"},
		{"secret_key", MAPPING, "secret_access_key"},
		{"sas", MAPPING, "sas_token"},
		{"requester_pays", SERVER, "request_payer"},
	};

	for (int i = 0; i < lengthof(meanings); i++)
		if (meanings[i].catalog == catalog && strcmp(written, meanings[i].written) == 0)
			return meanings[i].name;
	return NULL;
}

/* What somebody may have meant who wrote a name that is no option; NULL: nothing like it. */
static const char *
closest_option(const char *written, Oid catalog)
{
	EtlClosest closest = {written};

	if (option_by_meaning(written, catalog) != NULL)
		return option_by_meaning(written, catalog);
	for (int i = 0; i < lengthof(options); i++)
	{
		if (options[i].catalog != catalog)
			continue;
		EtlClosestSee(&closest, options[i].name);
		if (options[i].flags & IN_FILE)
			EtlClosestSee(&closest, psprintf("%s_file", options[i].name));
	}
	return closest.name;
}

static void
raise_unknown(const char *name, Oid catalog)
{
	const char *closest = closest_option(name, catalog);
	bool is_file;
	Oid other = catalog == SERVER ? MAPPING : SERVER;

	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errmsg("invalid option \"%s\"", name),
					closest ? errhint("Perhaps you meant the option \"%s\".", closest)
					: find_option(name, other, &is_file)
						? (other == SERVER ? errhint("It is an option of the server.")
										   : errhint("It is an option of user mappings."))
						: 0));
}

static void
check_privilege(const char *name, Privilege privilege)
{
	if (privilege == FILE_READER && !has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to set option \"%s\"", name),
						errdetail("Only roles with privileges of the \"%s\" role may name files on "
								  "the database server.",
								  "pg_read_server_files")));
	if (privilege == SUPERUSER && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"%s\"", name),
				 errdetail("Only superusers may say that requests can go to private addresses or "
						   "through a proxy, or change what is there.")));
	if (privilege == MACHINE && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"%s\"", name),
				 errdetail("Only superusers may have a server show the credentials of the database "
						   "server itself, and alter a server that does.")));
}

/* etl_server_validator(options text[], catalog oid): an error if one of them cannot be. */
Datum
etl_server_validator(PG_FUNCTION_ARGS)
{
	List *given = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid catalog = PG_GETARG_OID(1);
	const Option *seen[lengthof(options)];
	int nseen = 0;
	EtlTarget ignored = {0};
	ListCell *lc;

	foreach (lc, given)
	{
		DefElem *element = lfirst_node(DefElem, lc);
		bool is_file;
		const Option *option = find_option(element->defname, catalog, &is_file);

		if (!option)
			raise_unknown(element->defname, catalog);
		for (int i = 0; i < nseen; i++)
		{
			if (seen[i] == option)
				ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
								errmsg("options \"%s\" and \"%s_file\" exclude each other",
									   option->name, option->name)));
		}
		seen[nseen++] = option;
		check_privilege(element->defname, is_file ? FILE_READER : option->privilege);
		if (is_file)
		{
			Option twin = *option;

			twin.name = element->defname;
			read_file_name(&twin, defGetString(element), &ignored);
		}
		else
			option->read(option, defGetString(element), &ignored);
	}
	PG_RETURN_VOID();
}

/*
 * The reader
 */

static void
read_options(List *given, Oid catalog, EtlTarget *target)
{
	ListCell *lc;

	foreach (lc, given)
	{
		DefElem *element = lfirst_node(DefElem, lc);
		const char *value = defGetString(element);
		bool is_file;
		const Option *option = find_option(element->defname, catalog, &is_file);

		if (!option)
			raise_unknown(element->defname, catalog);
		if (is_file)
			value = EtlSecretFileRead(value);
		else if (option->flags & SECRET)
			value = EtlToUtf8(value); /* as the file should be */
		option->read(option, value, target);
		target->has_secret_files |= is_file;
		if (option->flags & SECRET)
			target->secrets = lappend(target->secrets, pstrdup(value));
	}
}

/* The options of the current user's mapping, or else of PUBLIC's; none if there is neither. */
static List *
mapping_options(Oid server)
{
	if (!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(GetUserId()),
							   ObjectIdGetDatum(server)) &&
		!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
							   ObjectIdGetDatum(server)))
		return NIL;
	return GetUserMapping(GetUserId(), server)->options;
}

bool
EtlServerIsBucket(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, true);
	ListCell *lc;

	if (!server || strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, WRAPPER) != 0)
		return false;
	foreach (lc, server->options)
	{
		DefElem *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "url") == 0 && EtlIsBucketUrl(defGetString(option)))
			return true;
	}
	return false;
}

void
EtlServerRead(const char *name, EtlTarget *target)
{
	ForeignServer *server = GetForeignServerByName(name, true);
	AclResult allowed;

	if (!server)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("server \"%s\" does not exist", name),
				 errhint("Create it with CREATE SERVER ... FOREIGN DATA WRAPPER %s.", WRAPPER)));
	if (strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, WRAPPER) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not of the foreign data wrapper \"%s\"", name, WRAPPER)));
	allowed = object_aclcheck(ForeignServerRelationId, server->serverid, GetUserId(), ACL_USAGE);
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_FOREIGN_SERVER, name);

	target->server = pstrdup(name);
	target->server_id = server->serverid;
	read_options(server->options, SERVER, target);
	read_options(mapping_options(server->serverid), MAPPING, target);
	EtlServerCheck(server, target);
}
