/*
 * ingest.c
 *		Tokens with which records may be pushed to pipelines, and Idempotency-Keys of those that were, in etl_catalog: only their hashes,
 *		as texts of hexadecimal digits.
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

#define WITHIN " > now() - $2 * interval '1 ms'"

/* One row of a SELECT. */
typedef struct KeyRow
{
	char *body;
	int64 loaded;
	int64 set_aside;
} KeyRow;

bool
EtlCatalogFindIngestKey(int64 pipeline, int64 window_ms, EtlIngestKey *key)
{
	static const EtlSqlColumn columns[] = {
		{"body", ETL_SQL_TEXT, offsetof(KeyRow, body)},
		{"loaded", ETL_SQL_BIGINT, offsetof(KeyRow, loaded)},
		{"set_aside", ETL_SQL_BIGINT, offsetof(KeyRow, set_aside)},
	};
	static EtlSql statement = {"SELECT body, loaded, set_aside FROM etl_catalog.ingest_keys "
							   "WHERE pipeline = $1 AND at" WITHIN " AND key = $3"};
	List *found = EtlSqlSelect(&statement,
							   ETL_VALUES(EtlValueBigint(pipeline), EtlValueBigint(window_ms),
										  EtlValueText(hex_of(key->key))),
							   columns, lengthof(columns), sizeof(KeyRow));
	const KeyRow *row = found != NIL ? linitial(found) : NULL;

	if (row == NULL)
		return false;
	(void) hex_decode(row->body, 2 * ETL_TOKEN_HASH, (char *) key->body);
	key->loaded = row->loaded;
	key->set_aside = row->set_aside;
	return true;
}

void
EtlCatalogAddIngestKeys(int64 pipeline, const EtlIngestKey *keys, int n)
{
	static EtlSql statement = {
		"INSERT INTO etl_catalog.ingest_keys (pipeline, key, body, loaded, set_aside, at) "
		"SELECT $1, k.key, k.body, k.loaded::bigint, k.set_aside::bigint, now() "
		"FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS k(key, body, loaded, set_aside) "
		"ON CONFLICT (pipeline, key) DO UPDATE SET (body, loaded, set_aside, at) = "
		"(excluded.body, excluded.loaded, excluded.set_aside, excluded.at)"};
	List *texts[4] = {NIL, NIL, NIL, NIL};

	for (int i = 0; i < n; i++)
	{
		texts[0] = lappend(texts[0], hex_of(keys[i].key));
		texts[1] = lappend(texts[1], hex_of(keys[i].body));
		texts[2] = lappend(texts[2], psprintf(INT64_FORMAT, keys[i].loaded));
		texts[3] = lappend(texts[3], psprintf(INT64_FORMAT, keys[i].set_aside));
	}
	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueTexts(texts[0]),
											EtlValueTexts(texts[1]), EtlValueTexts(texts[2]),
											EtlValueTexts(texts[3])));
}

void
EtlCatalogForgetIngestKeys(int64 pipeline, int64 window_ms)
{
	static EtlSql statement = {
		"DELETE FROM etl_catalog.ingest_keys WHERE pipeline = $1 AND NOT at" WITHIN};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueBigint(window_ms)));
}
