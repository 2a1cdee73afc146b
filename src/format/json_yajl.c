/*
 * json_yajl.c
 *		From slices of a JSON body to events: the only file that knows yajl.
 *
 * yajl is handed slices that end between two tokens, and calls back for each value, name and bracket.
 * Between the token before and this one stand only white space, commas and colons, and what yajl hands out of
 * a string without escapes points into the slice; so each event knows the bytes that it is made of, and the
 * text of a token is taken from the reader's buffer.  Only for strings with escapes is yajl's copy used, and
 * yajl asked how far it is.
 *
 * What yajl lets pass and jsonb does not is checked here, on these bytes: escapes that are half a surrogate
 * pair or NUL, and numbers that numeric cannot hold.  The event says so; the text of such a string is then what
 * stands in the body, so that no NUL and no broken UTF-8 goes any further.  (UTF-8 is checked by the slice, and
 * yajl's own check of it, which knows neither overlong forms nor surrogates, is turned off.)
 *
 * Memory.  yajl does not look at what its allocator returns, so a NULL would be a crash; and an error must
 * not jump over its frames.  So whatever it may ask for is allocated before it is called, where an error
 * may be raised, and its allocator only hands that out:
 *
 * - from a fixed block: its structs, its stack (at the full depth, once), the first 2 KB of two buffers;
 * - from two spare blocks: these buffers, one for a token that it keeps, one for a string's text without
 *   escapes.  Both double while they are too small for the token at hand, and no token is longer than the
 *   slice that it comes in.
 */
#include "etl.h"

#include <yajl/yajl_parse.h>

#include "format/json_internal.h"

#define YAJL_BUFFER_SIZE 2048 /* with which its buffers begin */
#define FIXED_SIZE (2 * YAJL_BUFFER_SIZE + 2048)
#define LARGE_BLOCKS 4 /* two in use, two spare */

typedef struct LargeBlock
{
	char *memory; /* NULL: none */
	bool in_use;
} LargeBlock;

struct EtlJsonYajl
{
	EtlJsonReader *reader;
	yajl_handle handle;
	yajl_alloc_funcs allocator;
	uint64 slice;	/* where the bytes start that it parses now */
	char separator; /* what has to follow the last event, '\0' if nothing */
	bool separated; /* it was in an earlier slice */
	bool small;		/* nothing can become too large in this slice */

	char *fixed;
	size_t fixed_size;
	size_t fixed_used;
	LargeBlock large[LARGE_BLOCKS];
	size_t large_size; /* of the newest ones: what a buffer can grow to */
};

/*
 * The allocator.  Each piece of memory is preceded by its size.
 */

#define PIECE_HEADER MAXALIGN(sizeof(size_t))

static size_t
piece_size(const void *piece)
{
	return *(const size_t *) ((const char *) piece - PIECE_HEADER);
}

static void *
make_piece(char *memory, size_t size)
{
	*(size_t *) memory = size;
	return memory + PIECE_HEADER;
}

static void *
take_fixed(EtlJsonYajl *yajl, size_t size)
{
	char *memory = yajl->fixed + yajl->fixed_used;

	size = MAXALIGN(size);
	Assert(yajl->fixed_used + PIECE_HEADER + size <= yajl->fixed_size);
	yajl->fixed_used += PIECE_HEADER + size;
	return make_piece(memory, size);
}

static void *
take_spare(EtlJsonYajl *yajl, size_t size)
{
	for (int i = 0; i < LARGE_BLOCKS; i++)
	{
		LargeBlock *block = &yajl->large[i];

		if (block->memory == NULL || block->in_use)
			continue;
		block->in_use = true;
		Assert(size <= yajl->large_size);
		return make_piece(block->memory, yajl->large_size);
	}
	Assert(false);
	return NULL;
}

static void
free_large(LargeBlock *block)
{
	if (block->memory != NULL)
		pfree(block->memory);
	block->memory = NULL;
	block->in_use = false;
}

static void *
yajl_gets(void *ctx, size_t size)
{
	return take_fixed(ctx, size);
}

