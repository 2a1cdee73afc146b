/*
 * decode.c
 *		From the bytes of a text file to text in the server's encoding.
 *
 *		inner source  ->  raw  ->  (UTF-16 to UTF-8)  ->  (to the server's encoding)  ->  out  ->  caller
 *
 * The first bytes are looked at when the filter is opened, because they may be a byte order mark; a file that
 * needs no conversion is then read straight into the caller's buffer.  Otherwise blocks are converted by
 * PostgreSQL's conversion functions, before any record is looked for: the encodings that only a client
 * may have use ASCII bytes, commas and quotes among them, inside their characters.
 *
 * UTF-16 is decoded here since PostgreSQL does not know it.  RFC 2781 has the surrogates, and big endian as
 * the order where nothing says otherwise.
 */
#include "etl.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "source/decode.h"
#include "source/utf8.h"

#define RAW_SIZE 16384
#define OUT_SIZE (RAW_SIZE * MAX_CONVERSION_GROWTH + 1)
#define KEPT_FAULTS 4096

typedef enum Utf16
{
	NOT_UTF16,
	UTF16_LE,
	UTF16_BE
} Utf16;

typedef struct Buffer
{
	unsigned char *data;
	size_t pos; /* what is before it was used */
	size_t len;
} Buffer;

/* A character that cannot be converted; a NUL byte stands for it in the output. */
typedef struct Fault
{
	uint64 at;	/* byte of the output */
	bool valid; /* in the encoding it is in */
	uint8 nbytes;
	unsigned char bytes[MAX_MULTIBYTE_CHAR_LEN];
} Fault;

typedef struct Decoder
{
	EtlSource base;
	Utf16 utf16;
	bool convert; /* with conversion, from encoding "from" */
	int from;	  /* of the bytes, or of what UTF-16 becomes */
	FmgrInfo conversion;
	int mark_len;	/* of the byte order mark */
	bool raw_ended; /* inner has no more */
	Buffer raw;		/* as they came from inner */
	Buffer text;	/* UTF-8 that was UTF-16, where it needs conversion */
	Buffer out;		/* for the caller */
	uint64 nfaults; /* kept ever; the last KEPT_FAULTS are in faults */
	Fault *faults;	/* [KEPT_FAULTS], once there is one */
	uint64 asked;	/* faults before this one are behind the reader */
	int last_fault; /* its place in out, -1 if that holds none */
	MemoryContext context;
} Decoder;

static size_t decode_read(EtlSource *source, char *buf, size_t len);
static void decode_close(EtlSource *source);
static uint64 decode_skip(EtlSource *source, uint64 n);
static void decode_rewind(EtlSource *source, bool strict);
static bool decode_ready(EtlSource *source, int64 until);
static bool decode_block(Decoder *d);

static const EtlSourceOps decode_ops = {
	.read = decode_read,
	.close = decode_close,
	.skip = decode_skip,
	.ready = decode_ready,
	.rewind = decode_rewind,
};

static size_t
left(const Buffer *b)
{
	return b->len - b->pos;
}

/* Fills the raw buffer until it holds "want" bytes, or all that there are. */
static void
fill_raw(Decoder *d, size_t want)
{
	Buffer *raw = &d->raw;

	if (left(raw) >= want)
		return;
	if (raw->pos > 0)
	{
		memmove(raw->data, raw->data + raw->pos, left(raw));
		raw->len -= raw->pos;
		raw->pos = 0;
	}
	while (!d->raw_ended && raw->len < want)
	{
		size_t n = EtlSourceRead(d->base.inner, (char *) raw->data + raw->len, RAW_SIZE - raw->len);

		d->raw_ended = (n == 0);
		raw->len += n;
	}
}

/* ----------------------------------------------------------------
 *	Which encoding
 * ---------------------------------------------------------------- */

/* Whether the name is one of those of UTF-16; *order is NOT_UTF16 if it leaves the byte order open. */
static bool
is_utf16_name(const char *name, Utf16 *order)
{
	static const struct
	{
		const char *name;
		Utf16 order;
	} names[] = {{"utf16", NOT_UTF16},	 {"utf-16", NOT_UTF16}, {"utf16le", UTF16_LE},
				 {"utf-16le", UTF16_LE}, {"utf16be", UTF16_BE}, {"utf-16be", UTF16_BE}};

	for (int i = 0; i < lengthof(names); i++)
		if (pg_strcasecmp(name, names[i].name) == 0)
		{
			*order = names[i].order;
			return true;
		}
	return false;
}

