/*
 * link_header.c
 *		Parses the Link header of RFC 8288.
 *
 * One pass, one function per rule of the grammar, nothing copied:
 *
 *		header	= [ link ] { "," [ link ] }
 *		link	= "<" target ">" { ";" [ parameter ] }
 *		parameter = name [ "=" ( token | quoted ) ]
 *
 * with white space between any two of these.  Commas and semicolons inside of <> and of quotes are text.
 *
 * Of several rel parameters the first one counts.  A link with an anchor speaks of another resource than
 * the one that was asked for, and so is none of ours.
 */
#include "etl.h"

#include "format/link_header.h"

typedef struct Text
{
	const char *start;
	const char *end;
} Text;

typedef struct Link
{
	Text target;
	bool has_rel;
	Text rel;
	bool has_anchor;
} Link;

static void
skip_space(Text *in)
{
	while (in->start < in->end && (*in->start == ' ' || *in->start == '\t'))
		in->start++;
}

/* Skips white space, and c if it comes next. */
static bool
accept(Text *in, char c)
{
	skip_space(in);
	if (in->start == in->end || *in->start != c)
		return false;
	in->start++;
	return true;
}

static bool
equals(Text a, const char *b, size_t len)
{
	return a.end - a.start == len && pg_strncasecmp(a.start, b, len) == 0;
}

/* What comes before white space or one of the bytes of stop. */
static Text
read_token(Text *in, const char *stop)
{
	Text token;

	skip_space(in);
	token.start = in->start;
	while (in->start < in->end && *in->start != ' ' && *in->start != '\t' &&
		   (*in->start == '\0' || strchr(stop, *in->start) == NULL))
		in->start++;
	token.end = in->start;
	return token;
}

/* A quoted string, behind its opening quote.  Escapes are left in; no relation type needs one. */
static bool
read_quoted(Text *in, Text *text)
{
	text->start = in->start;
	for (; in->start < in->end; in->start++)
	{
		if (*in->start == '"')
		{
			text->end = in->start++;
			return true;
		}
		if (*in->start == '\\' && in->end - in->start > 1)
			in->start++;
	}
	return false;
}

static bool
read_parameter(Text *in, Link *link)
{
	Text name = read_token(in, "=;,");
	Text value = {in->start, in->start};

	if (accept(in, '='))
	{
		if (!accept(in, '"'))
			value = read_token(in, ";,");
		else if (!read_quoted(in, &value))
			return false;
	}
	if (equals(name, "anchor", strlen("anchor")))
		link->has_anchor = true;
	if (equals(name, "rel", strlen("rel")) && !link->has_rel)
	{
		link->has_rel = true;
		link->rel = value;
	}
	return true;
}

/* A link, up to the comma or the end behind it. */
static bool
read_link(Text *in, Link *link)
{
	const char *bracket;

	memset(link, 0, sizeof(Link));
	if (!accept(in, '<'))
		return false;
	bracket = memchr(in->start, '>', in->end - in->start);
	if (bracket == NULL)
		return false;
	link->target.start = in->start;
	link->target.end = bracket;
	in->start = bracket + 1;
	while (accept(in, ';'))
	{
		if (!read_parameter(in, link))
			return false;
	}
	return in->start == in->end || *in->start == ',';
}

/* Is rel one of the link's relation types, which have white space between them? */
static bool
has_rel(const Link *link, const char *rel)
{
	Text types = link->rel;

	while (types.start < types.end)
	{
		if (equals(read_token(&types, ""), rel, strlen(rel)))
			return true;
	}
	return false;
}

EtlLinkStatus
EtlLinkHeaderFind(const char *value, size_t len, const char *rel, const char **target,
				  size_t *target_len)
{
	Text in = {value, value + len};

	for (;;)
	{
		Link link;

		while (accept(&in, ','))
			;
		if (in.start == in.end)
			return ETL_LINK_NONE;
		if (!read_link(&in, &link))
		{
			*target = in.start;
			*target_len = 0;
			return ETL_LINK_BROKEN;
		}
		if (link.has_anchor || !has_rel(&link, rel))
			continue;
		*target = link.target.start;
		*target_len = link.target.end - link.target.start;
		return ETL_LINK_FOUND;
	}
}
