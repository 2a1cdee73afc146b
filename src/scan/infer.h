/*
 * infer.h
 *		Proposals for the columns of a CSV file: names and types.
 *
 * A type is proposed for a column if every value seen has the one form in which nobody could mean anything
 * else, and then that type's input gives the same value back.  So codes with leading zeros stay text, as do
 * dates that some country reads the other way.  A proposal never changes how bytes are parsed.
 */
#ifndef ETL_INFER_H
#define ETL_INFER_H

#include "etl.h"
#include "scan/args.h"
#include "scan/convert/convert.h"
#include "scan/doubts.h"

typedef struct EtlProposedColumn
{
	const char *header; /* what the file calls it; empty if it has no name for it */
	const char *name;	/* an SQL name: folded, unique */
	int forms;			/* which types all its values so far have the form of (infer.c) */
	bool has_values;	/* any but NULL */
} EtlProposedColumn;

typedef struct EtlProposal
{
	MemoryContext context;
	int ncolumns;
	int max_columns;
	EtlProposedColumn *columns; /* [max_columns] */
	bool
		by_name; /* headers tell the columns apart: each is there, unique, and fits a name of SQL */
	int unfindable; /* the first column that etl_csv does not find by the name proposed, from 1; 0: none */
	bool alike;	   /* all files have the same header, or none */
	bool complete; /* all records were looked at */
	int nfiles;
	const char *source; /* the first file's name */
	bool doubting;		/* the file in hand is the first about which there are doubts */
	EtlDoubts doubts;	/* of that file */
} EtlProposal;

/*
 * Looks at up to "sample" records (-1: all) of the source that the arguments name, and at the header of each of
 * its files: a column that only a later file has is proposed too.  Raises what reading the source raises.
 */
extern EtlProposal *EtlPropose(const EtlArgs *args, int64 sample);

/* The argument sample_rows: -1 if it is null, for all; 22023 if it is negative. */
extern int64 EtlSampleRows(const EtlArgs *args);

/* Tells what makes the proposal doubtful (doubts.h), and a header that looks like a record. */
extern void EtlTellDoubts(const EtlProposal *proposal, bool refuse);

/* The type proposed: bigint, numeric, boolean, date, timestamptz, uuid, jsonb or text. */
extern Oid EtlProposedType(const EtlProposedColumn *column);

/*
 * For values of a type that was proposed without looking at them.  The type's input takes more texts than those it would
 * be proposed for, and loses what they say: 007, yes, today.
 *
 * HasForm tells whether a text is one that the type is proposed for; for jsonb, only whether it may be.  ConverterFor
 * is a fast converter that says no to all others; NULL if there is none.
 */
extern bool EtlHasProposedForm(Oid type, const char *s, size_t len);
extern EtlFastConverter EtlProposedConverterFor(Oid type);

#endif /* ETL_INFER_H */
