/*
 * head.c
 *		The head of an HTTP response: a status line, and a line for each header.
 */
#include "etl.h"

#include "lib/stringinfo.h"

#include "source/head.h"

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
