/*
 * seen.h
 *		Columns of the source that no record has, and those that it has and nobody has declared.
 */
#ifndef ETL_SEEN_H
#define ETL_SEEN_H

#include "pipeline/run/read.h"

typedef struct EtlSeen
{
	EtlRun *run;
	EtlReading *reading;
	List *ever; /* of char *: the names in reading->ever */
} EtlSeen;

/* In a transaction, once the source is opened. */
extern void EtlSeenOpen(EtlSeen *seen);
/* At the end of the source: an error that ends the run (42703) if there are columns that no record of any run has had. */
extern void EtlSeenJudge(const EtlSeen *seen);
/*
 * Writes which columns there were; at the end of the source also which ones there were not, and returns how many these are.
 */
extern int64 EtlSeenSave(EtlSeen *seen, bool complete);
/* Writes which undeclared columns were found that no run had found before, and returns how many these are. */
extern int64 EtlSeenSaveNew(EtlSeen *seen);
/* The columns of the source that no record has had so far, by number; and makes them fewer, as others have seen them. */
extern Bitmapset *EtlSeenUnseen(const EtlSeen *seen);
extern void EtlSeenKeepUnseen(EtlSeen *seen, const Bitmapset *unseen);

#endif /* ETL_SEEN_H */
