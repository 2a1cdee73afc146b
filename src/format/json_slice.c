/*
 * json_slice.c
 *		Slices: pieces of a body that end between two tokens, and what parsing them leaves behind.
 *
 * A scan that knows only strings, brackets and white space finds where a slice of a few KB can end; the parser is given no
 * other pieces.  So it never has to keep half a token: it would read that again, from its start, with every block that
 * arrives, and a string of 16 MB that comes in blocks of 16 KB would be read 500 times.  It also means that all it
 * points at stays in our buffer.
 *
 * What a slice leaves are items in the queue, with their tokens, and captures.  The room for both is made before.
 */
#include "etl.h"

#include "mb/pg_wchar.h"

#include "format/json_internal.h"

/*
 * Where a slice ends
 */

/* Goes behind the closing quote of a string; or to the end, if that is nearer, and stays in the string. */
static const char *
skip_string(EtlJsonReader *reader, const char *p, const char *end)
{
	reader->in_string = true;
	if (reader->escaped && p < end)
	{
		reader->escaped = false;
		p++;
	}
	for (;;)
	{
		while (p < end && *p != '"' && *p != '\\')
			p++;
		if (p < end && *p == '"')
		{
			reader->in_string = false;
			return p + 1;
		}
		if (end - p <= 1)
		{
			reader->escaped |= p < end;
			return end;
		}
		p += 2;
	}
}

/* Goes on where it stopped, so it sees each byte once. */
void
EtlJsonScan(EtlJsonReader *reader, uint64 limit)
{
	const char *blocks; /* before this there are bytes that cannot be passed over as blocks */
	const char *fed = EtlJsonBytes(reader, reader->fed);
	const char *p = EtlJsonBytes(reader, reader->scanned);
	const char *end = EtlJsonBytes(reader, limit);
	const char *cut = EtlJsonBytes(reader, reader->cut);

	blocks = p;
	while (p < end && (p - fed < ETL_JSON_SLICE || cut == fed))
	{
		if (p >= blocks && !reader->escaped)
		{
			p = EtlJsonSkipBlocks(p, Min(end, fed + ETL_JSON_SLICE), &reader->in_string, &cut);
			blocks = p + ETL_JSON_BLOCK;
			continue;
		}
		if (reader->in_string)
		{
			p = skip_string(reader, p, end);
			continue;
		}
		if (EtlJsonIsBetween(*p))
			cut = ++p;
		else if (*p == '"')
			p = skip_string(reader, p + 1, end);
		else
			p++; /* of a number or a word, or else the parser's to refuse */
	}
	reader->scanned = reader->base + (p - reader->buffer);
	reader->cut = reader->base + (cut - reader->buffer);
}

/*
 * Room
 */

/* Grows an array of size elements to have room for more behind used of them. */
static void *
make_room(void *array, uint32 *size, size_t used, size_t more, size_t element)
{
	if (used + more > *size)
	{
		*size = Max(*size * 2, used + more);
		array = repalloc(array, *size * element);
	}
	return array;
}

/* Room for all that a slice of n bytes can add; nothing is allocated while it is parsed. */
static bool
make_room_for_slice(EtlJsonReader *reader, size_t n)
{
	Size ntokens = reader->ntokens + ETL_JSON_SLICE_EVENTS;
	Size nqueued = reader->queue_end + ETL_JSON_SLICE_EVENTS;

	if (2 * Max(ntokens * sizeof(EtlJsonToken), nqueued * sizeof(EtlJsonQueued)) > MaxAllocSize)
		return EtlJsonFail(reader, ETL_JSON_ITEM_TOO_LARGE, EtlJsonHeldFrom(reader, reader->fed),
						   NULL);
	reader->tokens = make_room(reader->tokens, &reader->tokens_size, reader->ntokens,
							   ETL_JSON_SLICE_EVENTS, sizeof(EtlJsonToken));
	reader->queue = make_room(reader->queue, &reader->queue_size, reader->queue_end,
							  ETL_JSON_SLICE_EVENTS, sizeof(EtlJsonQueued));
	reader->decoded = make_room(reader->decoded, &reader->decoded_size, reader->decoded_len, n, 1);
	return true;
}