static void
yajl_drops(void *ctx, void *piece)
{
	EtlJsonYajl *yajl = ctx;

	for (int i = 0; piece != NULL && i < LARGE_BLOCKS; i++)
	{
		if (yajl->large[i].memory == (char *) piece - PIECE_HEADER)
			free_large(&yajl->large[i]);
	}
}

/* The stack is the only thing that yajl gets by reallocating nothing. */
static void *
yajl_grows(void *ctx, void *piece, size_t size)
{
	EtlJsonYajl *yajl = ctx;
	void *larger;

	if (piece == NULL)
		return take_fixed(yajl, yajl->fixed_size - FIXED_SIZE - PIECE_HEADER);
	if (size <= piece_size(piece))
		return piece;
	larger = take_spare(yajl, size);
	memcpy(larger, piece, piece_size(piece));
	yajl_drops(yajl, piece);
	return larger;
}

/* palloc, but in the reader's memory context, whichever is current. */
static char *
alloc_with_reader(EtlJsonReader *reader, size_t size)
{
#ifdef FRONTEND
	return palloc(size);
#else
	return MemoryContextAlloc(GetMemoryChunkContext(reader), size);
#endif
}

/* Makes sure that both of yajl's buffers can grow to hold a token of len bytes. */
static void
reserve(EtlJsonYajl *yajl, size_t len)
{
	size_t size = yajl->large_size;
	int wanted = 2;

	if (len < size)
		return;
	while (size <= len)
		size *= 2;
	for (int i = 0; i < LARGE_BLOCKS; i++)
	{
		if (!yajl->large[i].in_use)
			free_large(&yajl->large[i]);
	}
	yajl->large_size = size;
	for (int i = 0; wanted > 0 && i < LARGE_BLOCKS; i++)
	{
		if (yajl->large[i].memory != NULL)
			continue;
		yajl->large[i].memory = alloc_with_reader(yajl->reader, PIECE_HEADER + size);
		wanted--;
	}
}

/*
 * The events.  A callback that returns 0 cancels the parse; the reader has the fault then.
 */

/* Has what an event belongs to become too large with it? */
static bool
check_size(EtlJsonReader *reader, const EtlJsonEvent *event)
{
	uint64 from = EtlJsonHeldFrom(reader, event->start);

	if (event->end - from <= reader->options.max_item_size)
		return true;
	return EtlJsonFail(reader, ETL_JSON_ITEM_TOO_LARGE, from, NULL);
}

/* A token is over: after it nothing but this has to follow. */
static inline void
end_token(EtlJsonYajl *yajl, uint64 end, char separator)
{
	yajl->reader->mark = yajl->reader->token_end = end;
	yajl->separator = separator;
	yajl->separated = false;
}

/* Fills in an event whose token is these bytes of the buffer. */
static inline bool
place(EtlJsonYajl *yajl, EtlJsonEvent *event, const char *start, const char *end, char separator)
{
	EtlJsonReader *reader = yajl->reader;

	event->before = reader->token_end;
	event->start = reader->base + (start - reader->buffer);
	event->end = event->start + (end - start);
	event->text = start;
	event->len = end - start;
	event->decoded = false;
	Assert(event->start < event->end);
	end_token(yajl, event->end, separator);
	return likely(yajl->small) || check_size(reader, event);
}

/* The next token begins behind the separators that follow the last one. */
static inline const char *
next_token(const EtlJsonReader *reader)
{
	const char *start = EtlJsonBytes(reader, reader->mark);

	while (*start == ' ' || *start == ',' || *start == ':' || *start == '\n' || *start == '\r' ||
		   *start == '\t')
		start++;
	return start;
}

/* The innermost frame, if what stands in it can take the short way (see json_internal.h); else NULL. */
static inline EtlJsonFrame *
far_frame(const EtlJsonYajl *yajl)
{
	return likely(yajl->small) ? yajl->reader->far : NULL;
}

static inline void
pass_scalar(EtlJsonYajl *yajl, const EtlJsonFrame *frame, EtlJsonType type, const char *start,
			size_t len, uint32 quote)
{
	EtlJsonReader *reader = yajl->reader;
	uint64 at = reader->base + (start - reader->buffer);

	EtlJsonPassScalar(reader, frame, type, at, len, quote);
	end_token(yajl, at + len, ',');
}

