/*
 * test_json_reader.c
 *		The JSON reader as an SQL function.
 *
 * etl_test_read_json(body bytea, chunk int) reads a body in pieces of chunk bytes and returns its only value,
 * put together again from the tokens; NULL if the reader refuses the body or the value, or finds not one in it.
 */
#include "etl.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "format/json.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(etl_test_read_json);

static void
append_string(StringInfo out, const char *text, size_t len)
{
	char *string = pnstrdup(text, len);

	escape_json(out, string);
	pfree(string);
}

/* The inside of an array that is not the item itself has no tokens: it is copied. */
static void
append_token(StringInfo out, const EtlJsonItem *item, const EtlJsonToken *token)
{
	bool object = token->type == ETL_JSON_OBJECT;
	size_t len;
	const char *text = EtlJsonTokenText(item, token, &len);

	if (token->type == ETL_JSON_STRING)
		append_string(out, text, len);
	else if (!object && (token->type != ETL_JSON_ARRAY || token != item->tokens))
		appendBinaryStringInfo(out, text, len);
	else
	{
		appendStringInfoChar(out, object ? '{' : '[');
		for (const EtlJsonToken *child = EtlJsonFirstIn(item, token); child != NULL;
			 child = EtlJsonNextIn(item, token, child))
		{
			if (child != token + 1)
				appendStringInfoChar(out, ',');
			if (object)
			{
				append_string(out, EtlJsonTokenKey(item, child), child->key_len);
				appendStringInfoChar(out, ':');
			}
			append_token(out, item, child);
		}
		appendStringInfoChar(out, object ? '}' : ']');
	}
}

/* Reads a body; the value goes to out.  What the reader allocates later is in no context but its own. */
static bool
read_body(EtlJsonReader *reader, const char *body, size_t len, size_t chunk, StringInfo out)
{
	MemoryContext scratch =
		AllocSetContextCreate(CurrentMemoryContext, "etl test scratch", ALLOCSET_SMALL_SIZES);
	size_t at = 0;
	int nitems = 0;
	bool refused = false;

	for (;;)
	{
		MemoryContext old = MemoryContextSwitchTo(scratch);
		EtlJsonItem item;
		EtlJsonStatus status = EtlJsonReaderNext(reader, &item);

		if (status == ETL_JSON_NEED_DATA)
		{
			size_t n;
			char *room = EtlJsonReaderRoom(reader, &n);

			n = Min(Min(n, chunk), len - at);
			memcpy(room, body + at, n);
			EtlJsonReaderFed(reader, n);
			at += n;
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
		if (status == ETL_JSON_ITEM && nitems++ == 0)
			append_token(out, &item, item.tokens);
		refused |= status == ETL_JSON_ITEM && item.fault != NULL;
		if (status > ETL_JSON_NEED_DATA)
		{
			MemoryContextDelete(scratch);
			return status == ETL_JSON_END && nitems == 1 && !refused;
		}
	}
}

Datum
etl_test_read_json(PG_FUNCTION_ARGS)
{
	bytea *body = PG_GETARG_BYTEA_PP(0);
	EtlJsonOptions options = {.many = true, .max_depth = 1000, .max_item_size = 1024 * 1024};
	EtlJsonReader *reader = EtlJsonReaderCreate(&options);
	StringInfoData out;
	bool ok;

	initStringInfo(&out);
	ok = read_body(reader, VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body), PG_GETARG_INT32(1), &out);
	EtlJsonReaderFree(reader);
	if (!ok)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
