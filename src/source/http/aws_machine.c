/*
 * aws_machine.c
 *		Keys that AWS gives to the machine on which the server runs.
 *
 *		web_identity	POST STS, with the token					-> XML
 *		container		GET a URL, with a token of a file, or none	-> JSON
 *		instance		PUT for a token, GET the role, GET its keys	-> JSON
 *
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
 *
 * A service is asked without anything of the target's own.  Its origin may be private or link-local, which no other
 * request of the role may reach; a redirect from there leads nowhere that the role could not go by itself.
 */
#include "etl.h"

#include <time.h>

#include "datatype/timestamp.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

#include "source/http/answer.h"
#include "source/http/aws_machine.h"
#include "source/http/bucket.h"
#include "source/http/secret_file.h"

#define ROLES "/latest/meta-data/iam/security-credentials/"
#define CONTAINER_HOST "http://169.254.170.2"
#define SESSION_NAME "etl"

/* Seconds; of the token with which the metadata service is asked, and of keys that do not say. */
#define TOKEN_LIFETIME "300"
#define DEFAULT_LIFETIME 900

static char *sts_url = "";
static char *metadata_url = "";
static char *container_url = "";
static char *container_token_file = "";

/* ----------------------------------------------------------------
 *	Settings
 * ---------------------------------------------------------------- */

static bool
check_url(char **value, void **extra, GucSource source)
{
	EtlUrl url;
	const char *fault = **value != '\0' ? EtlUrlParse(*value, &url) : NULL;

	if (fault != NULL)
		GUC_check_errdetail("%s", fault);
	return fault == NULL;
}

static bool
check_container_url(char **value, void **extra, GucSource source)
{
	return **value == '/' || check_url(value, extra, source);
}

void
EtlAwsMachineInit(void)
{
	DefineCustomStringVariable("etl.aws_sts_url",
							   "Sets where keys for a web identity are asked for.",
							   "Empty: at the STS of the server's region.", &sts_url, "", PGC_SUSET,
							   0, check_url, NULL, NULL);
	DefineCustomStringVariable(
		"etl.aws_metadata_url", "Sets where the metadata service of the instance is.", NULL,
		&metadata_url, "http://169.254.169.254", PGC_SUSET, 0, check_url, NULL, NULL);
	DefineCustomStringVariable(
		"etl.aws_container_url", "Sets where the keys of the container are.",
		"A URL, or a path on http://169.254.170.2: what AWS puts into AWS_CONTAINER_CREDENTIALS_FULL_URI or "
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI.",
		&container_url, "", PGC_SUSET, 0, check_container_url, NULL, NULL);
	DefineCustomStringVariable("etl.aws_container_token_file",
							   "Names the file of the token with which the keys of the container "
							   "are asked for.",
							   "What AWS puts into AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE.",
							   &container_token_file, "", PGC_SUSET, 0, NULL, NULL, NULL);
}

static const char *
sts_of(const EtlTarget *target)
{
	const char *region = target->region != NULL ? target->region : ETL_DEFAULT_REGION;
	const char *suffix = EtlBucketSuffix(region);

	return *sts_url != '\0' ? sts_url : psprintf("https://sts.%s%s", region, suffix);
}

char *
EtlAwsMachineName(const EtlTarget *target)
{
	switch (target->machine)
	{
		case ETL_MACHINE_WEB_IDENTITY:
			return psprintf("%u web_identity\n%s\n%s\n%s", target->server_id, sts_of(target),
							target->role_arn, target->identity_file);
		case ETL_MACHINE_CONTAINER:
			return psprintf("%u container\n%s\n%s", target->server_id, container_url,
							container_token_file);
		case ETL_MACHINE_INSTANCE:
			return psprintf("%u instance\n%s", target->server_id, metadata_url);
		case ETL_MACHINE_NONE:
			break;
	}
	return pstrdup("");
}

/* ----------------------------------------------------------------
 *	Requests
 * ---------------------------------------------------------------- */

/* A service and its answer. */
typedef struct Asked
{
	EtlTarget target;
	EtlHttpStats *stats;
	EtlUrl url; /* of the last answer */
	int64 now;	/* s since 1970, by its clock */
} Asked;