static pg_noinline bool
track_word(EtlJsonYajl *yajl, EtlJsonType type, const char *start, size_t len)
{
	EtlJsonEvent event = {type};

	if (!place(yajl, &event, start, start + len, ','))
		return false;
	if (type == ETL_JSON_NUMBER && !EtlJsonNumberInRange(event.text, event.len))
	{
		event.wrong = ETL_JSON_NUMBER_RANGE;
		event.wrong_at = event.start;
	}
	return EtlJsonTrackScalar(yajl->reader, &event);
}

/* null, true, false or a number. */
static inline bool
on_word(EtlJsonYajl *yajl, EtlJsonType type, size_t len)
{
	const char *start = next_token(yajl->reader);
	const EtlJsonFrame *frame = far_frame(yajl);

	if (frame == NULL || (type == ETL_JSON_NUMBER && !EtlJsonNumberInRange(start, len)))
		return track_word(yajl, type, start, len);
	pass_scalar(yajl, frame, type, start, len, 0);
	return true;
}

static int
on_null(void *ctx)
{
	return on_word(ctx, ETL_JSON_NULL, strlen("null"));
}

static int
on_boolean(void *ctx, int value)
{
	return value ? on_word(ctx, ETL_JSON_TRUE, strlen("true"))
				 : on_word(ctx, ETL_JSON_FALSE, strlen("false"));
}

static int
on_number(void *ctx, const char *text, size_t len)
{
	return on_word(ctx, ETL_JSON_NUMBER, len);
}

/* A string with escapes: yajl has its text, and says only where it ends. */
static bool
place_decoded(EtlJsonYajl *yajl, EtlJsonEvent *event, char separator, const char *decoded,
			  size_t len)
{
	EtlJsonReader *reader = yajl->reader;
	uint64 end = yajl->slice + yajl_get_bytes_consumed(yajl->handle);
	uint32 at;

	if (!place(yajl, event, next_token(reader), EtlJsonBytes(reader, end), separator))
		return false;
	event->text++;
	event->len -= 2;
	event->wrong = EtlJsonCheckEscapes(event->text, event->len, &at);
	if (unlikely(event->wrong != ETL_JSON_ITEM))
	{
		event->wrong_at = event->start + 1 + at;
		return true;
	}
	event->text = decoded;
	event->len = len;
	event->decoded = true;
	return true;
}

/* What yajl points to is the text of a string in the buffer, unless there were escapes in it. */
static inline bool
is_in_buffer(const EtlJsonReader *reader, const char *text)
{
	return likely(text > reader->buffer && text < reader->buffer + reader->buffer_size);
}

static bool
place_string(EtlJsonYajl *yajl, EtlJsonEvent *event, char separator, const char *text, size_t len)
{
	if (!is_in_buffer(yajl->reader, text))
		return place_decoded(yajl, event, separator, text, len);
	if (!place(yajl, event, text - 1, text + len + 1, separator))
		return false;
	event->text = text;
	event->len = len;
	return true;
}

static pg_noinline bool
track_string(EtlJsonYajl *yajl, const char *text, size_t len)
{
	EtlJsonEvent event = {ETL_JSON_STRING};

	return place_string(yajl, &event, ',', text, len) && EtlJsonTrackScalar(yajl->reader, &event);
}

static int
on_string(void *ctx, const unsigned char *string, size_t len)
{
	EtlJsonYajl *yajl = ctx;
	const char *text = (const char *) string;
	const EtlJsonFrame *frame = far_frame(yajl);

	if (frame == NULL || !is_in_buffer(yajl->reader, text))
		return track_string(yajl, text, len);
	pass_scalar(yajl, frame, ETL_JSON_STRING, text - 1, len + 2, 1);
	return true;
}

static pg_noinline bool
track_key(EtlJsonYajl *yajl, const char *text, size_t len)
{
	EtlJsonEvent event = {ETL_JSON_STRING};

	return place_string(yajl, &event, ':', text, len) && EtlJsonTrackKey(yajl->reader, &event);
}