/* As PostgreSQL knows it, or as Windows, Python and Content-Type write it; -1: none. */
static int
find_encoding(const char *name)
{
	if (pg_strcasecmp(name, "ascii") == 0 || pg_strcasecmp(name, "us-ascii") == 0 ||
		pg_strcasecmp(name, "utf-8-sig") == 0)
		return PG_UTF8;
	if (pg_strncasecmp(name, "cp", 2) == 0)
		name = psprintf("windows%s", name + 2);
	return pg_char_to_encoding(name);
}

static bool
starts_with(EtlSource *source, const char *bytes, size_t n)
{
	char head[ETL_MAX_PEEK];

	return EtlSourcePeek(source, head, n) == n && memcmp(head, bytes, n) == 0;
}

/* Settles d->utf16, d->from and d->mark_len from the option and the first bytes of the file. */
static void
settle_encoding(Decoder *d, const char *encoding)
{
	bool utf16_asked = false;
	Utf16 order = NOT_UTF16;
	Utf16 marked = NOT_UTF16;

	d->from = pg_get_client_encoding();
	if (encoding != NULL)
	{
		utf16_asked = is_utf16_name(encoding, &order);
		d->from = utf16_asked ? PG_UTF8 : find_encoding(encoding);
		if (!PG_VALID_FE_ENCODING(d->from))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("\"%s\" is not a valid encoding name", encoding),
							errhint("Name an encoding of PostgreSQL, such as LATIN1 or WIN1252, or "
									"UTF-16.")));
	}
	if (starts_with(d->base.inner, "\xFF\xFE", 2))
		marked = UTF16_LE;
	else if (starts_with(d->base.inner, "\xFE\xFF", 2))
		marked = UTF16_BE;

	if (utf16_asked || (encoding == NULL && marked != NOT_UTF16))
	{
		if (encoding == NULL && starts_with(d->base.inner, "\xFF\xFE\0\0", 4))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("\"%s\" is encoded in UTF-32, which is not supported", d->base.name),
					 errhint("Convert the file to UTF-8.")));
		if (order == NOT_UTF16)
			order = marked != NOT_UTF16 ? marked : UTF16_BE;
		d->utf16 = order;
		d->mark_len = (marked == order) ? 2 : 0;
		d->from = PG_UTF8;
	}
	else if (starts_with(d->base.inner, "\xEF\xBB\xBF", 3) &&
			 (encoding == NULL || d->from == PG_UTF8))
	{
		d->mark_len = 3;
		d->from = PG_UTF8;
	}
}

static Decoder *
create_decoder(EtlSource *inner)
{
	Decoder *d = palloc0(sizeof(Decoder));

	d->base.ops = &decode_ops;
	d->base.name = inner->name;
	d->base.size = -1;
	d->base.inner = inner;
	d->context = CurrentMemoryContext;
	d->last_fault = -1;
	return d;
}

/* Whether nothing is to be done. */
static bool
is_plain(const Decoder *d)
{
	return d->utf16 == NOT_UTF16 && !d->convert;
}

/* The bytes of inner, but for a mark at their start, are what is asked for. */
static void
hand_on(Decoder *d, const EtlSource *inner)
{
	d->base.plain = inner->plain;
	if (inner->size >= 0)
		d->base.size = inner->size - d->mark_len;
}

EtlSource *
EtlDecodeOpen(EtlSource *inner, const char *encoding)
{
	Decoder *d = create_decoder(inner);

	settle_encoding(d, encoding);
	/* From here on no catalog is needed to read. */
	d->convert = EtlFindConversion(d->from, &d->conversion);
	EtlSourceSkip(inner, d->mark_len);
	if (is_plain(d))
		hand_on(d, inner);
	else
	{
		d->raw.data = palloc(RAW_SIZE);
		d->out.data = palloc(OUT_SIZE);
		if (d->utf16 != NOT_UTF16 && d->convert)
			d->text.data = palloc(RAW_SIZE * 2);
	}
	return &d->base;
}

EtlSource *
EtlDecodeContinue(EtlSource *inner, int mark_len)
{
	Decoder *d = create_decoder(inner);

	d->mark_len = mark_len;
	hand_on(d, inner);
	d->base.bytes_read = inner->bytes_read - mark_len;
	return &d->base;
}

/* ----------------------------------------------------------------
 *	Reading
 * ---------------------------------------------------------------- */

