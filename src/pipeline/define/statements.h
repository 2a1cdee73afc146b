/*
 * statements.h
 *		The texts of a definition as the statements that a run executes, checked against each other.
 */
#ifndef ETL_STATEMENTS_H
#define ETL_STATEMENTS_H

#include "pipeline/define/texts.h"

/*
 * Makes the statements of a definition for the current user under the current search_path, in the current
 * memory context.  Everything that can be seen to be wrong with it is an error here.
 */
extern EtlStatements *EtlMakeStatements(const EtlPipeline *pipeline);

/* The target as it is known for ever: qualified and quoted. */
extern char *EtlQualifiedTarget(const char *name);

#endif /* ETL_STATEMENTS_H */
