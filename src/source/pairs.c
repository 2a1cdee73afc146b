/*
 * pairs.c
 *		Lists of name=value as text.
 */
#include "etl.h"

#include "source/pairs.h"
#include "source/http/url.h"

void
EtlPairsAdd(StringInfo text, const char *name, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfo(text, " %s=", name);
	EtlUrlEscape(text, value);
}

void
EtlPairsAddNumber(StringInfo text, const char *name, uint64 value)
{
	if (value != 0)
		appendStringInfo(text, " %s=" UINT64_FORMAT, name, value);
}

bool
EtlPairsNext(const char **text, char **name, char **value)
{
	for (;;)
	{
		const char *pair = *text + strspn(*text, " ");
		size_t len = strcspn(pair, " ");
		size_t name_len = strcspn(pair, "=");
		char *raw;

		if (len == 0)
			return false;
		*text = pair + len;
		if (name_len >= len)
			continue;
		raw = pnstrdup(pair + name_len + 1, len - name_len - 1);
		*name = pnstrdup(pair, name_len);
		*value = EtlUrlUnescape(raw);
		if (*value != NULL)
			return true;
	}
}

uint64
EtlPairsNumber(const char *value)
{
	return strtou64(value, NULL, 10);
}
