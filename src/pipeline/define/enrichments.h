/*
 * enrichments.h
 *		The option "enrich" of a definition: calls of etl_api, one for each key that a batch has.
 */
#ifndef ETL_ENRICHMENTS_H
#define ETL_ENRICHMENTS_H

#include "access/tupdesc.h"
#include "nodes/parsenodes.h"
#include "pipeline/pipeline.h"
#include "scan/args.h"

/* An enrichment, checked against the columns of a batch. */
typedef struct EtlEnrichmentCall
{
	const EtlEnrichment *enrichment;
	int nkeys;
	TupleDesc
		relation; /* what the query sees: the columns of the key, and those of the call behind them */
	TupleDesc columns; /* those of the call */
	Oid function;	   /* the one that is called */
	List *args;		   /* its arguments, in their order */
	Query *keys;	   /* SELECT key, arguments FROM batch */
	char *text;		   /* of the statement that this was made of */
} EtlEnrichmentCall;

/* The enrichments that a JSON object states: List of EtlEnrichment *; anything else in it is an error (22023). */
extern List *EtlEnrichmentsOf(const char *json);

/* Analyzes them for the current user: List of EtlEnrichmentCall *. */
extern List *EtlCheckEnrichments(const EtlPipeline *pipeline, TupleDesc batch);

/* The CTEs, each behind a comma, by which the query sees them. */
extern char *EtlEnrichmentRelations(List *calls);

#endif /* ETL_ENRICHMENTS_H */