static Asked *
begin(const EtlTarget *target, EtlHttpStats *stats, const char *url)
{
	Asked *asked = palloc0(sizeof(Asked));
	EtlTarget *service = &asked->target;
	const char *fault;

	asked->stats = stats;
	*service = *target;
	fault = EtlUrlParse(url, &service->base);
	if (fault != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid URL \"%s\"", url),
						errdetail("%s", fault)));
	service->auth = ETL_AUTH_NONE;
	service->headers = NIL;
	service->secrets = list_copy(target->secrets);
	service->rate.requests = 0;
	service->client_cert = service->client_key = NULL;
	service->anywhere = false;
	service->allow_private = true;
	service->allowed_origins = service->secret_origins = NULL;
	return asked;
}

pg_noreturn static void
raise_none(const Asked *asked, const char *why, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
					errmsg("could not get keys for server \"%s\" from \"%s\": %s",
						   asked->target.server, EtlUrlDisplay(&asked->url), why),
					detail != NULL ? errdetail("%s", detail) : 0,
					errhint("Check option \"credentials\" of the server, and which role AWS gives "
							"to the database server.")));
}

static void
learn_time(Asked *asked, const EtlExchange *exchange)
{
	char *date = EtlExchangeHeader(exchange, "Date");
	int64 now = (int64) time(NULL);
	int64 theirs;

	asked->now = date != NULL && EtlRetryParseDate(date, now * 1000, &theirs) ? theirs / 1000 : now;
}

/* Sends a request to a path of the service (NULL: to its URL); the answer, palloc'd. */
static char *
ask(Asked *asked, const char *path, EtlCall *call)
{
	EtlExchange *exchange = EtlExchangeCreate(&asked->target, asked->stats);
	char *answer;
	char *shown;
	int status;

	EtlTargetUrl(&asked->target, path, &call->url);
	asked->url = call->url;
	call->repeatable = true;
	EtlExchangeSend(exchange, call);
	status = EtlExchangeAwait(exchange);
	learn_time(asked, exchange);
	answer = EtlAnswerRead(exchange);
	shown = status != 200 ? EtlExchangeBeginning(exchange) : NULL;
	EtlExchangeClose(exchange);
	if (status != 200)
		raise_none(asked, psprintf("HTTP status %d", status),
				   shown != NULL ? psprintf("The response begins: %s", shown) : NULL);
	return answer;
}

/* A header, whose value a service or a file has given. */
static char *
header(const Asked *asked, const char *name, const char *value)
{
	if (value[strcspn(value, "\r\n")] != '\0' || *value == '\0')
		raise_none(asked, psprintf("there is no header \"%s\" to be sent", name),
				   "Its value is empty, or has line ends.");
	return psprintf("%s: %s", name, value);
}

/* ----------------------------------------------------------------
 *	Answers
 * ---------------------------------------------------------------- */

/* A time as 2026-12-01T04:00:00Z (perhaps with a fraction), in s since 1970; -1: it is none. */
static int64
parse_time(const char *text)
{
	int year, month, day, hour, minute, second;

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &day, &hour, &minute, &second) !=
			6 ||
		year < 1970 || month < 1 || month > 12 || day < 1 || day > 31)
		return -1;
	return ((int64) date2j(year, month, day) - UNIX_EPOCH_JDATE) * SECS_PER_DAY +
		   hour * SECS_PER_HOUR + minute * SECS_PER_MINUTE + second;
}

/* Line ends would end a header. */
static const char *
take(const Asked *asked, const char *name, const char *value)
{
	if (value == NULL || *value == '\0' || value[strcspn(value, "\r\n")] != '\0')
		raise_none(asked, "the answer is not what it should be",
				   psprintf("It has no \"%s\".", name));
	return value;
}

static int64
lifetime(const Asked *asked, const char *expiration)
{
	int64 end = expiration != NULL ? parse_time(expiration) : -1;

	return end < 0 ? DEFAULT_LIFETIME * 1000 : Max(end - asked->now, 0) * 1000;
}

static int64
take_json(const Asked *asked, char *answer, EtlAwsKeys *keys)
{
	Jsonb *json = EtlAnswerJson(answer);
	char *code;

	if (json == NULL)
		raise_none(asked, "the answer is not what it should be", "It is not a JSON object.");
	code = EtlAnswerMember(json, "Code");
	if (code != NULL && strcmp(code, "Success") != 0)
		raise_none(asked, "it has none", psprintf("The answer has the code \"%.100s\".", code));
	keys->access_key_id = take(asked, "AccessKeyId", EtlAnswerMember(json, "AccessKeyId"));
	keys->secret_access_key =
		take(asked, "SecretAccessKey", EtlAnswerMember(json, "SecretAccessKey"));
	keys->session_token = take(asked, "Token", EtlAnswerMember(json, "Token"));
	return lifetime(asked, EtlAnswerMember(json, "Expiration"));
}

