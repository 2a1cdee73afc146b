/*
 * json_reader.c
 *		The bytes of a JSON body, and the items that were found in them.
 *
 * Bytes arrive in one buffer, and are parsed in slices that end between two tokens.
 *
 *		base ... what must be kept ... fed ... cut ... scanned ... filled
 *
 * A slice leaves its items in a queue, with their tokens; the next slice is parsed when the queue is empty.
 * What must be kept is the item that is being read, or one that waits for a test, or an array or object that
 * is captured; how far that may reach back is max_item_size.
 */
#include "etl.h"

#include "format/json_internal.h"

#define FIRST_BUFFER_SIZE (64 * 1024)
#define MIN_ROOM (16 * 1024)

/*
 * Create, reset, free
 */

/* At byte 0 of a body.  Everything not set here is set before it is read. */
static void
start_body(EtlJsonReader *reader)
{
	const EtlJsonPath *items = reader->options.items;

	reader->base = reader->filled = reader->scanned = reader->cut = reader->fed = 0;
	reader->in_string = reader->escaped = false;
	reader->began = reader->at_end = reader->complete = false;
	memset(&reader->fault, 0, sizeof(reader->fault));
	reader->token_end = 0;

	for (int i = 0; i < reader->ntracks; i++)
		reader->tracks[i].verdict = ETL_JSON_PASSED;
	for (int i = 0; i < reader->options.ncaptures; i++)
	{
		reader->captured[i].value.present = false;
		reader->captured[i].candidate.present = false;
	}
	reader->depth = 0;
	reader->far = NULL;
	reader->capture_start = ETL_JSON_NOWHERE;
	reader->nvalues = 0;
	reader->many = reader->options.many;
	reader->elements = items == NULL ? !reader->options.many : EtlJsonPathEndsInName(items);
	reader->found_items = false;

	reader->in_item = reader->has_item_key = false;
	reader->item_fault.status = ETL_JSON_ITEM;
	reader->item_start = reader->undecided_start = ETL_JSON_NOWHERE;
	reader->queue_first = reader->queue_end = 0;
	reader->ntokens = reader->decoded_len = 0;
	reader->nitems = 0;
	reader->hash = 0;
	memset(&reader->place, 0, sizeof(reader->place));
	reader->handed_end = 0;
	reader->handed_fault = ETL_JSON_NOWHERE;
	reader->handed_cut_off = false;
	reader->had_value = false;
	EtlJsonBeginLines(reader,
					  !reader->options.lines ? ETL_JSON_NO_LINES
					  : reader->options.many ? ETL_JSON_LINES
											 : ETL_JSON_MAYBE_LINES,
					  1);
}

static void
set_initials(EtlJsonReader *reader)
{
	const EtlJsonOptions *options = &reader->options;

	if (options->initials == NULL)
		memset(reader->initials, true, sizeof(reader->initials));
	else
		memcpy(reader->initials, options->initials, sizeof(reader->initials));
	for (int i = 0; i < options->ncaptures; i++)
	{
		const EtlJsonPath *path = options->captures[i].path;

		for (int j = 0; options->captures[i].of_last_item && j < path->nsteps; j++)
		{
			const EtlJsonName *name = &path->steps[j].name;

			/* what an empty name begins with is the quote behind it */
			reader->initials[name->len > 0 ? (unsigned char) name->text[0] : '"'] = true;
		}
	}
}

