/*
 * json_kept.c
 *		JSON items for pipelines: kept across transactions, and read again when they were dead letters.
 *
 *		Keep		the reader's item -> a copy of its bytes and of its tokens
 *		Use			-> the current item, at no cost: nothing writes on it
 *		Revive		the text of a dead letter, read again -> a kept item
 *		Redact		the text without the members that some columns mean
 *
 * Bytes and tokens stay UTF-8, as they came; only the text of a dead letter is in the server's encoding.
 */
#include "etl.h"

#include "api/json_body.h"
#include "format/header.h"
#include "scan/json_kept.h"
#include "source/utf8.h"
#include "utils/json.h"

typedef struct KeptItem
{
	const char *decoded; /* behind the tokens */
	uint32 ntokens;
	EtlJsonToken tokens[FLEXIBLE_ARRAY_MEMBER];
} KeptItem;

/* ----------------------------------------------------------------
 *	Keeping
 * ---------------------------------------------------------------- */

static size_t
length_of_decoded(const EtlJsonItem *item)
{
	size_t len = 0;

	for (uint32 i = 0; i < item->ntokens; i++)
	{
		const EtlJsonToken *token = &item->tokens[i];

		if (token->text_decoded)
			len = Max(len, (size_t) token->text + token->text_len);
		if (token->key_decoded)
			len = Max(len, (size_t) token->key + token->key_len);
	}
	return len;
}

static KeptItem *
keep_tokens(const EtlJsonItem *item, size_t *size)
{
	size_t tokens_size = sizeof(EtlJsonToken) * item->ntokens;
	size_t decoded_len = length_of_decoded(item);
	KeptItem *fields;
	char *decoded;

	*size = offsetof(KeptItem, tokens) + tokens_size + decoded_len;
	fields = palloc_extended(*size, MCXT_ALLOC_HUGE);
	decoded = (char *) fields->tokens + tokens_size;
	memcpy(fields->tokens, item->tokens, tokens_size);
	if (decoded_len > 0)
		memcpy(decoded, item->decoded, decoded_len);
	fields->decoded = decoded;
	fields->ntokens = item->ntokens;
	return fields;
}

/* Few sources have many items, so its name is kept once. */
static const char *
kept_source(EtlJsonRows *json)
{
	if (json->kept_source == NULL || strcmp(json->kept_source, json->source) != 0)
		json->kept_source = MemoryContextStrdup(json->base.context, json->source);
	return json->kept_source;
}

void
EtlJsonKeep(EtlRows *rows, EtlKept *kept)
{
	EtlJsonRows *json = (EtlJsonRows *) rows;
	const EtlJsonItem *item = &json->item;
	char *data = palloc(item->len + 1);

	memcpy(data, item->data, item->len);
	data[item->len] = '\0';
	kept->source = kept_source(json);
	kept->line = (int64) item->line;
	kept->page = json->page;
	kept->index = item->index + 1;
	kept->offset = item->offset;
	kept->data = data;
	kept->len = item->len;
	kept->is_text = EtlJsonIsText(item);
	kept->holds_records = json->inside && item->ntokens == 0;
	kept->fields = keep_tokens(item, &kept->extra);
}

void
EtlJsonUse(EtlRows *rows, const EtlKept *kept)
{
	EtlJsonRows *json = (EtlJsonRows *) rows;
	EtlJsonItem *item = &json->item;
	const KeptItem *fields = kept->fields;

	memset(item, 0, sizeof(*item));
	item->data = kept->data;
	item->len = kept->len;
	item->tokens = fields->tokens;
	item->ntokens = fields->ntokens;
	item->decoded = fields->decoded;
	item->index = kept->index - 1;
	item->offset = kept->offset;
	json->located = false;
	json->source = kept->source;
	json->page = (int) kept->page;
	rows->faulty = false;
}

void
EtlJsonLookFor(EtlRows *rows, const EtlKept *kept)
{
	EtlJsonUse(rows, kept);
	(void) EtlJsonColumnsLocate((EtlJsonRows *) rows);
}

/* ----------------------------------------------------------------
 *	Reviving
 * ---------------------------------------------------------------- */

static bool
is_space(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strchr(" \t\r\n", text[i]) == NULL || text[i] == '\0')
			return false;
	return true;
}

bool
EtlJsonReadItem(EtlJsonRows *json, const char *text, size_t len, EtlJsonItem *item)
{
	EtlJsonOptions options = {.many = true};
	EtlBytes bytes = {text, len};
	MemoryContext old = MemoryContextSwitchTo(json->base.context);
	int step;
	size_t end;

	if (json->again == NULL)
	{
		EtlJsonSetLimits(&options);
		json->again = EtlJsonFormat.create(&options);
	}
	EtlReaderReset(json->again, NULL);
	step = EtlReaderNext(json->again, item, EtlFeedBytes, &bytes);
	MemoryContextSwitchTo(old);
	if (step != ETL_FORMAT_RECORD)
		return false;
	end = item->offset + item->len;
	return is_space(text + end, len - end);
}

