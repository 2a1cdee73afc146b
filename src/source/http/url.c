/*
 * url.c
 *		http and https URLs: taking them apart, following references, and showing them without secrets.
 *
 * The grammar is RFC 3986's, narrowed where readers are known to differ: the host has letters, digits,
 * '-', '_' and '.' only, or is a bracketed IPv6 address; a backslash is never a slash; control characters
 * are refused anywhere.  Paths and queries are taken as people and servers write them, and bytes that may
 * not stand in a URL (a space, a letter with an accent) are escaped.
 */
#include "etl.h"

#include <arpa/inet.h>

#include "source/http/url.h"

#define HTTP_PORT 80
#define HTTPS_PORT 443

/* Raw bytes that may stand in a path or query besides letters and digits. */
#define PATH_BYTES "-._~!$&'()*+,;=:@/%"
#define QUERY_BYTES PATH_BYTES "?"
#define UNRESERVED_BYTES "-._~"

#define MAX_ESCAPED 8

/* Bytes of a URL that a message shows. */
#define MAX_SHOWN 800

static bool
is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static void
append_escaped(StringInfo out, const char *s, size_t len, const char *allowed)
{
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = s[i];

		if (is_alnum(c) || (c != '\0' && strchr(allowed, c)))
			appendStringInfoChar(out, c);
		else
			appendStringInfo(out, "%%%02X", c);
	}
}

static char *
escape(const char *s, size_t len, const char *allowed)
{
	StringInfoData out;

	initStringInfo(&out);
	append_escaped(&out, s, len, allowed);
	return out.data;
}

/* EtlUrlEscape appends text so that it stands for itself as a name or a value in a query. */
void
EtlUrlEscape(StringInfo out, const char *text)
{
	append_escaped(out, text, strlen(text), UNRESERVED_BYTES);
}

/* Undoes %XX; false if one is malformed or stands for a NUL. */
static bool
unescape(const char *s, size_t len, char **result)
{
	char *out = palloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
	{
		char c = s[i];

		if (c == '%')
		{
			int high = i + 2 < len ? hex_value(s[i + 1]) : -1;
			int low = i + 2 < len ? hex_value(s[i + 2]) : -1;

			if (high < 0 || low < 0 || (high == 0 && low == 0))
				return false;
			c = (char) (high << 4 | low);
			i += 2;
		}
		out[n++] = c;
	}
	out[n] = '\0';
	*result = out;
	return true;
}

char *
EtlUrlUnescape(const char *text)
{
	char *result;

	return unescape(text, strlen(text), &result) ? result : NULL;
}

/* The length of the segment at path if that is "." or "..", however its dots are written, else 0. */
static size_t
dot_segment(const char *path, int *dots)
{
	const char *p = path;

	*dots = 0;
	while (*dots < 3)
	{
		if (*p == '.')
			p++;
		else if (pg_strncasecmp(p, "%2e", 3) == 0)
			p += 3;
		else
			break;
		(*dots)++;
	}
	if ((*p != '\0' && *p != '/') || *dots == 0 || *dots == 3)
		return 0;
	return p - path;
}

/*
 * Removes "." and ".." segments (RFC 3986, 5.2.4) from a path that begins with '/', in place.  An escaped
 * dot is a dot: servers take it for one, and a path must not leave its base that way.
 */
static void
remove_dot_segments(char *path)
{
	char *in = path;
	char *out = path;

	while (*in != '\0')
	{
		int dots;
		size_t len = dot_segment(in + 1, &dots);

		if (len == 0)
		{
			do
				*out++ = *in++;
			while (*in != '\0' && *in != '/');
			continue;
		}
		if (dots == 2)
		{
			while (out > path && *--out != '/')
				;
		}
		in += 1 + len;
		if (*in == '\0')
			*out++ = '/';
	}
	*out = '\0';
}

/* Splits "/path?query#fragment" of len bytes; text may lack any of the three. */
static void
set_path_and_query(EtlUrl *url, const char *text)
{
	size_t len = strcspn(text, "#");
	size_t path_len = strcspn(text, "?#");

	url->path = path_len == 0 ? pstrdup("/") : escape(text, path_len, PATH_BYTES);
	remove_dot_segments(url->path);
	url->query = NULL;
	if (path_len < len)
		url->query = escape(text + path_len + 1, len - path_len - 1, QUERY_BYTES);
}

