/*
 * progress.c
 *		What a load under way shows in pg_stat_progress_copy.
 *
 * INSERT has no progress view of its own, and a load from a file is what people know as COPY.
 */
#include "etl.h"

#include "commands/progress.h"
#include "monitor/progress.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"

/* Places behind those that COPY uses. */
#define STAGE 15
#define RECORDS 16

static bool loading = false;

void
EtlProgressBegin(Oid relation)
{
	const int index[] = {PROGRESS_COPY_COMMAND, PROGRESS_COPY_TYPE};
	const int64 value[] = {PROGRESS_COPY_COMMAND_FROM, PROGRESS_COPY_TYPE_FILE};

	pgstat_progress_start_command(PROGRESS_COMMAND_COPY, relation);
	pgstat_progress_update_multi_param(lengthof(index), index, value);
	loading = true;
}

/*
 * An aborted transaction ends the command for all to see, and a run goes on after one: then it begins anew, and shows
 * its numbers again with the next block that is read.
 */
void
EtlProgressStage(EtlStage stage, uint64 records)
{
	if (!loading)
		return;
	if (MyBEEntry != NULL && MyBEEntry->st_progress_command == PROGRESS_COMMAND_INVALID)
		EtlProgressBegin(InvalidOid);
	pgstat_progress_update_param(STAGE, stage);
	pgstat_progress_update_param(RECORDS, records);
}

/* Safe to call after an error, which ends the command by itself. */
void
EtlProgressEnd(void)
{
	if (loading)
		pgstat_progress_end_command();
	loading = false;
}

void
EtlProgressReport(uint64 bytes, int64 total, uint64 records)
{
	const int index[] = {PROGRESS_COPY_BYTES_PROCESSED, PROGRESS_COPY_BYTES_TOTAL,
						 PROGRESS_COPY_TUPLES_PROCESSED};
	const int64 value[] = {bytes, Max(total, 0), records};

	if (loading)
		pgstat_progress_update_multi_param(lengthof(index), index, value);
}
