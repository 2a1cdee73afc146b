/*
 * tombstones.h
 *		Keys whose rows were deleted: an older row does not bring one back.
 */
#ifndef ETL_TOMBSTONES_H
#define ETL_TOMBSTONES_H

#include "pipeline/run/keys.h"

typedef struct EtlTombstones
{
	EtlKeys *keys;
	bool any;	 /* the pipeline has some, as far as was looked, */
	bool looked; /* in this run */
} EtlTombstones;

/*
 * Rows of a chunk between two places, no two of which have the same key, are going to be taken to the target.  Marks those that
 * are older than what has deleted their keys, and keeps the keys of those that delete.  Without a watermark nothing tells
 * what is older, and nothing is done; nor where keys are not known.
 */
extern void EtlTombstonesMeet(EtlTombstones *tombstones, EtlChunk *chunk, int begin, int end);

#endif /* ETL_TOMBSTONES_H */
