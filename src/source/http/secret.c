/*
 * secret.c
 *		Takes secrets out of a text that may show them.
 *
 *		text -> view -> undo escapes -> view -> undo escapes -> ...		what it may mean, and where that stands in the text
 *				  |						  |
 *				  +-> letters -> find	  +-> letters -> find			-> masked bytes of the text
 *
 * Of a secret only its letters and digits are looked for, among the letters and digits of the text: writers differ in what
 * they do to the other characters (they escape, double or drop them), and hardly ever touch these.  A secret that has
 * fewer than MIN_SECRET of them is looked for as it is.
 *
 * In base64, what a secret becomes depends on how many bytes stand before it, modulo three: so there are three forms, of
 * the digits that no other byte has a part in.  Letters and digits are the same in base64url.
 */
#include "etl.h"

#include "source/http/secret.h"

#define MIN_SECRET 4
#define MIN_ENCODED 6 /* bytes of a secret that is looked for in base64, too */

/* Escapes inside of escapes: nobody who means well goes deeper. */
#define MAX_ROUNDS 4

typedef struct Secret
{
	unsigned char *key; /* what is looked for: its letters and digits, or all of it */
	int len;
	bool plain;	  /* the former */
	bool encoded; /* in base64: the digits around it have bits of it */
	int before;	  /* bytes before the first letter, and behind the last one */
	int behind;
} Secret;

struct EtlSecrets
{
	Secret *items;
	int n;
	int max;
	bool sorted; /* and without duplicates */
};

/* What a text means: n bytes, and the bytes of the text that each of them stands for. */
typedef struct View
{
	int n;
	unsigned char *bytes;
	int *from;
	int *to; /* exclusive */
} View;

/* Which sequences of four bytes a view may have: one bit for each hash. */
typedef struct Grams
{
	uint8 bits[8192];
} Grams;

static bool
is_letter(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

/* ----------------------------------------------------------------
 *	Secrets
 * ---------------------------------------------------------------- */

EtlSecrets *
EtlSecretsCreate(void)
{
	return palloc0(sizeof(EtlSecrets));
}

static void
make_key(Secret *secret, const unsigned char *value, int len)
{
	int n = 0;

	secret->key = palloc(len);
	secret->before = secret->behind = 0;
	for (int i = 0; i < len; i++)
	{
		if (is_letter(value[i]))
		{
			secret->key[n++] = value[i];
			secret->behind = 0;
		}
		else if (n == 0)
			secret->before++;
		else
			secret->behind++;
	}
	secret->plain = n >= MIN_SECRET;
	secret->len = n;
	if (secret->plain)
		return;
	memcpy(secret->key, value, len);
	secret->len = len;
	secret->before = secret->behind = 0;
}

static void
add_secret(EtlSecrets *secrets, const char *value, int len, bool encoded)
{
	Secret *secret;

	if (secrets->n == secrets->max)
	{
		secrets->max = Max(16, secrets->max * 2);
		secrets->items = secrets->items == NULL
							 ? palloc(sizeof(Secret) * secrets->max)
							 : repalloc(secrets->items, sizeof(Secret) * secrets->max);
	}
	secret = &secrets->items[secrets->n++];
	secret->encoded = encoded;
	make_key(secret, (const unsigned char *) value, len);
	secrets->sorted = false;
}

/* The digits of base64 that a value alone makes, behind "before" bytes of something else; returns how many. */
static int
encode(const unsigned char *value, int len, int before, char *digits)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	int n = 0;

	for (int bit = (8 * before + 5) / 6 * 6 - 8 * before; bit + 6 <= 8 * len; bit += 6)
	{
		int two = value[bit / 8] << 8 | (bit / 8 + 1 < len ? value[bit / 8 + 1] : 0);

		digits[n++] = base64[(two >> (10 - bit % 8)) & 0x3f];
	}
	return n;
}

