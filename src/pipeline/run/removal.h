/*
 * removal.h
 *		Rows of the target that a source, of which all was read, has no more.
 */
#ifndef ETL_REMOVAL_H
#define ETL_REMOVAL_H

#include "pipeline/run/plan.h"
#include "pipeline/run/run.h"

typedef struct EtlRemoval
{
	EtlRun *run;
	EtlSlice keys;		   /* those of the source, in an attempt */
	EtlPlans remove;	   /* a text that is NULL: the mode of the pipeline deletes nothing */
	MemoryContext context; /* of an attempt */
	int64 nkeys;
	int64 before; /* rows that the target had before the attempt */
} EtlRemoval;

/* What is said of a faulty record whose key is not known: it may be that of any row. */
#define ETL_HINT_AT_KEY                                                                       \
	"Its key is not known, so a replace cannot tell which row is still there. Correct it in " \
	"the source, or leave it out in the query."

extern void EtlRemovalOpen(EtlRemoval *removal, EtlRun *run);
/* An attempt begins, and no row of it was loaded.  "rejected" are the keys of records that are dead letters. */
extern void EtlRemovalBegin(EtlRemoval *removal, Tuplestorestate *rejected);
/* Takes the key of a row that the query gave. */
extern void EtlRemovalAdd(EtlRemoval *removal, const Datum *values, const bool *isnull);
/*
 * Deletes the rows of the target that have none of the keys; returns how many.  An error if the query gave no row, or if these
 * are more than delete_limit (55000).
 */
extern int64 EtlRemovalRun(EtlRemoval *removal);

#endif /* ETL_REMOVAL_H */
