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

/* What is compared with the rows that are loaded later. */
#define KEY                                                                       \
	MEMBER(key, ETL_SQL_TEXTS, .nullable = true), MEMBER(key_type, ETL_SQL_TEXT), \
		MEMBER(key_hash, ETL_SQL_BIGINT, .nullable = true), MEMBER(key_order, ETL_SQL_TEXT)

const EtlSqlColumn EtlDeadLetterColumns[] = {RECORD, REASON, KEY};
const int EtlDeadLetterColumnCount = lengthof(EtlDeadLetterColumns);

static const EtlSqlColumn again_columns[] = {MEMBER(id, ETL_SQL_BIGINT), RECORD};
static const EtlSqlColumn key_columns[] = {MEMBER(id, ETL_SQL_BIGINT), MEMBER(run, ETL_SQL_BIGINT),
										   MEMBER(sqlstate, ETL_SQL_TEXT), KEY};
static const EtlSqlColumn hash_columns[] = {MEMBER(id, ETL_SQL_BIGINT),
											MEMBER(key_hash, ETL_SQL_BIGINT, .nullable = true)};

/*
 * $4 to $10 are RECORD.  By its text alone a record is known where it has the same key then, or where it may stand
 * elsewhere: the URL may tell the watermark.  Else ($3) it is the one at the same place; what is before an item in a
 * response may change.  The run is an earlier one: within a run, records with the same text are several.
 */
#define SAME_RECORD                                                        \
	"pipeline = $1 AND run < $2 AND resolved_at IS NULL "                  \
	"AND hashtextextended(raw, 0) = hashtextextended($9, 0) AND raw = $9 " \
	"AND header IS NOT DISTINCT FROM $10 AND CASE WHEN $3 THEN "           \
	"(source, line, page, index) IS NOT DISTINCT FROM ($4, $5, $6, $7) "   \
	"AND (byte_offset IS NOT DISTINCT FROM $8 OR source ~ '^https?://') "  \
	"ELSE split_part(source, '?', 1) IS NOT DISTINCT FROM split_part($4, '?', 1) END"

static bool
is_known_by_text(const EtlPipeline *pipeline, const EtlDeadLetter *letter)
{
	bool of_web = letter->source != NULL && (strncmp(letter->source, "http://", 7) == 0 ||
											 strncmp(letter->source, "https://", 8) == 0);

	return EtlUpserts(pipeline) || letter->wanders || (of_web && pipeline->watermark != NULL);
}

