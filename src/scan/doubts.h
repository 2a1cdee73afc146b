/*
 * doubts.h
 *		What makes it doubtful that a file is CSV of the dialect in which it is read.
 *
 *		EtlDoubtsOfHeader	what its first line says
 *		EtlDoubtsSee		whether a record agrees
 *		EtlDoubtsTell		an error, or NOTICEs
 */
#ifndef ETL_DOUBTS_H
#define ETL_DOUBTS_H

#include "etl.h"
#include "scan/csv_records.h"

typedef struct EtlDoubts
{
	const char *source;	   /* the file's name; NULL: there are no doubts */
	const char *begins_as; /* another format; NULL: none */
	const struct EtlSeparator
		*separator;	   /* that the only name holds; NULL: none, or there are more names */
	int nseparators;   /* of them in the name */
	bool contradicted; /* a record has fewer */
} EtlDoubts;

/* Looks at the current header, and says whether there are doubts; then at the current record. */
extern bool EtlDoubtsOfHeader(EtlDoubts *doubts, const EtlCsvRecords *records);
extern void EtlDoubtsSee(EtlDoubts *doubts, const EtlCsvRecords *records);

/* What a header says of which no column was found: a hint, or NULL. */
extern const char *EtlDoubtsHint(const EtlCsvRecords *records);

/*
 * Tells them by NOTICEs; with "refuse", raises an error (22P04) if the file is of another format, or was read with another
 * delimiter.
 */
extern void EtlDoubtsTell(const EtlDoubts *doubts, bool refuse);

#endif /* ETL_DOUBTS_H */
