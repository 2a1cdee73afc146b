/*
 * json_parse.c
 *		From slices of a JSON body to events (RFC 8259).
 *
 * A slice ends between two tokens, so each token is whole, and its text is where it stands in the reader's buffer.  Only a
 * string with escapes is written elsewhere, without them, and only while its event lasts.
 *
 * What is no token, or stands where it may not, is not described here: yajl is asked what is wrong (json_yajl.c).
 *
 * What JSON allows and jsonb does not is found on the way: escapes that are half a surrogate pair or NUL, and
 * numbers that numeric cannot hold.  The event says so; the text of such a string is then what stands in the
 * body, so that no NUL and no broken UTF-8 goes any further.  (UTF-8 is checked by the slice.)
 */
#include "etl.h"

#include "mb/pg_wchar.h"

#include "format/json_internal.h"

#ifdef __x86_64__
#include <emmintrin.h>
#endif

#define SAFE_DIGITS 16383 /* a number of so many bytes, without an exponent, is one of numeric */

struct EtlJsonParser
{
	EtlJsonReader *reader;
	EtlJsonExpect expect;
	bool small;	   /* nothing can become too large in this slice */
	char *decoded; /* a string without its escapes */
	size_t decoded_size;
};

/* The states in which a token may come. */
#define IN(state) (1 << (state))
#define WHERE_VALUES (IN(ETL_JSON_WANTS_VALUE) | IN(ETL_JSON_WANTS_ELEMENT))
#define WHERE_NAMES (IN(ETL_JSON_WANTS_NAME) | IN(ETL_JSON_WANTS_MEMBER))

/* ----------------------------------------------------------------
 *	Tokens
 * ---------------------------------------------------------------- */

static inline bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
is_plain(char c)
{
	return c != '"' && c != '\\' && (unsigned char) c >= ' ';
}

/* The first byte that is not an ordinary one of a string: its end, an escape, or a control character; or the end. */
static inline const char *
skip_plain(const char *p, const char *end)
{
#ifdef __x86_64__
	const __m128i quote = _mm_set1_epi8('"');
	const __m128i backslash = _mm_set1_epi8('\\');
	const __m128i last_control = _mm_set1_epi8(0x1f);

	for (; end - p >= 16; p += 16)
	{
		__m128i bytes = _mm_loadu_si128((const __m128i *) p);
		__m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
		int found = _mm_movemask_epi8(
			_mm_or_si128(controls, _mm_or_si128(_mm_cmpeq_epi8(bytes, quote),
												_mm_cmpeq_epi8(bytes, backslash))));

		if (found != 0)
			return p + __builtin_ctz(found);
	}
#endif
	while (p < end && is_plain(*p))
		p++;
	return p;
}

static bool
is_hex(char c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* The end of the escape at p, which may not be all there; NULL if it is none. */
static const char *
skip_escape(const char *p, const char *end)
{
	if (++p == end)
		return end;
	if (*p != 'u')
		return strchr("\"\\/bfnrt", *p) != NULL && *p != '\0' ? p + 1 : NULL;
	p++;
	for (int i = 0; i < 4 && p < end; i++, p++)
		if (!is_hex(*p))
			return NULL;
	return p;
}

/*
 * The closing quote of the string whose text begins at p; the end, if it is not there.  NULL: a byte, *bad, cannot be in
 * a string.
 */
static const char *
find_quote(const char *p, const char *end, bool *escapes, const char **bad)
{
	for (;;)
	{
		const char *escape = p = skip_plain(p, end);

		if (p == end || *p == '"')
			return p;
		*escapes = true;
		*bad = escape;
		if (*p != '\\' || (p = skip_escape(p, end)) == NULL)
			return NULL;
	}
}

static const char *
skip_digits(const char *p, const char *end)
{
	while (p < end && is_digit(*p))
		p++;
	return p;
}

/* The end of the number at p; the end, if more of it may follow.  NULL: it is none, from *bad on. */
static const char *
find_number_end(const char *p, const char *end, bool *exponent, const char **bad)
{
	if (*p == '-')
		p++;
	*bad = p;
	if (p < end && !is_digit(*p))
		return NULL;
	p = p < end && *p == '0' ? p + 1 : skip_digits(p, end);
	if (p < end && *p == '.')
	{
		*bad = ++p;
		if (p < end && !is_digit(*p))
			return NULL;
		p = skip_digits(p, end);
	}
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		*exponent = true;
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		*bad = p;
		if (p < end && !is_digit(*p))
			return NULL;
		p = skip_digits(p, end);
	}
	return p;
}

