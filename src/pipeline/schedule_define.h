/*
 * schedule_define.h
 *		The schedule of a pipeline, as users set it.
 */
#ifndef ETL_SCHEDULE_DEFINE_H
#define ETL_SCHEDULE_DEFINE_H

#include "pipeline/catalog/sql.h"
#include "pipeline/pipeline.h"
#include "scan/args.h"

/*
 * Checks and stores what etl_create_pipeline and etl_alter_pipeline were given of it.  A pipeline that was redefined may
 * watch other files, or none.
 */
extern void EtlTakeSchedule(const EtlArgs *args, const EtlPipeline *pipeline, bool redefined);

/* define.c: works as the owner of a pipeline and with its settings, in a restricted operation. */
extern void EtlDoAsOwner(const EtlPipeline *pipeline, void (*work)(void *arg), void *arg);
/* define.c: takes what is given over the old values of these options; false: none is given. */
extern bool
EtlTakeOptions(const EtlArgs *args, const EtlSqlColumn *options, int n, void *definition);

#endif /* ETL_SCHEDULE_DEFINE_H */
