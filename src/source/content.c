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

static size_t
skip_mark(const char *text, size_t len)
{
	return len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

/* A word of JSON, or what has come of it, and no name in brackets. */
static bool
begins_with_word(const char *text, size_t len)
{
	static const char *const words[] = {"true", "false", "null"};

	for (int i = 0; i < lengthof(words); i++)
	{
		size_t n = strlen(words[i]);

		if (memcmp(text, words[i], Min(len, n)) == 0 &&
			(len <= n || strchr(" \t\r\n,]", text[n]) != NULL))
			return true;
	}
	return false;
}

/* The first value of an object or array may stand on a later line. */
bool
EtlBeginsAsJson(const char *text, size_t len)
{
	size_t pos = skip_white(text, len, skip_mark(text, len));
	size_t inside;

	if (pos == len || (text[pos] != '{' && text[pos] != '['))
		return false;
	inside = skip_white(text, len, pos + 1);
	if (inside == len)
		return true;
	if (text[pos] == '{')
		return text[inside] == '"' || text[inside] == '}';
	return (text[inside] != '\0' && strchr("{[]\"-0123456789", text[inside]) != NULL) ||
		   begins_with_word(text + inside, len - inside);
}

const char *
EtlBeginsAs(const char *text, size_t len)
{
	size_t pos = skip_white(text, len, skip_mark(text, len));

	if (EtlBeginsAsJson(text, len))
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
