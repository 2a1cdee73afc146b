/*
 * read.h
 *		The source -> records of a batch, outside transactions.
 */
#ifndef ETL_READ_H
#define ETL_READ_H

#include "pipeline/run/ledger.h"
#include "pipeline/run/run.h"
#include "scan/names.h"
#include "scan/rows.h"
#include "scan/undeclared.h"

/* What the records of a batch are. */
typedef enum EtlBatchOf
{
	ETL_OF_SOURCE,
	ETL_OF_LETTERS, /* dead letters, in a retry */
	ETL_OF_DOUBTS,	/* those of them to whose keys later records may have come since */
	ETL_OF_DEFERRED /* rows of this run that failed their foreign key, at its end */
} EtlBatchOf;

typedef struct EtlBatch
{
	MemoryContext context; /* of the records; reset with the next batch */
	MemoryContext loading; /* the same, of what becomes of them */
	EtlBatchOf of;
	int n;
	int size; /* of the array */
	EtlKept *records;
	size_t nbytes;
	int64 *letters;	  /* the dead letter that each record was; NULL: they are of the source */
	int64 position;	  /* of the first record, in the order of the run, or */
	int64 *positions; /* of each, among those of rows that were deferred */
	bool reached_end; /* of the source */
	List *resumed;	  /* of int: records with which a part was gone on with */
} EtlBatch;

/* A part of a source that goes back and forth between its parts. */
typedef struct EtlAlternate
{
	char *part;
	int64 rows; /* of it, when it was in hand last */
} EtlAlternate;

typedef struct EtlReading
{
	EtlRun *run;
	EtlBatch batch;

	/* the scan under way */
	MemoryContext context; /* of all that belongs to it */
	EtlRows *rows;
	EtlResume resume;
	bool
		endless; /* there may always be more: it is one of a continuous run, and never reaches an end */
	bool
		watching; /* the run was started by files that arrived, or waits for some; they may be gone */
	bool when_done;	  /* something is done with parts that are loaded */
	char *watched;	  /* the path or pattern that it reads; NULL: no files */
	EtlLedger ledger; /* where earlier scans stopped */
	char *part;		  /* the current one */
	int64 to_skip;	  /* records of it that are done already */
	bool resumes;	  /* its next record is the first behind where an earlier run stopped */
	List *alternates; /* of EtlAlternate *: parts that may come again; NIL: none do */
	int64 part_rows;  /* of it so far, in the current batch and before */
	int64 set_aside;  /* parts, by this scan */
	int64 empty;	  /* parts that it has passed over */
	bool others;	  /* read what this process does not, or may not have read all of it */
	int64 settles_in; /* ms after which a last record that was held back counts; 0: none was */
	EtlUndeclared *
		undeclared; /* columns that the source has and nobody has declared (seen.h); NULL: nobody asks */
	EtlNames *ever;				 /* columns that some record had, by what is committed (seen.h) */
	EtlKept ahead;				 /* the record behind the batch, if it was read already */
	bool has_ahead;				 /* it was */
	MemoryContext ahead_context; /* of it; that of the next batch */
	ErrorData
		*done_error; /* the first with a part for which when_done was to be done; NULL: none */
	List *marks;	 /* of the batch: how far a part had been read when a record was its next one */
} EtlReading;

extern EtlReading *EtlReadingCreate(EtlRun *run);
/* In a transaction: checks rights, evaluates arguments, and finds where earlier scans stopped.  Close ends a scan before. */
extern void EtlReadingOpen(EtlReading *reading);
extern void EtlReadingClose(EtlReading *reading);
/* Empties the batch.  Its last mark is where the next one begins. */
extern void EtlReadingStartBatch(EtlReading *reading);
extern void EtlReadingFill(EtlReading *reading);
/* After an error: leaves the current part, for a reason that is kept with it; false: there is none. */
extern bool EtlReadingLeave(EtlReading *reading, const char *sqlstate, const char *message);
/* Whether all parts that there are have been read to their ends. */
extern bool EtlReadingIsComplete(const EtlReading *reading);
/* How far the source is done when the records before "to" are: a list of EtlCheckpoint *. */
extern List *EtlReadingCheckpoints(const EtlReading *reading, int to);

extern EtlKept *EtlBatchAdd(EtlBatch *batch);

/* The first record from this one on that need not commit with the one before it. */
extern int EtlReadingEdge(const EtlReading *reading, int record);

/* Where a record is, in the order of the run. */
static inline int64
EtlBatchPosition(const EtlBatch *batch, int record)
{
	return batch->positions != NULL ? batch->positions[record] : batch->position + record;
}

#endif /* ETL_READ_H */
