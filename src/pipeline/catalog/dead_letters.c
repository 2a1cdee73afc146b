/*
 * dead_letters.c
 *		Dead letters in etl_catalog, and the end of what is old there.
 */
#include "etl.h"

#include "pipeline/catalog/catalog.h"
#include "pipeline/catalog/sql.h"

#define MEMBER(name, type, ...)                                 \
	{                                                           \
#name, type, offsetof(EtlDeadLetter, name), __VA_ARGS__ \
	}

/* What another try needs. */
#define RECORD                                                                                \
	MEMBER(source, ETL_SQL_TEXT), MEMBER(line, ETL_SQL_BIGINT, .nullable = true),             \
		MEMBER(page, ETL_SQL_BIGINT, .nullable = true),                                       \
		MEMBER(index, ETL_SQL_BIGINT, .nullable = true), MEMBER(byte_offset, ETL_SQL_BIGINT), \
		MEMBER(raw, ETL_SQL_TEXT), MEMBER(header, ETL_SQL_TEXT)

#define REASON                                                                                   \
	MEMBER(stage, ETL_SQL_WORD, &EtlFailedStageWords), MEMBER(column_name, ETL_SQL_TEXT),        \
		MEMBER(value, ETL_SQL_TEXT), MEMBER(rule, ETL_SQL_TEXT), MEMBER(sqlstate, ETL_SQL_TEXT), \
		MEMBER(message, ETL_SQL_TEXT), MEMBER(detail, ETL_SQL_TEXT),                             \
		MEMBER(replayable, ETL_SQL_BOOLEAN)

const EtlSqlColumn EtlDeadLetterColumns[] = {RECORD, REASON};
const int EtlDeadLetterColumnCount = lengthof(EtlDeadLetterColumns);

static const EtlSqlColumn again_columns[] = {MEMBER(id, ETL_SQL_BIGINT), RECORD};

int64
EtlCatalogAddDeadLetter(int64 pipeline, int64 run, const EtlDeadLetter *letter)
{
	static EtlSql statement;

	if (statement.text == NULL)
		statement.text = EtlSqlKeep(
			psprintf("INSERT INTO etl_catalog.dead_letters (pipeline, run, %s) "
					 "VALUES ($1, $2, %s) RETURNING id",
					 EtlSqlNames(EtlDeadLetterColumns, EtlDeadLetterColumnCount),
					 EtlSqlParameters(EtlDeadLetterColumns, EtlDeadLetterColumnCount, 3)));
	return EtlSqlRunForBigint(
		&statement,
		ETL_VALUES(EtlValueBigint(pipeline), EtlValueBigint(run),
				   EtlValueStruct(EtlDeadLetterColumns, EtlDeadLetterColumnCount, letter)));
}

/* No more than fit into memory: as many as there may be records in a batch, and 16 MB of them. */
#define LETTERS(which, order)                                                                  \
	"SELECT id, source, line, page, index, byte_offset, raw, header FROM (SELECT *, "          \
	"sum(octet_length(raw)) OVER (ORDER BY " order " ROWS UNBOUNDED PRECEDING) AS size "       \
	"FROM etl_catalog.dead_letters "                                                           \
	"WHERE pipeline = $1 AND resolved_at IS NULL AND replayable AND " which " ORDER BY " order \
	" LIMIT $3) AS l WHERE size - octet_length(raw) < 16777216 ORDER BY " order

static List *
list_letters(EtlSql *statement, int n, const EtlSqlValue *values)
{
	return EtlSqlSelect(statement, n, values, again_columns, lengthof(again_columns),
						sizeof(EtlDeadLetter));
}

List *
EtlCatalogDeadLetters(int64 pipeline, int64 after, int n)
{
	static EtlSql statement = {LETTERS("id > $2", "id")};

	return list_letters(
		&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueBigint(after), EtlValueBigint(n)));
}

List *
EtlCatalogDeadLettersOf(int64 pipeline, int64 run, const char *sqlstate, int64 after,
						bool backwards, int n)
{
	static EtlSql forward = {LETTERS("id > $2 AND run = $4 AND sqlstate = $5", "id")};
	static EtlSql backward = {LETTERS("id < $2 AND run = $4 AND sqlstate = $5", "id DESC")};

	return list_letters(backwards ? &backward : &forward,
						ETL_VALUES(EtlValueBigint(pipeline), EtlValueBigint(after),
								   EtlValueBigint(n), EtlValueBigint(run), EtlValueText(sqlstate)));
}

void
EtlCatalogResolve(int64 letter, int64 run)
{
	static EtlSql statement = {"UPDATE etl_catalog.dead_letters SET resolved_at = now(), "
							   "resolved_by = $2 WHERE id = $1"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(letter), EtlValueBigint(run)));
}

void
EtlCatalogResolveBefore(int64 pipeline, int64 run)
{
	static EtlSql statement = {"UPDATE etl_catalog.dead_letters SET resolved_at = now(), "
							   "resolved_by = $2 WHERE pipeline = $1 AND run < $2 "
							   "AND resolved_at IS NULL"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueBigint(run)));
}

void
EtlCatalogFailedAgain(int64 letter, EtlFailedStage stage, const char *sqlstate, const char *message,
					  const char *detail)
{
	static EtlSql statement = {
		"UPDATE etl_catalog.dead_letters SET attempts = attempts + 1, last_at = now(), "
		"stage = $2, sqlstate = $3, message = $4, detail = $5 WHERE id = $1"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(letter),
											EtlValueText(EtlWordName(&EtlFailedStageWords, stage)),
											EtlValueText(sqlstate), EtlValueText(message),
											EtlValueText(detail)));
}

int64
EtlCatalogPurge(int64 pipeline, const char *age, bool open, int64 most)
{
	static EtlSql statement = {
		"WITH r AS (DELETE FROM etl_catalog.runs WHERE id IN (SELECT id FROM etl_catalog.runs "
		"WHERE pipeline = $1 AND state <> 'running' AND started_at < now() - $2::interval "
		"ORDER BY started_at LIMIT nullif($4, 0)) RETURNING 1), "
		"d AS (DELETE FROM etl_catalog.dead_letters WHERE id IN (SELECT id FROM etl_catalog.dead_letters "
		"WHERE pipeline = $1 AND resolved_at < now() - $2::interval "
		"ORDER BY resolved_at LIMIT nullif($4, 0)) RETURNING 1), "
		"o AS (DELETE FROM etl_catalog.dead_letters WHERE $3 AND pipeline = $1 "
		"AND resolved_at IS NULL AND last_at < now() - $2::interval RETURNING 1) "
		"SELECT (SELECT count(*) FROM r) + (SELECT count(*) FROM d) + (SELECT count(*) FROM o)"};

	return EtlSqlRunForBigint(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(age),
													 EtlValueBoolean(open), EtlValueBigint(most)));
}