/* Whether a word is at p, as far as there are bytes. */
static inline bool
is_word(const char *p, const char *end, const char *word, size_t len)
{
	return memcmp(p, word, Min(len, (size_t) (end - p))) == 0;
}

static int
hex_value(char c)
{
	return is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

static pg_wchar
code_unit(const char *digits)
{
	return hex_value(digits[0]) << 12 | hex_value(digits[1]) << 8 | hex_value(digits[2]) << 4 |
		   hex_value(digits[3]);
}

/* Writes the character that the escape at p, which is sound, stands for; returns its end. */
static const char *
decode_escape(const char *p, char **out)
{
	static const char from[] = "bfnrt";
	static const char to[] = "\b\f\n\r\t";
	const char *control = strchr(from, p[1]);
	pg_wchar c;

	if (p[1] != 'u')
	{
		*(*out)++ = control != NULL ? to[control - from] : p[1];
		return p + 2;
	}
	c = code_unit(p + 2);
	p += 6;
	if (is_utf16_surrogate_first(c))
	{
		c = surrogate_pair_to_codepoint(c, code_unit(p + 2));
		p += 6;
	}
	unicode_to_utf8(c, (unsigned char *) *out);
	*out += pg_utf_mblen((unsigned char *) *out);
	return p;
}

/* The text of a string whose escapes are sound. */
static size_t
decode(const char *p, const char *end, char *out)
{
	char *start = out;

	while (p < end)
	{
		const char *escape = memchr(p, '\\', end - p);
		size_t plain = (escape != NULL ? escape : end) - p;

		memcpy(out, p, plain);
		out += plain;
		p += plain;
		if (p < end)
			p = decode_escape(p, &out);
	}
	return out - start;
}

/* ----------------------------------------------------------------
 *	Events
 * ---------------------------------------------------------------- */

/* Has what an event belongs to become too large with it? */
static bool
check_size(EtlJsonReader *reader, const EtlJsonEvent *event)
{
	uint64 from = EtlJsonHeldFrom(reader, event->start);

	if (event->end - from <= reader->options.max_item_size)
		return true;
	return EtlJsonFail(reader, ETL_JSON_ITEM_TOO_LARGE, from, NULL);
}

static inline uint64
place_of(const EtlJsonReader *reader, const char *p)
{
	return reader->base + (p - reader->buffer);
}

/* Fills in an event whose token is these bytes of the buffer. */
static inline bool
place(EtlJsonParser *parser, EtlJsonEvent *event, const char *start, const char *end)
{
	EtlJsonReader *reader = parser->reader;

	event->before = reader->token_end;
	event->start = place_of(reader, start);
	event->end = event->start + (end - start);
	event->text = start;
	event->len = end - start;
	event->decoded = false;
	Assert(event->start < event->end);
	reader->token_end = event->end;
	return likely(parser->small) || check_size(reader, event);
}

/* The innermost frame, if what stands in it can take the short way (see json_internal.h); else NULL. */
static inline EtlJsonFrame *
far_frame(const EtlJsonParser *parser)
{
	return likely(parser->small) ? parser->reader->far : NULL;
}

static inline void
pass_scalar(EtlJsonParser *parser, const EtlJsonFrame *frame, EtlJsonType type, const char *start,
			const char *end, uint32 quote)
{
	EtlJsonReader *reader = parser->reader;
	uint64 at = place_of(reader, start);

	EtlJsonPassScalar(reader, frame, type, at, end - start, quote);
	reader->token_end = at + (end - start);
}

static pg_noinline bool
track_word(EtlJsonParser *parser, EtlJsonType type, const char *start, const char *end, bool wrong)
{
	EtlJsonEvent event = {type};

	if (!place(parser, &event, start, end))
		return false;
	if (wrong)
	{
		event.wrong = ETL_JSON_NUMBER_RANGE;
		event.wrong_at = event.start;
	}
	return EtlJsonTrackScalar(parser->reader, &event);
}

/* null, true, false or a number; "wrong": numeric does not take it. */
static inline bool
on_word(EtlJsonParser *parser, EtlJsonType type, const char *start, const char *end, bool wrong)
{
	const EtlJsonFrame *frame = far_frame(parser);

	if (unlikely(frame == NULL || wrong))
		return track_word(parser, type, start, end, wrong);
	pass_scalar(parser, frame, type, start, end, 0);
	return true;
}

/* A string with these quotes. */
static bool
place_string(EtlJsonParser *parser, EtlJsonEvent *event, const char *open, const char *close,
			 bool escapes)
{
	uint32 at;

	if (!place(parser, event, open, close + 1))
		return false;
	event->text++;
	event->len -= 2;
	if (!escapes)
		return true;
	event->wrong = EtlJsonCheckEscapes(event->text, event->len, &at);
	if (unlikely(event->wrong != ETL_JSON_ITEM))
	{
		event->wrong_at = event->start + 1 + at;
		return true;
	}
	event->len = decode(event->text, close, parser->decoded);
	event->text = parser->decoded;
	event->decoded = true;
	return true;
}

static pg_noinline bool
track_string(EtlJsonParser *parser, const char *open, const char *close, bool escapes)
{
	EtlJsonEvent event = {ETL_JSON_STRING};

	return place_string(parser, &event, open, close, escapes) &&
		   EtlJsonTrackScalar(parser->reader, &event);
}

static inline bool
on_string(EtlJsonParser *parser, const char *open, const char *close, bool escapes)
{
	const EtlJsonFrame *frame = far_frame(parser);

	if (unlikely(frame == NULL || escapes))
		return track_string(parser, open, close, escapes);
	pass_scalar(parser, frame, ETL_JSON_STRING, open, close + 1, 1);
	return true;
}

static pg_noinline bool
track_key(EtlJsonParser *parser, const char *open, const char *close, bool escapes)
{
	EtlJsonEvent event = {ETL_JSON_STRING};

	return place_string(parser, &event, open, close, escapes) &&
		   EtlJsonTrackKey(parser->reader, &event);
}

static inline bool
on_key(EtlJsonParser *parser, const char *open, const char *close, bool escapes)
{
	EtlJsonReader *reader = parser->reader;
	const EtlJsonFrame *frame = far_frame(parser);

	if (unlikely(frame == NULL || escapes))
		return track_key(parser, open, close, escapes);
	EtlJsonPassKey(reader, frame, open + 1, close - open - 1);
	reader->token_end = place_of(reader, close + 1);
	return true;
}

static pg_noinline bool
track_open(EtlJsonParser *parser, EtlJsonType type, const char *start)
{
	EtlJsonEvent event = {type};

	return place(parser, &event, start, start + 1) && EtlJsonTrackOpen(parser->reader, &event);
}

static inline bool
on_open(EtlJsonParser *parser, EtlJsonType type, const char *start)
{
	EtlJsonReader *reader = parser->reader;
	EtlJsonFrame *frame = far_frame(parser);
	uint64 at = place_of(reader, start);

	if (frame == NULL || reader->depth == reader->options.max_depth)
		return track_open(parser, type, start);
	EtlJsonPassOpen(reader, frame, type, at);
	reader->token_end = at + 1;
	return true;
}

static pg_noinline bool
track_close(EtlJsonParser *parser, const char *start)
{
	EtlJsonEvent event = {0};

	return place(parser, &event, start, start + 1) && EtlJsonTrackClose(parser->reader, &event);
}

static inline bool
on_close(EtlJsonParser *parser, const char *start)
{
	EtlJsonReader *reader = parser->reader;
	EtlJsonFrame *frame = far_frame(parser);
	uint64 end = place_of(reader, start) + 1;

	if (frame == NULL || !frame->passed)
		return track_close(parser, start);
	EtlJsonPassClose(reader, frame, end);
	reader->token_end = end;
	return true;
}

/* ----------------------------------------------------------------
 *	Grammar
 * ---------------------------------------------------------------- */

/* Whether the container that is open, if there is one, is an object. */
static inline bool
is_in_object(const EtlJsonReader *reader)
{
	return reader->frames[reader->depth - 1].object;
}

static inline EtlJsonExpect
behind_comma(const EtlJsonReader *reader)
{
	return is_in_object(reader) ? ETL_JSON_WANTS_NAME : ETL_JSON_WANTS_VALUE;
}

/* A value ends at p.  Takes a comma directly behind it, too, which is what most often stands there. */
static inline const char *
end_value(EtlJsonParser *parser, const char *p, const char *end)
{
	const EtlJsonReader *reader = parser->reader;

	if (unlikely(reader->depth == 0))
		parser->expect = ETL_JSON_WANTS_VALUE;
	else if (likely(p < end && *p == ','))
	{
		parser->expect = behind_comma(reader);
		return p + 1;
	}
	else
		parser->expect = ETL_JSON_WANTS_COMMA;
	return p;
}

/*
 * Each of these takes the token at p, and returns its end; NULL if there is a fault.  A token that is not all there is the
 * last of the slice, and nothing is made of it.
 */

/* What it is may not be there. */
static pg_noinline const char *
refuse(EtlJsonParser *parser, const char *p, const char *bad, const char *end)
{
	EtlJsonExplain(parser->reader, parser->expect, p, bad, end);
	return NULL;
}

static inline const char *
take_string(EtlJsonParser *parser, const char *p, const char *end)
{
	bool escapes = false;
	const char *bad;
	const char *close = find_quote(p + 1, end, &escapes, &bad);

	if (unlikely(close == NULL))
		return refuse(parser, p, bad, end);
	if (unlikely(close == end))
		return end;
	if (IN(parser->expect) & WHERE_NAMES)
	{
		if (!on_key(parser, p, close, escapes))
			return NULL;
		if (likely(close + 1 < end && close[1] == ':'))
		{
			parser->expect = ETL_JSON_WANTS_VALUE;
			return close + 2;
		}
		parser->expect = ETL_JSON_WANTS_COLON;
		return close + 1;
	}
	if (unlikely(!(IN(parser->expect) & WHERE_VALUES)))
		return refuse(parser, p, NULL, end);
	if (!on_string(parser, p, close, escapes))
		return NULL;
	return end_value(parser, close + 1, end);
}

static inline const char *
take_number(EtlJsonParser *parser, const char *p, const char *end)
{
	bool exponent = false;
	const char *bad;
	const char *after = find_number_end(p, end, &exponent, &bad);
	bool wrong;

	if (unlikely(after == NULL))
		return refuse(parser, p, bad, end);
	if (unlikely(after == end))
		return end;
	if (unlikely(!(IN(parser->expect) & WHERE_VALUES)))
		return refuse(parser, p, NULL, end);
	wrong = unlikely(exponent || after - p > SAFE_DIGITS) && !EtlJsonNumberInRange(p, after - p);
	if (!on_word(parser, ETL_JSON_NUMBER, p, after, wrong))
		return NULL;
	return end_value(parser, after, end);
}

static inline const char *
take_word(EtlJsonParser *parser, const char *p, const char *end)
{
	EtlJsonType type = *p == 't' ? ETL_JSON_TRUE : *p == 'f' ? ETL_JSON_FALSE : ETL_JSON_NULL;
	const char *word = *p == 't' ? "true" : *p == 'f' ? "false" : "null";
	size_t len = strlen(word);

	if (unlikely(!is_word(p, end, word, len)))
		return refuse(parser, p, p, end);
	if (unlikely(end - p < len))
		return end;
	if (unlikely(!(IN(parser->expect) & WHERE_VALUES)))
		return refuse(parser, p, NULL, end);
	if (!on_word(parser, type, p, p + len, false))
		return NULL;
	return end_value(parser, p + len, end);
}

static inline const char *
take_open(EtlJsonParser *parser, const char *p)
{
	bool object = *p == '{';

	if (!on_open(parser, object ? ETL_JSON_OBJECT : ETL_JSON_ARRAY, p))
		return NULL;
	parser->expect = object ? ETL_JSON_WANTS_MEMBER : ETL_JSON_WANTS_ELEMENT;
	return p + 1;
}

static inline const char *
take_close(EtlJsonParser *parser, const char *p, const char *end)
{
	if (!on_close(parser, p))
		return NULL;
	return end_value(parser, p + 1, end);
}

static inline const char *
take_token(EtlJsonParser *parser, const char *p, const char *end)
{
	EtlJsonReader *reader = parser->reader;
	EtlJsonExpect expect = parser->expect;

	switch (*p)
	{
		case '"':
			return take_string(parser, p, end);
		case ',':
			if (expect != ETL_JSON_WANTS_COMMA)
				break;
			parser->expect = behind_comma(reader);
			return p + 1;
		case ':':
			if (expect != ETL_JSON_WANTS_COLON)
				break;
			parser->expect = ETL_JSON_WANTS_VALUE;
			return p + 1;
		case '{':
		case '[':
			if (IN(expect) & WHERE_VALUES)
				return take_open(parser, p);
			break;
		case '}':
			if (expect == ETL_JSON_WANTS_MEMBER ||
				(expect == ETL_JSON_WANTS_COMMA && is_in_object(reader)))
				return take_close(parser, p, end);
			break;
		case ']':
			if (expect == ETL_JSON_WANTS_ELEMENT ||
				(expect == ETL_JSON_WANTS_COMMA && !is_in_object(reader)))
				return take_close(parser, p, end);
			break;
		case 't':
		case 'f':
		case 'n':
			return take_word(parser, p, end);
		default:
			return *p == '-' || is_digit(*p) ? take_number(parser, p, end)
											 : refuse(parser, p, p, end);
	}
	return refuse(parser, p, NULL, end);
}

/* ----------------------------------------------------------------
 *	The parser
 * ---------------------------------------------------------------- */

EtlJsonParser *
EtlJsonParserCreate(EtlJsonReader *reader)
{
	EtlJsonParser *parser = palloc0(sizeof(EtlJsonParser));

	parser->reader = reader;
	parser->decoded_size = 2 * ETL_JSON_SLICE;
	parser->decoded = palloc(parser->decoded_size);
	return parser;
}

void
EtlJsonParserReset(EtlJsonParser *parser)
{
	parser->expect = ETL_JSON_WANTS_VALUE;
}

void
EtlJsonParserFree(EtlJsonParser *parser)
{
	pfree(parser->decoded);
	pfree(parser);
}

bool
EtlJsonParse(EtlJsonParser *parser, uint64 at, size_t n)
{
	EtlJsonReader *reader = parser->reader;
	const char *p = EtlJsonBytes(reader, at);
	const char *end = p + n;

	if (n > parser->decoded_size)
	{
		parser->decoded_size = Max(n, 2 * parser->decoded_size);
		parser->decoded = repalloc(parser->decoded, parser->decoded_size);
	}
	parser->small = at + n - EtlJsonHeldFrom(reader, at) <= reader->options.max_item_size;
	for (;;)
	{
		while (p < end && is_space(*p))
			p++;
		if (p == end)
			return true;
		p = take_token(parser, p, end);
		if (unlikely(p == NULL))
			return false;
	}
}

bool
EtlJsonParserFinish(EtlJsonParser *parser)
{
	EtlJsonReader *reader = parser->reader;

	if (reader->depth == 0 && reader->nvalues > 0)
		return true;
	return EtlJsonFail(reader, reader->nvalues == 0 ? ETL_JSON_EMPTY : ETL_JSON_TRUNCATED,
					   reader->end, NULL);
}
