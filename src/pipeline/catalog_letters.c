/*
 * catalog_letters.c
 *		Dead letters in etl_catalog, and the end of what is old there.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "pipeline/catalog.h"
#include "pipeline/catalog_sql.h"

int64
EtlCatalogAddDeadLetter(int64 pipeline, int64 run_id, const EtlDeadLetter *l)
{
	static EtlSql statement = {
		"INSERT INTO etl_catalog.dead_letters (pipeline, run, stage, source, line, page, index, "
		"byte_offset, column_name, value, raw, header, rule, sqlstate, message, detail, replayable) "
		"VALUES ($1, $2, $3, $4, nullif($5, 0), nullif($6, 0), nullif($7, 0), $8, $9, $10, $11, $12, "
		"$13, $14, $15, $16, $17) RETURNING id",
		17,
		{INT8OID, INT8OID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID, TEXTOID, TEXTOID,
		 TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, BOOLOID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, pipeline);
	EtlSqlAddBigint(&values, run_id);
	EtlSqlAddText(&values, l->stage);
	EtlSqlAddText(&values, l->source);
	EtlSqlAddBigint(&values, l->line);
	EtlSqlAddBigint(&values, l->page);
	EtlSqlAddBigint(&values, l->index);
	EtlSqlAddBigint(&values, l->offset);
	EtlSqlAddText(&values, l->column);
	EtlSqlAddText(&values, l->value);
	EtlSqlAddText(&values, l->raw);
	EtlSqlAddText(&values, l->header);
	EtlSqlAddText(&values, l->rule);
	EtlSqlAddText(&values, l->sqlstate);
	EtlSqlAddText(&values, l->message);
	EtlSqlAddText(&values, l->detail);
	EtlSqlAdd(&values, BoolGetDatum(l->replayable));
	return EtlSqlRunForBigint(&statement, &values);
}

/* No more than fit into memory: as many as there may be records in a batch, and 16 MB of them. */
#define LETTERS(which, order)                                                                  \
	"SELECT id, source, line, page, index, byte_offset, raw, header FROM (SELECT *, "          \
	"sum(octet_length(raw)) OVER (ORDER BY " order " ROWS UNBOUNDED PRECEDING) AS size "       \
	"FROM etl_catalog.dead_letters "                                                           \
	"WHERE pipeline = $1 AND resolved_at IS NULL AND replayable AND " which " ORDER BY " order \
	" LIMIT $3) AS l WHERE size - octet_length(raw) < 16777216 ORDER BY " order

static List *
list_letters(EtlSql *statement, EtlSqlValues *values)
{
	EtlSqlEntered entered;
	List *list = NIL;
	uint64 found;

	EtlSqlEnter(&entered);
	found = EtlSqlExecute(statement, values);
	for (uint64 i = 0; i < found; i++)
	{
		EtlDeadLetter *letter = MemoryContextAllocZero(entered.caller, sizeof(EtlDeadLetter));
		MemoryContext old;

		letter->id = EtlSqlBigint(i, 1, 0);
		letter->source = EtlSqlText(&entered, i, 2);
		letter->line = EtlSqlBigint(i, 3, 0);
		letter->page = EtlSqlBigint(i, 4, 0);
		letter->index = EtlSqlBigint(i, 5, 0);
		letter->offset = EtlSqlBigint(i, 6, 0);
		letter->raw = EtlSqlText(&entered, i, 7);
		letter->header = EtlSqlText(&entered, i, 8);
		old = MemoryContextSwitchTo(entered.caller);
		list = lappend(list, letter);
		MemoryContextSwitchTo(old);
	}
	EtlSqlLeave(&entered);
	return list;
}

List *
EtlCatalogDeadLetters(int64 pipeline, int64 after, int n)
{
	static EtlSql statement = {LETTERS("id > $2", "id"), 3, {INT8OID, INT8OID, INT8OID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, pipeline);
	EtlSqlAddBigint(&values, after);
	EtlSqlAddBigint(&values, n);
	return list_letters(&statement, &values);
}

List *
EtlCatalogDeadLettersOf(int64 pipeline, int64 run_id, const char *sqlstate, int64 after,
						bool backwards, int n)
{
	static EtlSql forward = {LETTERS("id > $2 AND run = $4 AND sqlstate = $5", "id"),
							 5,
							 {INT8OID, INT8OID, INT8OID, INT8OID, TEXTOID}};
	static EtlSql backward = {LETTERS("id < $2 AND run = $4 AND sqlstate = $5", "id DESC"),
							  5,
							  {INT8OID, INT8OID, INT8OID, INT8OID, TEXTOID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, pipeline);
	EtlSqlAddBigint(&values, after);
	EtlSqlAddBigint(&values, n);
	EtlSqlAddBigint(&values, run_id);
	EtlSqlAddText(&values, sqlstate);
	return list_letters(backwards ? &backward : &forward, &values);
}

void
EtlCatalogResolve(int64 letter, int64 run_id)
{
	static EtlSql statement = {"UPDATE etl_catalog.dead_letters SET resolved_at = now(), "
							   "resolved_by = $2 WHERE id = $1",
							   2,
							   {INT8OID, INT8OID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, letter);
	EtlSqlAddBigint(&values, run_id);
	(void) EtlSqlRun(&statement, &values);
}

void
EtlCatalogResolveBefore(int64 pipeline, int64 run_id)
{
	static EtlSql statement = {"UPDATE etl_catalog.dead_letters SET resolved_at = now(), "
							   "resolved_by = $2 WHERE pipeline = $1 AND run < $2 "
							   "AND resolved_at IS NULL",
							   2,
							   {INT8OID, INT8OID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, pipeline);
	EtlSqlAddBigint(&values, run_id);
	(void) EtlSqlRun(&statement, &values);
}

void
EtlCatalogFailedAgain(int64 letter, const char *stage, const char *sqlstate, const char *message,
					  const char *detail)
{
	static EtlSql statement = {
		"UPDATE etl_catalog.dead_letters SET attempts = attempts + 1, last_at = now(), "
		"stage = $2, sqlstate = $3, message = $4, detail = $5 WHERE id = $1",
		5,
		{INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, letter);
	EtlSqlAddText(&values, stage);
	EtlSqlAddText(&values, sqlstate);
	EtlSqlAddText(&values, message);
	EtlSqlAddText(&values, detail);
	(void) EtlSqlRun(&statement, &values);
}

int64
EtlCatalogPurge(int64 pipeline, const char *age, bool open)
{
	static EtlSql statement = {
		"WITH r AS (DELETE FROM etl_catalog.runs WHERE pipeline = $1 AND state <> 'running' "
		"AND started_at < now() - $2::interval RETURNING 1), "
		"d AS (DELETE FROM etl_catalog.dead_letters WHERE pipeline = $1 "
		"AND (resolved_at < now() - $2::interval "
		"OR $3 AND resolved_at IS NULL AND last_at < now() - $2::interval) RETURNING 1) "
		"SELECT (SELECT count(*) FROM r) + (SELECT count(*) FROM d)",
		3,
		{INT8OID, TEXTOID, BOOLOID}};
	EtlSqlValues values = {0};

	EtlSqlAddBigint(&values, pipeline);
	EtlSqlAddText(&values, age);
	EtlSqlAdd(&values, BoolGetDatum(open));
	return EtlSqlRunForBigint(&statement, &values);
}
