/*
 * check.h
 *		What can be seen to be wrong with a definition before it runs.
 */
#ifndef ETL_CHECK_H
#define ETL_CHECK_H

#include "access/tupdesc.h"
#include "nodes/parsenodes.h"
#include "pipeline/define/texts.h"
#include "utils/rel.h"

/*
 * Checks a source and gives its columns; "text" is the statement that reads it.  *files is the path or pattern that it
 * reads; NULL: none, or not known before a run.
 */
extern TupleDesc EtlCheckSource(const EtlPipeline *pipeline, const char *text, char **files);

/* Checks a query and gives its columns, and for each the column of the batch that it passes on unchanged; -1: none. */
extern TupleDesc
EtlCheckQuery(const EtlPipeline *pipeline, const char *text, Oid target, int **passed);

/* Whether the query, as it was analyzed, is one that a pipeline can have. */
extern void EtlCheckQueryTree(const EtlPipeline *pipeline, Query *query, Oid target);

extern void EtlCheckRule(const EtlRule *rule, const char *text);

/*
 * Checks the condition of rows that delete; "text" is a SELECT of it from the query.  Returns the columns of that, from 1, that
 * it looks at.
 */
extern Bitmapset *EtlCheckDeleteWhen(const EtlPipeline *pipeline, const char *text);

/* Checks the rows to which the deletes of a replace are confined; "text" is a SELECT of the condition. */
extern void EtlCheckScope(const EtlPipeline *pipeline, const char *text);

/* Holds the query's columns, the key and the watermark against the target, and finds them: s->keys and kin. */
extern void EtlCheckTarget(const EtlPipeline *pipeline, EtlStatements *s, Relation target);

/* Parses and plans a statement that is ours but for names and types. */
extern void EtlCheckLoad(const char *text);

/* The column of the target that a column of the query goes to; after EtlCheckTarget. */
extern Form_pg_attribute EtlTargetAttribute(const EtlStatements *s, Relation target, int column);

#endif /* ETL_CHECK_H */
