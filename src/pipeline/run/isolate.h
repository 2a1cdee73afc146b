/*
 * isolate.h
 *		Which range of records to try next, when a batch holds some that fail.
 */
#ifndef ETL_ISOLATE_H
#define ETL_ISOLATE_H

#include "etl.h"

#define ETL_ANY_RECORD (-1) /* it is not known which one failed */

typedef struct EtlIsolation
{
	int at;			 /* the first record that is not done */
	int end;		 /* of all of them */
	int length;		 /* of the next range, if no record is suspected */
	int suspect;	 /* the record that is likely to fail; or ETL_ANY_RECORD */
	int last_failed; /* the last record that failed alone; before the first if none did */
	bool lying;		 /* suspicions are worth nothing: a suspect did not fail, or */
	int doubts; /* how often in a row the records before a suspect failed, and the last of them was suspected */
} EtlIsolation;

/* "suspect" is the record that failed when all of them were tried. */
extern void EtlIsolationBegin(EtlIsolation *isolation, int begin, int end, int suspect);
/* The same for records that are tried for the first time. */
extern void EtlIsolationGoOn(EtlIsolation *isolation, int begin, int end);
/* The end of the next range, which begins at isolation->at. */
extern int EtlIsolationNext(const EtlIsolation *isolation);
/* All records before "end" could be loaded. */
extern void EtlIsolationSucceeded(EtlIsolation *isolation, int end);
/* They could not.  True if it was one record: it is the faulty one, and done. */
extern bool EtlIsolationFailed(EtlIsolation *isolation, int end, int suspect);

#endif /* ETL_ISOLATE_H */