/* With an empty queue, all that the arrays need to hold is the item that is being read. */
static void
forget_handed_out(EtlJsonReader *reader)
{
	uint32 token = reader->in_item ? reader->item_token : reader->ntokens;
	uint32 decoded = reader->decoded_len;

	if (reader->queue_first < reader->queue_end)
		return;
	if (reader->in_item)
		decoded = reader->item_decoded;
	else if (reader->has_item_key)
		decoded = reader->item_key;
	reader->queue_first = reader->queue_end = 0;
	reader->ntokens -= token;
	memmove(reader->tokens, reader->tokens + token, reader->ntokens * sizeof(EtlJsonToken));
	reader->item_token = 0;
	reader->decoded_len -= decoded;
	memmove(reader->decoded, reader->decoded + decoded, reader->decoded_len);
	reader->item_key -= decoded;
	reader->item_decoded = 0;
}

/*
 * Parsing
 */

void
EtlJsonHold(EtlJsonHeld *held, const char *text, size_t len)
{
	if (held->copy_size < len)
	{
		held->copy_size = Max(held->copy_size * 2, len);
		held->copy = repalloc(held->copy, held->copy_size);
	}
	memcpy(held->copy, text, len);
	held->value.text = held->copy;
	held->value.len = len;
	held->copied = true;
}

/* Gives what was captured a copy of its text before the slice goes away. */
static void
copy_span(EtlJsonReader *reader, EtlJsonHeld *held)
{
	if (held->present && !held->copied)
		EtlJsonHold(held,
					held->span.decoded ? reader->decoded + held->span.at
									   : EtlJsonBytes(reader, held->span.at),
					held->span.len);
}

/* See also check_size() in json_parse.c. */
bool
EtlJsonCheckSize(EtlJsonReader *reader)
{
	uint64 from = EtlJsonHeldFrom(reader, reader->cut);

	if (reader->scanned - from <= reader->options.max_item_size)
		return true;
	return EtlJsonFail(reader, ETL_JSON_ITEM_TOO_LARGE, from, NULL);
}

/* Parses n bytes, as far as they are UTF-8. */
static bool
parse(EtlJsonReader *reader, size_t n)
{
	size_t valid = pg_encoding_verifymbstr(PG_UTF8, EtlJsonBytes(reader, reader->fed), n);
	uint64 invalid = reader->fed + valid;

	if (!EtlJsonParse(reader->parser, reader->fed, valid))
		return false;
	if (valid == n)
		return true;
	if (*EtlJsonBytes(reader, invalid) == '\0')
		return EtlJsonFail(reader, ETL_JSON_SYNTAX, invalid, "There is a NUL byte.");
	return EtlJsonFail(reader, ETL_JSON_BAD_ENCODING, invalid, NULL);
}

bool
EtlJsonParseSlice(EtlJsonReader *reader)
{
	size_t n = reader->cut - reader->fed;
	bool parsed;

	forget_handed_out(reader);
	if (!make_room_for_slice(reader, n))
		return false;
	parsed = parse(reader, n);
	for (int i = 0; i < reader->options.ncaptures; i++)
	{
		copy_span(reader, &reader->captured[i].value);
		copy_span(reader, &reader->captured[i].candidate);
	}
	if (!parsed)
		return false;
	reader->fed = reader->cut;
	return true;
}

bool
EtlJsonNextSlice(EtlJsonReader *reader)
{
	EtlJsonScan(reader, reader->filled);
	if (reader->cut == reader->fed)
		return EtlJsonCheckSize(reader) && false;
	return EtlJsonParseSlice(reader) && EtlJsonCheckSize(reader);
}