static size_t
hand_out(Buffer *b, char *buf, size_t len)
{
	size_t n = Min(left(b), len);

	memcpy(buf, b->data + b->pos, n);
	b->pos += n;
	return n;
}

static size_t
decode_read(EtlSource *source, char *buf, size_t len)
{
	Decoder *d = (Decoder *) source;
	size_t n;

	if (is_plain(d))
		n = EtlSourceRead(source->inner, buf, len);
	else
	{
		while (left(&d->out) == 0)
		{
			d->out.pos = d->out.len = 0;
			d->last_fault = -1;
			if (!decode_block(d))
				return 0;
		}
		n = hand_out(&d->out, buf, len);
	}
	source->bytes_read += n;
	return n;
}

/* Where bytes are converted, a block of them takes no more than a few. */
static bool
decode_ready(EtlSource *source, int64 until)
{
	Decoder *d = (Decoder *) source;

	if (left(&d->out) > 0 || left(&d->text) > 0 || (left(&d->raw) > 0 && !d->convert))
		return true;
	return EtlSourceReady(source->inner, until);
}

static void
decode_close(EtlSource *source)
{
	/* nothing but memory, which is the context's */
}

/* Bytes that are handed on as they are need not be seen. */
static uint64
decode_skip(EtlSource *source, uint64 n)
{
	Decoder *d = (Decoder *) source;
	uint64 done;

	if (!is_plain(d))
		return 0;
	done = EtlSourceSeek(source->inner, n);
	source->bytes_read += done;
	return done;
}

static void
decode_rewind(EtlSource *source, bool strict)
{
	Decoder *d = (Decoder *) source;

	d->raw_ended = false;
	d->raw.pos = d->raw.len = 0;
	d->text.pos = d->text.len = 0;
	d->out.pos = d->out.len = 0;
	d->last_fault = -1;
	d->nfaults = d->asked = 0;
	EtlSourceSkip(source->inner, d->mark_len);
}

static bool
line_ended_since_fault(const Decoder *d)
{
	for (size_t i = d->last_fault; i < d->out.len; i++)
		if (d->out.data[i] == '\n' || d->out.data[i] == '\r')
			return true;
	return false;
}

/*
 * Puts a NUL byte where the next character would be, and remembers why.  The first fault of a line is
 * enough, since it is the one of its record that is asked for.
 */
static void
note_fault(Decoder *d, const unsigned char *bytes, size_t nbytes, bool valid)
{
	if (d->faults == NULL)
		d->faults = MemoryContextAlloc(d->context, sizeof(Fault) * KEPT_FAULTS);
	if (d->last_fault < 0 || line_ended_since_fault(d))
	{
		Fault *fault = &d->faults[d->nfaults++ % KEPT_FAULTS];

		fault->at = d->base.bytes_read + d->out.len;
		fault->valid = valid;
		fault->nbytes = nbytes;
		memcpy(fault->bytes, bytes, nbytes);
	}
	d->last_fault = d->out.len;
	d->out.data[d->out.len++] = '\0';
}

/* The character at the front of "b" has no place in the server's encoding: passes it over. */
static void
pass_over_character(Decoder *d, Buffer *b)
{
	const unsigned char *s = b->data + b->pos;
	int len = Min((size_t) pg_encoding_mblen(d->from, (const char *) s), left(b));
	bool valid = *s != '\0' && pg_encoding_verifymbchar(d->from, (const char *) s, len) == len;

	note_fault(d, s, len, valid);
	b->pos += valid ? len : 1;
}

/*
 * Converts what it can from "b" to out.  A character that is not complete stays in "b", unless it is
 * the last.
 */
static void
convert_text(Decoder *d, Buffer *b, bool last)
{
	char *dest = (char *) d->out.data + d->out.len;
	int done;

	done = DatumGetInt32(
		FunctionCall6(&d->conversion, Int32GetDatum(d->from), Int32GetDatum(GetDatabaseEncoding()),
					  CStringGetDatum((char *) b->data + b->pos), CStringGetDatum(dest),
					  Int32GetDatum((int) Min(left(b), RAW_SIZE)), BoolGetDatum(true)));
	b->pos += done;
	d->out.len += strlen(dest);
	if (done == 0 && (last || left(b) >= MAX_CONVERSION_INPUT_LENGTH))
		pass_over_character(d, b);
}

static unsigned int
utf16_unit(const Decoder *d, const unsigned char *s)
{
	return d->utf16 == UTF16_LE ? s[0] | s[1] << 8 : s[0] << 8 | s[1];
}

