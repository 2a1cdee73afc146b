/*
 * head.c
 *		The head of an HTTP response: a status line, and a line for each header; and which headers may be
 *		added to a request.
 */
#include "etl.h"

#include "lib/stringinfo.h"

#include "source/http/head.h"

const char *
EtlHeadNext(const char *head, const char *name, const char *after, size_t *len)
{
	size_t name_len = strlen(name);
	const char *end = strchr(after ? after : head, '\n');

	for (; end && end[1] != '\0'; end = strchr(end + 1, '\n'))
	{
		const char *line = end + 1;
		const char *value = line + name_len + 1;

		if (pg_strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
			continue;
		value += strspn(value, " \t");
		*len = strcspn(value, "\r\n");
		while (*len > 0 && (value[*len - 1] == ' ' || value[*len - 1] == '\t'))
			(*len)--;
		return value;
	}
	return NULL;
}

char *
EtlHeadValue(const char *head, const char *name)
{
	StringInfoData all;
	size_t len;
	const char *value = EtlHeadNext(head, name, NULL, &len);

	if (!value)
		return NULL;
	initStringInfo(&all);
	appendBinaryStringInfo(&all, value, (int) len);
	while ((value = EtlHeadNext(head, name, value, &len)) != NULL)
	{
		appendStringInfoString(&all, ", ");
		appendBinaryStringInfo(&all, value, (int) len);
	}
	return all.data;
}

/*
 * A header's name is a token (RFC 9110, 5.6.2); its value has no control characters.  A header that says where
 * a request ends, or for whom it is, is not for users: with another Host it would reach what nobody admitted,
 * behind the address that was checked.
 */
const char *
EtlHeaderFault(const char *name, const char *value)
{
	static const char *const ours[] = {"Host",	"Content-Length", "Transfer-Encoding", "Connection",
									   "Range", "If-Range",		  "Accept-Encoding"};

	if (*name == '\0' || name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
										   "0123456789!#$%&'*+-.^_`|~")] != '\0')
		return "A header's name has letters, digits and hyphens only.";
	for (size_t i = 0; i < lengthof(ours); i++)
	{
		if (pg_strcasecmp(name, ours[i]) == 0)
			return "Host, Content-Length, Transfer-Encoding, Connection, Range, If-Range and "
				   "Accept-Encoding are set by etl itself.";
	}
	for (const char *p = value; *p; p++)
	{
		if ((unsigned char) *p < ' ' || *p == 0x7f)
			return "A header's value must not hold control characters.";
	}
	return NULL;
}
