/*
 * dead_letter.c
 *		Records that cannot be loaded, and their second chance.
 *
 * What is wrong with a record is noted while its transaction works, and written in the same transaction, once
 * it is certain that the record is among those that are committed.
 *
 * A dead letter holds the record as it was written, with the header that names its fields, so that it can be
 * read again without its file.  In a retry the batch is made of dead letters; a record of it that fails
 * again is no new one.
 */
#include "etl.h"

#include <ctype.h>

#include "access/xact.h"
#include "format/header.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pipeline/catalog/sql.h"
#include "pipeline/run/engine.h"
#include "pipeline/run/lock.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(etl_purge);

#define OLDEST_MS (INT64CONST(1000) * 366 * 24 * 3600 * 1000)
#define LETTERS_AT_ONCE 10000 /* rows that wait for each other should come together */

int EtlDeadLetterMaxBytes = 64 * 1024;

/* ----------------------------------------------------------------
 *	Noting
 * ---------------------------------------------------------------- */

static bool
must_redact(const EtlRun *run)
{
	return run->pipeline->redact != NIL;
}

/* Where a record was, for CONTEXT. */
static const char *
where(const EtlKept *kept)
{
	if (kept->line > 0)
		return psprintf("file \"%s\", line %lld", kept->source, (long long) kept->line);
	return psprintf("\"%s\", page %lld, item %lld", kept->source, (long long) kept->page,
					(long long) kept->index);
}

/* on_error => 'fail': the first fault is the end. */
static void
fail_run(EtlRun *run, const EtlReject *reject)
{
	const EtlKept *kept = reject->record >= 0 ? &run->batch.records[reject->record] : NULL;
	const char *message = must_redact(run) ? reject->safe_message : reject->message;

	run->fatal = true;
	ereport(
		ERROR,
		(errcode(reject->sqlstate),
		 errmsg_internal("%s", message != NULL ? message : "a record could not be loaded"),
		 reject->detail != NULL && !must_redact(run) ? errdetail_internal("%s", reject->detail) : 0,
		 kept == NULL ? errcontext("a row that the query gave") : errcontext("%s", where(kept))));
}

/*
 * That is the format of its message, without what was put into it; but what RAISE and kin say is all put into a format
 * without a word, "%s".
 */
const char *
EtlSafeMessage(const ErrorData *error)
{
	const char *c = error->message_id != NULL ? error->message_id : "";

	for (; *c != '\0'; c++)
	{
		if (isalpha((unsigned char) *c))
			return error->message_id;
		if (*c == '%')
			c += 1 + strcspn(c + 1, "cdefgGimopsuxX%");
		if (*c == '\0')
			break;
	}
	return "a record could not be loaded";
}

/* Everything in "reject" lasts as long as the transaction. */
void
EtlAddReject(EtlRun *run, EtlReject *reject)
{
	MemoryContext old;

	if (run->pipeline->on_error == ETL_FAULT_FAIL)
		fail_run(run, reject);
	old = MemoryContextSwitchTo(run->batch.loading);
	if (reject->record < 0)
	{
		EtlDeadLetter letter = {0};

		EtlMakeLetter(run, reject, &letter);
		(void) EtlCatalogAddDeadLetter(run->pipeline->id, run->id, &letter);
	}
	else
		run->batch.rejects = lappend(run->batch.rejects, reject);
	MemoryContextSwitchTo(old);
}

/* The owner's code may call a column what it likes. */
static bool
is_emitted(const EtlRun *run, const char *column)
{
	TupleDesc desc = run->statements->emitted;

	for (int i = 0; i < desc->natts && column != NULL; i++)
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), column) == 0)
			return true;
	return false;
}

void
EtlRejectError(EtlRun *run, int record, const ErrorData *error)
{
	MemoryContext old = MemoryContextSwitchTo(run->batch.loading);
	EtlReject *reject = palloc0(sizeof(EtlReject));

	reject->record = record;
	reject->stage = ETL_FAILED_LOAD;
	reject->sqlstate = error->sqlerrcode;
	reject->message = error->message;
	reject->safe_message = EtlSafeMessage(error);
	reject->detail = error->detail;
	if (!must_redact(run) || is_emitted(run, error->column_name))
		reject->column = error->column_name;
	MemoryContextSwitchTo(old);
	EtlAddReject(run, reject);
}

/* ----------------------------------------------------------------
 *	Writing
 * ---------------------------------------------------------------- */

static bool
is_redacted(const EtlRun *run, const char *column)
{
	ListCell *lc;

	foreach (lc, run->pipeline->redact)
		if (column != NULL && strcmp(lfirst(lc), column) == 0)
			return true;
	return false;
}

/* Whether two names mean the same member of a record, as they are matched with its members. */
static bool
same_member(const char *a, size_t a_len, const char *b, size_t b_len)
{
	char *folded_a = palloc(2 * a_len + 1);
	char *folded_b = palloc(2 * b_len + 1);

	(void) EtlFoldName(a, a_len, folded_a);
	(void) EtlFoldName(b, b_len, folded_b);
	return strcmp(folded_a, folded_b) == 0;
}

