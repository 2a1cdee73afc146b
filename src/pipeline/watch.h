/*
 * watch.h
 *		Pipelines that run when files of their source arrive: which files those are.
 */
#ifndef ETL_WATCH_H
#define ETL_WATCH_H

#include "pipeline/pipeline.h"
#include "scan/rows.h"

/*
 * The path or pattern that a pipeline reads, evaluated as its owner, who must be the current user.  An error if its
 * source is not one of files on the server (0A000), or the owner may not read those (42501).
 */
extern char *EtlWatchedPath(const EtlPipeline *pipeline);

/* The path or pattern that the call of a source reads; NULL: no files of the server. */
extern char *EtlFilesOfSource(const EtlScanKind *kind, const EtlArgs *args);

#endif /* ETL_WATCH_H */
