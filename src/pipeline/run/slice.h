/*
 * slice.h
 *		Rows in memory as what etl_batch(), etl_enriched() and etl_emitted() return; and functions that tell of the row in hand.
 *
 * The two functions stand in the statements of a pipeline: in its query, as "batch", and in the INSERT that
 * takes what the query gave to the target.  They are planned as streaming scans, so the one that runs a
 * statement knows which row was pulled last: after an error that is the row to suspect.
 */
#ifndef ETL_SLICE_H
#define ETL_SLICE_H

#include "access/htup.h"
#include "pipeline/pipeline.h"
#include "pipeline/run/places.h"
#include "scan/rows.h"
#include "utils/tuplestore.h"

/* Rows, of which a statement sees those between begin and end. */
typedef struct EtlSlice
{
	TupleDesc desc;
	int begin;
	int end;
	int pulled;			  /* the row that was handed out last; -1: none */
	double expected;	  /* for the planner: how many rows there will be */
	const bool *left_out; /* rows that are not handed out; NULL: all are */
	int64 counted;		  /* by etl_count_new() */
	TimestampTz instant;  /* of the run, for etl_run_instant(); 0: that of the transaction */
	EtlPlaces *places; /* of the target, for etl_differs() and etl_kept(); NULL: none are noted */
	bool *reads;	   /* columns that a scan reads, which marks them here; NULL: no matter */
	bytea *const
		*lacks; /* the columns that the record of each row lacks, for etl_has(); NULL: none */

	/* the rows: values in their columns, or tuples */
	const Datum *values; /* [natts of desc] of each row */
	const bool *isnull;
	const MinimalTuple *tuples;

	/* or, of a whole source, all that a file holds: begin, end and left_out say nothing then */
	Tuplestorestate *store;
	int nreaders; /* its read pointers, and */
	bool *taken;  /* [nreaders] which of them a scan has */
} EtlSlice;

/* The columns that a record lacks, as bits; NULL: there are none. */
extern bytea *EtlLacksOf(const int *columns, int n, int natts);

static inline bool
EtlLacks(const bytea *lacks, int column)
{
	return lacks != NULL && (((const uint8 *) VARDATA_ANY(lacks))[column / 8] >> column % 8 & 1);
}

/* What etl_batch() and etl_emitted() return in this process; NULL: there is nothing. */
extern EtlSlice *EtlBatchSlice;
extern EtlSlice *EtlEmittedSlice;

/* What etl_enriched(n) returns: the rows of the n-th enrichment of the run. */
extern EtlSlice *EtlEnrichedSlices;
extern int EtlEnrichedSliceCount;

extern void EtlSliceInit(void);

#endif /* ETL_SLICE_H */
