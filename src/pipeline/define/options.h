/*
 * options.h
 *		What holds for one option of a definition, or for several together.
 */
#ifndef ETL_DEFINE_OPTIONS_H
#define ETL_DEFINE_OPTIONS_H

#include "pipeline/pipeline.h"

/* Before the texts are looked at: an error (22023, and 22004 without source or target) for options that cannot be. */
extern void EtlCheckOptions(const EtlPipeline *pipeline);

#endif /* ETL_DEFINE_OPTIONS_H */
