/*
 * json_dump.h
 *		What the JSON reader makes of a body, as text; shared by the tests and the fuzzer.
 *
 * An item is one line, its key first if it has one, and arrays in it as they stand in the body:
 *
 *		0 @13: {id: 1, address: {city: "Bonn"}, tags: [1, 2]}
 *		1 @70: {id: "\\x5cu0000"} NUL character @77
 *
 *		2 @90: broken: {"id":} | syntax @96: Unallowed token at this point in JSON text.
 *
 * where a string that is no text is shown as it stands, and what is wrong with the item behind it;
 * then comes how the body ended, whether the items path led anywhere, and what was captured:
 *
 *		truncated @70 in item
 *		1: "abc"
 *
 * Two readers agree if their dumps are the same.  What contradicts itself shows up as WRONG.  With initials among the
 * options, members with other ones are left out of the dump, whether or not the reader gave them tokens.
 */
#ifndef JSON_DUMP_H
#define JSON_DUMP_H

#include "etl.h"

#include "lib/stringinfo.h"

#include "format/json.h"

#define WRONG "\001WRONG" /* no text of a body can look like that */

static inline void
dump_text(StringInfo out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = text[i];

		if (c < 0x20 || c == 0x7f || c == '\\' || c == '"')
			appendStringInfo(out, "\\x%02x", c);
		else
			appendStringInfoChar(out, c);
	}
}

static inline void
dump_raw(StringInfo out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = text[i];

		if (c == '\n')
			appendStringInfoString(out, "\\n");
		else if (c < 0x20 && c != '\t' && c != '\r')
			appendStringInfo(out, "\\x%02x", c);
		else
			appendStringInfoChar(out, text[i]);
	}
}

static inline void
dump_scalar(StringInfo out, EtlJsonType type, const char *text, size_t len)
{
	if (type != ETL_JSON_STRING)
	{
		dump_raw(out, text, len);
		return;
	}
	appendStringInfoChar(out, '"');
	dump_text(out, text, len);
	appendStringInfoChar(out, '"');
}

/* Does the raw text of a token look like its type? */
static inline bool
token_is_sound(const EtlJsonItem *item, const EtlJsonToken *token)
{
	static const char *const first[] = {"n", "f", "t", "-0123456789", "\"", "[", "{"};
	static const char *const last[] = {"l", "e", "e", "0123456789", "\"", "]", "}"};
	uint32 behind = token - item->tokens + 1;

	return token->len > 0 && (uint64) token->start + token->len <= item->len &&
		   strchr(first[token->type], item->data[token->start]) != NULL &&
		   strchr(last[token->type], item->data[token->start + token->len - 1]) != NULL &&
		   token->next >= behind && token->next <= item->ntokens &&
		   (token->type >= ETL_JSON_ARRAY || token->next == behind);
}

static inline bool
is_shown(const EtlJsonItem *item, const EtlJsonToken *member, const bool *initials)
{
	return initials == NULL ||
		   initials[member->key_len > 0 ? (unsigned char) EtlJsonTokenKey(item, member)[0] : '"'];
}

static inline void
dump_token(StringInfo out, const EtlJsonItem *item, const EtlJsonToken *token, const bool *initials)
{
	bool object = token->type == ETL_JSON_OBJECT;
	const char *separator = "";
	const char *text;
	size_t len;

	if (!token_is_sound(item, token))
	{
		appendStringInfoString(out, WRONG " TOKEN");
		return;
	}
	if (!object && (token->type != ETL_JSON_ARRAY || token != item->tokens))
	{
		text = EtlJsonTokenText(item, token, &len);
		dump_scalar(out, token->type, text, len);
		return;
	}
	appendStringInfoChar(out, object ? '{' : '[');
	for (const EtlJsonToken *child = EtlJsonFirstIn(item, token); child != NULL;
		 child = EtlJsonNextIn(item, token, child))
	{
		if (object && !is_shown(item, child, initials))
			continue;
		appendStringInfoString(out, separator);
		separator = ", ";
		if (object)
		{
			dump_text(out, EtlJsonTokenKey(item, child), child->key_len);
			appendStringInfoString(out, ": ");
		}
		dump_token(out, item, child, initials);
	}
	appendStringInfoChar(out, object ? '}' : ']');
}

static inline void
dump_fault(StringInfo out, EtlJsonStatus status, uint64 offset)
{
	static const char *const names[] = {
		[ETL_JSON_EMPTY] = "empty",
		[ETL_JSON_TRUNCATED] = "truncated",
		[ETL_JSON_TRAILING] = "trailing",
		[ETL_JSON_SYNTAX] = "syntax",
		[ETL_JSON_BAD_ENCODING] = "bad encoding",
		[ETL_JSON_NUL_CHARACTER] = "NUL character",
		[ETL_JSON_BAD_SURROGATE] = "bad surrogate",
		[ETL_JSON_NUMBER_RANGE] = "number range",
		[ETL_JSON_TOO_DEEP] = "too deep",
		[ETL_JSON_ITEM_TOO_LARGE] = "item too large",
		[ETL_JSON_DUPLICATE_KEY] = "duplicate key",
	};

	appendStringInfo(out, "%s @" UINT64_FORMAT, names[status], offset);
}

