/*
 * tokens.c
 *		SQL functions that let somebody push records to a pipeline, and forbid it.
 *
 * A token is shown once, when it is made; only its hash is kept.  The pipeline is not locked for that: a scheduler would pass it over.
 */
#include "etl.h"

#include "pipeline/catalog/catalog.h"
#include "pipeline/define/define.h"
#include "pipeline/run/lock.h"
#include "source/http/crypto.h"
#include "utils/builtins.h"

#define SECRET 32	  /* random bytes */
#define PREFIX "etl_" /* so that one that has got lost is recognized */

PG_FUNCTION_INFO_V1(etl_create_ingest_token);
PG_FUNCTION_INFO_V1(etl_drop_ingest_token);

static char *
make_token(void)
{
	size_t prefix = strlen(PREFIX);
	char *token = palloc0(prefix + 2 * SECRET + 1);
	char secret[SECRET];

	if (!pg_strong_random(secret, SECRET))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	memcpy(token, PREFIX, prefix);
	(void) hex_encode(secret, SECRET, token + prefix);
	return token;
}

/* etl_create_ingest_token(pipeline text, name text) returns text */
Datum
etl_create_ingest_token(PG_FUNCTION_ARGS)
{
	const EtlPipeline *pipeline;
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	uint8 hash[ETL_TOKEN_HASH];
	uint8 others[ETL_MAX_TOKENS][ETL_TOKEN_HASH];
	char *token = make_token();

	EtlPreventIfReadOnly(fcinfo);
	pipeline = EtlFindOwnPipeline(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (EtlCatalogIngestTokens(pipeline->id, others, ETL_MAX_TOKENS) == ETL_MAX_TOKENS)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("pipeline \"%s\" has %d tokens, and cannot have more", pipeline->name,
						ETL_MAX_TOKENS),
				 errhint("Drop those that nobody uses any more with etl_drop_ingest_token().")));
	if (!EtlSha256(token, strlen(token), hash))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not hash a token")));
	if (!EtlCatalogAddIngestToken(pipeline->id, name, hash))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("pipeline \"%s\" has a token \"%s\" already", pipeline->name, name),
				 errhint("Give the new one another name, and drop this one when nobody uses it.")));
	PG_RETURN_TEXT_P(cstring_to_text(token));
}

/* etl_drop_ingest_token(pipeline text, name text) returns void */
Datum
etl_drop_ingest_token(PG_FUNCTION_ARGS)
{
	const EtlPipeline *pipeline;
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(1));

	EtlPreventIfReadOnly(fcinfo);
	pipeline = EtlFindOwnPipeline(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (!EtlCatalogDropIngestToken(pipeline->id, name))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("pipeline \"%s\" has no token \"%s\"", pipeline->name, name)));
	PG_RETURN_VOID();
}
