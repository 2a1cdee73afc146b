/*
 * message_columns.c
 *		What came with a message: its key, headers, time and place, as columns, kept for a pipeline, and as text.
 *
 *		Keep		the envelope beside the item
 *		Header		the envelope as JSON, in "header" of the dead letter:
 *						{"key": "7", "offset": 42, "headers": [["trace", "a"]], "partition": 3, "timestamp": 1700000000000}
 *		Revive		that, and the text of the item, as a kept item again
 *
 * Keys and headers are bytes.  As JSON they are the text that they are, or, where they are none or begin like that, \x and
 * hexadecimal digits.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "scan/json_kept.h"
#include "scan/message_rows.h"
#include "source/utf8.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* Bytes as text of the server's encoding, palloc'd; NULL: they are none. */
static char *
text_of(const char *s, size_t len, size_t *text_len)
{
	char *text;

	if (memchr(s, '\0', len) != NULL || pg_encoding_verifymbstr(PG_UTF8, s, (int) len) != (int) len)
		return NULL;
	*text_len = len;
	if (!EtlUtf8IsForeign())
		return pnstrdup(s, len);
	if (EtlFromUtf8Part(s, len, &text, text_len) < len)
		return NULL;
	return pnstrdup(text, *text_len);
}

/* ----------------------------------------------------------------
 *	Values and tombstones as the current row
 * ---------------------------------------------------------------- */

static const EtlJsonFault not_text = {.status = ETL_JSON_BAD_ENCODING};

/* The value as if it were one token; of bytes it need not be text. */
static bool
set_value(EtlMessageRows *m, const char *value, size_t len, EtlJsonType type)
{
	static EtlJsonToken token;
	bool is_text = memchr(value, '\0', len) == NULL &&
				   pg_encoding_verifymbstr(PG_UTF8, value, (int) len) == (int) len;

	token = (EtlJsonToken){.len = (uint32) len, .text_len = (uint32) len, .next = 1, .type = type};
	m->json.item = (EtlJsonItem){.data = value,
								 .len = len,
								 .tokens = &token,
								 .ntokens = is_text ? 1 : 0,
								 .fault = is_text ? NULL : &not_text};
	return is_text;
}

EtlAdvance
EtlMessageTakeValue(EtlMessageRows *m, const char *value, size_t len)
{
	if (set_value(m, value, len, ETL_JSON_STRING) || m->format != ETL_MESSAGE_TEXT)
		return ETL_ROW;
	EtlRowsSetFault(&m->json.base, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
					pstrdup("the message is not text in UTF-8"), NULL,
					pstrdup("With format => 'bytes' it can be anything."));
	return ETL_ROW_FAULTY;
}

EtlAdvance
EtlMessageTakeTombstone(EtlMessageRows *m)
{
	(void) set_value(m, "", 0, ETL_JSON_NULL);
	if (m->tombstones == ETL_TOMBSTONE_ROW)
		return ETL_ROW;
	EtlRowsSetFault(
		&m->json.base, ERRCODE_NULL_VALUE_NOT_ALLOWED, pstrdup("the message has no value"),
		pstrdup("It is a tombstone: it says that what has its key is gone."),
		pstrdup("Give tombstones => 'ignore', or 'row' and a column _etl_tombstone boolean."));
	return ETL_ROW_FAULTY;
}

/* ----------------------------------------------------------------
 *	Columns
 * ---------------------------------------------------------------- */

static void
set_key_fault(EtlRows *rows)
{
	if (rows->faulty)
		return;
	EtlRowsSetFault(rows, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
					pstrdup("the key of the message is not text in UTF-8"), NULL,
					pstrdup("Declare the column as _etl_key bytea."));
	if (rows->on_error == ETL_ON_ERROR_FAIL)
		EtlRaiseFault(&rows->fault);
}

static void
fetch_key(EtlMessageRows *m, int column, Datum *value, bool *isnull)
{
	EtlRows *rows = &m->json.base;
	const EtlEnvelope *envelope = &m->envelope;
	size_t len;
	char *text;

	*isnull = envelope->key == NULL;
	if (*isnull)
		return;
	if (rows->columns[column].type == BYTEAOID)
	{
		*value = PointerGetDatum(cstring_to_text_with_len(envelope->key, (int) envelope->key_len));
		return;
	}
	text = text_of(envelope->key, envelope->key_len, &len);
	*isnull = text == NULL;
	if (text == NULL)
		set_key_fault(rows);
	else if (rows->columns[column].type == TEXTOID)
		*value = PointerGetDatum(cstring_to_text_with_len(text, (int) len));
	else
		*value = EtlColumnInput(rows, column, text, len);
}

