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

/* Finds the next line that is not blank, of *n bytes, and moves *next behind it; NULL: there is none. */
static inline const char *
reference_next_line(const char **next, const char *end, size_t *n)
{
	while (*next < end)
	{
		const char *line = *next;
		const char *feed = memchr(line, '\n', end - line);
		size_t blank = 0;

		*next = feed == NULL ? end : feed + 1;
		*n = (feed == NULL ? end : feed) - line;
		while (blank < *n && strchr(" \t\r", line[blank]) != NULL && line[blank] != '\0')
			blank++;
		if (blank < *n)
			return line;
	}
	return NULL;
}

static inline void
reference_broken(StringInfo out, const char *line, size_t n, size_t offset)
{
	n -= line[n - 1] == '\r';
	appendStringInfo(out, "%zu: broken: ", offset);
	dump_raw(out, line, n);
	appendStringInfoString(out, " |\n");
}

/* Dumps len bytes at text as lines that are values, or broken, without what is wrong with these. */
static inline void
reference_lines(StringInfo out, const char *text, size_t len)
{
	const char *next = text;
	const char *line;
	size_t n;
	int64 nitems = 0;

	while ((line = reference_next_line(&next, text + len, &n)) != NULL)
	{
		int before;

		appendStringInfo(out, INT64_FORMAT " @", nitems++);
		before = out->len;
		if (!reference_line(out, line, n, line - text))
		{
			out->len = before;
			reference_broken(out, line, n, line - text);
		}
	}
	appendStringInfoString(out, nitems > 0 ? "end\n" : "empty");
}

/* Dumps the items that a reader finds in a line at an offset of a body; false: the line is broken. */
static inline bool
reference_items(StringInfo out, EtlJsonReader *reader, const char *line, size_t n, size_t offset,
				int64 *nitems)
{
	EtlJsonItem item;
	EtlJsonStatus status;
	size_t at = 0;

	EtlJsonReaderReset(reader);
	while ((status = EtlJsonReaderNext(reader, &item)) <= ETL_JSON_NEED_DATA)
	{
		size_t len;
		char *room;

		if (status == ETL_JSON_ITEM)
		{
			EtlJsonFault fault;

			if (item.fault != NULL)
			{
				fault = *item.fault;
				fault.offset += offset;
				item.fault = &fault;
			}
			item.offset += offset;
			item.index = (*nitems)++;
			dump_item(out, &item, item.index, line - offset, offset + n, NULL);
			continue;
		}
		room = EtlJsonReaderRoom(reader, &len);
		len = Min(len, n - at);
		if (len > 0)
			memcpy(room, line + at, len);
		EtlJsonReaderFed(reader, len);
		at += len;
	}
	return status == ETL_JSON_END;
}

/*
 * Dumps len bytes at text as lines that hold items, or are broken, by a reader that reads each as a body of its own, with
 * the same paths.  What was captured last counts, but of sound lines only.
 */
static inline void
reference_lines_of_items(StringInfo out, EtlJsonReader *reader, int ncaptures, const char *text,
						 size_t len)
{
	StringInfoData scratch;
	StringInfoData values[ETL_JSON_MAX_CAPTURES];
	const char *next = text;
	const char *line;
	size_t n;
	int64 nitems = 0;
	bool empty = true;
	bool found = false;

	initStringInfo(&scratch);
	for (int i = 0; i < ncaptures; i++)
	{
		initStringInfo(&values[i]);
		appendStringInfoString(&values[i], "none");
	}
	for (; (line = reference_next_line(&next, text + len, &n)) != NULL; empty = false)
	{
		int before = out->len;
		int64 nbefore = nitems;

		resetStringInfo(&scratch);
		if (!reference_line(&scratch, line, n, 0) ||
			!reference_items(out, reader, line, n, line - text, &nitems))
		{
			out->len = before;
			nitems = nbefore;
			appendStringInfo(out, INT64_FORMAT " @", nitems++);
			reference_broken(out, line, n, line - text);
			continue;
		}
		found |= EtlJsonReaderFoundItems(reader);
		for (int i = 0; i < ncaptures; i++)
		{
			const EtlJsonValue *value = EtlJsonReaderCaptured(reader, i);

			if (value == NULL)
				continue;
			resetStringInfo(&values[i]);
			dump_scalar(&values[i], value->type, value->text, value->len);
		}
	}
	appendStringInfoString(out, empty ? "empty" : "end\n");
	if (!empty && nitems == 0)
		appendStringInfo(out, "items were%s found\n", found ? "" : " not");
	for (int i = 0; i < ncaptures; i++)
	{
		if (!empty)
			appendStringInfo(out, "%d: %s\n", i, values[i].data);
		pfree(values[i].data);
	}
	pfree(scratch.data);
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
