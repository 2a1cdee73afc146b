/*
 * range.h
 *		The range of the source that a run of a backfill reads.
 */
#ifndef ETL_RANGE_H
#define ETL_RANGE_H

#include "pipeline/run/run.h"

/* In the transaction that opens a run of a backfill: the range that is next, for etl_since() and etl_until(). */
extern void EtlRangeOpen(EtlRun *run);
/* Once the arguments of the source are evaluated: an error if they have not asked for the range. */
extern void EtlRangeCheckAsked(const EtlRun *run);
/* In the transaction that ends the run: the range was read to its end. */
extern void EtlRangeFinish(const EtlRun *run);

/* An error if there can be no such ranges: since is not before until, or a step does not lead forward. */
extern void EtlRangeCheck(Oid type, Datum since, Datum until, const char *step);

/* The type of range that the source of a pipeline asks for, with the rights of its owner; an error if none is seen (42P18). */
extern Oid EtlRangeType(const EtlPipeline *pipeline);

#endif /* ETL_RANGE_H */
