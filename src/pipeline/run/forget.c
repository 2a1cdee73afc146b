/*
 * forget.c
 *		What a run removes behind itself: old runs and dead letters, and checkpoints of parts that are gone.
 *
 * A checkpoint says which records of a part are loaded already, so it must outlive a file that is only away, such as on
 * a file system that is not mounted, and an object that is put back.  A run notes which parts are gone, and when it first did (ledger.c);
 * after etl.retention without them their checkpoints go.  A checkpoint that is not known to be of a part that is gone stays.
 */
#include "etl.h"

#include "pipeline/catalog/catalog.h"
#include "pipeline/run/forget.h"

/* What a run removes at most of the history: where etl.retention was lowered, the rest is for the next ones. */
#define MOST_REMOVED 10000

void
EtlForget(EtlReading *reading)
{
	const EtlRun *run = reading->run;

	bool complete = run->kind == ETL_RUN_LOAD && reading->batch.reached_end;

	if (complete)
		EtlLedgerEnd(&reading->ledger);
	if (EtlRetention <= 0)
		return;
	(void) EtlCatalogPurge(run->pipeline->id, psprintf("%d minutes", EtlRetention), false,
						   MOST_REMOVED);
	if (complete)
		EtlCatalogForgetMissing(run->pipeline->id, EtlRetention);
}