static inline void
dump_item_fault(StringInfo out, const EtlJsonItem *item)
{
	const EtlJsonFault *fault = item->fault;

	appendStringInfoChar(out, ' ');
	dump_fault(out, fault->status, fault->offset);
	if (fault->detail != NULL)
		appendStringInfo(out, ": %s", fault->detail);
	if (!fault->in_item || fault->offset > item->offset + item->len)
		appendStringInfoString(out, WRONG " FAULT");
}

static inline uint64
line_of(const char *body, uint64 offset)
{
	uint64 line = 1;

	for (uint64 i = 0; i < offset; i++)
		line += body[i] == '\n';
	return line;
}

/* Dumps an item that was found in the len bytes of body. */
static inline void
dump_item(StringInfo out, const EtlJsonItem *item, int64 index, const char *body, size_t len,
		  const bool *initials)
{
	appendStringInfo(out, INT64_FORMAT " @" UINT64_FORMAT ": ", item->index, item->offset);
	if (item->key != NULL)
	{
		dump_text(out, item->key, item->key_len);
		appendStringInfoString(out, " -> ");
	}
	if (item->ntokens > 0)
		dump_token(out, item, item->tokens, initials);
	else
	{
		appendStringInfoString(out, "broken: ");
		dump_raw(out, item->data, item->len);
		appendStringInfoString(out, " |");
	}
	if (item->fault != NULL)
		dump_item_fault(out, item);
	if (item->index != index)
		appendStringInfoString(out, WRONG " INDEX");
	if (item->offset + item->len > len || memcmp(item->data, body + item->offset, item->len) != 0)
		appendStringInfoString(out, WRONG " DATA");
	if (item->ntokens == 0 ? item->fault == NULL
						   : item->tokens[0].start != 0 || item->tokens[0].len != item->len ||
								 item->tokens[0].next != item->ntokens)
		appendStringInfoString(out, WRONG " ROOT");
	if (item->line > 0 && item->line != line_of(body, item->offset))
		appendStringInfoString(out, WRONG " LINE");
	appendStringInfoChar(out, '\n');
}

static inline void
dump_end(StringInfo out, EtlJsonStatus status, const EtlJsonFault *fault)
{
	if (status == ETL_JSON_END)
	{
		appendStringInfoString(out, "end\n");
		return;
	}
	dump_fault(out, status, fault->offset);
	if (fault->in_item)
		appendStringInfoString(out, " in item");
	if (fault->detail != NULL)
		appendStringInfo(out, ": %s", fault->detail);
	appendStringInfoChar(out, '\n');
	if (status != fault->status || (status == ETL_JSON_SYNTAX) != (fault->detail != NULL))
		appendStringInfoString(out, WRONG " FAULT\n");
}

static inline void
dump_captures(StringInfo out, const EtlJsonReader *reader, int ncaptures)
{
	for (int i = 0; i < ncaptures; i++)
	{
		const EtlJsonValue *value = EtlJsonReaderCaptured(reader, i);

		appendStringInfo(out, "%d: ", i);
		if (value == NULL)
			appendStringInfoString(out, "none");
		else
			dump_scalar(out, value->type, value->text, value->len);
		appendStringInfoChar(out, '\n');
	}
}

/* Behind the item is where one goes on later, or before it if that is a broken line that may not be all there. */
static inline void
check_place(StringInfo out, const EtlJsonReader *reader, const EtlJsonItem *item, const char *body,
			size_t len)
{
	EtlRecordPlace place = EtlReaderPlace((const EtlReader *) reader);
	uint64 end = item->offset + item->len;
	const char *feed = memchr(body + end, '\n', len - end);
	bool cut_off = item->ntokens == 0 && feed == NULL;

	/* of a line that is too long the item has only the beginning */
	if (item->fault != NULL && item->fault->status == ETL_JSON_ITEM_TOO_LARGE && feed != NULL)
		end = feed - body;
	if (place.records != (uint64) item->index + !cut_off ||
		(cut_off ? place.offset > item->offset : place.offset != end || place.line != item->line))
		appendStringInfoString(out, WRONG " PLACE\n");
}

/* Reads a body that comes in pieces of chunk bytes. */
static inline void
dump_body(StringInfo out, EtlJsonReader *reader, const EtlJsonOptions *options, size_t chunk,
		  const char *body, size_t len)
{
	EtlJsonItem item;
	EtlJsonStatus status;
	int64 nitems = 0;
	size_t at = 0;

	while ((status = EtlJsonReaderNext(reader, &item)) <= ETL_JSON_NEED_DATA)
	{
		size_t n;
		char *room;

		if (status == ETL_JSON_ITEM)
		{
			dump_item(out, &item, nitems++, body, len, options->initials);
			check_place(out, reader, &item, body, len);
			continue;
		}
		room = EtlJsonReaderRoom(reader, &n);
		n = Min(Min(n, chunk), len - at);
		if (n > 0)
			memcpy(room, body + at, n);
		EtlJsonReaderFed(reader, n);
		at += n;
	}
	dump_end(out, status, EtlJsonReaderFault(reader));
	if (nitems == 0 && status == ETL_JSON_END)
		appendStringInfo(out, "items were%s found\n",
						 EtlJsonReaderFoundItems(reader) ? "" : " not");
	dump_captures(out, reader, options->ncaptures);
	if (EtlJsonReaderNext(reader, &item) != status)
		appendStringInfoString(out, WRONG " END\n");
}

#endif /* JSON_DUMP_H */
