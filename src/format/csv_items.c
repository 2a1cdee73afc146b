/*
 * csv_items.c
 *		Records of CSV as JSON items.
 *
 *		bytes -> CSV reader -> header	-> names, as they stand in JSON
 *							-> record	-> text and tokens of an object, as the JSON reader would give them
 *
 * A value that JSON writes with escapes has its plain text in "decoded".
 */
#include "etl.h"

#include "common/hashfn.h"
#include "format/csv.h"
#include "format/csv_items.h"
#include "mb/pg_wchar.h"

/* A name of the header: where it is in "names", and, without escapes, in "plain" if it has any. */
typedef struct HeaderName
{
	uint32 start; /* of "id", with the quotes */
	uint32 len;
	uint32 plain;
	uint32 plain_len;
	bool escaped;
} HeaderName;

typedef struct Captured
{
	bool present;
	EtlJsonValue value;
	StringInfoData text;
} Captured;

typedef struct EtlCsvItems
{
	EtlReader head;
	const EtlJsonOptions *options;
	EtlCsvDialect dialect;
	EtlReader *csv;
	StringInfoData names; /* of the header, one after another */
	StringInfoData plain; /* those that have escapes, without them */
	int nnames;			  /* -1: the header has not come yet */
	int max_names;
	HeaderName *name;	 /* [max_names] */
	EtlJsonToken *token; /* [max_names + 1] */
	StringInfoData text; /* of the current item, */
	StringInfoData decoded;
	StringInfoData field;
	EtlRecordPlace place; /* behind it */
	Captured *captured;
	EtlCsvItemsFault fault;
} EtlCsvItems;

static EtlReader *
items_create(const void *options)
{
	EtlCsvItems *items = palloc0(sizeof(EtlCsvItems));

	items->head.format = &EtlCsvItemsFormat;
	items->options = options;
	items->dialect.delimiter = ",";
	items->dialect.delimiter_len = 1;
	items->dialect.has_quote = true;
	items->dialect.quote = items->dialect.escape = '"';
	items->dialect.encoding = PG_UTF8;
	items->dialect.max_field_size = items->options->max_item_size;
	items->csv = EtlCsvFormat.create(&items->dialect);
	initStringInfo(&items->names);
	initStringInfo(&items->plain);
	initStringInfo(&items->text);
	initStringInfo(&items->decoded);
	initStringInfo(&items->field);
	items->captured = palloc0(sizeof(Captured) * ETL_JSON_MAX_CAPTURES);
	for (int i = 0; i < items->options->ncaptures; i++)
		initStringInfo(&items->captured[i].text);
	items->nnames = -1;
	items->max_names = 16;
	items->name = palloc(sizeof(HeaderName) * items->max_names);
	items->token = palloc(sizeof(EtlJsonToken) * (items->max_names + 1));
	return &items->head;
}

/* A page has its header, so it is read from its start. */
static void
items_reset(EtlReader *reader, const EtlRecordPlace *at)
{
	EtlCsvItems *items = (EtlCsvItems *) reader;

	Assert(at == NULL);
	EtlReaderReset(items->csv, NULL);
	items->nnames = -1;
	memset(&items->place, 0, sizeof(items->place));
	memset(&items->fault, 0, sizeof(items->fault));
	for (int i = 0; i < items->options->ncaptures; i++)
		items->captured[i].present = false;
}

static char *
items_room(EtlReader *reader, size_t *len)
{
	return EtlCsvFormat.room(((EtlCsvItems *) reader)->csv, len);
}

static void
items_fed(EtlReader *reader, size_t n)
{
	EtlCsvFormat.fed(((EtlCsvItems *) reader)->csv, n);
}

/* ----------------------------------------------------------------
 *	What is wrong with a body
 * ---------------------------------------------------------------- */

static int
fail(EtlCsvItems *items, EtlCsvItemsStatus status, uint64 line)
{
	items->fault.status = status;
	items->fault.line = line;
	items->fault.nnames = items->nnames;
	return (int) status;
}

