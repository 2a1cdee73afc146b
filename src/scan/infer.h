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
	EtlProposedColumn *columns;
	bool
		by_name; /* headers tell the columns apart: each is there, unique, and fits a name of SQL */
	int nfiles;
} EtlProposal;

/*
 * Looks at up to "sample" records (-1: all) of the source that the arguments name, and at the header of each of
 * its files: a column that only a later file has is proposed too.  Raises what reading the source raises.
 */
extern EtlProposal *EtlPropose(const EtlArgs *args, int64 sample);

/* The type proposed: bigint, numeric, boolean, date, timestamptz, uuid, jsonb or text. */
extern Oid EtlProposedType(const EtlProposedColumn *column);

#endif /* ETL_INFER_H */