static const char *
parse_userinfo(EtlUrl *url, const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len);
	size_t user_len = colon ? colon - text : len;

	if (!unescape(text, user_len, &url->user) ||
		(colon && !unescape(colon + 1, len - user_len - 1, &url->password)))
		return "The user name or password in the URL is not correctly escaped.";
	return NULL;
}

static const char *
parse_ipv6_host(EtlUrl *url, const char *text, size_t len)
{
	struct in6_addr address;
	char buf[INET6_ADDRSTRLEN];

	if (len >= sizeof(buf))
		return "The IPv6 address in the URL is not valid.";
	memcpy(buf, text, len);
	buf[len] = '\0';
	if (inet_pton(AF_INET6, buf, &address) != 1)
		return "The IPv6 address in the URL is not valid.";
	url->host = pstrdup(inet_ntop(AF_INET6, &address, buf, sizeof(buf)));
	return NULL;
}

static const char *
parse_name_host(EtlUrl *url, const char *text, size_t len)
{
	if (len == 0)
		return "The URL names no host.";
	if (len > 253)
		return "The host name in the URL is too long.";
	url->host = palloc(len + 1);
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = text[i];

		if (c >= 0x80)
			return "The host name has letters beyond ASCII; write it in its xn-- form.";
		if (!is_alnum(c) && c != '-' && c != '.' && c != '_')
			return "The host name in the URL has a character that no host name has.";
		url->host[i] = c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
	}
	url->host[len] = '\0';
	return NULL;
}

static const char *
parse_port(EtlUrl *url, const char *text, size_t len)
{
	url->port = url->secure ? HTTPS_PORT : HTTP_PORT;
	if (len == 0)
		return NULL;
	url->port = 0;
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return "The port in the URL is not a number.";
		url->port = url->port * 10 + (text[i] - '0');
		if (url->port > 65535)
			return "The port in the URL is not between 1 and 65535.";
	}
	return url->port == 0 ? "The port in the URL is not between 1 and 65535." : NULL;
}

static const char *
parse_authority(EtlUrl *url, const char *text, size_t len)
{
	const char *end = text + len;
	const char *at = end;
	const char *host_end;
	const char *fault;

	/* Some readers take it for a slash, and so see another host. */
	if (memchr(text, '\\', len))
		return "The URL has a backslash before its path.";
	while (at > text && at[-1] != '@')
		at--;
	if (at > text)
	{
		fault = parse_userinfo(url, text, at - 1 - text);
		if (fault)
			return fault;
	}
	if (at < end && *at == '[')
	{
		host_end = memchr(at, ']', end - at);
		if (!host_end)
			return "The IPv6 address in the URL has no closing bracket.";
		fault = parse_ipv6_host(url, at + 1, host_end - at - 1);
		host_end++;
	}
	else
	{
		host_end = memchr(at, ':', end - at);
		if (!host_end)
			host_end = end;
		fault = parse_name_host(url, at, host_end - at);
	}
	if (fault)
		return fault;
	if (host_end < end && *host_end != ':')
		return "The URL has something between its host and its port.";
	return parse_port(url, host_end + 1, host_end < end ? end - host_end - 1 : 0);
}

/* What no URL, path or reference may be. */
static const char *
check_text(const char *text)
{
	for (const char *p = text; *p; p++)
	{
		if (p - text == ETL_MAX_URL)
			return "The URL is longer than 64 kB.";
		if ((unsigned char) *p < ' ' || *p == 0x7f)
			return "The URL has a control character in it.";
	}
	return NULL;
}

/* Everything after "http:" or "https:". */
static const char *
parse_after_scheme(EtlUrl *url, const char *text)
{
	const char *fault;
	size_t len;

	if (strncmp(text, "//", 2) != 0)
		return "The URL lacks the two slashes that come before the host.";
	text += 2;
	len = strcspn(text, "/?#");
	fault = parse_authority(url, text, len);
	if (!fault)
		set_path_and_query(url, text + len);
	return fault;
}

