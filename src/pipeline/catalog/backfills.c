/*
 * backfills.c
 *		Backfills in etl_catalog: which range of the source of a pipeline is read again, and how far that has come.
 */
#include "etl.h"

#include "pipeline/catalog/catalog.h"

#define MEMBER(name, type)                       \
	{                                            \
#name, type, offsetof(EtlBackfill, name) \
	}

/* What it is, and what has become of it. */
#define DEFINITION                                                                             \
	MEMBER(pipeline, ETL_SQL_BIGINT), MEMBER(type, ETL_SQL_TEXT), MEMBER(since, ETL_SQL_TEXT), \
		MEMBER(until, ETL_SQL_TEXT), MEMBER(step, ETL_SQL_TEXT), MEMBER(next, ETL_SQL_TEXT)

static const EtlSqlColumn written[] = {DEFINITION};
static const EtlSqlColumn columns[] = {DEFINITION, MEMBER(checkpoints, ETL_SQL_BIGINT)};

EtlBackfill *
EtlCatalogBackfill(int64 pipeline)
{
	static EtlSql statement;
	List *found;

	if (statement.text == NULL)
		statement.text =
			EtlSqlKeep(psprintf("SELECT %s FROM etl_catalog.backfills WHERE pipeline = $1",
								EtlSqlNames(columns, lengthof(columns))));
	found = EtlSqlSelect(&statement, ETL_VALUES(EtlValueBigint(pipeline)), columns,
						 lengthof(columns), sizeof(EtlBackfill));
	return found != NIL ? linitial(found) : NULL;
}

static void
forget_checkpoints(int64 pipeline)
{
	static EtlSql statement = {
		"DELETE FROM etl_catalog.checkpoints WHERE pipeline = "
		"(SELECT b.checkpoints FROM etl_catalog.backfills AS b WHERE b.pipeline = $1)"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline)));
}

void
EtlCatalogBeginBackfill(const EtlBackfill *backfill)
{
	static EtlSql statement;

	if (statement.text == NULL)
	{
		const char *names = EtlSqlNames(written, lengthof(written));
		const char *values = EtlSqlParameters(written, lengthof(written), 1);

		statement.text = EtlSqlKeep(
			psprintf("INSERT INTO etl_catalog.backfills (%s) VALUES (%s) ON CONFLICT (pipeline) "
					 "DO UPDATE SET (%s) = (%s), started_at = now()",
					 names, values, names, values));
	}
	forget_checkpoints(backfill->pipeline);
	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueStruct(written, lengthof(written), backfill)));
}

void
EtlCatalogMoveBackfill(int64 pipeline, const char *next)
{
	static EtlSql move = {"UPDATE etl_catalog.backfills SET next = $2 WHERE pipeline = $1"};
	static EtlSql end = {"DELETE FROM etl_catalog.backfills WHERE pipeline = $1"};

	forget_checkpoints(pipeline);
	if (next != NULL)
		(void) EtlSqlRun(&move, ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(next)));
	else
		(void) EtlSqlRun(&end, ETL_VALUES(EtlValueBigint(pipeline)));
}
