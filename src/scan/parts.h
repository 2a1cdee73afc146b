/*
 * parts.h
 *		From part to part of a source (a file, a URL), each from where an earlier run of a pipeline stopped.
 *
 * A position is a place in the stream of records, with what tells whether what is before it is still the same: of a file
 * its size and time, and hashes of its first bytes and of those before the position; of a URL the validator that the
 * server gave (an ETag, the date of the last change), and a hash of the records before the position.
 *
 *		unchanged and finished		nothing is to be read
 *		unchanged					on at the position, or, where that cannot be reached, from the start: the records
 *									before it are read and passed over, if they are the same
 *		a plain file that grew		the same, if what is before the position is still there
 *		read in part, and changed	on behind the records before the position, if they are the same
 *		anything else				all of it
 *
 * The last record of a file that somebody may still be writing is held back, unless its end is there.  A run that removes what
 * it does not find waits until nobody is writing the file.
 *
 * A part that cannot be read, or not on, can be left: what was handed out of it stays marked, and a later run opens it
 * only to see whether it has another version, or is told to try it again.
 *
 * An ordinary scan (no EtlResume) only goes from part to part.
 */
#ifndef ETL_PARTS_H
#define ETL_PARTS_H

#include "etl.h"
#include "scan/resume.h"
#include "scan/stream.h"

/* What is special to a kind of scan; arg is the kind's own.  NULL: nothing. */
typedef struct EtlPartKind
{
	/* Whether the next part, which has this number (from 1), is read here: another process may read it. */
	bool (*mine)(void *arg, int number);
	/*
	 * The current part is open: reads the record that comes before all others, into the place of the current one, and
	 * returns the format's step.  ETL_FORMAT_END: it has no record, and is passed over.
	 */
	int (*begin)(void *arg);
	/* Its first record is read next. */
	void (*ready)(void *arg);
	/* It has no more of them. */
	void (*end)(void *arg);
	/*
	 * Raises what broke it: a step of the format from ETL_FORMAT_EMPTY on.  It may return for ETL_FORMAT_EMPTY, and the
	 * part is passed over.
	 */
	void (*broken)(void *arg, int step);
} EtlPartKind;

typedef struct EtlPosition
{
	EtlRecordPlace place; /* of the next record */
	EtlSourceState state; /* of the part */
	uint64 finished;	  /* there is no more */
	uint64 open;		  /* place.open */
	uint64 plain;		  /* the place is one of what is stored, too */
	uint64 mark;		  /* bytes of a byte order mark, which the place does not count */
	const char *header;	  /* of a URL: what stands before its records, as it is written; or NULL */
} EtlPosition;

typedef struct EtlParts
{
	EtlStream *stream;
	void *record; /* where the current record goes */
	const EtlPartKind *kind;
	void *arg;
	const EtlResume *resume; /* NULL: an ordinary scan */
	bool reachable;			 /* records can be gone to by their place */
	bool remote;			 /* parts come over the network */
	bool *hashes;			 /* whether the reader makes a hash of the records; NULL: always */

	/* the current part */
	bool in_hand;
	bool newest_done; /* the only one that there is to be read was gone to */
	bool placed;	  /* its next record is the one that is to be handed out next */
	EtlSourcePlan plan;
	EtlPosition found; /* where an earlier run stopped; zero: none has read it */
	EtlRecordPlace
		end;   /* behind the last record that was handed out; only kept while it is looked after: */
	bool here; /* it was opened where that is: its header is in the position */
	bool unmarked;		/* its start, until the first record tells whether it is open */
	bool growing;		/* somebody may be writing it */
	bool held;			/* its last record was held back for that reason */
	const char *header; /* for the kind to set */
} EtlParts;

typedef enum EtlPartsStep
{
	ETL_PARTS_RECORD,
	ETL_PARTS_LATE, /* none has come by stream->until */
	ETL_PARTS_END,
} EtlPartsStep;

/* Opens the next part that is to be read; false if there is none.  Next calls it as needed. */
extern bool EtlPartsOpenNext(EtlParts *parts);

/* Goes to the next record, of whichever part. */
extern EtlPartsStep EtlPartsNext(EtlParts *parts);

/* Marks how far the current part was handed out, if there is one. */
extern void EtlPartsTell(EtlParts *parts);

/*
 * After an error: marks the current part as set aside, and leaves it, so that Next continues with the next part.
 * False: there is no current part.
 */
extern bool EtlPartsLeave(EtlParts *parts);

/* Whether a part that was not found is gone, as EtlStore has it; its position was marked. */
extern bool
EtlPartsIsGone(const EtlParts *parts, const char *part, const char *position, bool in_order);

/*
 * Begins what is to be done with a part whose position says that it is loaded (when_done.h); NULL: it is of another place.
 */
extern EtlDone *EtlPartsDone(const EtlParts *parts, const char *part, const char *position,
							 const EtlWhenDone *what);

/* The version of a part, for people and to be compared (palloc'd); NULL: nothing is known that would tell it. */
extern char *EtlPartVersion(const EtlSourceState *state);

/* A position as text (palloc'd), and back; here for tests. */
extern char *EtlPositionText(const EtlPosition *position);
extern void EtlPositionRead(const char *text, EtlPosition *position);

#endif /* ETL_PARTS_H */
