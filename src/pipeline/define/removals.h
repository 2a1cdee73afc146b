/*
 * removals.h
 *		The statements of a definition that delete rows of the target.
 */
#ifndef ETL_REMOVALS_H
#define ETL_REMOVALS_H

#include "pipeline/define/texts.h"
#include "utils/rel.h"

/* Those of a replace: s->remove or s->clear, and s->count. */
extern void EtlMakeRemoval(EtlStatements *s, const EtlPipeline *pipeline, Relation target);

#endif /* ETL_REMOVALS_H */
