/*
 * redact.c
 *		Which columns may hold values that a pipeline keeps secret.
 */
#include "etl.h"

#include "format/header.h"
#include "pipeline/run/redact.h"

/* Whether two names mean the same member of a record, as they are matched with its members. */
static bool
same_member(const char *a, size_t a_len, const char *b, size_t b_len)
{
	char *folded_a = palloc(2 * a_len + 1);
	char *folded_b = palloc(2 * b_len + 1);

	(void) EtlFoldName(a, a_len, folded_a);
	(void) EtlFoldName(b, b_len, folded_b);
	return strcmp(folded_a, folded_b) == 0;
}

/* Whether one of two paths of names leads through the value of the other: address, "address.city". */
static bool
paths_overlap(const char *a, const char *b)
{
	for (;;)
	{
		size_t a_len = strcspn(a, ".");
		size_t b_len = strcspn(b, ".");

		if (!same_member(a, a_len, b, b_len))
			return false;
		a += a_len;
		b += b_len;
		if (*a == '\0' || *b == '\0')
			return true;
		a++;
		b++;
	}
}

bool
EtlMayHoldRedacted(const EtlPipeline *pipeline, const char *column)
{
	ListCell *lc;

	if (column == NULL || strncmp(column, "_etl_", 5) == 0) /* all of the record */
		return true;
	foreach (lc, pipeline->redact)
		if (paths_overlap(lfirst(lc), column))
			return true;
	return false;
}
