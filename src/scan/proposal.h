/*
 * proposal.h
 *		Columns that are proposed for a source: names and types.
 *
 * A type is proposed for a column if every value seen has its plain form (forms.h).  A proposal never changes how bytes
 * are parsed.
 */
#ifndef ETL_PROPOSAL_H
#define ETL_PROPOSAL_H

#include "etl.h"
#include "scan/forms.h"

typedef struct EtlProposedColumn
{
	const char *header;	  /* what the source calls it; empty if it has no name for it */
	const char *name;	  /* an SQL name: folded, unique; NULL: SQL has none for it */
	const char *declared; /* by what the function that reads it declares it */
	EtlForms forms;		  /* which types all its values so far have the form of */
	bool has_values;	  /* any but NULL */
	bool nested;		  /* some are arrays or objects of JSON */
	bool exact;			  /* in the current record it is called as in "header" */
	int64 record;		  /* number of the last record that has it, where the format counts them */
} EtlProposedColumn;

typedef struct EtlProposal
{
	struct MemoryContextData *context;
	bool types; /* they are wanted, and not only names */
	int ncolumns;
	int max_columns;
	EtlProposedColumn *columns; /* [max_columns] */
	bool
		by_name; /* headers tell the columns apart: each is there, unique, and fits a name of SQL */
	bool alike;	 /* all parts have the same header, or none */
	bool complete; /* all records were looked at */
	bool settled;  /* no other record can have another column */
	int nparts;	   /* that have a record, or a header */
	void *doubts;  /* the format's own: what makes the proposal doubtful */
} EtlProposal;

/* In the current memory context. */
extern EtlProposal *EtlProposalCreate(void);

/* Adds a column; header is copied. */
extern EtlProposedColumn *EtlProposalAdd(EtlProposal *proposal, const char *header, size_t len);

/* Whether SQL can declare a column by a name: it is there, fits, and is not reserved for provenance. */
extern bool EtlCanDeclare(const char *name, size_t len);

/* The type proposed: bigint, numeric, boolean, date, timestamptz, uuid, jsonb or text. */
extern Oid EtlProposedType(const EtlProposedColumn *column);

#endif /* ETL_PROPOSAL_H */
