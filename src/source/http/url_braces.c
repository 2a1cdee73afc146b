/*
 * url_braces.c
 *		Several URLs as one text.
 *
 * A query keeps its braces: its values are not shown in messages, so the names of parts would not tell them apart.
 */
#include "etl.h"

#include "miscadmin.h"

#include "source/http/url.h"
#include "source/http/url_braces.h"

#define MAX_TEXTS 10000
#define MAX_DIGITS 9

/* The list in braces that a text has first. */
typedef struct Braces
{
	const char *begin; /* its opening brace */
	const char *end;   /* behind the closing one */
	List *words;
} Braces;

static void
raise_too_many(const char *text)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("\"%s\" stands for too many URLs", EtlUrlRedact(text)),
					errdetail("It may stand for %d.", MAX_TEXTS)));
}

/* Takes a number of len digits; false: it is none. */
static bool
take_number(const char *s, size_t len, int *number)
{
	if (len == 0 || len > MAX_DIGITS || strspn(s, "0123456789") < len)
		return false;
	*number = atoi(pnstrdup(s, len));
	return true;
}

/* 01..12; NIL: it is no such range. */
static List *
range_of(const char *text, const char *s, size_t len)
{
	const char *dots = strstr(s, "..");
	List *words = NIL;
	size_t width;
	int first, last;

	if (dots == NULL || dots >= s + len || !take_number(s, dots - s, &first) ||
		!take_number(dots + 2, s + len - dots - 2, &last) || first > last)
		return NIL;
	if (last - first >= MAX_TEXTS)
		raise_too_many(text);
	width = *s == '0' ? dots - s : 0;
	for (int i = first; i <= last; i++)
		words = lappend(words, psprintf("%0*d", (int) width, i));
	return words;
}

/* a,b,c; NIL: it is one word. */
static List *
words_of(const char *s, size_t len)
{
	const char *end = s + len;
	List *words = NIL;

	if (memchr(s, ',', len) == NULL)
		return NIL;
	for (const char *p = s; p <= end; p++)
	{
		size_t n = strcspn(p, ",}");

		words = lappend(words, pnstrdup(p, n));
		p += n;
	}
	return words;
}

/* Finds the first list in the text from some place on; false: it has none. */
static bool
find_braces(const char *text, const char *from, Braces *braces)
{
	const char *query = text + strcspn(text, "?#");

	for (const char *p = from; (p = strchr(p, '{')) != NULL && p < query; p++)
	{
		size_t len = strcspn(p + 1, "{}");

		if (p[1 + len] != '}')
			continue;
		braces->begin = p;
		braces->end = p + len + 2;
		braces->words = words_of(p + 1, len);
		if (braces->words == NIL)
			braces->words = range_of(text, p + 1, len);
		if (braces->words != NIL)
			return true;
	}
	return false;
}

/* Puts each word of the next list behind each of the texts so far. */
static List *
multiply(const char *text, List *heads, const char *between, const Braces *braces)
{
	List *texts = NIL;
	ListCell *head, *word;

	if ((int64) list_length(heads) * list_length(braces->words) > MAX_TEXTS)
		raise_too_many(text);
	foreach (head, heads)
		foreach (word, braces->words)
			texts = lappend(texts, psprintf("%s%.*s%s", (char *) lfirst(head),
											(int) (braces->begin - between), between,
											(char *) lfirst(word)));
	return texts;
}

/* Where lists may be: not in the name of the host. */
static const char *
begin_of_path(const char *text, bool is_url)
{
	const char *slashes = is_url ? strstr(text, "//") : NULL;

	return slashes != NULL ? slashes + 2 + strcspn(slashes + 2, "/?#") : text;
}

List *
EtlUrlBraces(const char *text, bool is_url)
{
	List *texts = list_make1("");
	const char *rest = text;
	const char *from = begin_of_path(text, is_url);
	Braces braces;
	ListCell *lc;

	while (find_braces(text, from, &braces))
	{
		CHECK_FOR_INTERRUPTS();
		texts = multiply(text, texts, rest, &braces);
		from = rest = braces.end;
	}
	foreach (lc, texts)
		lfirst(lc) = psprintf("%s%s", (char *) lfirst(lc), rest);
	return texts;
}
