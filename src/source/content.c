/*
 * content.c
 *		What a text is, by its first characters.
 *
 * For messages and for guesses that are told: a web page instead of the file that was asked for, JSON that is read as
 * CSV.  What is not text has first bytes of its own, see decompress.c.
 */
#include "etl.h"

#include "mb/pg_wchar.h"
#include "source/content.h"
#include "source/hidden.h"
#include "source/utf8.h"

#define SHOWN_BYTES 80

static const struct
{
	const char *start; /* lower case */
	const char *what;
} starts[] = {
	{"<!doctype html", "an HTML page"},
	{"<html", "an HTML page"},
	{"<head", "an HTML page"},
	{"<?xml", "XML"},
};

static size_t
skip_white(const char *text, size_t len, size_t pos)
{
	while (pos < len && (text[pos] == ' ' || (text[pos] >= '\t' && text[pos] <= '\r')))
		pos++;
	return pos;
}

/* An object or array, perhaps with its first value on a later line: a name in brackets is neither. */
static bool
begins_as_json(const char *text, size_t len, size_t pos)
{
	size_t next;

	if (pos == len || (text[pos] != '{' && text[pos] != '['))
		return false;
	next = skip_white(text, len, pos + 1);
	return next == len || strchr(text[pos] == '{' ? "\"}" : "{[]\"-0123456789", text[next]) != NULL;
}

const char *
EtlBeginsAs(const char *text, size_t len)
{
	size_t pos = len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;

	pos = skip_white(text, len, pos);
	if (begins_as_json(text, len, pos))
		return "JSON";
	for (int i = 0; i < lengthof(starts); i++)
	{
		size_t n = strlen(starts[i].start);

		if (len - pos >= n && pg_strncasecmp(text + pos, starts[i].start, n) == 0)
			return starts[i].what;
	}
	return NULL;
}

char *
EtlShowBeginning(const char *bytes, size_t len)
{
	char *text;

	if (len >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0)
		bytes += 3, len -= 3;
	len = pg_encoding_mbcliplen(PG_UTF8, bytes, (int) len, SHOWN_BYTES);
	if (len == 0 || memchr(bytes, '\0', len) != NULL ||
		!pg_verify_mbstr(PG_UTF8, bytes, (int) len, true))
		return NULL;
	text = pstrdup(EtlVisible(EtlShowUtf8Len(bytes, len)));
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char) *c < ' ' || *c == 0x7f)
			*c = ' ';
	return text;
}
