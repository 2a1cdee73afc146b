/*
 * source_call.h
 *		The call that is the source of a pipeline, analyzed and planned.
 */
#ifndef ETL_SOURCE_CALL_H
#define ETL_SOURCE_CALL_H

#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"

/* SELECT * FROM source */
extern char *EtlSourceStatement(const char *source);

/*
 * Analyzes such a statement, in a transaction with an active snapshot.  A function of somebody else's with the name of
 * one of ours does not make it ambiguous.
 */
extern Query *EtlAnalyzeSource(const char *statement);

/* Plans what that gave, which is not touched. */
extern PlannedStmt *EtlPlanSource(const Query *query, const char *statement);

#endif /* ETL_SOURCE_CALL_H */
