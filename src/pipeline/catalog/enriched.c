/*
 * enriched.c
 *		Answers that enrichments keep, in etl_catalog.
 *
 * They belong to one pipeline and one definition of the enrichment: nobody else's pipeline is ever given them.
 */
#include "etl.h"

#include "pipeline/catalog/catalog.h"
#include "pipeline/catalog/sql.h"

static const EtlSqlColumn columns[] = {
	{"key", ETL_SQL_TEXT, offsetof(EtlEnriched, key)},
	{"items", ETL_SQL_TEXTS, offsetof(EtlEnriched, items)},
};

List *
EtlCatalogEnriched(int64 pipeline, const char *name, const char *definition, List *keys,
				   int64 age_ms)
{
	static EtlSql statement = {
		"SELECT key, items FROM etl_catalog.enriched WHERE pipeline = $1 AND name = $2 "
		"AND definition = $3 AND key = ANY ($4::text[]) "
		"AND fetched_at > now() - $5 * interval '1 millisecond'"};

	return EtlSqlSelect(&statement,
						ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(name),
								   EtlValueText(definition), EtlValueTexts(keys),
								   EtlValueBigint(age_ms)),
						columns, lengthof(columns), sizeof(EtlEnriched));
}

void
EtlCatalogKeepEnriched(int64 pipeline, const char *name, const char *definition,
					   const EtlEnriched *enriched)
{
	static EtlSql statement = {
		"INSERT INTO etl_catalog.enriched (pipeline, name, definition, key, items) "
		"VALUES ($1, $2, $3, $4, coalesce($5::text[], '{}')) "
		"ON CONFLICT (pipeline, name, definition, key) "
		"DO UPDATE SET items = EXCLUDED.items, fetched_at = now()"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(name),
											EtlValueText(definition), EtlValueText(enriched->key),
											EtlValueTexts(enriched->items)));
}
