/*
 * whole.h
 *		A whole source in a file, for a query that is to see all of it at once.
 */
#ifndef ETL_WHOLE_H
#define ETL_WHOLE_H

#include "pipeline/run/convert.h"
#include "utils/resowner.h"
#include "utils/tuplestore.h"

/* A whole source, read and converted, and what is to be committed with it. */
typedef struct EtlWhole
{
	EtlConverted *converted;
	ResourceOwner owner; /* of the files, which outlast transactions */
	Tuplestorestate *rows;
	bool partial; /* the record of some row lacks columns */
	Tuplestorestate *letters;
	TupleDesc letter_desc;
	Tuplestorestate *rejected; /* of a replace: the keys of the letters' records */
	EtlRunCounters counters;
	List *checkpoints; /* of EtlCheckpoint *: how far each part was read */
} EtlWhole;

extern EtlWhole *EtlWholeBegin(EtlConverted *converted);
extern void EtlWholeEnd(EtlWhole *whole);
/* Adds the batch, which was converted in the transaction under way. */
extern void EtlWholeAdd(EtlWhole *whole);
/* Writes what commits with the rows: dead letters, and how far the source was read. */
extern void EtlWholeSettle(EtlWhole *whole);

#endif /* ETL_WHOLE_H */
