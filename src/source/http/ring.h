/*
 * ring.h
 *		A fixed number of bytes between one who gives and one who takes.
 */
#ifndef ETL_RING_H
#define ETL_RING_H

#include "etl.h"

typedef struct EtlRing
{
	char *data;
	size_t size;
	size_t start; /* of the bytes in use */
	size_t used;
} EtlRing;

/* Puts all of data in, or nothing and returns false. */
static inline bool
EtlRingPut(EtlRing *ring, const char *data, size_t len)
{
	size_t end = (ring->start + ring->used) % ring->size;
	size_t first = Min(len, ring->size - end);

	if (len > ring->size - ring->used)
		return false;
	memcpy(ring->data + end, data, first);
	memcpy(ring->data, data + first, len - first);
	ring->used += len;
	return true;
}

/* Takes up to len bytes out, and returns how many. */
static inline size_t
EtlRingTake(EtlRing *ring, char *buf, size_t len)
{
	size_t first;

	len = Min(len, ring->used);
	first = Min(len, ring->size - ring->start);
	memcpy(buf, ring->data + ring->start, first);
	memcpy(buf + first, ring->data, len - first);
	ring->start = (ring->start + len) % ring->size;
	ring->used -= len;
	return len;
}

#endif /* ETL_RING_H */
