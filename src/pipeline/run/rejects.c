/*
 * rejects.c
 *		Records that cannot be loaded, and the dead letters that they become.
 *
 * What is wrong with a record is noted while its transaction works, and written in the same transaction, once
 * it is certain that the record is among those that are committed.
 *
 * A dead letter holds the record as it was written, with the header that names its fields, so that it can be
 * read again without its file.  Where the batch is made of dead letters, a record of it that fails again is no
 * new one.
 */
#include "etl.h"

#include <ctype.h>

#include "mb/pg_wchar.h"
#include "pipeline/run/redact.h"
#include "pipeline/run/rejects.h"
#include "scan/names.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

int EtlDeadLetterMaxBytes = 64 * 1024;

/* ----------------------------------------------------------------
 *	Noting
 * ---------------------------------------------------------------- */

static bool
must_redact(const EtlRejects *rejects)
{
	return rejects->run->pipeline->redact != NIL;
}

/* The error to come ends the run; what of it the server's log may have. */
static void
end_run(EtlRun *run, const char *reason)
{
	run->fatal = true;
	run->fatal_reason = MemoryContextStrdup(run->context, reason);
}

void
EtlRejectsFail(const EtlRejects *rejects, const EtlReject *reject, const char *hint)
{
	const EtlKept *kept =
		reject->record >= 0 ? &rejects->reading->batch.records[reject->record] : NULL;
	const char *message = must_redact(rejects) ? reject->safe_message : reject->message;

	end_run(rejects->run,
			reject->safe_message != NULL ? reject->safe_message : "a record could not be loaded");
	ereport(ERROR,
			(errcode(reject->sqlstate),
			 errmsg_internal("%s", message != NULL ? message : "a record could not be loaded"),
			 reject->detail != NULL && !must_redact(rejects)
				 ? errdetail_internal("%s", reject->detail)
				 : 0,
			 hint != NULL ? errhint("%s", hint) : 0,
			 errcontext("%s", kept == NULL ? "a row that the query gave" : EtlKeptWhere(kept))));
}

/* The columns of the batch that the query passes on as the key; NULL: it makes some of them of others, or there is none. */
static Bitmapset *
passed_keys(const EtlStatements *s)
{
	Bitmapset *columns = NULL;

	for (int k = 0; k < s->nkeys; k++)
	{
		if (s->passed[s->keys[k]] < 0)
			return NULL;
		columns = bms_add_member(columns, s->passed[s->keys[k]]);
	}
	return columns;
}

bool
EtlRejectKey(const EtlRejects *rejects, const EtlReject *reject, Datum *key, bool *null)
{
	const EtlStatements *s = rejects->run->statements;
	Bitmapset *columns = passed_keys(s);
	Datum *values = palloc0(sizeof(Datum) * s->batch->natts);
	bool *isnull = palloc0(sizeof(bool) * s->batch->natts);
	bool known =
		reject->stage != ETL_FAILED_PARSE && columns != NULL &&
		EtlRowsUseSome(rejects->reading->rows, &rejects->reading->batch.records[reject->record],
					   columns, values, isnull);

	for (int k = 0; known && k < s->nkeys; k++)
	{
		key[k] = values[s->passed[s->keys[k]]];
		null[k] = isnull[s->passed[s->keys[k]]];
		known = !null[k] || s->key_takes_null;
	}
	return known;
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

void
EtlRejectsAdd(EtlRejects *rejects, EtlReject *reject)
{
	const EtlRun *run = rejects->run;
	MemoryContext old;

	if (run->pipeline->on_error == ETL_FAULT_FAIL)
		EtlRejectsFail(rejects, reject, NULL);
	old = MemoryContextSwitchTo(rejects->reading->batch.loading);
	if (reject->record < 0)
	{
		EtlDeadLetter letter = {0};

		EtlRejectsMakeLetter(rejects, reject, &letter);
		(void) EtlCatalogAddDeadLetter(run->pipeline, run->id, &letter);
	}
	else
	{
		EtlKeysExpect(rejects->keys, reject->key);
		rejects->list = lappend(rejects->list, reject);
	}
	MemoryContextSwitchTo(old);
}

/* The owner's code may call a column what it likes. */
static bool
is_emitted(const EtlRejects *rejects, const char *column)
{
	TupleDesc desc = rejects->run->statements->emitted;

	for (int i = 0; i < desc->natts && column != NULL; i++)
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), column) == 0)
			return true;
	return false;
}