void
EtlSecretsAdd(EtlSecrets *secrets, const char *value)
{
	int len = value != NULL ? (int) strlen(value) : 0;
	char *digits;

	if (len < MIN_SECRET)
		return;
	add_secret(secrets, value, len, false);
	if (len < MIN_ENCODED)
		return;
	digits = palloc(len / 3 * 4 + 4);
	for (int before = 0; before < 3; before++)
		add_secret(secrets, digits, encode((const unsigned char *) value, len, before, digits),
				   true);
	pfree(digits);
}

static int
compare_secrets(const void *a, const void *b)
{
	const Secret *left = a;
	const Secret *right = b;
	int order = memcmp(left->key, right->key, Min(left->len, right->len));

	if (order == 0)
		order = (left->len > right->len) - (left->len < right->len);
	return order != 0 ? order : left->plain - right->plain;
}

/* Each secret once, however often it was added. */
static void
sort_secrets(EtlSecrets *secrets)
{
	int n = 0;

	if (secrets->sorted || secrets->n == 0)
		return;
	qsort(secrets->items, secrets->n, sizeof(Secret), compare_secrets);
	for (int i = 0; i < secrets->n; i++)
	{
		if (n > 0 && compare_secrets(&secrets->items[n - 1], &secrets->items[i]) == 0)
		{
			pfree(secrets->items[i].key);
			continue;
		}
		secrets->items[n++] = secrets->items[i];
	}
	secrets->n = n;
	secrets->sorted = true;
}

/* ----------------------------------------------------------------
 *	Views
 * ---------------------------------------------------------------- */

static void
create_view(View *view, int room)
{
	view->n = 0;
	view->bytes = palloc(room);
	view->from = palloc(sizeof(int) * room);
	view->to = palloc(sizeof(int) * room);
}

static void
free_view(View *view)
{
	pfree(view->bytes);
	pfree(view->from);
	pfree(view->to);
}

static void
put(View *view, unsigned char byte, int from, int to)
{
	view->bytes[view->n] = byte;
	view->from[view->n] = from;
	view->to[view->n] = to;
	view->n++;
}

static void
view_text(View *view, const char *text, int len)
{
	create_view(view, len);
	for (int i = 0; i < len; i++)
		put(view, (unsigned char) text[i], i, i + 1);
}

/* The letters and digits of a view. */
static void
take_letters(View *letters, const View *view)
{
	create_view(letters, view->n);
	for (int i = 0; i < view->n; i++)
		if (is_letter(view->bytes[i]))
			put(letters, view->bytes[i], view->from[i], view->to[i]);
}

/* ----------------------------------------------------------------
 *	Escapes
 * ---------------------------------------------------------------- */

/* The number that up to "most" digits at p are, and how many they are. */
static int
read_digits(const unsigned char *p, const unsigned char *end, int base, int most, uint32 *number)
{
	int n = 0;

	*number = 0;
	for (; p + n < end && n < most; n++)
	{
		unsigned char c = p[n];
		int digit = c >= '0' && c <= '9'   ? c - '0'
					: c >= 'a' && c <= 'f' ? c - 'a' + 10
					: c >= 'A' && c <= 'F' ? c - 'A' + 10
										   : 16;

		if (digit >= base)
			break;
		*number = *number * base + digit;
	}
	return n;
}

/* %41, =41, \x41 and \u0041: the length of the escape, 0 if it is none. */
static int
read_hex(const unsigned char *p, const unsigned char *end, int mark, int digits, uint32 *code)
{
	if (end - p < mark + digits || read_digits(p + mark, end, 16, digits, code) != digits)
		return 0;
	return mark + digits;
}

static int
read_backslash(const unsigned char *p, const unsigned char *end, uint32 *code)
{
	if (end - p < 2)
		return 0;
	switch (p[1])
	{
		case 'u':
			return read_hex(p, end, 2, 4, code);
		case 'x':
			return read_hex(p, end, 2, 2, code);
		case 'b':
		case 'f':
		case 'n':
		case 'r':
		case 't':
			*code = ' ';
			return 2;
		default:
			*code = p[1];
			return is_letter(p[1]) ? 0 : 2;
	}
}

