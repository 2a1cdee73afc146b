/*
 * when_done.c
 *		What a pipeline does with a part of its source that is loaded: how that is written.
 */
#include "etl.h"

#include "source/when_done.h"

#define MAX_TAG_NAME 128
#define MAX_TAG_VALUE 256

/* What all stores take in a tag, and XML as it is. */
static bool
is_tag_text(const char *text, size_t most)
{
	size_t len = strlen(text);

	for (const char *p = text; *p != '\0'; p++)
		if (!isalnum((unsigned char) *p) && strchr(" +-=._:/@", *p) == NULL)
			return false;
	return len <= most;
}

static bool
read_tag(const char *text, EtlWhenDone *what)
{
	size_t len = strcspn(text, "=");

	if (len == 0 || text[len] != '=')
		return false;
	what->name = pnstrdup(text, len);
	what->value = pstrdup(text + len + 1);
	return is_tag_text(what->name, MAX_TAG_NAME) && is_tag_text(what->value, MAX_TAG_VALUE);
}

static bool
read_prefix(const char *text, EtlWhenDone *what)
{
	size_t len = strlen(text);

	what->name = pstrdup(text);
	return len > 1 && text[0] != '/' && text[len - 1] == '/';
}

static bool
read_deed(const char *text, EtlWhenDone *what)
{
	if (text == NULL || strcmp(text, "keep") == 0)
		what->deed = ETL_KEEP;
	else if (strcmp(text, "delete") == 0)
		what->deed = ETL_DELETE;
	else if (strncmp(text, "tag:", 4) == 0)
	{
		what->deed = ETL_TAG;
		return read_tag(text + 4, what);
	}
	else if (strncmp(text, "move:", 5) == 0)
	{
		what->deed = ETL_MOVE;
		return read_prefix(text + 5, what);
	}
	else
		return false;
	return true;
}

void
EtlWhenDoneRead(const char *text, EtlWhenDone *what)
{
	memset(what, 0, sizeof(*what));
	if (!read_deed(text, what))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid when_done \"%s\"", text),
				 errdetail("It must be 'keep', 'delete', 'tag:NAME=VALUE' with letters, digits, "
						   "spaces and + - = . _ : / @, or 'move:PREFIX/'.")));
}
