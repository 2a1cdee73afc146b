/*
 * hidden.c
 *		Characters that nobody sees, for messages.
 *
 * Those are what Unicode calls control and format characters, and spaces that are not the one of ASCII.  Tabs and line ends
 * show.  A database in another encoding than UTF-8 has none of them that could be told.
 */
#include "etl.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "source/hidden.h"

static const struct
{
	pg_wchar first;
	pg_wchar last;
	const char *name; /* of the first; NULL: few know it */
} hidden[] = {
	{0x0001, 0x0008, NULL},
	{0x000B, 0x000C, NULL},
	{0x000E, 0x001F, NULL},
	{0x007F, 0x009F, NULL},
	{0x00A0, 0x00A0, "no-break space"},
	{0x00AD, 0x00AD, "soft hyphen"},
	{0x061C, 0x061C, NULL},
	{0x1680, 0x1680, NULL},
	{0x180E, 0x180E, NULL},
	{0x200B, 0x200F, "zero width space"},
	{0x2000, 0x200A, NULL},
	{0x2028, 0x202E, "line separator"},
	{0x202F, 0x202F, "narrow no-break space"},
	{0x205F, 0x205F, NULL},
	{0x2060, 0x206F, "word joiner"},
	{0x3000, 0x3000, "ideographic space"},
	{0xFEFF, 0xFEFF, "byte order mark"},
	{0xFFF9, 0xFFFB, NULL},
	{0xE0000, 0xE007F, NULL},
};

/* The row of a character; -1: it can be seen. */
static int
find_hidden(pg_wchar c)
{
	for (int i = 0; i < lengthof(hidden); i++)
		if (c >= hidden[i].first && c <= hidden[i].last)
			return i;
	return -1;
}

/* The first of them from "at" on; NULL: there is none. */
static const char *
next_hidden(const char *at, pg_wchar *c)
{
	for (; GetDatabaseEncoding() == PG_UTF8 && *at != '\0'; at += pg_mblen(at))
	{
		*c = utf8_to_unicode((const unsigned char *) at);
		if (find_hidden(*c) >= 0)
			return at;
	}
	return NULL;
}

const char *
EtlVisible(const char *text)
{
	pg_wchar c;
	const char *at = next_hidden(text, &c);
	StringInfoData out;

	if (at == NULL)
		return text;
	initStringInfo(&out);
	for (; at != NULL; at = next_hidden(text, &c))
	{
		appendBinaryStringInfo(&out, text, (int) (at - text));
		appendStringInfo(&out, "<U+%04X>", (unsigned int) c);
		text = at + pg_mblen(at);
	}
	appendStringInfoString(&out, text);
	return out.data;
}

const char *
EtlNameHidden(const char *text)
{
	pg_wchar c;
	const char *name;

	if (next_hidden(text, &c) == NULL)
		return NULL;
	name = c == hidden[find_hidden(c)].first ? hidden[find_hidden(c)].name : NULL;
	return name != NULL ? psprintf("U+%04X (%s)", (unsigned int) c, name)
						: psprintf("U+%04X", (unsigned int) c);
}