/*
 * Decodes raw UTF-16 into "to", which has room for RAW_SIZE * 2 bytes: two bytes of UTF-16 become at most
 * three of UTF-8.  Half of a surrogate pair is a fault; one in "text" is found by the conversion behind it,
 * as no UTF-8 is made of surrogates.
 */
static void
decode_utf16(Decoder *d, Buffer *to)
{
	Buffer *raw = &d->raw;

	while (left(raw) >= 2 || (d->raw_ended && left(raw) > 0))
	{
		const unsigned char *s = raw->data + raw->pos;
		unsigned int c = left(raw) >= 2 ? utf16_unit(d, s) : 0xD800;
		int used = Min(left(raw), 2);
		bool high = (c & 0xFC00) == 0xD800;

		if (high && left(raw) < 4 && !d->raw_ended)
			return; /* its other half is still to come */
		if (high && left(raw) >= 4 && (utf16_unit(d, s + 2) & 0xFC00) == 0xDC00)
		{
			c = 0x10000 + ((c & 0x3FF) << 10) + (utf16_unit(d, s + 2) & 0x3FF);
			used = 4;
		}
		if (c >= 0xD800 && c <= 0xDFFF && to == &d->out)
			note_fault(d, s, used, false);
		else
		{
			unicode_to_utf8(c, to->data + to->len);
			to->len += pg_utf_mblen(to->data + to->len);
		}
		raw->pos += used;
	}
}

/* Gives out a block, perhaps an empty one; false at the end of the input. */
static bool
decode_block(Decoder *d)
{
	if (left(&d->text) < MAX_CONVERSION_INPUT_LENGTH)
		fill_raw(d, MAX_CONVERSION_INPUT_LENGTH);
	if (left(&d->raw) == 0 && left(&d->text) == 0)
		return false;

	if (d->utf16 == NOT_UTF16)
		convert_text(d, &d->raw, d->raw_ended);
	else if (!d->convert)
		decode_utf16(d, &d->out);
	else
	{
		memmove(d->text.data, d->text.data + d->text.pos, left(&d->text));
		d->text.len -= d->text.pos;
		d->text.pos = 0;
		if (d->text.len < MAX_CONVERSION_INPUT_LENGTH)
			decode_utf16(d, &d->text);
		convert_text(d, &d->text, d->raw_ended && left(&d->raw) == 0);
	}
	return true;
}

/* ----------------------------------------------------------------
 *	What went wrong
 * ---------------------------------------------------------------- */

static char *
hex_bytes(const Fault *fault)
{
	StringInfoData hex;

	initStringInfo(&hex);
	for (int i = 0; i < fault->nbytes; i++)
		appendStringInfo(&hex, "%s0x%02x", i > 0 ? " " : "", fault->bytes[i]);
	return hex.data;
}

static EtlDecodeFault *
describe_fault(const Decoder *d, const Fault *fault)
{
	EtlDecodeFault *result = palloc(sizeof(EtlDecodeFault));
	const char *from =
		d->utf16 != NOT_UTF16 && !d->convert ? "UTF-16" : pg_encoding_to_char(d->from);

	if (fault->valid)
	{
		result->sqlstate = ERRCODE_UNTRANSLATABLE_CHARACTER;
		result->message = psprintf("character with byte sequence %s in encoding \"%s\" has no "
								   "equivalent in encoding \"%s\"",
								   hex_bytes(fault), from, GetDatabaseEncodingName());
	}
	else
	{
		result->sqlstate = ERRCODE_CHARACTER_NOT_IN_REPERTOIRE;
		result->message =
			psprintf("invalid byte sequence for encoding \"%s\": %s", from, hex_bytes(fault));
	}
	return result;
}

EtlDecodeFault *
EtlDecodeFaultBetween(EtlSource *source, uint64 from, uint64 to)
{
	Decoder *d = (Decoder *) source;

	Assert(source->ops == &decode_ops);
	if (d->nfaults > KEPT_FAULTS)
		d->asked = Max(d->asked, d->nfaults - KEPT_FAULTS);
	for (; d->asked < d->nfaults; d->asked++)
	{
		const Fault *fault = &d->faults[d->asked % KEPT_FAULTS];

		if (fault->at >= from)
			return fault->at < to ? describe_fault(d, fault) : NULL;
	}
	return NULL;
}

int
EtlDecodeMarkLength(EtlSource *source)
{
	Assert(source->ops == &decode_ops);
	return ((Decoder *) source)->mark_len;
}
