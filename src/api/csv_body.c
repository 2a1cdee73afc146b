/*
 * csv_body.c
 *		A page of CSV as the JSON of its records.
 *
 *		bytes -> reader -> header	-> names, as they stand in JSON
 *						-> record	-> text, handed out before the next record is read
 *
 * One record at a time: what is wrong with a record is an error when all items before it were handed out.
 */
#include "etl.h"

#include "api/csv_body.h"
#include "format/csv.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

struct EtlCsvBody
{
	EtlCsvDialect dialect;
	EtlCsvReader *reader;
	size_t max_item_size;
	MemoryContext page_context; /* of the names */
	int nnames;					/* -1: the header has not come yet */
	char **names;				/* [nnames] "id": with the quotes and the colon */
	StringInfoData text;		/* of the record in hand, */
	int taken;					/* and how much of it was handed out */
	StringInfoData field;
};

EtlCsvBody *
EtlCsvBodyCreate(size_t max_item_size)
{
	EtlCsvBody *body = palloc0(sizeof(EtlCsvBody));

	body->dialect.delimiter = ",";
	body->dialect.delimiter_len = 1;
	body->dialect.has_quote = true;
	body->dialect.quote = body->dialect.escape = '"';
	body->dialect.encoding = PG_UTF8;
	body->dialect.max_field_size = body->max_item_size = max_item_size;
	body->reader = EtlCsvReaderCreate(&body->dialect);
	body->page_context =
		AllocSetContextCreate(CurrentMemoryContext, "etl csv header", ALLOCSET_SMALL_SIZES);
	initStringInfo(&body->text);
	initStringInfo(&body->field);
	body->nnames = -1;
	return body;
}

void
EtlCsvBodyReset(EtlCsvBody *body)
{
	EtlCsvReaderReset(body->reader);
	MemoryContextReset(body->page_context);
	resetStringInfo(&body->text);
	body->taken = 0;
	body->nnames = -1;
}

char *
EtlCsvBodyRoom(EtlCsvBody *body, size_t *len)
{
	return EtlCsvReaderRoom(body->reader, len);
}

void
EtlCsvBodyFed(EtlCsvBody *body, size_t n)
{
	EtlCsvReaderFed(body->reader, n);
}

/* ----------------------------------------------------------------
 *	What is wrong with a page
 * ---------------------------------------------------------------- */

static void
raise_broken_page(const EtlCsvBody *body, EtlCsvStatus status)
{
	unsigned long long line = EtlCsvReaderFaultLine(body->reader);

	if (status == ETL_CSV_UNCLOSED_QUOTE)
		ereport(
			ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT), errmsg("unterminated CSV quoted field"),
			 errdetail("The quote that opens on line %llu of the page is never closed.", line)));
	ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("a record of the CSV page is larger than \"etl.max_item_size\""),
					errdetail("The record or field begins on line %llu of the page.", line),
					errhint("Check whether a quote is missing there.")));
}

static void
check_record(const EtlCsvBody *body, const EtlCsvRecord *record)
{
	if (record->defect != ETL_CSV_SOUND)
		ereport(ERROR, (errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
						record->defect == ETL_CSV_NUL_BYTE
							? errmsg("the CSV page has a zero byte")
							: errmsg("the CSV page is not encoded in UTF-8"),
						errdetail("It is in the record on line %llu of the page.",
								  (unsigned long long) record->line)));
	if (record->len > body->max_item_size)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a record of the CSV page is larger than \"etl.max_item_size\""),
						errdetail("It begins on line %llu of the page.",
								  (unsigned long long) record->line)));
	if (body->nnames >= 0 && record->nfields != body->nnames)
		ereport(
			ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("a record of the CSV page has too %s fields",
					record->nfields < body->nnames ? "few" : "many"),
			 errdetail("The record on line %llu of the page has %d fields, and the header has %d.",
					   (unsigned long long) record->line, record->nfields, body->nnames)));
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* In an object the last of them would count, and hide the others.  Nobody can ask for a column without a name. */
static void
refuse_same_names(const EtlCsvBody *body)
{
	char **sorted = palloc(sizeof(char *) * body->nnames);

	memcpy(sorted, body->names, sizeof(char *) * body->nnames);
	qsort(sorted, body->nnames, sizeof(char *), compare_names);
	for (int i = 1; i < body->nnames; i++)
		if (strcmp(sorted[i - 1], sorted[i]) == 0 && strcmp(sorted[i], "\"\":") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_COLUMN),
					 errmsg("two columns of the CSV page have the same name"),
					 errdetail("The name is %.*s.", (int) strlen(sorted[i]) - 1, sorted[i])));
	pfree(sorted);
}

