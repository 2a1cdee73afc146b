/*
 * resume.h
 *		Where a pipeline goes on in a file or URL that an earlier run has read.
 *
 * A position is that of a byte in the decoded stream, with what tells whether there is still the same: of a file its size
 * and time, and hashes of its first bytes and of those before the position; of a URL the validator that the server gave
 * (an ETag, the date of the last change), and a hash of the records before the position.
 *
 *		unchanged and finished		nothing is to be read
 *		unchanged					on at the byte, or, where that cannot be reached, from the start: the records
 *									before the position are read and passed over, if they are the same
 *		a plain file that grew		the same, if what is before the position is still there
 *		anything else				all of it
 */
#ifndef ETL_SCAN_RESUME_H
#define ETL_SCAN_RESUME_H

#include "etl.h"
#include "scan/rows.h"
#include "source/set.h"

typedef struct EtlPosition
{
	uint64 offset;	 /* of the next record */
	uint64 line;	 /* of it */
	uint64 records;	 /* before it */
	uint64 hash;	 /* of those */
	uint64 finished; /* there is no more */
	uint64 sequence; /* JSON: values one after another */
	uint64 plain;	 /* offset is a place in what is stored, too */
	uint64 mark;	 /* bytes of a byte order mark, which offset does not count */
	EtlSourceState state;
	const char *header; /* CSV: as it is written */
} EtlPosition;

extern char *EtlPositionText(const EtlPosition *position); /* palloc'd */

/* Finds the position that was marked for a part; false, and all zero, if there is none. */
extern bool EtlResumeFind(const EtlRows *rows, const EtlPart *part, EtlPosition *position);

/* The same as the past with which the part is opened; begin: the byte as stored from which on it is wanted, or 0. */
extern void EtlResumePast(const EtlPosition *position, uint64 begin, EtlSourcePast *past);

/*
 * What of the part in hand, which has been opened as "stream", is to be read.  appendable: more records may follow
 * those that it had.  *growing: somebody may be writing it at this moment.
 */
extern EtlSourcePlan
EtlResumeDecide(const EtlRows *rows, const EtlSourceSet *files, const EtlSource *stream,
				const EtlPosition *position, bool appendable, bool *growing);

/* Adds to a position in the part in hand what tells it from others, and marks it. */
extern void EtlResumeMark(const EtlRows *rows, const EtlSourceSet *files, const EtlSource *stream,
						  EtlPosition *position);

/* Marks a position of the part in hand that was found, unchanged. */
extern void
EtlResumeMarkFound(const EtlRows *rows, const EtlSourceSet *files, const EtlPosition *position);

/* The last record of the file in hand was held back. */
extern void EtlResumeTellHeld(const EtlRows *rows, const EtlSourceSet *files);

#endif /* ETL_SCAN_RESUME_H */
