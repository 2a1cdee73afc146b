/*
 * watch.c
 *		Pipelines that run when files of their source arrive: which files those are.
 *
 * The argument of a source may be any expression, such as one that has today's date in it, and it is the owner's
 * code.  So it is evaluated as the owner, when the pipeline is defined and again by each run, and
 * stored; whoever watches the files only reads the text.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/run/engine.h"
#include "pipeline/watch.h"
#include "source/file.h"
#include "source/url.h"
#include "utils/builtins.h"

char *
EtlFilesOfSource(const EtlScanKind *kind, const EtlArgs *args)
{
	char *source = EtlArgText(args, "source");

	if (source == NULL || strcmp(kind->function, "etl_api") == 0 ||
		EtlArgFind(args, "path") != NULL || EtlIsUrl(source))
		return NULL;
	return source;
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

typedef struct Watch
{
	int64 pipeline;
	const char *path;
	bool watching;
} Watch;

static void
execute(Watch *watch, const char *text, int expected)
{
	Oid types[] = {INT8OID, TEXTOID};
	Datum values[] = {Int64GetDatum(watch->pipeline),
					  CStringGetTextDatum(watch->path != NULL ? watch->path : "")};

	if (SPI_execute_with_args(text, lengthof(types), types, values, NULL, false, 0) != expected)
		elog(ERROR, "could not use the table of schedules");
}

static void
read_watch(void *arg)
{
	Watch *watch = arg;

	execute(watch,
			"SELECT FROM etl_catalog.schedules WHERE pipeline = $1 AND watch AND $2 IS NOT NULL",
			SPI_OK_SELECT);
	watch->watching = SPI_processed > 0;
}

bool
EtlIsWatching(int64 pipeline)
{
	Watch watch = {pipeline, NULL, false};

	EtlCatalogDo(read_watch, &watch);
	return watch.watching;
}

/* Each update wakes the scheduler, so it is made only for a change. */
static void
write_path(void *arg)
{
	Watch *watch = arg;

	execute(watch,
			"SELECT FROM etl_catalog.schedules WHERE pipeline = $1 AND watch "
			"AND watched IS DISTINCT FROM $2",
			SPI_OK_SELECT);
	if (SPI_processed > 0)
		execute(watch, "UPDATE etl_catalog.schedules SET watched = $2 WHERE pipeline = $1",
				SPI_OK_UPDATE);
}

void
EtlSetWatched(int64 pipeline, const char *path)
{
	Watch watch = {pipeline, path, true};

	EtlCatalogDo(write_path, &watch);
}
