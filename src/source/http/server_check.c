/*
 * server_check.c
 *		Whether the options of a foreign server and of a user mapping go together.
 */
#include "etl.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"

#include "source/http/bucket.h"
#include "source/http/head.h"
#include "source/http/hosts.h"
#include "source/http/server_check.h"

/* What answers of Blob Storage look like: from 2021-02-12, names that XML cannot hold are escaped. */
#define AZURE_VERSION "2021-12-02"

static void
require(const EtlTarget *target, const char *value, const char *option, bool of_mapping)
{
	if (value)
		return;
	ereport(ERROR, (errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
					errmsg("server \"%s\" lacks option \"%s\"", target->server, option),
					of_mapping ? errhint("Set it in a user mapping of \"%s\".",
										 GetUserNameFromId(GetUserId(), false))
							   : errhint("Set it with ALTER SERVER.")));
}

/* What s3://bucket/prefix or az://container/prefix stands for, now that all options are known. */
static void
place_bucket(EtlTarget *target)
{
	EtlBucketPlace place = {target->kind, target->endpoint, target->region, target->addressing};
	const char *fault = EtlBucketUrl(target->bucket, target->prefix, &place, &target->base);

	if (fault)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\"", "url"), errdetail("%s", fault)));
	if (target->kind == ETL_BUCKET_AZURE)
		target->headers = lappend(target->headers, "X-Ms-Version: " AZURE_VERSION);
	else if (target->auth == ETL_AUTH_NONE)
		target->auth = ETL_AUTH_PUBLIC;
}

/* Each kind of bucket has its own way of authentication, and options that are its own. */
static void
check_bucket_kind(const EtlTarget *target)
{
	bool is_azure = target->bucket && target->kind == ETL_BUCKET_AZURE;
	const char *option = target->region			 ? "region"
						 : target->service		 ? "service"
						 : target->addressing	 ? "addressing"
						 : target->request_payer ? "request_payer"
												 : NULL;

	if (is_azure ? target->auth == ETL_AUTH_AWS : target->auth == ETL_AUTH_SAS)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"auth\" of server \"%s\" is not for its URL", target->server),
				 is_azure ? errhint("Set it to sas, for a container of Azure.")
						  : errhint("It is sas for containers of Azure only, az://CONTAINER.")));
	if (is_azure && option)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("option \"%s\" of server \"%s\" is for S3", option, target->server),
						errdetail("Its URL is one of az://.")));
}

static void
check_bucket_options(const EtlTarget *target)
{
	const char *option = target->endpoint ? "endpoint" : target->addressing ? "addressing" : NULL;

	if (option)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"%s\" of server \"%s\" is for buckets", option, target->server),
				 errdetail("Its URL is none of s3:// or az://."),
				 errhint("Set option \"url\" to s3://BUCKET or s3://BUCKET/PREFIX.")));
}

static void
check_machine_keys(const EtlTarget *target)
{
	if (target->machine == ETL_MACHINE_WEB_IDENTITY)
	{
		require(target, target->role_arn, "role_arn", false);
		require(target, target->identity_file, "web_identity_token_file", false);
	}
	if (target->access_key_id || target->secret_access_key || target->session_token ||
		target->credentials_file)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("server \"%s\" has \"credentials\", and its user mapping has keys",
							   target->server),
						errhint("Drop that option of the server, or the keys.")));
}

/* Keys are in the mapping, or in a file that it names, unless they are those of the machine. */
static void
check_keys(const EtlTarget *target)
{
	if (target->machine != ETL_MACHINE_NONE)
		check_machine_keys(target);
	else if (!target->credentials_file)
	{
		require(target, target->access_key_id, "access_key_id", true);
		require(target, target->secret_access_key, "secret_access_key", true);
	}
	else if (target->access_key_id || target->secret_access_key || target->session_token)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("the user mapping of server \"%s\" has keys and a file of keys",
							   target->server),
						errhint("Drop option \"credentials_file\", or the keys.")));
}

