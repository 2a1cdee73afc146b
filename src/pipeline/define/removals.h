/*
 * removals.h
 *		The statements of a definition that delete rows of the target.
 */
#ifndef ETL_REMOVALS_H
#define ETL_REMOVALS_H

#include "pipeline/define/texts.h"
#include "utils/rel.h"

/* Those of a replace, and of an upsert with "deletes": s->remove and s->unmark, or s->clear; and s->count. */
extern void EtlMakeRemoval(EtlStatements *s, const EtlPipeline *pipeline, Relation target);

/* Those of a further target with delete_within: s->delete_within and kin; "first" are the statements of the first target. */
extern void EtlMakeWithin(EtlStatements *s, const EtlPipeline *pipeline, Relation target,
						  const EtlStatements *first);
/* That of rows that delete: s->bury. */
extern void EtlMakeBurial(EtlStatements *s, const EtlPipeline *pipeline, Relation target);

#endif /* ETL_REMOVALS_H */
