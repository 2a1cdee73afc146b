/*
 * watch.c
 *		Pipelines that run when files of their source arrive: which files those are.
 *
 * The argument of a source may be any expression, such as one that has today's date in it, and it is the owner's
 * code.  So it is evaluated as the owner, when the pipeline is defined and again by each run, and
 * stored; the watcher only reads the text.
 */
#include "etl.h"

#include "pipeline/evaluate.h"
#include "pipeline/watch.h"
#include "source/file.h"
#include "utils/builtins.h"

char *
EtlFilesOfSource(const EtlScanKind *kind, const EtlArgs *args)
{
	return kind->watches != NULL ? kind->watches(args) : NULL;
}

char *
EtlWatchedPath(const EtlPipeline *pipeline)
{
	const EtlScanKind *kind;
	EtlArgs *args;
	TupleDesc desc;
	char *path;

	if (!ETL_CAN_WATCH)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("files cannot be watched on this platform"),
						errdetail("That needs inotify, which Linux has."),
						errhint("Give the pipeline a schedule.")));
	EtlEvaluateSource(psprintf("SELECT * FROM\n%s", pipeline->source), CurrentMemoryContext, &kind,
					  &args, &desc);
	path = EtlFilesOfSource(kind, args);
	if (path == NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("the source of pipeline \"%s\" cannot be watched", pipeline->name),
						errdetail("Only files on the server can be."),
						errhint("Give the pipeline a schedule, and watch => false.")));
	EtlFileCheckMayRead(path);
	return path;
}