/* The machine's stand for those of the mapping. */
static void
check_machine(const EtlTarget *target)
{
	const char *option = target->machine == ETL_MACHINE_WEB_IDENTITY ? NULL
						 : target->role_arn							 ? "role_arn"
						 : target->identity_file					 ? "web_identity_token_file"
																	 : NULL;

	if (option)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("option \"%s\" of server \"%s\" is for a web identity", option,
							   target->server),
						errhint("Set option \"credentials\" to web_identity.")));
	if (target->machine != ETL_MACHINE_NONE && target->auth != ETL_AUTH_AWS)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"credentials\" of server \"%s\" is for AWS", target->server),
				 errhint("Set option \"auth\" to aws.")));
}

/* Whether there is everything that the way of authentication needs. */
static void
check_complete(EtlTarget *target)
{
	check_bucket_kind(target);
	if (target->bucket)
		place_bucket(target);
	else
		check_bucket_options(target);
	require(target, target->base.host, "url", false);
	check_machine(target);
	switch (target->auth)
	{
		case ETL_AUTH_NONE:
		case ETL_AUTH_PUBLIC:
			break;
		case ETL_AUTH_BEARER:
			require(target, target->token, "token", true);
			break;
		case ETL_AUTH_BASIC:
			require(target, target->user, "user", true);
			break;
		case ETL_AUTH_HEADER:
		case ETL_AUTH_QUERY:
			require(target, target->key, "key", true);
			if (!target->auth_name)
				target->auth_name = target->auth == ETL_AUTH_HEADER ? "X-API-Key" : "api_key";
			if (target->auth == ETL_AUTH_HEADER && EtlHeaderFault(target->auth_name, ""))
				ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
								errmsg("invalid value for option \"%s\"", "auth_name"),
								errdetail("%s", EtlHeaderFault(target->auth_name, ""))));
			break;
		case ETL_AUTH_AWS:
			check_keys(target);
			if (!target->service)
				target->service = "s3";
			break;
		case ETL_AUTH_SAS:
			require(target, target->sas_token, "sas_token", true);
			break;
		case ETL_AUTH_OAUTH2:
			require(target, target->token_url, "token_url", false);
			if (target->grant == ETL_GRANT_JWT_BEARER)
			{
				require(target, target->private_key, "private_key", true);
				require(target, target->issuer ? target->issuer : target->client_id, "issuer",
						false);
			}
			else
				require(target, target->client_id, "client_id", true);
			break;
	}
}

static void
check_origin(const EtlTarget *target, const EtlUrl *url)
{
	if (EtlHostsMatch(target->secret_origins, ETL_LIST_OF_ORIGINS, url))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("the secrets of the user mapping are not for origin \"%s\"", EtlUrlOrigin(url)),
			 errdetail("Server \"%s\" would send them there, and option \"allowed_origins\" of the "
					   "mapping does not list it.",
					   target->server)));
}

/*
 * What the owner of a server writes as its URL decides who gets the secrets of its mappings.  One who may not read files
 * gets none out of files, unless who named the file has also said for which origins it is.
 */
static void
check_secrets(const ForeignServer *server, const EtlTarget *target)
{
	EtlUrl token_url;

	if (target->has_secret_files && !target->secret_origins &&
		!has_privs_of_role(server->owner, ROLE_PG_READ_SERVER_FILES))
		ereport(
			ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to send a secret of a file to server \"%s\"",
					target->server),
			 errdetail("Its owner \"%s\" can have it sent anywhere, and is not of role \"%s\".",
					   GetUserNameFromId(server->owner, false), "pg_read_server_files"),
			 errhint("Set option \"allowed_origins\" of the user mapping to the origins that the "
					 "file is for.")));
	if (!target->secret_origins)
		return;
	check_origin(target, &target->base);
	if (target->token_url && EtlUrlParse(target->token_url, &token_url) == NULL)
		check_origin(target, &token_url);
}

void
EtlServerCheck(const ForeignServer *server, EtlTarget *target)
{
	check_complete(target);
	check_secrets(server, target);
}