/* ----------------------------------------------------------------
 *	JSON
 * ---------------------------------------------------------------- */

static void
append_string(StringInfo buf, const char *s, size_t len)
{
	size_t plain = 0;

	appendStringInfoChar(buf, '"');
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) s[i];

		if (likely(c >= ' ' && c != '"' && c != '\\'))
			continue;
		appendBinaryStringInfo(buf, s + plain, (int) (i - plain));
		plain = i + 1;
		if (c < ' ')
			appendStringInfo(buf, "\\u%04x", c);
		else
		{
			appendStringInfoChar(buf, '\\');
			appendStringInfoChar(buf, (char) c);
		}
	}
	appendBinaryStringInfo(buf, s + plain, (int) (len - plain));
	appendStringInfoChar(buf, '"');
}

/* The text of field i; NULL if it is empty and has no quotes. */
static const char *
field_text(EtlCsvBody *body, const EtlCsvRecord *record, int i, size_t *len)
{
	const char *raw = EtlCsvFieldRaw(record, i, len);

	if (*len == 0)
		return NULL;
	if (!record->maybe_quoted || memchr(raw, '"', *len) == NULL)
		return raw;
	resetStringInfo(&body->field);
	enlargeStringInfo(&body->field, (int) *len);
	*len = EtlCsvUnquote(&body->dialect, raw, *len, body->field.data);
	return body->field.data;
}

static void
take_header(EtlCsvBody *body, const EtlCsvRecord *record)
{
	MemoryContext old = MemoryContextSwitchTo(body->page_context);

	check_record(body, record);
	body->names = palloc(sizeof(char *) * record->nfields);
	for (int i = 0; i < record->nfields; i++)
	{
		StringInfoData name;
		size_t len;
		const char *s = field_text(body, record, i, &len);

		if (s != NULL && i == 0 && len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
		{
			s += 3; /* a byte order mark */
			len -= 3;
		}
		initStringInfo(&name);
		append_string(&name, s != NULL ? s : "", len);
		appendStringInfoChar(&name, ':');
		body->names[i] = name.data;
	}
	body->nnames = record->nfields;
	refuse_same_names(body);
	MemoryContextSwitchTo(old);
}

static void
take_record(EtlCsvBody *body, const EtlCsvRecord *record)
{
	StringInfo text = &body->text;

	check_record(body, record);
	resetStringInfo(text);
	body->taken = 0;
	for (int i = 0; i < record->nfields; i++)
	{
		size_t len;
		const char *s = field_text(body, record, i, &len);

		appendStringInfoChar(text, i == 0 ? '{' : ',');
		appendStringInfoString(text, body->names[i]);
		if (s == NULL)
			appendStringInfoString(text, "null");
		else
			append_string(text, s, len);
	}
	appendStringInfoString(text, "}\n");
}

bool
EtlCsvBodyTake(EtlCsvBody *body, char *to, size_t *len)
{
	while (body->taken == body->text.len)
	{
		EtlCsvRecord record;
		EtlCsvStatus status = EtlCsvReaderNext(body->reader, &record);

		if (status == ETL_CSV_NEED_DATA)
			return false;
		if (status == ETL_CSV_END)
		{
			*len = 0;
			return true;
		}
		if (status != ETL_CSV_RECORD)
			raise_broken_page(body, status);
		if (body->nnames < 0)
			take_header(body, &record);
		else
			take_record(body, &record);
	}
	*len = Min(*len, (size_t) (body->text.len - body->taken));
	memcpy(to, body->text.data + body->taken, *len);
	body->taken += (int) *len;
	return true;
}
