/*
 * continuous.c
 *		What a run without an end does between its batches.
 *
 * Its source either has no end, and is waited for (look_again of rows.h), or has one, as files do: then the source is opened
 * again every flush_interval, and read as the next run would read it, from the checkpoints that are committed.
 *
 * What other runs do at their end, or once in their life, is done
 *
 *		each flush_interval		pipelines that run "after" this one are told, if something was loaded
 *		each hour				reject_limit counts anew; old runs and dead letters are removed
 *		at the end of a scan	rows that failed their foreign key are tried again (engine.c), parts that were set aside are
 *								reported
 */
#include "etl.h"

#include "pgstat.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/run/alert.h"
#include "pipeline/run/continuous.h"
#include "pipeline/run/ending.h"
#include "pipeline/run/forget.h"
#include "pipeline/run/report.h"
#include "pipeline/run/transaction.h"
#include "source/clock.h"
#include "source/loop.h"

#define HOUR_MS (3600 * INT64CONST(1000))
#define SHORTEST_PAUSE_MS 100
#define LONGEST_TURN_MS 1000

/* Says that all before has been loaded, no more often than each flush_interval. */
static void
tell(EtlBatchLoad *load)
{
	EtlContinuous *c = &load->continuous;
	EtlRun *run = load->run;

	if (c->told && (c->told_read == run->counters.read ||
					EtlClock() < c->told_at + run->pipeline->flush_interval.ms))
		return;
	EtlBegin();
	EtlCatalogSetFlushed(run->id, run->pipeline->id);
	EtlCommit(run);
	c->told = true;
	c->told_read = run->counters.read;
	c->told_at = EtlClock();
}

static void
begin_hour(EtlBatchLoad *load)
{
	EtlContinuous *c = &load->continuous;

	if (EtlClock() < c->hour_ends)
		return;
	if (c->hour_ends != 0)
	{
		EtlBegin();
		EtlForget(load->reading);
		EtlCommit(load->run);
	}
	c->hour_ends = EtlClock() + HOUR_MS;
	load->rejects.before = EtlCountRejected(&load->run->counters);
	load->rejects.rejected = 0;
}

void
EtlContinuousCommitted(EtlBatchLoad *load)
{
	tell(load);
	begin_hour(load);
	EtlLookForEnding();
	(void) pgstat_report_stat(false);
}

void
EtlContinuousRest(EtlBatchLoad *load)
{
	EtlContinuous *c = &load->continuous;
	int64 set_aside = load->run->counters.parts_set_aside;
	int64 columns_new = load->run->counters.columns_new;

	EtlContinuousCommitted(load);
	if (set_aside > c->set_aside)
		EtlAlert("set_aside", load->run->pipeline->id, load->run->id);
	c->set_aside = set_aside;
	if (columns_new > c->columns_new)
		EtlAlert("new_columns", load->run->pipeline->id, load->run->id);
	c->columns_new = columns_new;
	(void) pgstat_report_stat(true);
	EtlCheckShutdown();
}

void
EtlContinuousPause(EtlBatchLoad *load, int64 began)
{
	int64 now = EtlClock();
	int64 until = Max(began + load->run->pipeline->flush_interval.ms, now + SHORTEST_PAUSE_MS);

	EtlReportStage(ETL_STAGE_WAITING, 0);
	for (; now < until; now = EtlClock())
	{
		EtlLookForEnding();
		EtlLoopTurn(Min(until, now + LONGEST_TURN_MS));
	}
	EtlCheckShutdown();
}