void
EtlRejectsAddError(EtlRejects *rejects, int record, const ErrorData *error, const EtlKey *key)
{
	MemoryContext old = MemoryContextSwitchTo(rejects->reading->batch.loading);
	EtlReject *reject = palloc0(sizeof(EtlReject));

	reject->record = record;
	reject->stage = ETL_FAILED_LOAD;
	reject->sqlstate = error->sqlerrcode;
	reject->message = error->message;
	reject->safe_message = EtlSafeMessage(error);
	reject->detail = error->detail;
	reject->key = key;
	if (!must_redact(rejects) || is_emitted(rejects, error->column_name))
		reject->column = error->column_name;
	MemoryContextSwitchTo(old);
	EtlRejectsAdd(rejects, reject);
}

/* ----------------------------------------------------------------
 *	Writing
 * ---------------------------------------------------------------- */

static bool
is_redacted(const EtlRejects *rejects, const char *column)
{
	return column != NULL && EtlListHas(rejects->run->pipeline->redact, column);
}

static Bitmapset *
redacted_columns(const EtlRejects *rejects)
{
	const EtlRows *rows = rejects->reading->rows;
	Bitmapset *columns = NULL;

	for (int i = 0; i < rows->desc->natts; i++)
		if (is_redacted(rejects, rows->columns[i].name))
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
set_raw(const EtlRejects *rejects, const EtlKept *kept, EtlDeadLetter *letter)
{
	EtlRows *rows = rejects->reading->rows;
	const char *raw;

	letter->header = EtlRowsHeader(rows, kept);
	if (must_redact(rejects))
	{
		letter->replayable = false;
		letter->header = NULL;
		raw = EtlRowsRedacted(rows, kept, redacted_columns(rejects));
	}
	else
	{
		raw = EtlRowsText(rows, kept);
		letter->replayable = raw != NULL && !kept->holds_records;
		if (raw == NULL)
			raw = escaped(kept->data, kept->len);
	}
	if (raw != NULL)
		letter->raw = capped(raw, &letter->replayable);
}

static void
set_reason(const EtlRejects *rejects, const EtlReject *reject, EtlDeadLetter *letter)
{
	bool whole = true;

	letter->stage = reject->stage;
	letter->rule = reject->rule;
	letter->sqlstate = pstrdup(unpack_sql_state(reject->sqlstate));
	letter->column_name = reject->column;
	if (!must_redact(rejects))
	{
		letter->message = capped(reject->message, &whole);
		letter->detail = reject->detail != NULL ? capped(reject->detail, &whole) : NULL;
		letter->value = reject->value != NULL ? capped(reject->value, &whole) : NULL;
		return;
	}
	letter->message =
		reject->safe_message != NULL ? reject->safe_message : "a record could not be loaded";
	if (reject->value != NULL && !EtlMayHoldRedacted(rejects->run->pipeline, reject->column))
		letter->value = capped(reject->value, &whole);
}

/* A row that the query gave is no record of the source: it cannot be tried again. */
static void
set_row(const EtlRejects *rejects, const EtlReject *reject, EtlDeadLetter *letter)
{
	if (!must_redact(rejects))
		letter->raw = capped(reject->row, &letter->replayable);
	letter->replayable = false;
}

void
EtlRejectsMakeLetter(const EtlRejects *rejects, const EtlReject *reject, EtlDeadLetter *letter)
{
	const EtlKept *kept;

	set_reason(rejects, reject, letter);
	if (reject->record < 0)
	{
		set_row(rejects, reject, letter);
		return;
	}
	kept = &rejects->reading->batch.records[reject->record];
	letter->source = kept->source;
	letter->line = kept->line;
	letter->page = kept->page;
	letter->index = kept->index;
	letter->byte_offset = (int64) kept->offset;
	letter->wanders = rejects->reading->rows->kind->wanders;
	set_raw(rejects, kept, letter);
	EtlKeysDescribe(rejects->keys, reject->key, letter);
	/* it is read again with all others, by the next run */
	letter->replayable &= rejects->run->read_mode != ETL_READ_WHOLE;
}

static void
write_letter(const EtlRejects *rejects, const EtlReject *reject)
{
	const EtlRun *run = rejects->run;
	const EtlBatch *batch = &rejects->reading->batch;
	EtlDeadLetter letter = {0};
	int64 id;

	EtlRejectsMakeLetter(rejects, reject, &letter);
	if (batch->of != ETL_OF_SOURCE)
	{
		EtlCatalogFailedAgain(batch->letters[reject->record], letter.stage, letter.sqlstate,
							  letter.message, letter.detail);
		return;
	}
	id = EtlCatalogAddDeadLetter(run->pipeline, run->id, &letter);
	EtlKeysWrote(rejects->keys, id, reject->record);
	if (letter.replayable && reject->sqlstate == ERRCODE_FOREIGN_KEY_VIOLATION)
		EtlDeferredAs(rejects->deferred, reject->record, id);
}

void
EtlRejectsCheckLimit(const EtlRejects *rejects, int64 rejected, const EtlReject *last)
{
	int64 limit = rejects->run->pipeline->reject_limit;
	const char *message;

	if (limit < 0 || rejected <= limit || last == NULL)
		return;
	message = must_redact(rejects) ? last->safe_message : last->message;
	end_run(rejects->run, "too many records are rejected");
	ereport(ERROR, (errcode(last->sqlstate),
					errmsg("more than %lld records are rejected, the limit set by reject_limit",
						   (long long) limit),
					message != NULL ? errdetail("The last was: %s", message) : 0));
}

static int
compare_records(const ListCell *a, const ListCell *b)
{
	return ((const EtlReject *) lfirst(a))->record - ((const EtlReject *) lfirst(b))->record;
}

/* Letters are written in the order of the source, in which they are tried again. */
void
EtlRejectsSettle(const EtlRejects *rejects, int from, int to, EtlRunCounters *counters)
{
	const EtlBatch *batch = &rejects->reading->batch;
	MemoryContext old = MemoryContextSwitchTo(batch->loading);
	Bitmapset *failed = NULL;
	int64 rejected = rejects->rejected;
	List *list;
	ListCell *lc;

	list = list_copy(rejects->list);
	list_sort(list, compare_records);
	foreach (lc, list)
	{
		const EtlReject *reject = lfirst(lc);

		if (reject->record < from || reject->record >= to)
			continue;
		counters->malformed += reject->stage == ETL_FAILED_PARSE;
		counters->convert_failed +=
			reject->stage == ETL_FAILED_CONVERT || reject->stage == ETL_FAILED_ENRICH;
		failed = bms_add_member(failed, reject->record);
		if (batch->of == ETL_OF_SOURCE) /* the others are rejected already */
			EtlRejectsCheckLimit(rejects, ++rejected, reject);
		write_letter(rejects, reject);
	}
	for (int i = from; i < to && batch->of != ETL_OF_SOURCE; i++)
		if (!bms_is_member(i, failed))
			EtlCatalogResolve(batch->letters[i], rejects->run->id, ETL_RESOLVED_LOADED);
	MemoryContextSwitchTo(old);
}