static int
check_record(EtlCsvItems *items, const EtlCsvRecord *record)
{
	items->fault.nfields = record->nfields;
	if (record->defect != ETL_CSV_SOUND)
		return fail(items,
					record->defect == ETL_CSV_NUL_BYTE	? ETL_CSV_ITEMS_NUL_BYTE
					: record->defect == ETL_CSV_LONE_CR ? ETL_CSV_ITEMS_LONE_CR
														: ETL_CSV_ITEMS_BAD_ENCODING,
					record->line);
	if (record->len > items->options->max_item_size)
		return fail(items, ETL_CSV_ITEMS_TOO_LARGE, record->line);
	if (items->nnames >= 0 && record->nfields != items->nnames)
		return fail(
			items, record->nfields < items->nnames ? ETL_CSV_ITEMS_TOO_FEW : ETL_CSV_ITEMS_TOO_MANY,
			record->line);
	return ETL_FORMAT_RECORD;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* In an object the last of them would count, and hide the others.  Nobody can ask for a column without a name. */
static const char *
find_same_names(const EtlCsvItems *items)
{
	char **sorted = palloc(sizeof(char *) * items->nnames);
	const char *same = NULL;

	for (int i = 0; i < items->nnames; i++)
		sorted[i] = pnstrdup(items->names.data + items->name[i].start, items->name[i].len);
	qsort(sorted, items->nnames, sizeof(char *), compare_names);
	for (int i = 1; i < items->nnames && same == NULL; i++)
		if (strcmp(sorted[i - 1], sorted[i]) == 0 && strcmp(sorted[i], "\"\"") != 0)
			same = pstrdup(sorted[i]);
	for (int i = 0; i < items->nnames; i++)
		pfree(sorted[i]);
	pfree(sorted);
	return same;
}

/* ----------------------------------------------------------------
 *	JSON
 * ---------------------------------------------------------------- */

/* Appends a text as a string; true if it has escapes. */
static bool
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
	return plain > 0;
}

/* The text of field i; NULL if it is empty and has no quotes. */
static const char *
field_text(EtlCsvItems *items, const EtlCsvRecord *record, int i, size_t *len)
{
	const char *raw = EtlCsvFieldRaw(record, i, len);

	if (*len == 0)
		return NULL;
	if (!record->maybe_quoted || memchr(raw, '"', *len) == NULL)
		return raw;
	resetStringInfo(&items->field);
	enlargeStringInfo(&items->field, (int) *len);
	*len = EtlCsvUnquote(&items->dialect, raw, *len, items->field.data);
	return items->field.data;
}

