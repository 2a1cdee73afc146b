/*
 * csv_cut.h
 *		A piece from somewhere in a CSV file: what it takes to know where in it the first record starts.
 *
 * Whether a byte stands inside quotes depends on all quotes before it.  But of a piece everything that matters is known for
 * both cases, and the number of its quotes says which case the next piece is.  So pieces can be looked at in any order, by
 * many at once, and the records of each are found exactly, without a guess: an escape must be the quote, and there are
 * no comments.
 */
#ifndef ETL_CSV_CUT_H
#define ETL_CSV_CUT_H

#include "format/csv.h"

typedef struct EtlCsvCut
{
	bool odd;	   /* the number of its quotes */
	uint64 nlines; /* physical lines that end in it; an LF behind a CR ends none */
	size_t first
		[2]; /* where the first record starts, if the piece begins outside [0] or inside [1] of quotes; its length: nowhere in it */
} EtlCsvCut;

/* The byte before the piece belongs to the stream, too; at the start of that it is an LF. */
extern void EtlCsvFindCut(const EtlCsvDialect *dialect, char before, const char *piece, size_t len,
						  EtlCsvCut *cut);

/* How many physical lines end in these bytes, of which "before" is the one before. */
extern uint64 EtlCsvCountLines(char before, const char *s, size_t len);

#endif /* ETL_CSV_CUT_H */
