/*
 * removal.h
 *		Rows of the target that a source, of which all was read, has no more.
 */
#ifndef ETL_REMOVAL_H
#define ETL_REMOVAL_H

#include "pipeline/run/plan.h"
#include "pipeline/run/run.h"
#include "utils/resowner.h"
#include "utils/snapshot.h"

typedef struct EtlRemoval
{
	EtlRun *run;
	EtlSlice keys;		   /* those of the source, in an attempt */
	EtlPlans remove;	   /* a text that is NULL: it has none, or nothing is deleted */
	EtlPlans unmark;	   /* the same */
	EtlPlans count;		   /* the same */
	MemoryContext context; /* of an attempt */
	bool under_way;		   /* keys are taken */
	Snapshot before; /* the target as it was when the attempt began; NULL: a scan in batches, and */
	int64 nbefore;	 /* it had so many rows */
	ResourceOwner owner; /* of the keys of that scan, which outlast transactions */
	int64 ndoubts;		 /* faulty records of it whose keys are not known */
	int64 ngiven;		 /* rows that the query gave */
	bool cleared;		 /* all rows were deleted, */
	int64 ncleared;		 /* so many */
} EtlRemoval;

/* What is said of a faulty record whose row is not known: it may be any. */
#define ETL_HINT_AT_KEY                                                                         \
	"It is not known which row of the target it is, so it cannot be said which ones are gone. " \
	"Correct it in the source, or leave it out in the query."

extern void EtlRemovalOpen(EtlRemoval *removal, EtlRun *run);
/*
 * An attempt begins, and no row of it was loaded.  "rejected" are the keys of records that are dead letters; the load notes
 * places in *places.
 */
extern void EtlRemovalBegin(EtlRemoval *removal, Tuplestorestate *rejected, EtlPlaces **places);
/* The same for all of a scan whose batches are transactions of their own.  In a transaction, before its first record. */
extern void EtlRemovalBeginScan(EtlRemoval *removal, EtlPlaces **places);
/* A record of such a scan is faulty: its key, in the order of the key's columns; or that it is not known. */
extern void EtlRemovalKeep(EtlRemoval *removal, Datum *key, bool *null);
extern void EtlRemovalDoubt(EtlRemoval *removal);
/* Takes the key of a row that the query gave. */
extern void EtlRemovalAdd(EtlRemoval *removal, const Datum *values, const bool *isnull);
/* Rows are going to be loaded: a replace without a key makes room for them first.  Between SPI_connect and SPI_finish. */
extern void EtlRemovalMakeRoom(EtlRemoval *removal);
/* All rows are loaded: those that were marked, and whose keys are there again, are not marked any more. */
extern void EtlRemovalUnmark(EtlRemoval *removal);
/*
 * All rows are loaded, "loaded" of them.  Deletes, or marks, those of the target that have none of the keys; returns how many.
 * An error if the query gave no row, if the key of a faulty record is not known, or if the target has lost more than
 * delete_limit (55000).
 */
extern int64 EtlRemovalRun(EtlRemoval *removal, int64 loaded);
/* Frees the keys of a scan.  Only if all went well: a file that could not be written would fail again. */
extern void EtlRemovalEndScan(EtlRemoval *removal);

#endif /* ETL_REMOVAL_H */