/* Whether one of two paths of names leads through the value of the other: address, "address.city". */
static bool
paths_overlap(const char *a, const char *b)
{
	for (;;)
	{
		size_t a_len = strcspn(a, ".");
		size_t b_len = strcspn(b, ".");

		if (!same_member(a, a_len, b, b_len))
			return false;
		a += a_len;
		b += b_len;
		if (*a == '\0' || *b == '\0')
			return true;
		a++;
		b++;
	}
}

/* Whether the value of a column may hold one that is redacted. */
static bool
may_hold_redacted(const EtlRun *run, const char *column)
{
	ListCell *lc;

	if (column == NULL || strncmp(column, "_etl_", 5) == 0) /* all of the record */
		return true;
	foreach (lc, run->pipeline->redact)
		if (paths_overlap(lfirst(lc), column))
			return true;
	return false;
}

static Bitmapset *
redacted_columns(const EtlRun *run)
{
	Bitmapset *columns = NULL;

	for (int i = 0; i < run->rows->desc->natts; i++)
		if (is_redacted(run, run->rows->columns[i].name))
			columns = bms_add_member(columns, i);
	return columns;
}

/* Bytes that are no text, as text. */
static char *
escaped(const char *data, size_t len)
{
	StringInfoData text;

	initStringInfo(&text);
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = data[i];

		if (c < 0x80 && c != '\0')
			appendStringInfoChar(&text, c);
		else
			appendStringInfo(&text, "\\x%02x", c);
	}
	return text.data;
}

static char *
capped(const char *text, bool *whole)
{
	size_t max = (size_t) EtlDeadLetterMaxBytes;
	size_t len = strlen(text);

	if (len <= max)
		return pstrdup(text);
	*whole = false;
	return pnstrdup(text, pg_mbcliplen(text, len, max));
}

static void
set_raw(const EtlRun *run, const EtlKept *kept, EtlDeadLetter *letter)
{
	const EtlScanKind *kind = run->rows->kind;
	const char *raw = kept->data;

	if (kept->is_text && kind->text != NULL && !must_redact(run))
		raw = kind->text(run->rows, kept);
	letter->replayable = kept->is_text && raw != NULL;
	letter->header = kept->header;
	if (must_redact(run))
	{
		letter->replayable = false;
		letter->header = NULL;
		raw = kind->redact(run->rows, kept, redacted_columns(run));
	}
	else if (!letter->replayable)
		raw = escaped(kept->data, kept->len);
	if (raw != NULL)
		letter->raw = capped(raw, &letter->replayable);
}

static void
set_reason(const EtlRun *run, const EtlReject *reject, EtlDeadLetter *letter)
{
	bool whole = true;

	letter->stage = reject->stage;
	letter->rule = reject->rule;
	letter->sqlstate = pstrdup(unpack_sql_state(reject->sqlstate));
	letter->column_name = reject->column;
	if (!must_redact(run))
	{
		letter->message = capped(reject->message, &whole);
		letter->detail = reject->detail != NULL ? capped(reject->detail, &whole) : NULL;
		letter->value = reject->value != NULL ? capped(reject->value, &whole) : NULL;
		return;
	}
	letter->message =
		reject->safe_message != NULL ? reject->safe_message : "a record could not be loaded";
	if (reject->value != NULL && !may_hold_redacted(run, reject->column))
		letter->value = capped(reject->value, &whole);
}

/* A row that the query gave is no record of the source: it cannot be tried again. */
static void
set_row(const EtlRun *run, const EtlReject *reject, EtlDeadLetter *letter)
{
	if (!must_redact(run))
		letter->raw = capped(reject->row, &letter->replayable);
	letter->replayable = false;
}

void
EtlMakeLetter(const EtlRun *run, const EtlReject *reject, EtlDeadLetter *letter)
{
	const EtlKept *kept;

	set_reason(run, reject, letter);
	if (reject->record < 0)
	{
		set_row(run, reject, letter);
		return;
	}
	kept = &run->batch.records[reject->record];
	letter->source = kept->source;
	letter->line = kept->line;
	letter->page = kept->page;
	letter->index = kept->index;
	letter->byte_offset = (int64) kept->offset;
	set_raw(run, kept, letter);
	/* it is read again with all others, by the next run */
	letter->replayable &= run->spool == NULL;
}

static void
write_letter(EtlRun *run, const EtlReject *reject)
{
	EtlDeadLetter letter = {0};
	int64 id;

	EtlMakeLetter(run, reject, &letter);
	if (run->batch.letters != NULL)
	{
		EtlCatalogFailedAgain(run->batch.letters[reject->record], letter.stage, letter.sqlstate,
							  letter.message, letter.detail);
		return;
	}
	id = EtlCatalogAddDeadLetter(run->pipeline->id, run->id, &letter);
	if (letter.replayable && reject->sqlstate == ERRCODE_FOREIGN_KEY_VIOLATION)
	{
		EtlParkedAs(run, reject->record, id);
		run->parked = true;
	}
}

