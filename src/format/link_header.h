/*
 * link_header.h
 *		The Link header of an HTTP answer (RFC 8288): where the next page is.
 *
 *		<https://api.example/items?page=2>; rel="next", <...>; rel="last"; title="the end, really"
 */
#ifndef ETL_LINK_HEADER_H
#define ETL_LINK_HEADER_H

#include "etl.h"

typedef enum EtlLinkStatus
{
	ETL_LINK_FOUND,
	ETL_LINK_NONE,	 /* a sound header without such a link */
	ETL_LINK_BROKEN, /* not a Link header, so nobody knows what it should have said */
} EtlLinkStatus;

/*
 * Looks in the value of a Link header (of several with commas between them, if there were several) for the
 * first link that has rel, in any case, among its relation types.  *target is what stands between the angle
 * brackets, part of value and as relative as it was sent; after ETL_LINK_BROKEN, where reading stopped.
 */
extern EtlLinkStatus EtlLinkHeaderFind(const char *value, size_t len, const char *rel,
									   const char **target, size_t *target_len);

#endif /* ETL_LINK_HEADER_H */
