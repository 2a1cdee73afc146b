/*
 * targets.h
 *		The targets of a run: one attempt takes a range of a batch into all of them.
 */
#ifndef ETL_RUN_TARGETS_H
#define ETL_RUN_TARGETS_H

#include "pipeline/run/load.h"

/* A further target. */
typedef struct EtlFurther
{
	EtlLoading loading;
	EtlChunk chunk;
	EtlDeferred deferred;
	EtlWatermark watermark;	 /* none */
	EtlKeys keys;			 /* none: a dead letter has the key of the first target */
	EtlLoadOutcome attempt;	 /* what one attempt did, and */
	EtlLoadOutcome done;	 /* all those of the transaction */
	EtlRunCounters counters; /* committed */
} EtlFurther;

typedef struct EtlTargets
{
	EtlLoading *first; /* that of the pipeline */
	List *further;	   /* of EtlFurther * */
	List *ordered;	   /* of EtlLoading *: all, each behind those to which its foreign keys refer */
	bool
		circular; /* that is not possible: foreign keys that can wait do so until the end of an attempt */
	EtlTogether together;
	EtlParents parents; /* if some target deletes within records */
} EtlTargets;

/* In a transaction; the parts of the first one are set. */
extern void EtlTargetsOpen(EtlTargets *targets, EtlLoading *first);
/* Called for each transaction, and for each new batch. */
extern void EtlTargetsBegin(EtlTargets *targets);
extern void EtlTargetsStartBatch(EtlTargets *targets);

/* Takes the records between two numbers through all queries into the targets; raises whatever goes wrong. */
extern void EtlAttempt(EtlTargets *targets, int begin, int end, EtlLoadOutcome *outcome);
/* An attempt has succeeded: adds what it did to what the transaction did. */
extern void EtlOutcomeAdd(EtlTargets *targets, EtlLoadOutcome *to, const EtlLoadOutcome *attempt);
/* One of a single record has failed; it counts as one row at least. */
extern void EtlOutcomeFail(EtlTargets *targets, EtlLoadOutcome *to, const EtlLoadOutcome *attempt);
/* Another one of that record has succeeded. */
extern void
EtlOutcomeRecover(EtlTargets *targets, EtlLoadOutcome *to, const EtlLoadOutcome *attempt);

#endif /* ETL_RUN_TARGETS_H */
