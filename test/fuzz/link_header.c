/*
 * link_header.c
 *		Fuzz target: the Link header.
 *
 * A target that is found stands between angle brackets, and does not change when another link or empty
 * elements are put before it, or blanks around it.
 */
#include "etl.h"

#include "lib/stringinfo.h"

#include "format/link_header.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static EtlLinkStatus
find(const char *value, size_t len, const char **target, size_t *target_len)
{
	EtlLinkStatus status = EtlLinkHeaderFind(value, len, "next", target, target_len);

	if (status != ETL_LINK_NONE && (*target < value || *target + *target_len > value + len))
		abort();
	return status;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *value = (const char *) data;
	const char *target;
	size_t target_len;
	const char *other;
	size_t other_len;
	EtlLinkStatus status = find(value, size, &target, &target_len);
	StringInfoData longer;

	if (status == ETL_LINK_FOUND && (target == value || target[-1] != '<' ||
									 target[target_len] != '>' || memchr(target, '>', target_len)))
		abort();
	initStringInfo(&longer);
	appendStringInfoString(&longer, ",<a,b>; rel=\"prev\"; title=\"<x>; rel=next, \\\"\" , , ");
	appendBinaryStringInfo(&longer, value, size);
	if (find(longer.data, longer.len, &other, &other_len) != status)
		abort();
	if (status == ETL_LINK_FOUND &&
		(other_len != target_len || memcmp(other, target, target_len) != 0))
		abort();
	pfree(longer.data);
	return 0;
}