void
EtlCheckRejectLimit(EtlRun *run, int64 rejected, const EtlReject *last)
{
	int64 limit = run->pipeline->reject_limit;
	const char *message;

	if (limit < 0 || rejected <= limit || last == NULL)
		return;
	message = must_redact(run) ? last->safe_message : last->message;
	run->fatal = true;
	ereport(ERROR, (errcode(last->sqlstate),
					errmsg("more than %lld records are rejected, the limit set by reject_limit",
						   (long long) limit),
					message != NULL ? errdetail("The last was: %s", message) : 0));
}

/* Writes what is wrong with the records between two numbers, and counts it. */
void
EtlSettleRejects(EtlRun *run, int from, int to, EtlRunCounters *counters)
{
	MemoryContext old = MemoryContextSwitchTo(run->batch.loading);
	Bitmapset *failed = NULL;
	const EtlReject *last = NULL;
	int64 rejected = run->rejected;
	ListCell *lc;

	foreach (lc, run->batch.rejects)
	{
		const EtlReject *reject = lfirst(lc);

		if (reject->record < from || reject->record >= to)
			continue;
		counters->malformed += reject->stage == ETL_FAILED_PARSE;
		counters->convert_failed += reject->stage == ETL_FAILED_CONVERT;
		failed = bms_add_member(failed, reject->record);
		last = reject;
		rejected++;
		if (run->kind == ETL_RUN_LOAD)
			EtlCheckRejectLimit(run, rejected, last);
		write_letter(run, reject);
	}
	for (int i = from; i < to && run->batch.letters != NULL; i++)
		if (!bms_is_member(i, failed))
			EtlCatalogResolve(run->batch.letters[i], run->id);
	MemoryContextSwitchTo(old);
}

/* ----------------------------------------------------------------
 *	The second chance
 * ---------------------------------------------------------------- */

/* Fills the batch with dead letters; the last of them is *after. */
static bool
take_letters(EtlRun *run, List *letters, int64 *after)
{
	EtlBatch *batch = &run->batch;
	ListCell *lc;

	batch->letters = palloc(sizeof(int64) * (list_length(letters) + 1));
	foreach (lc, letters)
	{
		const EtlDeadLetter *letter = lfirst(lc);
		EtlKept *kept = EtlAddRecord(run);

		kept->source = letter->source;
		kept->line = letter->line;
		kept->page = letter->page;
		kept->index = letter->index;
		kept->offset = (uint64) letter->byte_offset;
		kept->data = letter->raw;
		kept->len = strlen(letter->raw);
		kept->header = letter->header;
		kept->is_text = true;
		run->rows->kind->revive(run->rows, kept);
		batch->letters[batch->n - 1] = *after = letter->id;
	}
	return letters != NIL;
}

/*
 * Fills the batch with dead letters behind *after, and moves that on; false if there are none.  In a
 * transaction.
 */
bool
EtlNextLetters(EtlRun *run, int64 *after)
{
	MemoryContext old;
	bool found;

	EtlStartBatch(run);
	old = MemoryContextSwitchTo(run->batch.context);
	found =
		take_letters(run, EtlCatalogDeadLetters(run->pipeline->id, *after, LETTERS_AT_ONCE), after);
	MemoryContextSwitchTo(old);
	return found;
}

static List *
in_reverse(const List *list)
{
	List *reversed = NIL;
	const ListCell *lc;

	foreach (lc, list)
		reversed = lcons(lfirst(lc), reversed);
	return reversed;
}

/* What comes backwards comes in batches whose records are in their order: the last one of a key is the one to load. */
bool
EtlNextParked(EtlRun *run, int64 *after, bool backwards)
{
	MemoryContext old;
	List *letters;
	bool found;

	EtlStartBatch(run);
	old = MemoryContextSwitchTo(run->batch.context);
	letters = EtlCatalogDeadLettersOf(run->pipeline->id, run->id,
									  unpack_sql_state(ERRCODE_FOREIGN_KEY_VIOLATION), *after,
									  backwards, LETTERS_AT_ONCE);
	if (backwards)
		letters = in_reverse(letters);
	found = take_letters(run, letters, after);
	if (backwards && found)
		*after = run->batch.letters[0];
	EtlFindPositions(run);
	MemoryContextSwitchTo(old);
	return found;
}

/* etl_purge(name text, older_than interval, open boolean) returns bigint */
Datum
etl_purge(PG_FUNCTION_ARGS)
{
	EtlPipeline *pipeline = EtlFindOwnPipeline(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	char *age = DatumGetCString(DirectFunctionCall1(interval_out, PG_GETARG_DATUM(1)));
	int64 ms = EtlIntervalMs(PG_GETARG_DATUM(1));

	if (ms < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("older_than must not be negative")));
	if (ms > OLDEST_MS)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("older_than must be at most 1000 years")));
	PG_RETURN_INT64(EtlCatalogPurge(pipeline->id, age, PG_GETARG_BOOL(2)));
}
