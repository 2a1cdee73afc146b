/*
 * progress.c
 *		What a load under way shows in pg_stat_progress_copy, and a run in etl_progress.
 *
 * INSERT has no progress view of its own, and a load from a file is what people know as COPY.  What a run has
 * to tell beyond that is in places behind those that COPY uses.
 *
 * An aborted transaction ends the command for all to see, and a run goes on after one.  So all numbers are kept
 * here as well, and shown again with the first of them that changes.
 */
#include "etl.h"

#include "commands/progress.h"
#include "monitor/progress.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"

#define BEHIND 13 /* and one more */
#define RUN 14
#define STAGE 15
#define RECORDS 16
#define ROWS 17
#define DONE 18
#define PAGES 19

volatile sig_atomic_t EtlTickPending = false;
void (*EtlOnTick)(void) = NULL;

static bool loading = false;
static Oid into;
static int64 run;
static EtlProgress progress;

const char *
EtlStageName(EtlStage stage)
{
	static const char *const names[ETL_STAGES] = {
		[ETL_STAGE_STARTING] = "starting",	   [ETL_STAGE_READING] = "reading",
		[ETL_STAGE_CONVERTING] = "converting", [ETL_STAGE_QUERYING] = "querying",
		[ETL_STAGE_LOADING] = "loading",	   [ETL_STAGE_WAITING] = "waiting",
	};

	return names[stage];
}

const EtlProgress *
EtlProgressNow(void)
{
	return &progress;
}

static void
show(void)
{
	const int index[] = {PROGRESS_COPY_COMMAND,
						 PROGRESS_COPY_TYPE,
						 PROGRESS_COPY_BYTES_PROCESSED,
						 PROGRESS_COPY_BYTES_TOTAL,
						 PROGRESS_COPY_TUPLES_PROCESSED,
						 BEHIND,
						 RUN,
						 STAGE,
						 RECORDS,
						 ROWS,
						 DONE,
						 PAGES};
	const int64 value[] = {PROGRESS_COPY_COMMAND_FROM,
						   PROGRESS_COPY_TYPE_FILE,
						   progress.bytes,
						   progress.total,
						   progress.records,
						   progress.behind + 1,
						   run,
						   progress.stage,
						   progress.records,
						   progress.rows,
						   progress.done,
						   progress.pages};

	if (!loading)
		return;
	if (MyBEEntry == NULL || MyBEEntry->st_progress_command == PROGRESS_COMMAND_INVALID)
		pgstat_progress_start_command(PROGRESS_COMMAND_COPY, into);
	pgstat_progress_update_multi_param(lengthof(index), index, value);
}

void
EtlProgressBegin(Oid relation, int64 run_id)
{
	progress = (EtlProgress){.behind = -1};
	into = relation;
	run = run_id;
	loading = true;
	show();
}

void
EtlProgressPage(int64 page)
{
	if (page == progress.pages)
		return;
	progress.pages = page;
	show();
}

void
EtlProgressBehind(int64 messages)
{
	progress.behind = messages;
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
EtlProgressStage(EtlStage stage, int64 records, int64 rows)
{
	progress.stage = stage;
	progress.records = records;
	progress.rows = rows;
	progress.done = 0;
	show();
}

void
EtlProgressDone(int64 records, int64 done)
{
	progress.records = records;
	progress.done = done;
	show();
}

void
EtlProgressReport(uint64 bytes, int64 total, uint64 records)
{
	progress.bytes = bytes;
	progress.total = Max(total, 0);
	if (progress.stage == ETL_STAGE_STARTING) /* else the run counts them */
		progress.records = records;
	show();
	EtlTick();
}