static int64
take_xml(const Asked *asked, const char *answer, EtlAwsKeys *keys)
{
	keys->access_key_id = take(asked, "AccessKeyId", EtlAnswerElement(answer, "AccessKeyId"));
	keys->secret_access_key =
		take(asked, "SecretAccessKey", EtlAnswerElement(answer, "SecretAccessKey"));
	keys->session_token = take(asked, "SessionToken", EtlAnswerElement(answer, "SessionToken"));
	return lifetime(asked, EtlAnswerElement(answer, "Expiration"));
}

/* ----------------------------------------------------------------
 *	The three services
 * ---------------------------------------------------------------- */

static int64
fetch_web_identity(const EtlTarget *target, EtlHttpStats *stats, EtlAwsKeys *keys)
{
	Asked *asked = begin(target, stats, sts_of(target));
	char *token = EtlSecretFileRead(target->identity_file);
	StringInfoData body;
	EtlCall call = {.method = "POST"};

	asked->target.secrets = lappend(asked->target.secrets, token);
	initStringInfo(&body);
	EtlUrlAppendParam(&body, "Action", "AssumeRoleWithWebIdentity");
	EtlUrlAppendParam(&body, "Version", "2011-06-15");
	EtlUrlAppendParam(&body, "RoleArn", target->role_arn);
	EtlUrlAppendParam(&body, "RoleSessionName", SESSION_NAME);
	EtlUrlAppendParam(&body, "WebIdentityToken", token);
	call.body = body.data;
	call.body_len = body.len;
	call.headers = list_make1("Content-Type: application/x-www-form-urlencoded");
	return take_xml(asked, ask(asked, NULL, &call), keys);
}

static int64
fetch_container(const EtlTarget *target, EtlHttpStats *stats, EtlAwsKeys *keys)
{
	Asked *asked;
	EtlCall call = {NULL};

	if (*container_url == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("setting \"%s\" does not say where the keys of the container are",
						"etl.aws_container_url"),
				 errhint("Set it to what AWS has put into AWS_CONTAINER_CREDENTIALS_FULL_URI or "
						 "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI.")));
	asked =
		begin(target, stats,
			  *container_url == '/' ? psprintf(CONTAINER_HOST "%s", container_url) : container_url);
	asked->target.proxy = NULL;
	if (*container_token_file != '\0')
		call.headers =
			list_make1(header(asked, "Authorization", EtlSecretFileRead(container_token_file)));
	return take_json(asked, ask(asked, NULL, &call), keys);
}

static int64
fetch_instance(const EtlTarget *target, EtlHttpStats *stats, EtlAwsKeys *keys)
{
	Asked *asked = begin(target, stats, metadata_url);
	EtlCall first = {.method = "PUT"};
	EtlCall call = {NULL};
	StringInfoData path;
	char *role;

	asked->target.proxy = NULL;
	first.headers = list_make1("X-Aws-Ec2-Metadata-Token-Ttl-Seconds: " TOKEN_LIFETIME);
	call.headers = list_make1(
		header(asked, "X-Aws-Ec2-Metadata-Token", ask(asked, "/latest/api/token", &first)));
	role = ask(asked, ROLES, &call);
	role[strcspn(role, "\r\n")] = '\0';
	if (*role == '\0')
		raise_none(asked, "the instance has no role", NULL);
	initStringInfo(&path);
	appendStringInfoString(&path, ROLES);
	EtlUrlEscape(&path, role);
	return take_json(asked, ask(asked, path.data, &call), keys);
}

int64
EtlAwsMachineFetch(const EtlTarget *target, EtlHttpStats *stats, EtlAwsKeys *keys)
{
	switch (target->machine)
	{
		case ETL_MACHINE_WEB_IDENTITY:
			return fetch_web_identity(target, stats, keys);
		case ETL_MACHINE_CONTAINER:
			return fetch_container(target, stats, keys);
		case ETL_MACHINE_INSTANCE:
			return fetch_instance(target, stats, keys);
		case ETL_MACHINE_NONE:
			break;
	}
	elog(ERROR, "the keys of a server are not those of the machine");
	return 0;
}
