/*
 * load.h
 *		One attempt to take a range of a batch into a target.
 */
#ifndef ETL_LOAD_H
#define ETL_LOAD_H

#include "pipeline/run/choose.h"
#include "pipeline/run/convert.h"
#include "pipeline/run/removal.h"
#include "pipeline/run/tombstones.h"
#include "pipeline/run/watermark.h"
#include "pipeline/run/whole.h"
#include "pipeline/run/within.h"

/* What one attempt, or all those of one transaction, did to the target. */
typedef struct EtlLoadOutcome
{
	int64 emitted;
	int64 null_watermark; /* of these */
	int64 invalid;
	int64 superseded;
	int64 failed; /* rows of records that could not be loaded */
	int64 loaded;
	int64 inserted;
	int64 tombstones; /* rows that delete */
	int64 deleted;
	int64 marked;
	int64 closed;		  /* versions of a history */
	EtlHighest watermark; /* in batch->loading */
} EtlLoadOutcome;

/* What the targets of a run know of each other, in an attempt. */
typedef struct EtlTogether
{
	struct EtlLoading *at_work; /* an error would be one of it */
	Bitmapset *rejected;		/* records that the row of one target has made dead letters */
	bool early;					/* rows of some target were loaded before all queries were done */
} EtlTogether;

typedef struct EtlLoading
{
	EtlRun *run; /* of a further target: a copy, with the definition and statements of that one */
	EtlTogether *together;
	struct EtlLoading *before; /* the target whose rows are loaded before these; NULL: none is */
	EtlLoadOutcome *outcome;   /* of the attempt under way */
	EtlConverted *converted;
	EtlRejects *rejects;
	EtlDeferred *deferred;
	EtlWatermark *watermark;
	EtlKeys *keys;
	EtlChunk *chunk;
	EtlSlice batch;	  /* what the query reads */
	EtlSlice emitted; /* what it gave, on its way to the target */
	EtlPlans transform;
	EtlPlans partial_transform; /* the same, with what the record of each row lacks */
	EtlPlans winners;
	EtlPlans bury;
	EtlTombstones tombstones;
	EtlChooser chooser;
	EtlRemoval removal;
	EtlWithin within;	 /* of a further target */
	bool partial;		 /* the query is that one */
	bool to_target;		 /* an error would be one of the load, not of the query */
	bool complete;		 /* the query has given all rows of the attempt */
	bool query_streams;	 /* a row that the query gives is of the record that it pulled last */
	bool dedup;			 /* keys were seen twice in one batch: look for that first */
	int rejected_record; /* none of its rows is loaded; -1: that is not said of any */
	int split_record; /* some of its rows are in the target before it has given all; -1: of none */
} EtlLoading;

/* The parts that it uses are set. */
extern void EtlLoadingOpen(EtlLoading *loading);
/* Called for each transaction, and for each new batch. */
extern void EtlLoadingBegin(EtlLoading *loading);
extern void EtlLoadingStartBatch(EtlLoading *loading);
/* An attempt begins, and counts what it does there. */
extern void EtlLoadingStart(EtlLoading *loading, EtlLoadOutcome *outcome);
/* The next records of it are those between two numbers. */
extern void EtlLoadingGoOn(EtlLoading *loading, int begin, int end);
/* Takes them through the query; raises whatever goes wrong. */
extern void EtlLoadingQuery(EtlLoading *loading);
/* Takes what it gave into the target, after the same for the targets before. */
extern void EtlLoadingTake(EtlLoading *loading);
/* Deletes what records of these rows have no more (delete_within). */
extern void EtlLoadingRemove(EtlLoading *loading);
/* What is deferred to the end of the transaction is checked now, while it is known whose fault it is. */
extern void EtlCheckDeferred(void);
/* The attempt has succeeded. */
extern void EtlLoadingSucceeded(EtlLoading *loading);
/* All of a whole source through the query into the target. */
extern void EtlAttemptWhole(EtlLoading *loading, EtlWhole *whole, EtlLoadOutcome *outcome);
/* The key of a record whose attempt alone has failed; NULL: not known. */
extern EtlKey *EtlLoadingKey(const EtlLoading *loading, int record);
/* After an error in an attempt of one of the targets: the record to suspect; -1: any of them. */
extern int EtlSuspect(const EtlLoading *loading);
/* Whether an error lies in a row: its kind says so, and a row had been pulled when it came. */
extern bool EtlLiesInRow(const EtlLoading *loading, const ErrorData *error);
/* Whether an error only shows that another statement should have been used: the next try will do so. */
extern bool EtlTakeOtherStatement(const EtlLoading *loading, const ErrorData *error);

#endif /* ETL_LOAD_H */