/* A text that is no item, or not any more, the limits being settings; with what is wrong with it. */
static void
fill_broken(const EtlJsonRows *json, const char *text, EtlJsonItem *item)
{
	static const EtlJsonToken none;
	static const EtlJsonFault trailing = {.status = ETL_JSON_TRAILING};
	const EtlJsonFault *fault = EtlJsonReaderFault((EtlJsonReader *) json->again);

	*item = (EtlJsonItem){
		.data = text,
		.len = strlen(text),
		.tokens = &none,
		.fault = fault->status != ETL_JSON_ITEM ? fault : &trailing,
	};
}

void
EtlJsonRevive(EtlRows *rows, EtlKept *kept)
{
	EtlJsonRows *json = (EtlJsonRows *) rows;
	const char *text = EtlToUtf8(kept->data);
	EtlJsonItem item;

	rows->faulty = false;
	if (!EtlJsonReadItem(json, text, strlen(text), &item))
		fill_broken(json, text, &item);
	item.index = kept->index - 1;
	item.offset = kept->offset;
	item.line = (uint64) kept->line;
	json->source = kept->source;
	json->page = (int) kept->page;
	kept->advance = EtlJsonRowsTake(json, &item);
	EtlJsonKeep(rows, kept);
	kept->fault = rows->fault;
}

char *
EtlJsonKeptText(EtlRows *rows, const EtlKept *kept)
{
	return EtlJsonServerText((EtlJsonRows *) rows, kept->data, kept->len);
}

/* ----------------------------------------------------------------
 *	Redacting
 * ---------------------------------------------------------------- */

/* A column that is kept out: its name, and the names of the path that it may be. */
typedef struct Hidden
{
	const char *name;
	List *path; /* of char *; NIL: it is none */
} Hidden;

/* Whether a member may be what a name means, exactly or folded. */
static bool
means(const char *name, const EtlJsonItem *item, const EtlJsonToken *member)
{
	EtlName key = {(char *) EtlJsonTokenKey(item, member), member->key_len};

	return EtlMatchName(name, &key, 1).index >= 0;
}

/* Appends a value without what is hidden in it: of the paths that have led here, so many names deep. */
static void
append_redacted(StringInfo text, const EtlJsonItem *item, const EtlJsonToken *value, List *hidden,
				int depth)
{
	bool first = true;

	if (hidden == NIL || value->type != ETL_JSON_OBJECT)
	{
		appendBinaryStringInfo(text, item->data + value->start, (int) value->len);
		return;
	}
	appendStringInfoChar(text, '{');
	for (const EtlJsonToken *member = EtlJsonFirstIn(item, value); member != NULL;
		 member = EtlJsonNextIn(item, value, member))
	{
		List *inside = NIL;
		bool out = false;
		ListCell *lc;

		foreach (lc, hidden)
		{
			const Hidden *column = lfirst(lc);

			out |= depth == 0 && means(column->name, item, member);
			if (depth >= list_length(column->path) ||
				!means(list_nth(column->path, depth), item, member))
				continue;
			out |= depth + 1 == list_length(column->path);
			inside = lappend(inside, lfirst(lc));
		}
		if (out)
			continue;
		if (!first)
			appendStringInfoChar(text, ',');
		first = false;
		escape_json(text, pnstrdup(EtlJsonTokenKey(item, member), member->key_len));
		appendStringInfoChar(text, ':');
		append_redacted(text, item, member, inside, depth + 1);
	}
	appendStringInfoChar(text, '}');
}

/* The names that a column's name leads through; NIL if it is no path. */
static List *
names_of_path(const char *name)
{
	EtlJsonPathFault fault;
	EtlJsonPath *path = EtlJsonPathParse(name, strlen(name), &fault);
	List *names = NIL;

	for (int i = 0; path != NULL && i < path->nsteps; i++)
		names = lappend(names, pnstrdup(path->steps[i].name.text, path->steps[i].name.len));
	return names;
}

char *
EtlJsonRedact(EtlRows *rows, const EtlKept *kept, const Bitmapset *columns)
{
	EtlJsonRows *json = (EtlJsonRows *) rows;
	StringInfoData text;
	List *hidden = NIL;
	int i = -1;

	if (kept->advance != ETL_ROW)
		return NULL;
	while ((i = bms_next_member(columns, i)) >= 0)
	{
		const char *name = rows->columns[i].name;
		Hidden *column = palloc(sizeof(Hidden));

		/* The item as a whole. */
		if (rows->columns[i].kind == ETL_FROM_RAW || rows->columns[i].kind == ETL_FROM_ITEM)
			return NULL;
		column->name = EtlToUtf8(name);
		column->path = names_of_path(column->name);
		hidden = lappend(hidden, column);
	}
	EtlJsonUse(rows, kept);
	if (json->item.tokens[0].type != ETL_JSON_OBJECT)
		return NULL;
	initStringInfo(&text);
	append_redacted(&text, &json->item, json->item.tokens, hidden, 0);
	return EtlJsonServerText(json, text.data, text.len);
}
