/*
 * format.c
 *		What all formats share.
 */
#include "etl.h"

#include "format/format.h"

ssize_t
EtlFeedBytes(void *arg, char *buf, size_t len)
{
	EtlBytes *bytes = arg;

	if (bytes->len == 0 && bytes->cut)
		return -1;
	len = Min(len, bytes->len);
	memcpy(buf, bytes->data, len);
	bytes->data += len;
	bytes->len -= len;
	return (ssize_t) len;
}