/* EtlUrlParse takes an absolute URL apart, and returns what is wrong with it, or NULL. */
const char *
EtlUrlParse(const char *text, EtlUrl *url)
{
	const char *fault = check_text(text);

	if (fault)
		return fault;
	memset(url, 0, sizeof(*url));
	if (pg_strncasecmp(text, "https:", 6) == 0)
	{
		url->secure = true;
		return parse_after_scheme(url, text + 6);
	}
	if (pg_strncasecmp(text, "http:", 5) == 0)
		return parse_after_scheme(url, text + 5);
	return "Only http:// and https:// URLs can be read.";
}

/* Whether a reference begins with a scheme ("name:"), so that nothing of the base counts. */
static bool
has_scheme(const char *reference)
{
	const char *p = reference;

	while (is_alnum((unsigned char) *p) || *p == '+' || *p == '-' || *p == '.')
		p++;
	return p > reference && *p == ':' && !(*reference >= '0' && *reference <= '9');
}

/* "http:", "https:", and what is left of them where a colon or a slash was forgotten. */
static bool
begins_like_http(const char *text)
{
	const char *rest = text + (pg_strncasecmp(text, "https", 5) == 0 ? 5 : 4);

	return pg_strncasecmp(text, "http", 4) == 0 && (*rest == ':' || strncmp(rest, "//", 2) == 0);
}

/* "user:password@host", unless it is an absolute path or begins with a dot. */
static bool
begins_with_userinfo(const char *text)
{
	const char *at = strchr(text, '@');

	return at != NULL && memchr(text, ':', at - text) != NULL && *text != '.' &&
		   (*text != '/' || text[1] == '/');
}

/*
 * One that cannot be read as well: taken for a file's name it would be shown, in an error, with the password in it.
 */
bool
EtlIsUrl(const char *text)
{
	const char *begin = text + strspn(text, " \t\r\n");

	return (has_scheme(begin) && strncmp(strchr(begin, ':'), "://", 3) == 0) ||
		   begins_like_http(begin) || begins_with_userinfo(begin);
}

static void
copy_origin(const EtlUrl *base, EtlUrl *url)
{
	memset(url, 0, sizeof(*url));
	url->secure = base->secure;
	url->host = pstrdup(base->host);
	url->port = base->port;
}

/*
 * EtlUrlResolve does RFC 3986, 5.2: an absolute URL stands alone, anything less borrows from base.  The
 * user and password of base never go along.
 */
const char *
EtlUrlResolve(const EtlUrl *base, const char *reference, EtlUrl *url)
{
	const char *fault = check_text(reference);
	StringInfoData text;

	if (fault)
		return fault;
	if (has_scheme(reference))
		return EtlUrlParse(reference, url);
	if (strncmp(reference, "//", 2) == 0)
	{
		memset(url, 0, sizeof(*url));
		url->secure = base->secure;
		return parse_after_scheme(url, reference);
	}
	copy_origin(base, url);
	initStringInfo(&text);
	if (*reference != '/')
	{
		const char *slash = strrchr(base->path, '/');
		bool keeps_name = *reference == '?' || *reference == '#' || *reference == '\0';

		appendBinaryStringInfo(&text, base->path,
							   keeps_name ? (int) strlen(base->path)
										  : (int) (slash + 1 - base->path));
		if (keeps_name && *reference != '?' && base->query)
			appendStringInfo(&text, "?%s", base->query);
	}
	appendStringInfoString(&text, reference);
	set_path_and_query(url, text.data);
	pfree(text.data);
	return NULL;
}

/* Undoes each %XX once, in place; false if there is none. */
static bool
undo_percents(char *text)
{
	char *out = text;
	bool any = false;

	for (const char *p = text; *p; p++)
	{
		int high = *p == '%' ? hex_value(p[1]) : -1;
		int low = high >= 0 ? hex_value(p[2]) : -1;

		*out++ = low >= 0 ? (char) (high << 4 | low) : *p;
		p += low >= 0 ? 2 : 0;
		any |= low >= 0;
	}
	*out = '\0';
	return any;
}

