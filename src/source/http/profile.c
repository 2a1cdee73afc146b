/*
 * profile.c
 *		Keys of AWS as its tools keep them.
 */
#include "etl.h"

#include "source/http/profile.h"

#define BLANKS " \t\r"

/* Whether a line of len bytes is [profile], or [profile NAME] as in the other file of these tools. */
static bool
is_section(const char *line, size_t len, const char *profile)
{
	const char *name = line + 1;
	const char *end = memchr(line, ']', len);

	if (end == NULL)
		return false;
	name += strspn(name, BLANKS);
	if (strncmp(name, "profile ", 8) == 0 && strncmp(name + 8, profile, strlen(profile)) == 0)
		name += 8;
	while (end > name && strchr(BLANKS, end[-1]) != NULL)
		end--;
	return (size_t) (end - name) == strlen(profile) && strncmp(name, profile, end - name) == 0;
}

/* The value of "name = value" in a line of len bytes, palloc'd; NULL: the line is another. */
static char *
value_of(const char *line, size_t len, const char *name)
{
	const char *end = line + len;
	const char *p = line + strlen(name);

	if (len <= strlen(name) || strncmp(line, name, strlen(name)) != 0)
		return NULL;
	while (p < end && strchr(BLANKS, *p) != NULL)
		p++;
	if (p == end || *p++ != '=')
		return NULL;
	while (p < end && strchr(BLANKS, *p) != NULL)
		p++;
	while (end > p && strchr(BLANKS, end[-1]) != NULL)
		end--;
	return pnstrdup(p, end - p);
}

static bool
is_text(const char *value)
{
	for (const char *p = value; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return *value != '\0';
}

const char *
EtlProfileRead(const char *text, const char *profile, EtlAwsKeys *keys)
{
	struct
	{
		const char *name;
		const char **value;
	} wanted[] = {
		{"aws_access_key_id", &keys->access_key_id},
		{"aws_secret_access_key", &keys->secret_access_key},
		{"aws_session_token", &keys->session_token},
	};
	bool found = false;
	bool here = false;
	size_t len;

	memset(keys, 0, sizeof(*keys));
	for (const char *line = text; *line != '\0'; line += len + (line[len] == '\n'))
	{
		len = strcspn(line, "\n");
		if (*line == '[')
			found |= here = is_section(line, len, profile);
		for (int i = 0; here && i < lengthof(wanted); i++)
		{
			char *value = value_of(line, len, wanted[i].name);

			if (value == NULL)
				continue;
			if (!is_text(value))
				return "A key in it is empty, or has characters that no key has.";
			*wanted[i].value = value;
		}
	}
	if (!found)
		return "It has no such profile.";
	if (keys->access_key_id == NULL || keys->secret_access_key == NULL)
		return "The profile lacks aws_access_key_id or aws_secret_access_key.";
	return NULL;
}
