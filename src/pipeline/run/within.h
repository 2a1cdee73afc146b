/*
 * within.h
 *		Rows of a further target that belong to one record, and that their record has no more (delete_within).
 */
#ifndef ETL_WITHIN_H
#define ETL_WITHIN_H

#include "pipeline/run/chunk.h"
#include "pipeline/run/convert.h"
#include "pipeline/run/plan.h"

/*
 * Records of a batch by the key of the first target: what belongs to a record is loaded before a later one of the same key
 * comes.
 */
typedef struct EtlParents
{
	const EtlConverted *converted;
	int n;			/* of columns of the batch; 0: no target deletes within records */
	int *columns;	/* those that are the key */
	SortSupport by; /* [n] */
	int *
		previous; /* of each row of the batch, the one before of the same key; -1: none; NULL: not known yet */
} EtlParents;

typedef struct EtlWithin
{
	const EtlRun *run; /* of the target */
	const EtlConverted *converted;
	const EtlChunk *first; /* of the first target */
	EtlSlice *batch;	   /* of this one, as the query sees it */
	bool *reads;		   /* columns of it that the query reads */
	EtlSlice keys;		   /* of the rows that the query gave */
	EtlPlans remove;	   /* a text that is NULL: this target deletes nothing */
	EtlPlans stale;		   /* a text that is NULL: no record can be */
	MemoryContext context;
	int64 nkeys;
	bool looked;		   /* for records that are stale: */
	Bitmapset *stale_rows; /* of the batch */
	Bitmapset *stale_records;
} EtlWithin;

extern void EtlParentsOpen(EtlParents *parents, const EtlConverted *converted);
extern void EtlParentsStartBatch(EtlParents *parents);
/* The end of the records from "begin" on among which no key comes twice. */
extern int EtlParentsDistinct(EtlParents *parents, int begin, int end);

extern void EtlWithinOpen(EtlWithin *within, const EtlRun *run, const EtlConverted *converted,
						  const EtlChunk *first, EtlSlice *batch);
/* Rows between begin and end of the batch's slice are going to be loaded. */
extern void EtlWithinBegin(EtlWithin *within);
/* Once the first target is loaded: the records than which it has newer rows. */
extern const Bitmapset *EtlWithinStale(EtlWithin *within);
/* Takes the keys of the chunk. */
extern void EtlWithinAdd(EtlWithin *within, const EtlChunk *chunk);
/*
 * Deletes what the records have no more, but for those that are rejected or stale, or lack a column that the query reads;
 * returns how many rows.
 */
extern int64 EtlWithinRun(EtlWithin *within, const Bitmapset *rejected);

#endif /* ETL_WITHIN_H */