/* Whether a path, taken as it is, has a segment "..": some take a backslash for a slash, or cut it off at its ';'. */
static bool
has_parent(const char *path)
{
	bool at_start = true;

	for (const char *p = path; *p; p++)
	{
		if (at_start && p[0] == '.' && p[1] == '.' && strchr("/\\;", p[2]))
			return true;
		at_start = *p == '/' || *p == '\\';
	}
	return false;
}

/*
 * Whether a path, taken for what it may mean to the servers that it passes, has a ".." left in it: each of them may undo
 * %XX once more before it looks for segments.  A path that is escaped more than MAX_ESCAPED times over hides something.
 */
static bool
has_hidden_parent(const char *path)
{
	char *meant = pstrdup(path);
	bool found = has_parent(meant);

	for (int i = 0; !found && undo_percents(meant); i++)
		found = i == MAX_ESCAPED || has_parent(meant);
	pfree(meant);
	return found;
}

/* EtlUrlIsBelow tells whether url is base, or in the folder that base is. */
bool
EtlUrlIsBelow(const EtlUrl *base, const EtlUrl *url)
{
	size_t base_len = strlen(base->path);

	while (base_len > 0 && base->path[base_len - 1] == '/')
		base_len--;
	return EtlUrlSameOrigin(base, url) && strncmp(url->path, base->path, base_len) == 0 &&
		   (url->path[base_len] == '/' || url->path[base_len] == '\0') &&
		   (base_len == 0 || !has_hidden_parent(url->path + base_len));
}

/*
 * EtlUrlExtend appends path to base's own path ('/v1' below 'https://host/api' is '/api/v1'), and refuses
 * one whose ".." would lead out of it: the base may be all that a user was given.  The query of base comes
 * first, then that of path.
 */
const char *
EtlUrlExtend(const EtlUrl *base, const char *path, EtlUrl *url)
{
	const char *fault = check_text(path);
	size_t base_len = strlen(base->path);
	StringInfoData text;

	if (fault)
		return fault;
	if (has_scheme(path))
		return "The path must be relative to the URL of the server.";
	while (base_len > 0 && base->path[base_len - 1] == '/')
		base_len--;
	initStringInfo(&text);
	if (*path == '?' || *path == '#' || *path == '\0')
		appendStringInfoString(&text, base->path);
	else
	{
		appendBinaryStringInfo(&text, base->path, (int) base_len);
		if (*path != '/')
			appendStringInfoChar(&text, '/');
	}
	appendStringInfoString(&text, path);

	copy_origin(base, url);
	set_path_and_query(url, text.data);
	pfree(text.data);
	if (!EtlUrlIsBelow(base, url))
		return "The path leads out of the URL of the server.";
	if (base->query)
		url->query = url->query ? psprintf("%s&%s", base->query, url->query) : pstrdup(base->query);
	return NULL;
}

/* EtlUrlEditQuery copies the query of a url, so that parameters can be added and removed; EtlUrlSetQuery gives it back. */
void
EtlUrlEditQuery(const EtlUrl *url, StringInfo query)
{
	initStringInfo(query);
	if (url->query)
		appendStringInfoString(query, url->query);
}

void
EtlUrlSetQuery(EtlUrl *url, const StringInfoData *query)
{
	url->query = query->len > 0 ? query->data : NULL;
}

/* EtlUrlAppendParam appends name=value to a query. */
void
EtlUrlAppendParam(StringInfo query, const char *name, const char *value)
{
	if (query->len > 0)
		appendStringInfoChar(query, '&');
	EtlUrlEscape(query, name);
	appendStringInfoChar(query, '=');
	EtlUrlEscape(query, value);
}

/* Whether name=value, of len bytes, is a parameter of this name. */
static bool
is_param(const char *text, size_t len, const char *name)
{
	char *its;
	bool same;

	if (!unescape(text, Min(len, strcspn(text, "=&")), &its))
		return false;
	same = strcmp(its, name) == 0;
	pfree(its);
	return same;
}

/* EtlUrlRemoveParam removes all parameters of a name from a query. */
void
EtlUrlRemoveParam(StringInfo query, const char *name)
{
	const char *p = query->data;
	char *out = query->data;

	while (*p)
	{
		size_t len = strcspn(p, "&");
		bool last = p[len] == '\0';

		if (!is_param(p, len, name))
		{
			if (out > query->data)
				*out++ = '&';
			memmove(out, p, len);
			out += len;
		}
		p += len + !last;
	}
	*out = '\0';
	query->len = (int) (out - query->data);
}

