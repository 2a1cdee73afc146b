/*
 * plan.h
 *		The plans of the statements of a run, and what they look like.
 */
#ifndef ETL_RUN_PLAN_H
#define ETL_RUN_PLAN_H

#include "executor/spi.h"
#include "pipeline/run/slice.h"

/* A statement with a plan for many rows and one for few. */
typedef struct EtlPlans
{
	const char *text;
	SPIPlanPtr bulk;
	SPIPlanPtr point;
} EtlPlans;

/*
 * The plan of a statement for a number of rows in "slice", or for as many as there usually are.  Between SPI_connect and
 * SPI_finish, as all of these.
 */
extern SPIPlanPtr EtlPlanFor(EtlPlans *plans, EtlSlice *slice, int64 nrows, int64 usual);
/* The plan for few rows, if it looks up each of them by an index; else NULL, and the next call makes it anew. */
extern SPIPlanPtr EtlPlanToLookUp(EtlPlans *plans, EtlSlice *slice, int64 usual);
extern uint64 EtlPlanExecute(SPIPlanPtr plan, DestReceiver *dest);
/* Whether it gives all rows of a row of the batch before it takes the next one. */
extern bool EtlPlanStreams(SPIPlanPtr plan);

#endif /* ETL_RUN_PLAN_H */