static int
on_key(void *ctx, const unsigned char *string, size_t len)
{
	EtlJsonYajl *yajl = ctx;
	EtlJsonReader *reader = yajl->reader;
	const char *text = (const char *) string;
	const EtlJsonFrame *frame = far_frame(yajl);
	uint64 at;

	if (frame == NULL || !is_in_buffer(reader, text))
		return track_key(yajl, text, len);
	at = reader->base + (text - reader->buffer);
	EtlJsonPassKey(reader, frame, text, len);
	end_token(yajl, at + len + 1, ':');
	return true;
}

static pg_noinline bool
track_open(EtlJsonYajl *yajl, EtlJsonType type, const char *start)
{
	EtlJsonEvent event = {type};

	return place(yajl, &event, start, start + 1, '\0') && EtlJsonTrackOpen(yajl->reader, &event);
}

static inline bool
on_open(EtlJsonYajl *yajl, EtlJsonType type)
{
	EtlJsonReader *reader = yajl->reader;
	const char *start = next_token(reader);
	EtlJsonFrame *frame = far_frame(yajl);
	uint64 at = reader->base + (start - reader->buffer);

	if (frame == NULL || reader->depth == reader->options.max_depth)
		return track_open(yajl, type, start);
	EtlJsonPassOpen(reader, frame, type, at);
	end_token(yajl, at + 1, '\0');
	return true;
}

static int
on_open_object(void *ctx)
{
	return on_open(ctx, ETL_JSON_OBJECT);
}

static int
on_open_array(void *ctx)
{
	return on_open(ctx, ETL_JSON_ARRAY);
}

static pg_noinline bool
track_close(EtlJsonYajl *yajl, const char *start)
{
	EtlJsonEvent event = {0};

	return place(yajl, &event, start, start + 1, ',') && EtlJsonTrackClose(yajl->reader, &event);
}

static int
on_close(void *ctx)
{
	EtlJsonYajl *yajl = ctx;
	EtlJsonReader *reader = yajl->reader;
	const char *start = next_token(reader);
	EtlJsonFrame *frame = far_frame(yajl);
	uint64 end = reader->base + (start - reader->buffer) + 1;

	if (frame == NULL || !frame->passed)
		return track_close(yajl, start);
	EtlJsonPassClose(reader, frame, end);
	end_token(yajl, end, ',');
	return true;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_open_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_close,
	.yajl_start_array = on_open_array,
	.yajl_end_array = on_close,
};

/*
 * The handle.  yajl cannot start again, so a new body gets a new handle in the same memory.
 */

static void
open_handle(EtlJsonYajl *yajl)
{
	yajl->fixed_used = 0;
	yajl->separator = '\0';
	yajl->separated = false;
	yajl->large_size = YAJL_BUFFER_SIZE;
	yajl->handle = yajl_alloc(&callbacks, &yajl->allocator, yajl);
	yajl_config(yajl->handle, yajl_dont_validate_strings, 1);
	yajl_config(yajl->handle, yajl_allow_multiple_values, 1);
}

EtlJsonYajl *
EtlJsonYajlCreate(EtlJsonReader *reader)
{
	EtlJsonYajl *yajl = palloc0(sizeof(EtlJsonYajl));

	yajl->reader = reader;
	yajl->allocator.malloc = yajl_gets;
	yajl->allocator.realloc = yajl_grows;
	yajl->allocator.free = yajl_drops;
	yajl->allocator.ctx = yajl;

	/* one byte of stack for each level, one for the bottom; it grows when it is full, by 128 bytes */
	yajl->fixed_size = FIXED_SIZE + PIECE_HEADER + MAXALIGN(reader->options.max_depth + 1 + 128);
	yajl->fixed = palloc(yajl->fixed_size);
	open_handle(yajl);
	return yajl;
}

void
EtlJsonYajlReset(EtlJsonYajl *yajl)
{
	for (int i = 0; i < LARGE_BLOCKS; i++)
		free_large(&yajl->large[i]);
	open_handle(yajl);
}

void
EtlJsonYajlFree(EtlJsonYajl *yajl)
{
	for (int i = 0; i < LARGE_BLOCKS; i++)
		free_large(&yajl->large[i]);
	pfree(yajl->fixed);
	pfree(yajl);
}

