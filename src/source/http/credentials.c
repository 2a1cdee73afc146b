/*
 * credentials.c
 *		What a request shows to be let in: a row of the table for each value of the option auth.
 */
#include "etl.h"

#include "source/http/aws.h"
#include "source/http/aws_machine.h"
#include "source/http/credentials.h"
#include "source/http/oauth.h"

static const char *
apply_bearer(const EtlTarget *target, EtlUrl *url, EtlHttpRequest *request, EtlHttpStats *stats)
{
	EtlHttpAddHeader(request, psprintf("Authorization: Bearer %s", target->token));
	return NULL;
}

static const char *
apply_basic(const EtlTarget *target, EtlUrl *url, EtlHttpRequest *request, EtlHttpStats *stats)
{
	EtlHttpAddHeader(request, psprintf("Authorization: Basic %s",
									   EtlTargetBasic(target->user, target->password)));
	return NULL;
}

static const char *
apply_header(const EtlTarget *target, EtlUrl *url, EtlHttpRequest *request, EtlHttpStats *stats)
{
	EtlHttpAddHeader(request, psprintf("%s: %s", target->auth_name, target->key));
	return NULL;
}

static const char *
apply_query(const EtlTarget *target, EtlUrl *url, EtlHttpRequest *request, EtlHttpStats *stats)
{
	StringInfoData query;

	EtlUrlEditQuery(url, &query);
	EtlUrlAppendParam(&query, target->auth_name, target->key);
	EtlUrlSetQuery(url, &query);
	return NULL;
}

static void
remove_query(const EtlTarget *target, EtlUrl *url)
{
	StringInfoData query;

	EtlUrlEditQuery(url, &query);
	EtlUrlRemoveParam(&query, target->auth_name);
	EtlUrlSetQuery(url, &query);
}

static const char *
apply_sas(const EtlTarget *target, EtlUrl *url, EtlHttpRequest *request, EtlHttpStats *stats)
{
	url->query =
		url->query ? psprintf("%s&%s", url->query, target->sas_token) : pstrdup(target->sas_token);
	return NULL;
}

static const char *
apply_oauth2(const EtlTarget *target, EtlUrl *url, EtlHttpRequest *request, EtlHttpStats *stats)
{
	char *token = pstrdup(EtlOauthToken(target, stats));

	EtlHttpAddHeader(request, psprintf("Authorization: Bearer %s", token));
	return token;
}

static const struct
{
	const char *(*apply)(const EtlTarget *target, EtlUrl *url, EtlHttpRequest *request,
						 EtlHttpStats *stats);
	int renewals;											   /* within one attempt */
	void (*renew)(const EtlTarget *target, const char *shown); /* NULL: they are what they are */
	/* NULL: 401 is what refuses them */
	bool (*refused)(const EtlTarget *target, const EtlUrl *url, const char *shown, EtlHttp *http);
	void (*remove)(const EtlTarget *target, EtlUrl *url); /* NULL: the URL shows nothing */
} rows[] = {
	[ETL_AUTH_NONE] = {NULL},
	[ETL_AUTH_BEARER] = {apply_bearer},
	[ETL_AUTH_BASIC] = {apply_basic},
	[ETL_AUTH_HEADER] = {apply_header},
	[ETL_AUTH_QUERY] = {apply_query, .remove = remove_query},
	[ETL_AUTH_OAUTH2] = {apply_oauth2, 1, .renew = EtlOauthForget},
	[ETL_AUTH_AWS] = {EtlAwsApply, 3, .refused = EtlAwsRefused}, /* region, time, keys */
	[ETL_AUTH_SAS] = {apply_sas},
	[ETL_AUTH_PUBLIC] = {EtlAwsApply, 1, .refused = EtlAwsRefused},
};

static const char *
apply(const EtlTarget *target, EtlUrl *url, EtlHttpRequest *request, EtlHttpStats *stats)
{
	if (rows[target->auth].apply == NULL)
		return NULL;
	return rows[target->auth].apply(target, url, request, stats);
}

static bool
renew(const EtlTarget *target, const char *shown)
{
	if (rows[target->auth].renew == NULL || shown == NULL)
		return false;
	rows[target->auth].renew(target, shown);
	return true;
}

static int
renewals(const EtlTarget *target)
{
	return rows[target->auth].renewals;
}

static bool
refused(const EtlTarget *target, const EtlUrl *url, const char *shown, EtlHttp *http)
{
	if (rows[target->auth].refused != NULL)
		return rows[target->auth].refused(target, url, shown, http);
	return EtlHttpStatus(http) == 401 && renew(target, shown);
}

void
EtlCredentialsInit(void)
{
	static const EtlCredentials credentials = {apply, renewals, refused, renew};

	EtlExchangeUse(&credentials);
	EtlAwsMachineInit();
}

void
EtlCredentialsRemove(const EtlTarget *target, EtlUrl *url)
{
	if (rows[target->auth].remove != NULL)
		rows[target->auth].remove(target, url);
}