/* A JSON string of bytes, as the first comment has it. */
static void
set_string(JsonbValue *value, const char *s, size_t len)
{
	size_t text_len = 0;
	char *text = NULL;

	if (len < 2 || memcmp(s, "\\x", 2) != 0)
		text = text_of(s, len, &text_len);
	if (text == NULL)
	{
		text = palloc(2 + 2 * len);
		memcpy(text, "\\x", 2);
		text_len = 2 + hex_encode(s, len, text + 2);
	}
	value->type = jbvString;
	value->val.string.val = text;
	value->val.string.len = (int) text_len;
}

/* An array of pairs, as names may come again. */
static void
push_headers(JsonbParseState **state, const EtlEnvelope *envelope)
{
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < envelope->nheaders; i++)
	{
		const EtlSourceHeader *header = &envelope->headers[i];
		JsonbValue name;
		JsonbValue value = {.type = jbvNull};

		set_string(&name, header->name, strlen(header->name));
		if (header->value != NULL)
			set_string(&value, header->value, header->len);
		pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
		pushJsonbValue(state, WJB_ELEM, &name);
		pushJsonbValue(state, WJB_ELEM, &value);
		pushJsonbValue(state, WJB_END_ARRAY, NULL);
	}
}

static void
fetch_own(EtlMessageRows *m, int column, Datum *value, bool *isnull)
{
	const EtlEnvelope *envelope = &m->envelope;
	JsonbParseState *state = NULL;
	size_t len;
	char *text;

	*isnull = false;
	switch (m->json.base.columns[column].kind)
	{
		case ETL_FROM_KEY:
			fetch_key(m, column, value, isnull);
			break;
		case ETL_FROM_HEADERS:
			push_headers(&state, envelope);
			*value = JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
			break;
		case ETL_FROM_TIMESTAMP:
			*isnull = envelope->timestamp < 0;
			*value = TimestampTzGetDatum(envelope->timestamp * 1000 -
										 (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY);
			break;
		case ETL_FROM_PARTITION:
			*value = Int32GetDatum(envelope->part);
			break;
		case ETL_FROM_OFFSET:
			*value = Int64GetDatum(envelope->offset);
			break;
		case ETL_FROM_TOMBSTONE:
			*value = BoolGetDatum(envelope->tombstone);
			break;
		case ETL_FROM_RAW:
			text = envelope->tombstone ? NULL : text_of(m->json.item.data, m->json.item.len, &len);
			*isnull = text == NULL;
			if (text != NULL)
				*value = PointerGetDatum(cstring_to_text_with_len(text, (int) len));
			break;
		default:
			*isnull = true;
			break;
	}
}

/* The value as the one column of text and bytes. */
static void
fetch_value(EtlMessageRows *m, int column, Datum *value, bool *isnull)
{
	const EtlJsonItem *item = &m->json.item;
	EtlRows *rows = &m->json.base;
	size_t len;
	char *text;

	*isnull = false;
	if (m->format == ETL_MESSAGE_BYTES)
	{
		*value = PointerGetDatum(cstring_to_text_with_len(item->data, (int) item->len));
		return;
	}
	text = text_of(item->data, item->len, &len);
	if (text == NULL) /* a character that the server's encoding lacks: an error says which */
		text = unconstify(char *, EtlFromUtf8(pnstrdup(item->data, item->len)));
	*value = rows->columns[column].takes_bytes
				 ? PointerGetDatum(cstring_to_text_with_len(text, (int) len))
				 : EtlColumnConvert(rows, column, text, len);
}

static bool
is_own(const EtlMessageRows *m, EtlColumnKind kind)
{
	return kind >= ETL_FROM_KEY ? kind <= ETL_FROM_TOMBSTONE
								: (m->reader == NULL || m->envelope.tombstone) &&
									  (kind == ETL_FROM_RAW || kind == ETL_FROM_ITEM);
}

void
EtlMessageFetch(EtlRows *rows, const EtlWanted *targets, int n, Datum *values, bool *isnull)
{
	EtlMessageRows *m = (EtlMessageRows *) rows;

	for (int i = 0; i < n; i++)
	{
		int number = targets[i].column;
		EtlColumnKind kind = rows->columns[number].kind;
		Datum *value = &values[targets[i].place];
		bool *null = &isnull[targets[i].place];

		if (is_own(m, kind))
			fetch_own(m, number, value, null);
		else if (kind == ETL_FIELD && m->envelope.tombstone)
			EtlColumnNull(rows, number, value, null);
		else if (kind == ETL_FIELD && m->reader == NULL)
			fetch_value(m, number, value, null);
		else
			EtlJsonRowsFetch(rows, &targets[i], 1, values, isnull);
		if (unlikely(rows->faulty) && kind == ETL_FIELD)
			break;
	}
}

/* ----------------------------------------------------------------
 *	Keeping
 * ---------------------------------------------------------------- */

typedef struct KeptMessage
{
	void *item; /* what json_kept.c keeps */
	EtlEnvelope envelope;
} KeptMessage;

static char *
copy_bytes(char **room, const char *s, size_t len)
{
	char *copy = *room;

	memcpy(copy, s, len);
	*room += len;
	return copy;
}

static size_t
size_of_envelope(const EtlEnvelope *envelope)
{
	size_t size = sizeof(EtlSourceHeader) * envelope->nheaders + envelope->key_len;

	for (int i = 0; i < envelope->nheaders; i++)
		size += strlen(envelope->headers[i].name) + 1 + envelope->headers[i].len;
	return size;
}

/* The envelope, in one piece of memory behind the kept item. */
static void
wrap(const EtlMessageRows *m, EtlKept *kept)
{
	const EtlEnvelope *from = &m->envelope;
	size_t size = sizeof(KeptMessage) + size_of_envelope(from);
	KeptMessage *message = palloc(size);
	EtlSourceHeader *headers = (EtlSourceHeader *) (message + 1);
	char *room = (char *) (headers + from->nheaders);

	message->item = kept->fields;
	message->envelope = *from;
	message->envelope.headers = headers;
	if (from->key != NULL)
		message->envelope.key = copy_bytes(&room, from->key, from->key_len);
	for (int i = 0; i < from->nheaders; i++)
	{
		const EtlSourceHeader *header = &from->headers[i];

		headers[i] = *header;
		headers[i].name = copy_bytes(&room, header->name, strlen(header->name) + 1);
		if (header->value != NULL)
			headers[i].value = copy_bytes(&room, header->value, header->len);
	}
	kept->fields = message;
	kept->extra += size;
	kept->line = kept->page = 0;
	kept->offset = (uint64) from->offset;
	kept->is_text &= !from->fault;
}

/* The same without its envelope, as json_kept.c knows it. */
static EtlKept
unwrapped(const EtlKept *kept)
{
	EtlKept item = *kept;

	item.fields = ((KeptMessage *) kept->fields)->item;
	return item;
}

void
EtlMessageKeep(EtlRows *rows, EtlKept *kept)
{
	EtlMessageRows *m = (EtlMessageRows *) rows;

	EtlJsonKeep(rows, kept);
	kept->index = m->nitems;
	wrap(m, kept);
}

void
EtlMessageUse(EtlRows *rows, const EtlKept *kept)
{
	EtlKept item = unwrapped(kept);

	EtlJsonUse(rows, &item);
	((EtlMessageRows *) rows)->envelope = ((KeptMessage *) kept->fields)->envelope;
}

void
EtlMessageLook(EtlRows *rows, const EtlKept *kept)
{
	EtlMessageRows *m = (EtlMessageRows *) rows;
	EtlKept item = unwrapped(kept);

	if (m->reader != NULL && !((KeptMessage *) kept->fields)->envelope.tombstone)
		EtlJsonLookFor(rows, &item);
}

char *
EtlMessageRedact(EtlRows *rows, const EtlKept *kept, const Bitmapset *columns)
{
	EtlKept item = unwrapped(kept);

	return ((EtlMessageRows *) rows)->reader != NULL ? EtlJsonRedact(rows, &item, columns) : NULL;
}

bool
EtlMessageIsSame(const EtlKept *record, const EtlKept *next)
{
	const EtlEnvelope *a = &((const KeptMessage *) record->fields)->envelope;
	const EtlEnvelope *b = &((const KeptMessage *) next->fields)->envelope;

	return a->part == b->part && a->offset == b->offset;
}

EtlSourceOutcome
EtlMessageOutcome(const EtlKept *kept)
{
	const EtlEnvelope *envelope = &((const KeptMessage *) kept->fields)->envelope;

	return (EtlSourceOutcome){.part = envelope->part, .offset = envelope->offset};
}

char *
EtlMessageText(EtlRows *rows, const EtlKept *kept)
{
	size_t len;

	return text_of(kept->data, kept->len, &len);
}

/* ----------------------------------------------------------------
 *	Envelopes as text
 * ---------------------------------------------------------------- */

static void
push_member(JsonbParseState **state, const char *name, JsonbValue *value)
{
	JsonbValue key = {.type = jbvString};

	key.val.string.val = unconstify(char *, name);
	key.val.string.len = (int) strlen(name);
	pushJsonbValue(state, WJB_KEY, &key);
	if (value != NULL)
		pushJsonbValue(state, WJB_VALUE, value);
}

static void
push_number(JsonbParseState **state, const char *name, int64 number)
{
	JsonbValue value = {.type = jbvNumeric};

	value.val.numeric = int64_to_numeric(number);
	push_member(state, name, &value);
}

char *
EtlMessageHeader(EtlRows *rows, const EtlKept *kept)
{
	const EtlEnvelope *envelope = &((KeptMessage *) kept->fields)->envelope;
	JsonbParseState *state = NULL;
	JsonbValue value;
	Jsonb *json;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_number(&state, "partition", envelope->part);
	push_number(&state, "offset", envelope->offset);
	if (envelope->timestamp >= 0)
		push_number(&state, "timestamp", envelope->timestamp);
	if (envelope->key != NULL)
	{
		set_string(&value, envelope->key, envelope->key_len);
		push_member(&state, "key", &value);
	}
	if (envelope->nheaders > 0)
	{
		push_member(&state, "headers", NULL);
		push_headers(&state, envelope);
		pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	}
	if (envelope->tombstone)
	{
		value.type = jbvBool;
		value.val.boolean = true;
		push_member(&state, "tombstone", &value);
	}
	json = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

/* Bytes of a JSON string that set_string has made. */
static const char *
bytes_of(const JsonbValue *value, size_t *len)
{
	const char *text = pnstrdup(value->val.string.val, value->val.string.len);
	char *bytes;

	if (strncmp(text, "\\x", 2) != 0)
	{
		text = EtlToUtf8(text);
		*len = strlen(text);
		return text;
	}
	bytes = palloc(strlen(text) / 2);
	*len = hex_decode(text + 2, strlen(text) - 2, bytes);
	return bytes;
}

static int64
number_in(JsonbContainer *object, const char *name, int64 otherwise)
{
	JsonbValue value;

	if (getKeyJsonValueFromContainer(object, name, (int) strlen(name), &value) == NULL ||
		value.type != jbvNumeric)
		return otherwise;
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value.val.numeric)));
}

