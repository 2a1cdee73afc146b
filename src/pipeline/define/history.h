/*
 * history.h
 *		Targets that keep each version of a row (mode => 'history').
 */
#ifndef ETL_HISTORY_H
#define ETL_HISTORY_H

#include "pipeline/define/texts.h"
#include "utils/rel.h"

/* What holds for the options together (22023). */
extern void EtlCheckHistoryOptions(const EtlPipeline *pipeline);
/* Finds the columns of the target that say since when, and until when, a version holds: s->valid_from, s->valid_to; before EtlCheckTarget. */
extern void EtlFindVersions(EtlStatements *s, const EtlPipeline *pipeline, Relation target);
/* What makes a version, and its time: s->version_time; after EtlCheckTarget. */
extern void EtlTimeVersions(EtlStatements *s, const EtlPipeline *pipeline, Relation target);
/* Whether a column of the query makes another version of a row if its value is another one; else that is updated. */
extern bool EtlMakesVersion(const EtlStatements *s, int column);
/* SET of what ends a version, t: not before it began. */
extern char *EtlEndVersion(const EtlStatements *s, const char *time);
/* The time of the run, as a value of the columns. */
extern char *EtlRunInstant(const EtlStatements *s, Relation target);

#endif /* ETL_HISTORY_H */