EtlJsonReader *
EtlJsonReaderCreate(const EtlJsonOptions *options)
{
	EtlJsonReader *reader = palloc0(sizeof(EtlJsonReader));

	Assert(options->ncaptures <= ETL_JSON_MAX_CAPTURES);
	Assert(options->max_depth >= 1 && options->max_depth <= ETL_JSON_MAX_DEPTH);
	Assert(options->max_item_size <= ETL_JSON_MAX_ITEM_SIZE);
	Assert(!options->lines || options->many || (options->items == NULL && options->ncaptures == 0));

	reader->head.format = &EtlJsonFormat;
	reader->options = *options;
	reader->buffer_size = FIRST_BUFFER_SIZE;
	reader->buffer = palloc(reader->buffer_size);
	reader->frames = palloc(options->max_depth * sizeof(EtlJsonFrame));
	reader->queue_size = reader->tokens_size = 2 * ETL_JSON_SLICE_EVENTS;
	reader->queue = palloc(reader->queue_size * sizeof(EtlJsonQueued));
	reader->tokens = palloc(reader->tokens_size * sizeof(EtlJsonToken));
	reader->decoded_size = 2 * ETL_JSON_SLICE;
	reader->decoded = palloc(reader->decoded_size);
	for (int i = 0; i < options->ncaptures; i++)
	{
		EtlJsonCaptured *captured = &reader->captured[i];

		captured->value.copy_size = captured->candidate.copy_size = captured->before.copy_size = 64;
		captured->value.copy = palloc(captured->value.copy_size);
		captured->candidate.copy = palloc(captured->candidate.copy_size);
		captured->before.copy = palloc(captured->before.copy_size);
	}
	set_initials(reader);
	EtlJsonTrackPaths(reader);
	reader->parser = EtlJsonParserCreate(reader);
	start_body(reader);
	return reader;
}

void
EtlJsonReaderReset(EtlJsonReader *reader)
{
	EtlJsonParserReset(reader->parser);
	start_body(reader);
}

/* At a place of a body of values one after another: as if it had been read from its start. */
static void
reset_at(EtlJsonReader *reader, const EtlRecordPlace *at)
{
	EtlJsonReaderReset(reader);
	if (at->offset == 0)
		return;
	reader->base = reader->filled = reader->scanned = reader->cut = reader->fed = at->offset;
	reader->token_end = at->offset;
	reader->began = true;
	if (at->records > 0)
	{
		reader->many = true;
		reader->elements = false;
	}
	reader->nitems = (int64) at->records;
	reader->hash = at->hash;
	reader->handed_end = at->offset;
	reader->place = *at;
	EtlJsonBeginLines(reader,
					  reader->options.lines && (reader->options.many || at->line > 0)
						  ? ETL_JSON_LINES
						  : ETL_JSON_NO_LINES,
					  Max(at->line, 1));
}

void
EtlJsonReaderFree(EtlJsonReader *reader)
{
	EtlJsonParserFree(reader->parser);
	for (int i = 0; i < reader->ntracks; i++)
		pfree(reader->tracks[i].steps);
	for (int i = 0; i < reader->options.ncaptures; i++)
	{
		pfree(reader->captured[i].value.copy);
		pfree(reader->captured[i].candidate.copy);
		pfree(reader->captured[i].before.copy);
	}
	pfree(reader->decoded);
	pfree(reader->tokens);
	pfree(reader->queue);
	pfree(reader->frames);
	pfree(reader->buffer);
	pfree(reader);
}

/*
 * Bytes in
 */

char *
EtlJsonReaderRoom(EtlJsonReader *reader, size_t *len)
{
	uint64 from = EtlJsonHeldFrom(reader, reader->fed);
	size_t kept = reader->filled - from;

	if (from > reader->base)
		memmove(reader->buffer, EtlJsonBytes(reader, from), kept);
	reader->base = from;
	if (reader->buffer_size - kept < MIN_ROOM)
	{
		reader->buffer_size *= 2;
		reader->buffer = repalloc(reader->buffer, reader->buffer_size);
	}
	*len = reader->buffer_size - kept - 1; /* the last one is for the space at the end */
	return reader->buffer + kept;
}

void
EtlJsonReaderFed(EtlJsonReader *reader, size_t n)
{
	reader->filled += n;
	if (n > 0 || reader->at_end)
		return;
	reader->at_end = true;
	reader->end = reader->filled;
	reader->buffer[reader->filled - reader->base] = ' ';
	reader->filled++;
}

/*
 * The beginning and the end of the body
 */

/* Passes over a byte order mark.  false: there are too few bytes to tell. */
static bool
begin(EtlJsonReader *reader)
{
	static const char mark[] = {'\xef', '\xbb', '\xbf'};
	size_t n = Min(reader->filled, sizeof(mark));

	if (memcmp(reader->buffer, mark, n) == 0)
	{
		if (n < sizeof(mark))
			return false;
		reader->scanned = reader->cut = reader->fed = n;
		EtlJsonBeginLines(reader, reader->lines, reader->line);
	}
	reader->began = true;
	return true;
}

