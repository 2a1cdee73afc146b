/*
 * json_reference.h
 *		A JSON parser without any cleverness, to compare the reader with.
 *
 * It takes what jsonb takes, from a whole text in memory, by recursive descent.  The result is a dump as in
 * json_dump.h of a body in which every value at the top is an item; or nothing, if the text is not JSON.  An escape that
 * is no text is the fault of its item, whose string is then dumped as it stands.
 */
#ifndef JSON_REFERENCE_H
#define JSON_REFERENCE_H

#include "etl.h"

#include "lib/stringinfo.h"

#include "json_dump.h"

typedef struct Reference
{
	const unsigned char *start;
	const unsigned char *p;
	const unsigned char *end;
	StringInfo out;		 /* NULL: do not dump */
	EtlJsonStatus wrong; /* the first fault of the item that is being read, or ETL_JSON_ITEM */
	size_t wrong_at;
} Reference;

static bool reference_value(Reference *in, bool top);

static int
reference_peek(const Reference *in)
{
	return in->p < in->end ? *in->p : -1;
}

static void
reference_space(Reference *in)
{
	while (in->p < in->end &&
		   (*in->p == ' ' || (*in->p >= 9 && *in->p <= 13 && *in->p != '\v' && *in->p != '\f')))
		in->p++;
}

static bool
reference_digits(Reference *in)
{
	const unsigned char *first = in->p;

	while (reference_peek(in) >= '0' && reference_peek(in) <= '9')
		in->p++;
	return in->p > first;
}

static bool
reference_number(Reference *in)
{
	if (reference_peek(in) == '-')
		in->p++;
	if (reference_peek(in) == '0')
		in->p++;
	else if (!reference_digits(in))
		return false;
	if (reference_peek(in) == '.')
	{
		in->p++;
		if (!reference_digits(in))
			return false;
	}
	if (reference_peek(in) == 'e' || reference_peek(in) == 'E')
	{
		in->p++;
		if (reference_peek(in) == '+' || reference_peek(in) == '-')
			in->p++;
		if (!reference_digits(in))
			return false;
	}
	return true;
}

static bool
reference_hex(Reference *in, uint32 *unit)
{
	char digits[5] = "";
	char *end;

	if (in->end - in->p < 4)
		return false;
	memcpy(digits, in->p, 4);
	if (strspn(digits, "0123456789abcdefABCDEF") != 4)
		return false;
	*unit = strtoul(digits, &end, 16);
	in->p += 4;
	return true;
}

static void
reference_put(StringInfo text, uint32 c)
{
	if (c < 0x80)
		appendStringInfoChar(text, c);
	else
	{
		int n = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

		appendStringInfoChar(text, (0xff00 >> (n + 1) & 0xff) | (c >> 6 * n));
		while (n-- > 0)
			appendStringInfoChar(text, 0x80 | ((c >> 6 * n) & 0x3f));
	}
}

/* The escape that begins at a byte is no text. */
static void
reference_blame(Reference *in, EtlJsonStatus wrong, const unsigned char *at)
{
	if (in->wrong == ETL_JSON_ITEM)
	{
		in->wrong = wrong;
		in->wrong_at = at - in->start;
	}
}

