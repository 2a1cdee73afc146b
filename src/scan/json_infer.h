/*
 * json_infer.h
 *		Columns that are proposed for JSON items.
 */
#ifndef ETL_JSON_INFER_H
#define ETL_JSON_INFER_H

#include "etl.h"
#include "format/json.h"
#include "lib/stringinfo.h"
#include "scan/proposal.h"

typedef struct EtlJsonProposal
{
	EtlProposal *columns; /* their headers are UTF-8 until SetNames */
	int64 nitems;
	bool dotted;  /* members of an object within an item are columns, too, by a dotted name */
	bool scalars; /* some items are no objects */
	bool clash;	  /* one item has two members of one name, when that is folded */
	bool more;	  /* items have more members than a table can have columns */
	struct EtlNames *keys;	/* of the columns, and their numbers */
	struct EtlNames *folds; /* the same, folded */
} EtlJsonProposal;

extern EtlJsonProposal *EtlJsonProposalCreate(EtlProposal *columns, bool dotted);

/* Looks at an item. */
extern void EtlJsonProposalSee(EtlJsonProposal *proposal, const EtlJsonItem *item);

/* Gives the columns their names of SQL; afterwards nothing more is seen. */
extern void EtlJsonProposalSetNames(EtlJsonProposal *proposal);

/* Writes the columns as a column definition list, without its brackets. */
extern void EtlJsonProposalWrite(const EtlJsonProposal *proposal, StringInfo out);

/* Whether a value may be loaded into a column of a type that was proposed without looking at it. */
extern bool EtlJsonFits(Oid type, const EtlJsonItem *item, const EtlJsonToken *value);

#endif /* ETL_JSON_INFER_H */
