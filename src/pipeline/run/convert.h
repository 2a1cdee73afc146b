/*
 * convert.h
 *		The records of a batch -> rows, faults of values aside.
 */
#ifndef ETL_CONVERT_BATCH_H
#define ETL_CONVERT_BATCH_H

#include "pipeline/run/rejects.h"

typedef struct EtlConverted
{
	EtlReading *reading;
	EtlRejects *rejects;
	int n;			/* -1: the batch is not converted yet */
	int nfaulty;	/* of the rejects, those of the conversion */
	int *record_of; /* [n] the record that a row is */
	int *row_of;	/* [records + 1] the first row at or behind a record */
	bool partial;	/* the record of some row lacks columns */
	Datum *values;	/* [natts of statements->rows] of each row */
	bool *isnull;
} EtlConverted;

/* Called for each new batch. */
extern void EtlConvertedReset(EtlConverted *converted);
/*
 * Converts the batch, once: what it becomes lasts as long as the batch, also when the first transaction that tries to load
 * it is aborted.  Rejects are those of the conversion again.
 */
extern void EtlConvertBatch(EtlConverted *converted);
/* Takes rows out, whose records have been added to the rejects. */
extern void EtlConvertedRemove(EtlConverted *converted, const bool *out);

#endif /* ETL_CONVERT_BATCH_H */
