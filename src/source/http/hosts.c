/*
 * hosts.c
 *		Lists of hosts and origins that administrators write.
 */
#include "etl.h"

#include "source/http/hosts.h"

#define ANY_PORT (-1)
#define DEFAULT_PORT 0

/* One item of a list, borrowed from its text. */
typedef struct Item
{
	const char *scheme; /* NULL: either */
	size_t scheme_len;
	bool below; /* any host that ends so */
	const char *host;
	size_t host_len; /* with below, 0: any host at all */
	int port;
} Item;

/* The next item's text without the blanks around it; false at the end.  Empty items are passed over. */
static bool
next_item(const char **list, const char **text, size_t *len)
{
	const char *p = *list;

	p += strspn(p, " \t\r\n,");
	*text = p;
	*len = strcspn(p, ",");
	*list = p + *len;
	while (*len > 0 && strchr(" \t\r\n", p[*len - 1]))
		(*len)--;
	return *len > 0;
}

static bool
parse_port(const char *text, size_t len, int *port)
{
	if (len == 1 && *text == '*')
	{
		*port = ANY_PORT;
		return true;
	}
	*port = 0;
	if (len == 0 || len > 5)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
		*port = *port * 10 + (text[i] - '0');
	}
	return *port >= 1 && *port <= 65535;
}

static bool
is_host(const char *text, size_t len, bool brackets)
{
	const char *allowed = brackets
							  ? "0123456789abcdefABCDEF:."
							  : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	for (size_t i = 0; i < len; i++)
	{
		if (text[i] == '\0' || !strchr(allowed, text[i]))
			return false;
	}
	return len > 0;
}

static bool
parse_item(const char *text, size_t len, EtlHostList kind, Item *item)
{
	const char *end = text + len;
	const char *host_end;
	bool brackets = false;

	memset(item, 0, sizeof(*item));
	if (kind == ETL_LIST_OF_ORIGINS)
	{
		item->scheme = text;
		item->scheme_len = len > 8 && pg_strncasecmp(text, "https://", 8) == 0	? 5
						   : len > 7 && pg_strncasecmp(text, "http://", 7) == 0 ? 4
																				: 0;
		if (item->scheme_len == 0)
			return false;
		text += item->scheme_len + 3;
	}
	if (*text == '*')
	{
		item->below = true;
		text++;
		if (text < end && *text != ':' && (*text != '.' || text + 1 == end || text[1] == ':'))
			return false;
	}
	else if (*text == '[')
	{
		brackets = true;
		text++;
	}
	host_end = memchr(text, brackets ? ']' : ':', end - text);
	if (!host_end)
	{
		if (brackets)
			return false;
		host_end = end;
	}
	item->host = text;
	item->host_len = host_end - text;
	if (item->host_len > 0 || !item->below)
	{
		if (!is_host(text, item->host_len, brackets))
			return false;
	}
	if (brackets)
		host_end++;
	if (host_end == end)
		return true;
	return *host_end == ':' && parse_port(host_end + 1, end - host_end - 1, &item->port);
}

static bool
item_matches(const Item *item, const EtlUrl *url)
{
	size_t url_len = strlen(url->host);
	size_t skip = item->below && url_len > item->host_len ? url_len - item->host_len : 0;

	if (item->scheme && (item->scheme_len == 5) != url->secure)
		return false;
	if (item->port == DEFAULT_PORT ? url->port != (url->secure ? 443 : 80)
								   : item->port != ANY_PORT && item->port != url->port)
		return false;
	if (item->below && skip == 0)
		return false;
	return url_len - skip == item->host_len &&
		   pg_strncasecmp(url->host + skip, item->host, item->host_len) == 0;
}

char *
EtlHostsFault(const char *list, EtlHostList kind)
{
	const char *text;
	size_t len;
	Item item;

	while (next_item(&list, &text, &len))
	{
		if (!parse_item(text, len, kind, &item))
			return pnstrdup(text, len);
	}
	return NULL;
}

bool
EtlHostsMatch(const char *list, EtlHostList kind, const EtlUrl *url)
{
	const char *text;
	size_t len;
	Item item;

	while (next_item(&list, &text, &len))
	{
		if (parse_item(text, len, kind, &item) && item_matches(&item, url))
			return true;
	}
	return false;
}
