/*
 * further.h
 *		Further targets of a pipeline: what their statements have to do with those of the first one.
 */
#ifndef ETL_FURTHER_H
#define ETL_FURTHER_H

#include "pipeline/define/texts.h"
#include "utils/rel.h"

/* Makes the statements of all further targets of s->pipeline: s->further. */
extern void EtlMakeFurther(EtlStatements *s);

/* Once the query of a further target is analyzed: takes away options that only the first target has. */
extern void EtlAdaptFurther(EtlPipeline *target, const EtlStatements *s);
/* Once its key is known: in a cautious retry a row that others may have loaded is not updated. */
extern void EtlBeCautious(EtlPipeline *target, const EtlStatements *s, const EtlStatements *first);

/* Finds the tables to which foreign keys of the target refer: s->references and kin. */
extern void EtlFindReferences(EtlStatements *s, Relation target);

/* statements.c: those of one target; "first" are the statements of the first one; NULL: it is the first. */
extern EtlStatements *EtlMakeTarget(const EtlPipeline *pipeline, const EtlStatements *first);

#endif /* ETL_FURTHER_H */