static void
read_headers(JsonbContainer *array, EtlEnvelope *envelope)
{
	int n = (int) JsonContainerSize(array);
	EtlSourceHeader *headers = palloc0(sizeof(EtlSourceHeader) * (n + 1));

	for (int i = 0; i < n; i++)
	{
		const JsonbValue *pair = getIthJsonbValueFromContainer(array, i);
		const JsonbValue *name = getIthJsonbValueFromContainer(pair->val.binary.data, 0);
		const JsonbValue *value = getIthJsonbValueFromContainer(pair->val.binary.data, 1);
		size_t len;

		headers[i].name = bytes_of(name, &len);
		if (value->type == jbvString)
			headers[i].value = bytes_of(value, &headers[i].len);
	}
	envelope->headers = headers;
	envelope->nheaders = n;
}

static void
read_envelope(const char *text, EtlEnvelope *envelope)
{
	Jsonb *json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	JsonbContainer *object = &json->root;
	JsonbValue value;

	*envelope = (EtlEnvelope){.part = (int) number_in(object, "partition", 0),
							  .offset = number_in(object, "offset", 0),
							  .timestamp = number_in(object, "timestamp", -1)};
	envelope->tombstone = getKeyJsonValueFromContainer(object, "tombstone", 9, &value) != NULL;
	if (getKeyJsonValueFromContainer(object, "key", 3, &value) != NULL)
		envelope->key = bytes_of(&value, &envelope->key_len);
	if (getKeyJsonValueFromContainer(object, "headers", 7, &value) != NULL)
		read_headers(value.val.binary.data, envelope);
}

void
EtlMessageRevive(EtlRows *rows, EtlKept *kept)
{
	EtlMessageRows *m = (EtlMessageRows *) rows;
	EtlAdvance advance;

	read_envelope(kept->header, &m->envelope);
	m->json.source = kept->source;
	m->nitems = kept->index;
	rows->faulty = false;
	if (m->reader != NULL && !m->envelope.tombstone)
	{
		EtlJsonRevive(rows, kept);
		wrap(m, kept);
		return;
	}
	if (m->envelope.tombstone)
		advance = EtlMessageTakeTombstone(m);
	else
	{
		const char *value = EtlToUtf8(kept->data);

		advance = EtlMessageTakeValue(m, value, strlen(value));
	}
	EtlMessageKeep(rows, kept);
	kept->advance = advance;
	kept->fault = rows->fault;
}