/* Letters are tried again in the order of their numbers, which is to be that of the source: so it gets a new one. */
int64
EtlCatalogAddDeadLetter(const EtlPipeline *pipeline, int64 run, const EtlDeadLetter *letter)
{
	static EtlSql statement;
	bool by_place = !letter->replayable || !is_known_by_text(pipeline, letter);

	if (statement.text == NULL)
		statement.text = EtlSqlKeep(psprintf(
			"WITH open AS (DELETE FROM etl_catalog.dead_letters WHERE id = "
			"(SELECT id FROM etl_catalog.dead_letters WHERE " SAME_RECORD
			" ORDER BY id LIMIT 1) RETURNING attempts, first_at) "
			"INSERT INTO etl_catalog.dead_letters (pipeline, run, attempts, first_at, %s) "
			"SELECT $1, $2, coalesce(max(attempts), 0) + 1, coalesce(max(first_at), now()), "
			"%s FROM open RETURNING id",
			EtlSqlNames(EtlDeadLetterColumns, EtlDeadLetterColumnCount),
			EtlSqlParameters(EtlDeadLetterColumns, EtlDeadLetterColumnCount, 4)));
	return EtlSqlRunForBigint(
		&statement,
		ETL_VALUES(EtlValueBigint(pipeline->id), EtlValueBigint(run), EtlValueBoolean(by_place),
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
EtlCatalogDeadLetters(int64 pipeline, int64 after, int n, bool of_known_keys, bool of_others)
{
	static EtlSql statement = {
		LETTERS("id > $2 AND CASE WHEN key_hash IS NULL THEN $5 ELSE $4 END", "id")};

	return list_letters(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueBigint(after),
											   EtlValueBigint(n), EtlValueBoolean(of_known_keys),
											   EtlValueBoolean(of_others)));
}

List *
EtlCatalogDeadLettersOf(int64 pipeline, int64 run, const char *sqlstate, int64 first, int64 after,
						bool backwards, int n)
{
	static EtlSql forward = {LETTERS("id > greatest($2, $6) AND run = $4 AND sqlstate = $5", "id")};
	static EtlSql backward = {
		LETTERS("id < $2 AND id > $6 AND run = $4 AND sqlstate = $5", "id DESC")};

	return list_letters(backwards ? &backward : &forward,
						ETL_VALUES(EtlValueBigint(pipeline), EtlValueBigint(after),
								   EtlValueBigint(n), EtlValueBigint(run), EtlValueText(sqlstate),
								   EtlValueBigint(first)));
}

void
EtlCatalogResolve(int64 letter, int64 run, EtlResolution resolution)
{
	static EtlSql statement = {
		"UPDATE etl_catalog.dead_letters SET resolved_at = now(), resolved_by = $2, "
		"resolution = $3 WHERE id = $1 AND resolved_at IS NULL"};

	(void) EtlSqlRun(&statement,
					 ETL_VALUES(EtlValueBigint(letter), EtlValueBigint(run),
								EtlValueText(EtlWordName(&EtlResolutionWords, resolution))));
}

void
EtlCatalogResolveBefore(int64 pipeline, int64 run)
{
	static EtlSql statement = {
		"UPDATE etl_catalog.dead_letters SET resolved_at = now(), resolved_by = $2, "
		"resolution = $3 WHERE pipeline = $1 AND run < $2 AND resolved_at IS NULL"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueBigint(run),
											EtlValueText(EtlWordName(&EtlResolutionWords,
																	 ETL_RESOLVED_SUPERSEDED))));
}

void
EtlCatalogResolveCutOff(int64 pipeline, int64 run, const EtlDeadLetter *record)
{
	static EtlSql statement = {
		"UPDATE etl_catalog.dead_letters SET resolved_at = now(), resolved_by = $2, "
		"resolution = $3 WHERE pipeline = $1 AND run < $2 AND resolved_at IS NULL "
		"AND stage = 'parse' AND source = $4 AND line = $5 AND byte_offset <= $6 "
		"AND (NOT replayable OR starts_with($7, raw))"};

	(void) EtlSqlRun(
		&statement,
		ETL_VALUES(EtlValueBigint(pipeline), EtlValueBigint(run),
				   EtlValueText(EtlWordName(&EtlResolutionWords, ETL_RESOLVED_SUPERSEDED)),
				   EtlValueText(record->source), EtlValueBigint(record->line),
				   EtlValueBigint(record->byte_offset), EtlValueText(record->raw)));
}

/* ----------------------------------------------------------------
 *	Keys
 * ---------------------------------------------------------------- */

List *
EtlCatalogOpenKeys(int64 pipeline, int64 after, int n)
{
	static EtlSql statement = {
		"SELECT id, key_hash FROM etl_catalog.dead_letters WHERE pipeline = $1 "
		"AND resolved_at IS NULL AND key_hash IS NOT NULL AND id > $2 ORDER BY id LIMIT $3"};

	return EtlSqlSelect(
		&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueBigint(after), EtlValueBigint(n)),
		hash_columns, lengthof(hash_columns), sizeof(EtlDeadLetter));
}

List *
EtlCatalogDeadLettersOfKey(int64 pipeline, int64 key_hash)
{
	static EtlSql statement = {
		"SELECT id, run, sqlstate, key, key_type, key_hash, key_order FROM etl_catalog.dead_letters "
		"WHERE pipeline = $1 AND key_hash = $2 AND resolved_at IS NULL ORDER BY id"};

	return EtlSqlSelect(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueBigint(key_hash)),
						key_columns, lengthof(key_columns), sizeof(EtlDeadLetter));
}

#define FORGET \
	"UPDATE etl_catalog.dead_letters SET key = NULL, key_type = NULL, key_hash = NULL, key_order = NULL "

void
EtlCatalogForgetKey(int64 letter)
{
	static EtlSql statement = {FORGET "WHERE id = $1"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(letter)));
}

void
EtlCatalogForgetOtherKeys(int64 pipeline, const char *key_type)
{
	static EtlSql statement = {FORGET "WHERE pipeline = $1 AND resolved_at IS NULL "
									  "AND key_hash IS NOT NULL AND key_type IS DISTINCT FROM $2"};

	(void) EtlSqlRun(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(key_type)));
}

/* ----------------------------------------------------------------
 *	Other tries, and the end
 * ---------------------------------------------------------------- */

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
		"t AS (DELETE FROM etl_catalog.tombstones WHERE id IN (SELECT id FROM etl_catalog.tombstones "
		"WHERE pipeline = $1 AND deleted_at < now() - $2::interval "
		"ORDER BY deleted_at LIMIT nullif($4, 0))), "
		"e AS (DELETE FROM etl_catalog.enriched "
		"WHERE pipeline = $1 AND fetched_at < now() - $2::interval), "
		"o AS (DELETE FROM etl_catalog.dead_letters WHERE $3 AND pipeline = $1 "
		"AND resolved_at IS NULL AND last_at < now() - $2::interval RETURNING 1) "
		"SELECT (SELECT count(*) FROM r) + (SELECT count(*) FROM d) + (SELECT count(*) FROM o)"};

	return EtlSqlRunForBigint(&statement, ETL_VALUES(EtlValueBigint(pipeline), EtlValueText(age),
													 EtlValueBoolean(open), EtlValueBigint(most)));
}
