/*
 * json_yajl.c
 *		What is wrong with a token: the only file that knows yajl.
 *
 * The parser (json_parse.c) has found a token that it does not take.  yajl is shown one like it in a place like it: what
 * it says of that is true of the body.  That is a few bytes, however deep and long things are there: of what is around
 * the token only the innermost array or object counts, and of a string only what follows its sound beginning.
 *
 * Memory.  yajl does not look at what its allocator returns, and an error must not jump over its frames; so it is given
 * pieces of a block that is large enough for those bytes.
 */
#include "etl.h"

#include <yajl/yajl_parse.h>

#include "format/json_internal.h"

#define SHOWN_BYTES 16 /* from the bad one on */
#define BLOCK_SIZE (32 * 1024)

typedef struct Block
{
	size_t used;
	char memory[BLOCK_SIZE];
} Block;

#define PIECE_HEADER MAXALIGN(sizeof(size_t))

/* Each piece is preceded by its size. */
static void *
take(void *block, size_t size)
{
	Block *from = block;
	char *piece = from->memory + from->used;

	size = MAXALIGN(size);
	Assert(from->used + PIECE_HEADER + size <= BLOCK_SIZE);
	from->used += PIECE_HEADER + size;
	*(size_t *) piece = size;
	return piece + PIECE_HEADER;
}

static void *
take_larger(void *block, void *piece, size_t size)
{
	void *larger = take(block, size);
	size_t before = piece == NULL ? 0 : *(size_t *) ((char *) piece - PIECE_HEADER);

	if (before > 0)
		memcpy(larger, piece, Min(before, size));
	return larger;
}

static void
leave(void *block, void *piece)
{
	/* all of it goes at once */
}

/* What stands before a token in such a state; after: another value at depth 0. */
static const char *
context(const EtlJsonReader *reader, EtlJsonExpect expect)
{
	bool object = reader->depth > 0 && reader->frames[reader->depth - 1].object;

	if (reader->depth == 0)
		return reader->nvalues > 0 ? "0 " : "";
	switch (expect)
	{
		case ETL_JSON_WANTS_ELEMENT:
			return "[";
		case ETL_JSON_WANTS_MEMBER:
			return "{";
		case ETL_JSON_WANTS_NAME:
			return "{\"\":0,";
		case ETL_JSON_WANTS_COLON:
			return "{\"\"";
		case ETL_JSON_WANTS_COMMA:
			return object ? "{\"\":0 " : "[0 ";
		case ETL_JSON_WANTS_VALUE:
			break;
	}
	return object ? "{\"\":" : "[0,";
}

/* A token like the one at p that is sound, and which only stands in a wrong place. */
static void
add_token(StringInfo shown, const char *p)
{
	if (*p == '"')
		appendStringInfoString(shown, "\"\"");
	else if (strchr("tfn", *p) != NULL)
		appendBinaryStringInfo(shown, p, *p == 'f' ? strlen("false") : strlen("true"));
	else
		appendStringInfoChar(shown, strchr("-0123456789", *p) != NULL ? '0' : *p);
	appendStringInfoChar(shown, ' ');
}

/* What stands before the bad byte of the token at p, in short. */
static void
add_beginning(StringInfo shown, const char *p, const char *bad)
{
	if (bad == p)
		return;
	if (*p == '"')
		appendStringInfoChar(shown, '"');
	else if (bad[-1] == '.')
		appendStringInfoString(shown, "0.");
	else if (bad == p + 1)
		appendStringInfoChar(shown, '-');
	else
		appendStringInfoString(shown, strchr("eE", bad[-1]) != NULL ? "0e" : "0e+");
}

/* Where the text of the body ends, or of a line that is an item: a token that goes on there is cut off. */
static uint64
last_byte(const EtlJsonReader *reader)
{
	if (reader->lines == ETL_JSON_LINES)
		return EtlJsonLineTextEnd(reader);
	return reader->at_end ? reader->end : ETL_JSON_NOWHERE;
}

/* Says what yajl found wrong, as a sentence; whether it is a matter of the token itself. */
static bool
keep_detail(EtlJsonReader *reader, char *text)
{
	char *reason = strstr(text, ": ");

	reason = reason == NULL ? text : reason + 2;
	reason[strcspn(reason, "\n")] = '\0';
	reason[0] = pg_toupper((unsigned char) reason[0]);
	snprintf(reader->fault_detail, sizeof(reader->fault_detail), "%s%s", reason,
			 reason[strlen(reason) - 1] == '.' ? "" : ".");
	return strncmp(text, "lexical", strlen("lexical")) == 0;
}

/* Shows these bytes; returns how far yajl has come with them. */
static size_t
show(EtlJsonReader *reader, const StringInfoData *bytes, bool *lexical)
{
	Block *block = palloc(sizeof(Block));
	yajl_alloc_funcs allocator = {take, take_larger, leave, block};
	yajl_handle handle;
	yajl_status status;
	size_t consumed;

	block->used = 0;
	handle = yajl_alloc(NULL, &allocator, NULL);
	yajl_config(handle, yajl_dont_validate_strings, 1);
	yajl_config(handle, yajl_allow_multiple_values, 1);
	status = yajl_parse(handle, (const unsigned char *) bytes->data, bytes->len);
	Assert(status == yajl_status_error);
	(void) status;
	*lexical = keep_detail(reader, (char *) yajl_get_error(handle, 0, NULL, 0));
	consumed = yajl_get_bytes_consumed(handle);
	pfree(block);
	return consumed;
}

/*
 * An error shows at the token that cannot be there, or at the byte that spoils it if it began well; yajl knows that byte.
 */
void
EtlJsonExplain(EtlJsonReader *reader, EtlJsonExpect expect, const char *p, const char *bad,
			   const char *end)
{
	uint64 offset = reader->base + (p - reader->buffer);
	StringInfoData shown;
	size_t known; /* of these bytes stand for others */
	size_t consumed;
	bool lexical;

	initStringInfo(&shown);
	appendStringInfoString(&shown, context(reader, expect));
	if (bad == NULL)
		add_token(&shown, p);
	else
		add_beginning(&shown, p, bad);
	known = shown.len;
	if (bad != NULL && (*bad == '\v' || *bad == '\f'))
		appendStringInfoChar(&shown,
							 '\1'); /* yajl takes those for white space, and JSON does not */
	else if (bad != NULL)
		appendBinaryStringInfo(&shown, bad, Min(end - bad, SHOWN_BYTES));
	consumed = show(reader, &shown, &lexical);
	pfree(shown.data);
	if (lexical && strchr("\"-0123456789tfn", *p) != NULL)
		offset = reader->base + (bad - reader->buffer) + (consumed - known);

	if (reader->depth == 0 && reader->nvalues > 0 && !reader->many)
		EtlJsonFail(reader, ETL_JSON_TRAILING, offset, NULL);
	else if (lexical && offset >= last_byte(reader))
		EtlJsonFail(reader, ETL_JSON_TRUNCATED, last_byte(reader), NULL);
	else
		EtlJsonFail(reader, ETL_JSON_SYNTAX, offset, reader->fault_detail);
}