/* What was captured of the last item decides what is read next, so it must be right. */
static void
check_captured(EtlJsonReader *reader)
{
	for (int i = 0; i < reader->options.ncaptures; i++)
	{
		const EtlJsonHeld *held = &reader->captured[i].value;

		if (reader->options.captures[i].of_last_item && held->present &&
			held->fault.status != ETL_JSON_ITEM)
			EtlJsonFail(reader, held->fault.status, held->fault.offset, held->fault.detail);
	}
}

static void
finish(EtlJsonReader *reader)
{
	check_captured(reader);
	if (reader->fed < reader->filled)
		EtlJsonFail(reader, ETL_JSON_TRUNCATED, reader->end, NULL);
	else if (reader->nvalues == 0 && (reader->nitems > 0 || reader->had_value))
		reader->complete =
			true; /* nothing follows the place at which reading went on, or the last line */
	else
		reader->complete = EtlJsonParserFinish(reader->parser);
}

/*
 * Items out
 */

/* The text of a string that cannot be said otherwise than with escapes. */
static bool
is_wrong_string(const EtlJsonToken *token, const char *text, size_t len)
{
	return token->type == ETL_JSON_STRING && !token->text_decoded &&
		   memchr(text, '\\', len) != NULL;
}

/* The item may be the last one: picks up what is captured of that. */
static void
capture_from_item(EtlJsonReader *reader, const EtlJsonItem *item)
{
	for (int i = 0; i < reader->options.ncaptures; i++)
	{
		const EtlJsonCapture *capture = &reader->options.captures[i];
		EtlJsonHeld *held = &reader->captured[i].value;
		const EtlJsonToken *token;
		const char *text;
		size_t len;

		if (!capture->of_last_item)
			continue;
		if (item->ntokens == 0)
		{
			/* a broken line: nobody knows what it would have said */
			held->present = true;
			held->value.type = ETL_JSON_NULL;
			held->fault = *item->fault;
			EtlJsonHold(held, "null", strlen("null"));
			continue;
		}
		token = EtlJsonFind(item, capture->path);
		held->present = token != NULL;
		if (token == NULL)
			continue;
		text = EtlJsonTokenText(item, token, &len);
		held->value.type = token->type;
		held->fault.status = ETL_JSON_ITEM;
		if (item->fault != NULL && is_wrong_string(token, text, len))
			held->fault = *item->fault;
		EtlJsonHold(held, text, len);
	}
}