static int
read_entity(const unsigned char *p, const unsigned char *end, uint32 *code)
{
	static const struct
	{
		const char *name;
		char meaning;
	} names[] = {{"&quot;", '"'}, {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&apos;", '\''}};
	bool hex = end - p > 3 && (p[2] == 'x' || p[2] == 'X');
	int mark = hex ? 3 : 2;
	int digits;

	for (int i = 0; i < lengthof(names); i++)
	{
		size_t len = strlen(names[i].name);

		*code = (unsigned char) names[i].meaning;
		if ((size_t) (end - p) >= len && memcmp(p, names[i].name, len) == 0)
			return (int) len;
	}
	if (end - p < 4 || p[1] != '#')
		return 0;
	digits = read_digits(p + mark, end, hex ? 16 : 10, 7, code);
	return digits > 0 && p + mark + digits < end && p[mark + digits] == ';' ? mark + digits + 1 : 0;
}

/* The end of a line of quoted-printable that goes on in the next one. */
static int
read_soft_break(const unsigned char *p, const unsigned char *end)
{
	int n = 1;

	while (p + n < end && n < 3 && strchr(" \r\n", p[n]) != NULL && p[n] != '\0')
		n++;
	return n > 1 ? n : 0;
}

/* The length of the escape at p and the character that it means, 0: it is dropped.  Length 0: it is none. */
static int
read_escape(const unsigned char *p, const unsigned char *end, bool printable, uint32 *code)
{
	int len;

	switch (*p)
	{
		case '\\':
			return read_backslash(p, end, code);
		case '%':
			return read_hex(p, end, 1, 2, code);
		case '&':
			return read_entity(p, end, code);
		case '=':
			len = printable ? read_hex(p, end, 1, 2, code) : 0;
			if (len > 0 || !printable)
				return len;
			*code = 0;
			return read_soft_break(p, end);
		default:
			return 0;
	}
}

/* Puts a character as UTF-8; a byte (%C3) as it is. */
static void
put_code(View *view, uint32 code, bool is_byte, int from, int to)
{
	if (code == 0)
		return;
	if (is_byte || code < 0x80)
		put(view, (unsigned char) code, from, to);
	else if (code < 0x800)
	{
		put(view, 0xc0 | (code >> 6), from, to);
		put(view, 0x80 | (code & 0x3f), from, to);
	}
	else if (code < 0x10000)
	{
		put(view, 0xe0 | (code >> 12), from, to);
		put(view, 0x80 | ((code >> 6) & 0x3f), from, to);
		put(view, 0x80 | (code & 0x3f), from, to);
	}
}

/* Undoes the escapes of a view, in place: none means more bytes than it has.  False: there are none. */
static bool
undo_escapes(View *view, bool printable)
{
	int n = view->n;
	bool any = false;

	view->n = 0;
	for (int i = 0; i < n;)
	{
		uint32 code = 0;
		bool is_byte = view->bytes[i] == '%' || view->bytes[i] == '=';
		int len = read_escape(view->bytes + i, view->bytes + n, printable, &code);

		if (len == 0)
			put(view, view->bytes[i], view->from[i], view->to[i]);
		else
			put_code(view, code, is_byte, view->from[i], view->to[i + len - 1]);
		any |= len > 0;
		i += Max(len, 1);
	}
	return any;
}

/* ----------------------------------------------------------------
 *	Finding
 * ---------------------------------------------------------------- */

static uint32
gram_at(const unsigned char *p)
{
	uint32 gram = (uint32) p[0] << 24 | (uint32) p[1] << 16 | (uint32) p[2] << 8 | p[3];

	return (gram * 2654435761U) >> 16;
}

static void
note_grams(Grams *grams, const View *view)
{
	memset(grams, 0, sizeof(*grams));
	for (int i = 0; i + MIN_SECRET <= view->n; i++)
	{
		uint32 gram = gram_at(view->bytes + i);

		grams->bits[gram / 8] |= 1 << (gram % 8);
	}
}

static bool
may_have(const Grams *grams, const Secret *secret)
{
	uint32 gram = gram_at(secret->key);

	return (grams->bits[gram / 8] & (1 << (gram % 8))) != 0;
}

static bool
is_digit_of_base64(unsigned char c)
{
	return c < 0x80 && (is_letter(c) || (c != '\0' && strchr("+/-_", c) != NULL));
}

static bool
is_punctuation(unsigned char c)
{
	return c > ' ' && c < 0x7f && !is_letter(c);
}

/* Marks bytes of the text, and as many around them as the secret has that were not looked for. */
static void
mark(bool *masked, const char *text, int len, int from, int to, const Secret *secret)
{
	for (int i = 0; i < secret->before && from > 0 && is_punctuation(text[from - 1]); i++)
		from--;
	for (int i = 0; i < secret->behind && to < len && is_punctuation(text[to]); i++)
		to++;
	if (secret->encoded && from > 0 && is_digit_of_base64(text[from - 1]))
		from--;
	if (secret->encoded && to < len && is_digit_of_base64(text[to]))
		to++;
	memset(masked + from, true, to - from);
}

/* Where a view has the secret at or behind "at", or, at its end if that may be cut off, the beginning of it; n if nowhere. */
static int
find(const View *view, int at, const Secret *secret, bool cut)
{
	for (;;)
	{
		const unsigned char *p =
			at < view->n ? memchr(view->bytes + at, secret->key[0], view->n - at) : NULL;
		int left;

		if (p == NULL)
			return view->n;
		at = (int) (p - view->bytes);
		left = Min(view->n - at, secret->len);
		if (left < (cut ? MIN_SECRET : secret->len))
			return view->n;
		if (memcmp(p, secret->key, left) == 0)
			return at;
		at++;
	}
}

static void
mark_secrets(const EtlSecrets *secrets, const View *view, bool plain, const char *text, int len,
			 bool cut, bool *masked)
{
	Grams grams;

	note_grams(&grams, view);
	for (int i = 0; i < secrets->n; i++)
	{
		const Secret *secret = &secrets->items[i];

		if (secret->plain != plain || !may_have(&grams, secret))
			continue;
		for (int at = 0; (at = find(view, at, secret, cut)) < view->n;)
		{
			int end = Min(at + secret->len, view->n);

			mark(masked, text, len, view->from[at], view->to[end - 1], secret);
			at = end;
		}
	}
}

static void
mark_view(const EtlSecrets *secrets, const View *view, const char *text, int len, bool cut,
		  bool *masked)
{
	View letters;

	take_letters(&letters, view);
	mark_secrets(secrets, &letters, true, text, len, cut, masked);
	mark_secrets(secrets, view, false, text, len, cut, masked);
	free_view(&letters);
}

/* Marks secrets in the text as it is, and as it is with each round of escapes undone. */
static void
mark_text(const EtlSecrets *secrets, const char *text, int len, bool printable, bool cut,
		  bool *masked)
{
	View view;

	view_text(&view, text, len);
	if (!printable)
		mark_view(secrets, &view, text, len, cut, masked);
	for (int round = 0; round < MAX_ROUNDS; round++)
	{
		if (!undo_escapes(&view, printable && round == 0))
			break;
		mark_view(secrets, &view, text, len, cut, masked);
	}
	free_view(&view);
}

/* Puts "***" in the place of what is marked. */
static void
replace_marked(char *text, int len, const bool *masked)
{
	char *out = text;

	for (int i = 0; i < len; i++)
	{
		if (!masked[i])
			*out++ = text[i];
		else if (i == 0 || !masked[i - 1])
		{
			memcpy(out, "***", 3);
			out += 3;
		}
	}
	*out = '\0';
}

void
EtlSecretsMask(EtlSecrets *secrets, char *text, bool cut)
{
	int len = (int) strlen(text);
	bool *masked;

	if (len < MIN_SECRET || secrets->n == 0)
		return;
	sort_secrets(secrets);
	masked = palloc0(sizeof(bool) * len);
	mark_text(secrets, text, len, false, cut, masked);
	/* An equals sign is an escape in few texts, and elsewhere stands before many a secret. */
	if (strchr(text, '=') != NULL)
		mark_text(secrets, text, len, true, cut, masked);
	replace_marked(text, len, masked);
	pfree(masked);
}