/* in->p is behind the backslash; *sound becomes false if the escape is no text. */
static bool
reference_escape(Reference *in, StringInfo text, bool *sound)
{
	const unsigned char *start = in->p - 1;
	static const char names[] = "\"\\/bfnrt";
	static const char values[] = "\"\\/\b\f\n\r\t";
	uint32 unit;
	uint32 low;

	if (in->p == in->end)
		return false;
	if (*in->p != 'u')
	{
		const char *name = *in->p == '\0' ? NULL : strchr(names, *in->p);

		if (name == NULL)
			return false;
		appendStringInfoChar(text, values[name - names]);
		in->p++;
		return true;
	}
	in->p++;
	if (!reference_hex(in, &unit))
		return false;
	if (unit >= 0xd800 && unit < 0xdc00)
	{
		Reference ahead = *in;

		if (in->end - in->p >= 2 && in->p[0] == '\\' && in->p[1] == 'u')
		{
			ahead.p += 2;
			if (reference_hex(&ahead, &low) && low >= 0xdc00 && low < 0xe000)
			{
				in->p = ahead.p;
				reference_put(text, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
				return true;
			}
		}
	}
	if (unit == 0 || (unit >= 0xd800 && unit < 0xe000))
	{
		reference_blame(in, unit == 0 ? ETL_JSON_NUL_CHARACTER : ETL_JSON_BAD_SURROGATE, start);
		*sound = false;
	}
	else
		reference_put(text, unit);
	return true;
}

/* One character of UTF-8 that is not ASCII: decoded, and then it must be what encoding gives. */
static bool
reference_character(Reference *in, StringInfo text)
{
	int n = *in->p >= 0xf0 ? 4 : *in->p >= 0xe0 ? 3 : 2;
	uint32 c = *in->p & (0xff >> (n + 1));
	int before = text->len;

	if (*in->p < 0xc0 || *in->p > 0xf7 || in->end - in->p < n)
		return false;
	for (int i = 1; i < n; i++)
	{
		if ((in->p[i] & 0xc0) != 0x80)
			return false;
		c = c << 6 | (in->p[i] & 0x3f);
	}
	if ((c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		return false;
	reference_put(text, c);
	if (text->len - before != n || memcmp(text->data + before, in->p, n) != 0)
		return false;
	in->p += n;
	return true;
}

static bool
reference_string(Reference *in, StringInfo text)
{
	const unsigned char *first = ++in->p;
	bool sound = true;

	for (;;)
	{
		int c = reference_peek(in);

		if (c < 0x20)
			return false;
		if (c >= 0x80)
		{
			if (!reference_character(in, text))
				return false;
			continue;
		}
		in->p++;
		if (c == '"')
			break;
		if (c != '\\')
			appendStringInfoChar(text, c);
		else if (!reference_escape(in, text, &sound))
			return false;
	}
	if (!sound)
	{
		resetStringInfo(text);
		appendBinaryStringInfo(text, (const char *) first, in->p - 1 - first);
	}
	return true;
}

static bool
reference_member(Reference *in)
{
	StringInfoData name;
	bool ok;

	if (reference_peek(in) != '"')
		return false;
	initStringInfo(&name);
	ok = reference_string(in, &name);
	if (ok && in->out != NULL)
	{
		dump_text(in->out, name.data, name.len);
		appendStringInfoString(in->out, ": ");
	}
	pfree(name.data);
	if (!ok)
		return false;
	reference_space(in);
	if (reference_peek(in) != ':')
		return false;
	in->p++;
	reference_space(in);
	return true;
}

static bool
reference_container(Reference *in, bool object)
{
	int close = object ? '}' : ']';
	bool first = true;

	in->p++;
	reference_space(in);
	for (; reference_peek(in) != close || !first; first = false)
	{
		if (!first && in->out != NULL)
			appendStringInfoString(in->out, ", ");
		if (object && !reference_member(in))
			return false;
		if (!reference_value(in, false))
			return false;
		reference_space(in);
		if (reference_peek(in) == close)
			break;
		if (reference_peek(in) != ',')
			return false;
		in->p++;
		reference_space(in);
	}
	in->p++;
	return true;
}

/* An array below the top is dumped as it stands. */
static bool
reference_array(Reference *in, bool top)
{
	const unsigned char *first = in->p;
	StringInfo out = in->out;
	bool ok;

	if (out != NULL && top)
		appendStringInfoChar(out, '[');
	if (!top)
		in->out = NULL;
	ok = reference_container(in, false);
	in->out = out;
	if (out != NULL && top)
		appendStringInfoChar(out, ']');
	else if (out != NULL)
		dump_raw(out, (const char *) first, in->p - first);
	return ok;
}

static bool
reference_object(Reference *in)
{
	if (in->out != NULL)
		appendStringInfoChar(in->out, '{');
	if (!reference_container(in, true))
		return false;
	if (in->out != NULL)
		appendStringInfoChar(in->out, '}');
	return true;
}

static bool
reference_scalar(Reference *in)
{
	static const char *const words[] = {"true", "false", "null"};
	const unsigned char *first = in->p;
	bool ok = false;

	if (reference_peek(in) == '"')
	{
		StringInfoData text;

		initStringInfo(&text);
		ok = reference_string(in, &text);
		if (ok && in->out != NULL)
			dump_scalar(in->out, ETL_JSON_STRING, text.data, text.len);
		pfree(text.data);
		return ok;
	}
	for (int i = 0; i < lengthof(words) && !ok; i++)
	{
		size_t len = strlen(words[i]);

		ok = in->end - in->p >= len && memcmp(in->p, words[i], len) == 0;
		in->p += ok ? len : 0;
	}
	if (!ok && !reference_number(in))
		return false;
	if (in->out != NULL)
		dump_raw(in->out, (const char *) first, in->p - first);
	return true;
}

static bool
reference_value(Reference *in, bool top)
{
	switch (reference_peek(in))
	{
		case '{':
			return reference_object(in);
		case '[':
			return reference_array(in, top);
		default:
			return reference_scalar(in);
	}
}

/* Dumps len bytes at text as values with white space between them.  false: that is not what they are. */
static inline bool
reference_body(StringInfo out, const char *text, size_t len)
{
	Reference in = {(const unsigned char *) text};
	int64 nitems = 0;

	in.p = in.start;
	in.end = in.start + len;
	in.out = out;
	for (;;)
	{
		const unsigned char *before = in.p;

		reference_space(&in);
		if (in.p == in.end)
			break;
		if (nitems > 0 && in.p == before)
			return false;
		appendStringInfo(out, INT64_FORMAT " @%d: ", nitems++, (int) (in.p - in.start));
		in.wrong = ETL_JSON_ITEM;
		if (!reference_value(&in, true))
			return false;
		if (in.wrong != ETL_JSON_ITEM)
		{
			appendStringInfoChar(out, ' ');
			dump_fault(out, in.wrong, in.wrong_at);
		}
		appendStringInfoChar(out, '\n');
	}
	appendStringInfoString(out, "end\n");
	return nitems > 0;
}

/* Dumps len bytes at text, which stand at an offset of a body, as the one value that they are.  false: they are not that. */
static bool
reference_line(StringInfo out, const char *text, size_t len, size_t offset)
{
	Reference in = {(const unsigned char *) text};

	in.p = in.start;
	in.end = in.start + len;
	in.out = out;
	reference_space(&in);
	appendStringInfo(out, "%zu: ", offset + (in.p - in.start));
	if (!reference_value(&in, true))
		return false;
	reference_space(&in);
	if (in.p != in.end)
		return false;
	if (in.wrong != ETL_JSON_ITEM)
	{
		appendStringInfoChar(out, ' ');
		dump_fault(out, in.wrong, offset + in.wrong_at);
	}
	appendStringInfoChar(out, '\n');
	return true;
}

/* Dumps len bytes at text as lines that are values, or broken, without what is wrong with these. */
static inline void
reference_lines(StringInfo out, const char *text, size_t len)
{
	const char *end = text + len;
	int64 nitems = 0;

	for (const char *line = text; line < end;)
	{
		const char *feed = memchr(line, '\n', end - line);
		const char *next = feed == NULL ? end : feed + 1;
		size_t n = (feed == NULL ? end : feed) - line;
		size_t blank = 0;

		while (blank < n && strchr(" \t\r", line[blank]) != NULL && line[blank] != '\0')
			blank++;
		if (blank < n)
		{
			int before;

			appendStringInfo(out, INT64_FORMAT " @", nitems++);
			before = out->len;
			if (!reference_line(out, line, n, line - text))
			{
				out->len = before;
				n -= line[n - 1] == '\r';
				appendStringInfo(out, "%d: broken: ", (int) (line - text));
				dump_raw(out, line, n);
				appendStringInfoString(out, " |\n");
			}
		}
		line = next;
	}
	appendStringInfoString(out, nitems > 0 ? "end\n" : "empty");
}

/* Cuts off of a dump what is wrong with broken lines, which do not hold a "|", and where an empty body ends. */
static inline void
reference_plain(StringInfo dump)
{
	char *to = dump->data;
	bool shown = true;

	for (char *c = dump->data; *c != '\0'; c++)
	{
		shown |= *c == '\n';
		if (shown)
			*to++ = *c;
		shown &= *c != '|';
	}
	*to = '\0';
	if (strncmp(dump->data, "empty", 5) == 0)
		dump->data[5] = '\0';
	dump->len = strlen(dump->data);
}

#endif /* JSON_REFERENCE_H */
