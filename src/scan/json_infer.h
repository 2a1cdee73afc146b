/*
 * json_infer.h
 *		Proposals for the columns of JSON items: names and types.
 */
#ifndef ETL_JSON_INFER_H
#define ETL_JSON_INFER_H

#include "etl.h"
#include "format/json.h"
#include "lib/stringinfo.h"

typedef struct EtlJsonProposal EtlJsonProposal;

extern EtlJsonProposal *EtlJsonProposalCreate(void);

/* Looks at an item. */
extern void EtlJsonProposalSee(EtlJsonProposal *proposal, const EtlJsonItem *item);

/* Writes what was found as a column definition list, without its brackets. */
extern void EtlJsonProposalWrite(const EtlJsonProposal *proposal, StringInfo out);

#endif /* ETL_JSON_INFER_H */
