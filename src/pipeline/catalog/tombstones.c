/*
 * tombstones.c
 *		Keys whose rows pipelines have deleted, in etl_catalog.
 */
#include "etl.h"

#include "pipeline/catalog/catalog.h"
#include "pipeline/catalog/sql.h"

#define MEMBER(name, type)                        \
	{                                             \
#name, type, offsetof(EtlTombstone, name) \
	}

#define KEY                                                                                       \
	MEMBER(key_hash, ETL_SQL_BIGINT), MEMBER(key, ETL_SQL_TEXTS), MEMBER(key_type, ETL_SQL_TEXT), \
		MEMBER(key_order, ETL_SQL_TEXT)

static const EtlSqlColumn written[] = {KEY};
static const EtlSqlColumn columns[] = {MEMBER(id, ETL_SQL_BIGINT), KEY};

bool
EtlCatalogHasTombstones(int64 pipeline)
{
	static EtlSql statement = {
		"SELECT count(*) FROM (SELECT FROM etl_catalog.tombstones WHERE pipeline = $1 LIMIT 1) AS t"};

	return EtlSqlRunForBigint(&statement, ETL_VALUES(EtlValueBigint(pipeline))) > 0;
}

List *
EtlCatalogTombstones(int64 pipeline, List *hashes)
{
	static EtlSql statement = {
		"SELECT id, key_hash, key, key_type, key_order FROM etl_catalog.tombstones "
		"WHERE pipeline = $1 AND key_hash = ANY ($2::bigint[]) ORDER BY id"};

	return EtlSqlSelect(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueTexts(hashes)),
						columns, lengthof(columns), sizeof(EtlTombstone));
}

void
EtlCatalogAddTombstone(int64 pipeline, const EtlTombstone *tombstone, int64 replaced)
{
	static EtlSql statement = {
		"WITH old AS (DELETE FROM etl_catalog.tombstones WHERE id = $2) "
		"INSERT INTO etl_catalog.tombstones (pipeline, key_hash, key, key_type, key_order) "
		"VALUES ($1, $3, $4, $5, $6)"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueBigint(replaced),
											EtlValueStruct(written, lengthof(written), tombstone)));
}