static inline uint64
word_at(const char *p)
{
	uint64 word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* Mixes both halves of a product, so that each bit of the factors affects the hash. */
static inline uint64
multiply(uint64 a, uint64 b)
{
#ifdef HAVE_INT128
	uint128 product = (uint128) a * b;

	return (uint64) product ^ (uint64) (product >> 64);
#else
	return a * b ^ (a >> 32) * (b >> 32) ^ b;
#endif
}

/*
 * All bytes go through this, so it has to be fast: two products that do not wait for each other.  It tells pages apart
 * that were not made to be confused.
 */
static uint64
hash_bytes_onto(uint64 hash, const char *p, size_t len)
{
	const uint64 a = UINT64CONST(0x9e3779b97f4a7c15);
	const uint64 b = UINT64CONST(0xe7037ed1a0b428db);
	uint64 lane = ~hash;
	uint64 rest[4] = {0};
	const char *end = p + len;

	for (; end - p >= (ptrdiff_t) sizeof(rest); p += sizeof(rest))
	{
		hash = multiply(hash ^ word_at(p), word_at(p + 8) ^ a);
		lane = multiply(lane ^ word_at(p + 16), word_at(p + 24) ^ b);
	}
	/* bytes that were seen already do no harm, and to copy so many is no call */
	if (len >= sizeof(rest))
		memcpy(rest, end - sizeof(rest), sizeof(rest));
	else
		memcpy(rest, p, len);
	hash = multiply(hash ^ rest[0], rest[1] ^ a);
	lane = multiply(lane ^ rest[2], rest[3] ^ b);
	return multiply(hash ^ len, lane ^ a);
}

static void
hand_out(EtlJsonReader *reader, const EtlJsonQueued *queued, EtlJsonItem *item)
{
	item->data = EtlJsonBytes(reader, queued->start);
	item->len = queued->len;
	item->tokens = reader->tokens + queued->token;
	item->ntokens = queued->ntokens;
	item->decoded = reader->decoded + queued->decoded;
	item->key = queued->has_key ? item->decoded : NULL;
	item->key_len = queued->has_key ? queued->key_len : 0;
	item->index = reader->nitems++;
	item->offset = queued->start;
	item->fault = queued->fault.status != ETL_JSON_ITEM ? &queued->fault : NULL;
	reader->handed_fault = item->fault != NULL ? queued->fault.offset : ETL_JSON_NOWHERE;
	reader->handed_end = queued->start + queued->len;
	if (unlikely(queued->fault.status == ETL_JSON_ITEM_TOO_LARGE))
	{
		/* a line of which only the beginning is there */
		item->data = reader->decoded;
		reader->handed_end = reader->line_start - 1;
	}
	reader->hash = hash_bytes_onto(reader->hash, item->data, item->len);
	reader->handed_cut_off = queued->cut_off;
	item->line = reader->lines == ETL_JSON_LINES ? queued->line : 0;
	reader->handed_line = item->line;
	if (!queued->cut_off)
		reader->place = (EtlRecordPlace){
			.offset = reader->handed_end,
			.line = item->line,
			.records = (uint64) reader->nitems,
			.hash = reader->hash,
		};
}

/* Takes the next item off the queue, if it is there and no test can refuse it any more. */
static bool
take_item(EtlJsonReader *reader, EtlJsonItem *item)
{
	while (reader->queue_first < reader->queue_end)
	{
		const EtlJsonQueued *queued = &reader->queue[reader->queue_first];

		if (queued->verdict == ETL_JSON_UNDECIDED)
			return false;
		reader->queue_first++;
		if (queued->verdict == ETL_JSON_FAILED)
			continue;
		hand_out(reader, queued, item);
		if (reader->queue_first == reader->queue_end || queued[1].verdict != ETL_JSON_PASSED)
			capture_from_item(reader, item);
		return true;
	}
	return false;
}

static inline bool
parse_more(EtlJsonReader *reader)
{
	return likely(reader->lines == ETL_JSON_NO_LINES) ? EtlJsonNextSlice(reader)
													  : EtlJsonNextLine(reader);
}

/* Exported functions may be called by way of the linker's table, so the format's own is static. */
static inline EtlJsonStatus
next_item(EtlJsonReader *reader, EtlJsonItem *item)
{
	for (;;)
	{
		if (!reader->waiting && take_item(reader, item))
			return ETL_JSON_ITEM;
		if (reader->fault.status != ETL_JSON_ITEM)
			return reader->fault.status;
		if (reader->complete)
			return ETL_JSON_END;
		if ((reader->began || begin(reader)) && parse_more(reader))
			continue;
		if (reader->fault.status != ETL_JSON_ITEM)
			continue;
		if (!reader->at_end)
			return ETL_JSON_NEED_DATA;
		finish(reader);
	}
}

EtlJsonStatus
EtlJsonReaderNext(EtlJsonReader *reader, EtlJsonItem *item)
{
	return next_item(reader, item);
}

/*
 * What else there is to know
 */

const EtlJsonValue *
EtlJsonReaderCaptured(const EtlJsonReader *reader, int i)
{
	const EtlJsonHeld *held = &reader->captured[i].value;

	return held->present ? &held->value : NULL;
}

bool
EtlJsonReaderFoundItems(const EtlJsonReader *reader)
{
	return reader->found_items;
}

/* Is the body, as far as it is known, one item after another, or one line? */
static bool
is_sequence(const EtlJsonReader *reader)
{
	return reader->many && (reader->options.items == NULL || reader->lines == ETL_JSON_LINES);
}

uint64
EtlJsonReaderHash(const EtlJsonReader *reader)
{
	return reader->hash;
}

const EtlJsonFault *
EtlJsonReaderFault(const EtlJsonReader *reader)
{
	return &reader->fault;
}

/* The member called name; of several the last one.  NULL if parent has none, or is no object. */
static const EtlJsonToken *
find_member(const EtlJsonItem *item, const EtlJsonToken *parent, const char *name, size_t len)
{
	const EtlJsonToken *found = NULL;

	if (parent->type != ETL_JSON_OBJECT)
		return NULL;
	for (const EtlJsonToken *token = EtlJsonFirstIn(item, parent); token != NULL;
		 token = EtlJsonNextIn(item, parent, token))
	{
		if (token->key_len == len && memcmp(EtlJsonTokenKey(item, token), name, len) == 0)
			found = token;
	}
	return found;
}

const EtlJsonToken *
EtlJsonFind(const EtlJsonItem *item, const EtlJsonPath *path)
{
	const EtlJsonToken *token = item->ntokens > 0 ? item->tokens : NULL;

	for (int i = 0; token != NULL && i < path->nsteps; i++)
	{
		const EtlJsonStep *step = &path->steps[i];

		if (step->kind != ETL_JSON_STEP_MEMBER)
			return NULL;
		token = find_member(item, token, step->name.text, step->name.len);
	}
	return token;
}

/*
 * As a format
 */

static EtlReader *
json_create(const void *options)
{
	return (EtlReader *) EtlJsonReaderCreate(options);
}

static void
json_reset(EtlReader *reader, const EtlRecordPlace *at)
{
	EtlJsonReader *json = (EtlJsonReader *) reader;

	if (at == NULL)
		EtlJsonReaderReset(json);
	else
		reset_at(json, at);
}

static char *
json_room(EtlReader *reader, size_t *len)
{
	return EtlJsonReaderRoom((EtlJsonReader *) reader, len);
}

static void
json_fed(EtlReader *reader, size_t n)
{
	EtlJsonReaderFed((EtlJsonReader *) reader, n);
}

static int
json_next(EtlReader *reader, void *item)
{
	return (int) next_item((EtlJsonReader *) reader, item);
}

static void
json_position(const EtlReader *reader, EtlRecordPlace *place)
{
	const EtlJsonReader *json = (const EtlJsonReader *) reader;

	*place = json->place;
	place->open = is_sequence(json);
}

static void
json_where(const EtlReader *reader, StringInfo buf)
{
	const EtlJsonReader *json = (const EtlJsonReader *) reader;
	bool broken = json->fault.status != ETL_JSON_ITEM;
	int64 item = !broken ? json->nitems : json->fault.in_item ? json->nitems + 1 : 0;
	uint64 at = broken ? json->fault.offset : json->handed_fault;

	if (item > 0 && json->lines == ETL_JSON_LINES)
		appendStringInfo(buf, ", line " UINT64_FORMAT, broken ? json->line : json->handed_line);
	else if (item > 0)
		appendStringInfo(buf, ", item " INT64_FORMAT, item);
	if (at != ETL_JSON_NOWHERE)
		appendStringInfo(buf, ", byte " UINT64_FORMAT, at + 1);
}

static uint64
json_number(const EtlReader *reader, const char **unit)
{
	const EtlJsonReader *json = (const EtlJsonReader *) reader;
	bool lines = json->lines == ETL_JSON_LINES;

	*unit = lines ? "line" : "item";
	return lines ? json->handed_line : (uint64) json->nitems;
}

static void
json_free(EtlReader *reader)
{
	EtlJsonReaderFree((EtlJsonReader *) reader);
}

static const EtlJsonValue *
json_captured(const EtlReader *reader, int i)
{
	return EtlJsonReaderCaptured((const EtlJsonReader *) reader, i);
}

static bool
json_cut_off(const EtlReader *reader, int step, const void *record)
{
	const EtlJsonReader *json = (const EtlJsonReader *) reader;
	const EtlJsonItem *item = record;

	if (step == ETL_JSON_EMPTY)
		return true;
	if (!is_sequence(json))
		return false;
	if (step == ETL_JSON_TRUNCATED)
		return true;
	if (step != ETL_JSON_ITEM || json->handed_cut_off)
		return step == ETL_JSON_ITEM;
	/* Of all values only a number has no end of its own. */
	return item->ntokens > 0 && item->tokens[0].type == ETL_JSON_NUMBER && json->at_end &&
		   json->handed_end == json->end;
}

const EtlFormat EtlJsonFormat = {
	.name = "json",
	.create = json_create,
	.reset = json_reset,
	.room = json_room,
	.fed = json_fed,
	.next = json_next,
	.position = json_position,
	.where = json_where,
	.number = json_number,
	.free = json_free,
	.cut_off = json_cut_off,
	.captured = json_captured,
};