bool
EtlUrlSameOrigin(const EtlUrl *a, const EtlUrl *b)
{
	return a->secure == b->secure && a->port == b->port && strcmp(a->host, b->host) == 0;
}

static void
append_origin(StringInfo out, const EtlUrl *url)
{
	bool is_ipv6 = strchr(url->host, ':') != NULL;

	appendStringInfo(out, "%s://%s%s%s", url->secure ? "https" : "http", is_ipv6 ? "[" : "",
					 url->host, is_ipv6 ? "]" : "");
	if (url->port != (url->secure ? HTTPS_PORT : HTTP_PORT))
		appendStringInfo(out, ":%d", url->port);
}

/* Appends a query with *** for each value; a name without a value may be a secret just as well. */
static void
append_redacted_query(StringInfo out, const char *query)
{
	const char *p = query;

	while (*p && out->len <= MAX_SHOWN)
	{
		size_t len = strcspn(p, "&;");
		size_t name_len = strcspn(p, "=&;");

		if (name_len < len)
		{
			appendBinaryStringInfo(out, p, (int) Min(name_len, MAX_SHOWN));
			appendStringInfoString(out, "=***");
		}
		else if (len > 0)
			appendStringInfoString(out, "***");
		p += len;
		if (*p)
			appendStringInfoChar(out, *p++);
	}
}

/* What is shown is cut where it gets long: nobody reads the rest, and others may choose how long it is. */
static char *
shorten(StringInfo out)
{
	if (out->len > MAX_SHOWN)
	{
		int len = MAX_SHOWN;

		/* not within a character, whatever the encoding */
		while (len > 0 && (unsigned char) out->data[len - 1] >= 0x80)
			len--;
		out->len = len;
		appendStringInfoString(out, "...");
	}
	return out->data;
}

char *
EtlUrlOrigin(const EtlUrl *url)
{
	StringInfoData out;

	initStringInfo(&out);
	append_origin(&out, url);
	return out.data;
}

char *
EtlUrlText(const EtlUrl *url)
{
	StringInfoData out;

	initStringInfo(&out);
	append_origin(&out, url);
	appendStringInfoString(&out, url->path);
	if (url->query)
		appendStringInfo(&out, "?%s", url->query);
	return out.data;
}

char *
EtlUrlDisplay(const EtlUrl *url)
{
	StringInfoData out;

	initStringInfo(&out);
	append_origin(&out, url);
	appendStringInfoString(&out, url->path);
	if (url->query)
	{
		appendStringInfoChar(&out, '?');
		append_redacted_query(&out, url->query);
	}
	return shorten(&out);
}

/* Where a user name and a password begin in what is meant as a URL, valid or not. */
static const char *
begin_of_userinfo(const char *text)
{
	const char *slashes = strstr(text, "//");
	const char *colon = strchr(text, ':');

	if (slashes)
		return slashes + 2;
	if (!begins_like_http(text) || !colon)
		return text;
	return colon + 1 + strspn(colon + 1, "/");
}

/*
 * EtlUrlRedact shows what a user wrote: a URL, valid or not, or a path.  Where a password ends in something that is not a
 * URL nobody can say, so everything up to the last '@' is left out.
 */
char *
EtlUrlRedact(const char *text)
{
	EtlUrl url;
	StringInfoData out;
	const char *rest = text;
	const char *begin = begin_of_userinfo(text);
	const char *at = strrchr(text, '@');

	if (EtlUrlParse(text, &url) == NULL)
		return EtlUrlDisplay(&url);

	initStringInfo(&out);
	if (at && at >= begin && (begin > text || EtlIsUrl(text)))
	{
		appendBinaryStringInfo(&out, text, (int) Min(begin - text, MAX_SHOWN));
		rest = at + 1;
	}
	appendBinaryStringInfo(&out, rest, (int) strcspn(rest, "?#"));
	rest += strcspn(rest, "?#");
	if (*rest == '?')
	{
		appendStringInfoChar(&out, '?');
		append_redacted_query(&out, rest + 1);
	}
	return shorten(&out);
}
