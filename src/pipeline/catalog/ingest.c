/*
 * ingest.c
 *		Tokens with which records may be pushed to pipelines, in etl_catalog: only their hashes, as texts of hexadecimal digits.
 */
#include "etl.h"

#include "pipeline/catalog/catalog.h"
#include "pipeline/catalog/sql.h"
#include "utils/builtins.h"

/* One row of a SELECT. */
typedef struct Token
{
	char *hash;
} Token;

static char *
hex_of(const uint8 *hash)
{
	char *hex = palloc0(2 * ETL_TOKEN_HASH + 1);

	(void) hex_encode((const char *) hash, ETL_TOKEN_HASH, hex);
	return hex;
}

bool
EtlCatalogAddIngestToken(int64 pipeline, const char *name, const uint8 *hash)
{
	static EtlSql statement = {"INSERT INTO etl_catalog.ingest_tokens (pipeline, name, hash) "
							   "VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"};

	return EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(name),
											EtlValueText(hex_of(hash)))) > 0;
}

bool
EtlCatalogDropIngestToken(int64 pipeline, const char *name)
{
	static EtlSql statement = {
		"DELETE FROM etl_catalog.ingest_tokens WHERE pipeline = $1 AND name = $2"};

	return EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(name))) > 0;
}

int
EtlCatalogIngestTokens(int64 pipeline, uint8 (*hashes)[ETL_TOKEN_HASH], int max)
{
	static const EtlSqlColumn columns[] = {{"hash", ETL_SQL_TEXT, offsetof(Token, hash)}};
	static EtlSql statement = {"SELECT hash FROM etl_catalog.ingest_tokens WHERE pipeline = $1"};
	List *found = EtlSqlSelect(&statement, ETL_VALUES(EtlValueBigint(pipeline)), columns,
							   lengthof(columns), sizeof(Token));
	int n = Min(list_length(found), max);

	for (int i = 0; i < n; i++)
		(void) hex_decode(((const Token *) list_nth(found, i))->hash, 2 * ETL_TOKEN_HASH,
						  (char *) hashes[i]);
	return n;
}