static bool
is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static uint64
skip_space(const EtlJsonReader *reader, uint64 at)
{
	while (is_one_of(*EtlJsonBytes(reader, at), " \n\r\t"))
		at++;
	return at;
}

/*
 * Where an error shows: at the token that cannot be there, or at the byte that spoils it.  yajl may be at
 * either, or behind, so only of a token that began well does it know better.
 */
static uint64
error_offset(EtlJsonYajl *yajl, bool lexical)
{
	EtlJsonReader *reader = yajl->reader;
	uint64 token = skip_space(reader, reader->mark);

	if (reader->depth > 0 && !yajl->separated && *EtlJsonBytes(reader, token) == yajl->separator)
		token = skip_space(reader, token + 1);
	if (lexical && is_one_of(*EtlJsonBytes(reader, token), "\"-0123456789tfn"))
		return yajl->slice + yajl_get_bytes_consumed(yajl->handle);
	return token;
}

/* Says what yajl found wrong, as a sentence. */
static const char *
error_detail(EtlJsonYajl *yajl, bool *lexical)
{
	EtlJsonReader *reader = yajl->reader;
	char *text = (char *) yajl_get_error(yajl->handle, 0, NULL, 0);
	char *reason = strstr(text, ": ");

	*lexical = strncmp(text, "lexical", strlen("lexical")) == 0;
	reason = reason == NULL ? text : reason + 2;
	reason[strcspn(reason, "\n")] = '\0';
	reason[0] = pg_toupper((unsigned char) reason[0]);
	snprintf(reader->fault_detail, sizeof(reader->fault_detail), "%s%s", reason,
			 reason[strlen(reason) - 1] == '.' ? "" : ".");
	return reader->fault_detail;
}

/* Where the text of the body ends, or of a line that is an item: a token that goes on there is cut off. */
static uint64
last_byte(const EtlJsonReader *reader)
{
	if (reader->lines == ETL_JSON_LINES)
		return EtlJsonLineTextEnd(reader);
	return reader->at_end ? reader->end : ETL_JSON_NOWHERE;
}

static bool
report_error(EtlJsonYajl *yajl)
{
	EtlJsonReader *reader = yajl->reader;
	bool lexical;
	const char *detail = error_detail(yajl, &lexical);
	uint64 offset = error_offset(yajl, lexical);

	if (reader->depth == 0 && reader->nvalues > 0 && !reader->many)
		return EtlJsonFail(reader, ETL_JSON_TRAILING, offset, NULL);
	if (lexical && offset >= last_byte(reader))
		return EtlJsonFail(reader, ETL_JSON_TRUNCATED, last_byte(reader), NULL);
	return EtlJsonFail(reader, ETL_JSON_SYNTAX, offset, detail);
}

/* Behind the last event of a slice are only separators, which need not be kept. */
static void
pass_separators(EtlJsonYajl *yajl, uint64 end)
{
	EtlJsonReader *reader = yajl->reader;

	for (; reader->mark < end; reader->mark++)
	{
		if (*EtlJsonBytes(reader, reader->mark) == yajl->separator)
			yajl->separated = true;
	}
}

bool
EtlJsonYajlParse(EtlJsonYajl *yajl, uint64 at, size_t n)
{
	const unsigned char *bytes = (const unsigned char *) EtlJsonBytes(yajl->reader, at);

	reserve(yajl, n);
	yajl->slice = at;
	yajl->small = at + n - EtlJsonHeldFrom(yajl->reader, at) <= yajl->reader->options.max_item_size;
	switch (yajl_parse(yajl->handle, bytes, n))
	{
		case yajl_status_ok:
			pass_separators(yajl, at + n);
			return true;
		case yajl_status_client_canceled:
			return false;
		case yajl_status_error:
			break;
	}
	return report_error(yajl);
}

bool
EtlJsonYajlFinish(EtlJsonYajl *yajl)
{
	EtlJsonReader *reader = yajl->reader;

	if (yajl_complete_parse(yajl->handle) == yajl_status_ok)
		return true;
	return EtlJsonFail(reader, reader->nvalues == 0 ? ETL_JSON_EMPTY : ETL_JSON_TRUNCATED,
					   reader->end, NULL);
}
