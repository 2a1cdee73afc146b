/*
 * forget.c
 *		What a run removes behind itself: old runs and dead letters, and checkpoints of files that are gone.
 *
 * A checkpoint says which records of a file are loaded already, so it must outlive a file that is only away, such as on
 * a file system that is not mounted.  A run notes which files it did not meet and are not there, and when it first did not;
 * after etl.retention without them their checkpoints go.
 */
#include "etl.h"

#include <unistd.h>

#include "miscadmin.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/run/forget.h"
#include "utils/timestamp.h"

/* What a run removes at most of the history: where etl.retention was lowered, the rest is for the next ones. */
#define MOST_REMOVED 10000

/* Only of files can it be seen. */
static bool
is_gone(const EtlCheckpoint *checkpoint)
{
	return access(checkpoint->part, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

static void
forget_files(const EtlReading *reading)
{
	int64 pipeline = reading->run->pipeline->id;
	List *gone = NIL;
	List *back = NIL;
	bool any = false;
	ListCell *lc;

	foreach (lc, reading->checkpoints)
	{
		const EtlCheckpoint *checkpoint = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		any |= checkpoint->missing_since != 0;
		if (checkpoint->asked_for && checkpoint->missing_since != 0)
			back = lappend(back, checkpoint->part);
		else if (!checkpoint->asked_for && checkpoint->missing_since == 0 && is_gone(checkpoint))
			gone = lappend(gone, checkpoint->part);
	}
	if (gone != NIL)
		EtlCatalogSetMissing(pipeline, gone, true);
	if (back != NIL)
		EtlCatalogSetMissing(pipeline, back, false);
	if (any)
		EtlCatalogForgetMissing(pipeline, EtlRetention);
}

void
EtlForget(const EtlReading *reading)
{
	const EtlRun *run = reading->run;

	if (EtlRetention <= 0)
		return;
	(void) EtlCatalogPurge(run->pipeline->id, psprintf("%d minutes", EtlRetention), false,
						   MOST_REMOVED);
	if (run->kind == ETL_RUN_LOAD && reading->batch.reached_end && reading->watched != NULL)
		forget_files(reading);
}