static void
take_name(EtlCsvItems *items, const EtlCsvRecord *record, int i)
{
	HeaderName *name = &items->name[i];
	size_t len;
	const char *s = field_text(items, record, i, &len);

	if (s != NULL && i == 0 && len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
	{
		s += 3; /* a byte order mark */
		len -= 3;
	}
	name->start = items->names.len;
	name->escaped = append_string(&items->names, s != NULL ? s : "", len);
	name->len = items->names.len - name->start;
	name->plain = items->plain.len;
	name->plain_len = len;
	if (name->escaped)
		appendBinaryStringInfo(&items->plain, s, (int) len);
}

static int
take_header(EtlCsvItems *items, const EtlCsvRecord *record)
{
	int step = check_record(items, record);

	if (step != ETL_FORMAT_RECORD)
		return step;
	if (record->nfields > items->max_names)
	{
		items->max_names = record->nfields;
		items->name = repalloc(items->name, sizeof(HeaderName) * items->max_names);
		items->token = repalloc(items->token, sizeof(EtlJsonToken) * (items->max_names + 1));
	}
	resetStringInfo(&items->names);
	resetStringInfo(&items->plain);
	for (int i = 0; i < record->nfields; i++)
		take_name(items, record, i);
	items->nnames = record->nfields;
	items->fault.name = find_same_names(items);
	return items->fault.name == NULL ? ETL_FORMAT_RECORD
									 : fail(items, ETL_CSV_ITEMS_SAME_NAMES, record->line);
}

/* Appends a member to the item, and fills its token. */
static void
take_member(EtlCsvItems *items, const EtlCsvRecord *record, int i)
{
	const HeaderName *name = &items->name[i];
	EtlJsonToken *token = &items->token[i + 1];
	StringInfo text = &items->text;
	size_t len;
	const char *s = field_text(items, record, i, &len);

	memset(token, 0, sizeof(*token));
	appendStringInfoChar(text, i == 0 ? '{' : ',');
	token->key_decoded = name->escaped;
	token->key = name->escaped ? name->plain : text->len + 1; /* decoded begins with plain */
	token->key_len = name->plain_len;
	appendBinaryStringInfo(text, items->names.data + name->start, (int) name->len);
	appendStringInfoChar(text, ':');
	token->start = text->len;
	token->next = i + 2;
	if (s == NULL)
	{
		token->type = ETL_JSON_NULL;
		appendStringInfoString(text, "null");
	}
	else
	{
		token->type = ETL_JSON_STRING;
		token->text_decoded = append_string(text, s, len);
		token->text = token->text_decoded ? items->decoded.len : token->start + 1;
		token->text_len = len;
		if (token->text_decoded)
			appendBinaryStringInfo(&items->decoded, s, (int) len);
	}
	token->len = text->len - token->start;
}

static void
capture(EtlCsvItems *items, const EtlJsonItem *item)
{
	for (int i = 0; i < items->options->ncaptures; i++)
	{
		Captured *captured = &items->captured[i];
		const EtlJsonToken *token = EtlJsonFind(item, items->options->captures[i].path);
		const char *text;

		captured->present = token != NULL;
		if (token == NULL)
			continue;
		text = EtlJsonTokenText(item, token, &captured->value.len);
		resetStringInfo(&captured->text);
		appendBinaryStringInfo(&captured->text, text, (int) captured->value.len);
		captured->value.type = token->type;
		captured->value.text = captured->text.data;
	}
}

static int
take_record(EtlCsvItems *items, const EtlCsvRecord *record, EtlJsonItem *item)
{
	StringInfo text = &items->text;
	int step = check_record(items, record);

	if (step != ETL_FORMAT_RECORD)
		return step;
	resetStringInfo(text);
	resetStringInfo(&items->decoded);
	appendBinaryStringInfo(&items->decoded, items->plain.data, items->plain.len);
	for (int i = 0; i < record->nfields; i++)
		take_member(items, record, i);
	appendStringInfoChar(text, '}');
	if (text->len > items->options->max_item_size)
		return fail(items, ETL_CSV_ITEMS_TOO_LARGE, record->line);
	items->token[0] =
		(EtlJsonToken){.len = text->len, .next = record->nfields + 1, .type = ETL_JSON_OBJECT};
	*item = (EtlJsonItem){
		.data = text->data,
		.len = text->len,
		.tokens = items->token,
		.ntokens = record->nfields + 1,
		.decoded = items->decoded.data,
		.index = (int64) items->place.records++,
		.offset = record->offset,
	};
	items->place.hash =
		hash_bytes_extended((unsigned char *) text->data, text->len, items->place.hash);
	capture(items, item);
	return ETL_FORMAT_RECORD;
}

static int
items_next(EtlReader *reader, void *item)
{
	EtlCsvItems *items = (EtlCsvItems *) reader;
	EtlCsvRecord record;
	int step;

	if (items->fault.status != 0)
		return (int) items->fault.status;
	while ((step = EtlCsvFormat.next(items->csv, &record)) == ETL_FORMAT_RECORD)
	{
		if (items->nnames >= 0)
			return take_record(items, &record, item);
		step = take_header(items, &record);
		if (step != ETL_FORMAT_RECORD)
			return step;
	}
	if (step >= ETL_FORMAT_BROKEN)
		return fail(items,
					step == ETL_CSV_UNCLOSED_QUOTE ? ETL_CSV_ITEMS_UNCLOSED_QUOTE
												   : ETL_CSV_ITEMS_TOO_LARGE,
					EtlCsvReaderFaultLine((EtlCsvReader *) items->csv));
	return step == ETL_FORMAT_END && items->place.records == 0 ? ETL_FORMAT_EMPTY : step;
}

/* ----------------------------------------------------------------
 *	What else there is to know
 * ---------------------------------------------------------------- */

static void
items_position(const EtlReader *reader, EtlRecordPlace *place)
{
	const EtlCsvItems *items = (const EtlCsvItems *) reader;

	EtlCsvFormat.position(items->csv, place);
	place->records = items->place.records;
	place->hash = items->place.hash;
}

static void
items_where(const EtlReader *reader, StringInfo buf)
{
	const EtlCsvItems *items = (const EtlCsvItems *) reader;

	if (items->place.records > 0)
		appendStringInfo(buf, ", item " UINT64_FORMAT, items->place.records);
}

static uint64
items_number(const EtlReader *reader, const char **unit)
{
	*unit = "item";
	return ((const EtlCsvItems *) reader)->place.records;
}

static void
items_free(EtlReader *reader)
{
	EtlCsvItems *items = (EtlCsvItems *) reader;

	EtlCsvFormat.free(items->csv);
	pfree(items);
}

static const EtlJsonValue *
items_captured(const EtlReader *reader, int i)
{
	const Captured *captured = &((const EtlCsvItems *) reader)->captured[i];

	return captured->present ? &captured->value : NULL;
}

const EtlCsvItemsFault *
EtlCsvItemsReaderFault(const EtlReader *reader)
{
	return &((const EtlCsvItems *) reader)->fault;
}

const EtlFormat EtlCsvItemsFormat = {
	.name = "csv items",
	.create = items_create,
	.reset = items_reset,
	.room = items_room,
	.fed = items_fed,
	.next = items_next,
	.position = items_position,
	.where = items_where,
	.number = items_number,
	.free = items_free,
	.captured = items_captured,
};
