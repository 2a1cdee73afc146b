/*
 * report.c
 *		What a run reports while it is under way.
 *
 *		pg_stat_activity	pipeline, run and stage as the query; the pipeline as application_name
 *		etl_progress		the stage, and how far it is: see monitor/progress.h
 *		the server's log	a line every etl.log_interval, and one at the end; numbers, and the reason of a failure, but
 *							never what is in a record or a query
 *
 * The line is asked for by a timeout, and written where the run comes by next: it reads a block, waits for the
 * network, or hands out a row.  A statement that waits for a lock, or a function that takes long for a single
 * row, holds the line up; that it waits, and for what, is in pg_stat_activity.
 */
#include "etl.h"

#include "miscadmin.h"
#include "monitor/progress.h"
#include "pgstat.h"
#include "pipeline/run/report.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/timeout.h"

int EtlLogInterval = 10;

static const EtlRun *reported; /* NULL: no run is under way */
static TimestampTz started_at;
static TimeoutId log_timeout;
static bool registered = false;

static void
handle_log_timeout(void)
{
	EtlTickPending = true;
	SetLatch(MyLatch);
}

void
EtlSetLogTimeout(void)
{
	int64 ms = (int64) EtlLogInterval * 1000;

	if (!registered)
		log_timeout = RegisterTimeout(USER_TIMEOUT, handle_log_timeout);
	registered = true;
	if (reported != NULL && ms > 0)
		enable_timeout_every(log_timeout, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms),
							 (int) ms);
	else
		disable_timeout(log_timeout, false);
}

/* ----------------------------------------------------------------
 *	The log
 * ---------------------------------------------------------------- */

static double
seconds_so_far(void)
{
	return Max(GetCurrentTimestamp() - started_at, 0) / (double) USECS_PER_SEC;
}

/* What is committed. */
static void
append_counters(StringInfo line, const EtlRunCounters *c)
{
#define COUNTER(name, text) \
	if (c->name >= 0)       \
		appendStringInfo(line, text, (long long) c->name);
	ETL_RUN_COUNTERS(COUNTER)
#undef COUNTER
}

/* The context of the place where the line happens to be written could show a record: it is left out. */
static void
write_line(int elevel, int sqlstate, StringInfo line, const char *reason)
{
	ereport(elevel, (errcode(sqlstate), errmsg_internal("%s", line->data),
					 reason != NULL ? errdetail_internal("%s", reason) : 0, errhidestmt(true),
					 errhidecontext(true)));
	pfree(line->data);
}

static void
begin_line(StringInfo line)
{
	initStringInfo(line);
	appendStringInfo(line, "run %lld of pipeline \"%s\" ", (long long) reported->id,
					 reported->pipeline->name);
}

/* EtlOnTick: the line of a run under way. */
static void
log_progress(void)
{
	const EtlProgress *progress = EtlProgressNow();
	double seconds = seconds_so_far();
	StringInfoData line;

	if (reported == NULL || EtlLogInterval <= 0 || progress->stage == ETL_STAGE_WAITING)
		return;
	begin_line(&line);
	appendStringInfo(&line, "after %.1f s: %s", seconds, EtlStageName(progress->stage));
	if (progress->rows > 0 && progress->stage != ETL_STAGE_READING)
		appendStringInfo(&line, " (%lld of %lld rows)", (long long) progress->done,
						 (long long) progress->rows);
	appendStringInfo(&line, ", %lld records (%.0f/s)", (long long) progress->records,
					 progress->records / Max(seconds, 0.001));
	if (progress->total > 0)
		appendStringInfo(&line, ", %lld of %lld bytes", (long long) progress->bytes,
						 (long long) progress->total);
	else if (progress->bytes > 0)
		appendStringInfo(&line, ", %lld bytes", (long long) progress->bytes);
	if (progress->pages > 0)
		appendStringInfo(&line, ", page %lld", (long long) progress->pages);
	appendStringInfoString(&line, "; ");
	append_counters(&line, &reported->counters);
	write_line(LOG, ERRCODE_SUCCESSFUL_COMPLETION, &line, NULL);
}

/* ----------------------------------------------------------------
 *	What the engine says
 * ---------------------------------------------------------------- */

static void
show_activity(EtlStage stage)
{
	char *activity = psprintf("etl pipeline \"%s\", run %lld: %s", reported->pipeline->name,
							  (long long) reported->id, EtlStageName(stage));

	pgstat_report_activity(stage == ETL_STAGE_WAITING ? STATE_IDLE : STATE_RUNNING, activity);
	pfree(activity);
}

void
EtlReportBegin(const EtlRun *run)
{
	char *name = psprintf("etl %s", run->pipeline->name);

	reported = run;
	started_at = GetCurrentTimestamp();
	EtlOnTick = log_progress;
	SetConfigOption("application_name", name, PGC_USERSET, PGC_S_OVERRIDE);
	pfree(name);
	EtlProgressBegin(InvalidOid, run->id);
	show_activity(ETL_STAGE_STARTING);
	EtlSetLogTimeout();
}

void
EtlReportStage(EtlStage stage, int64 rows)
{
	if (reported == NULL)
		return;
	if (stage != EtlProgressNow()->stage)
		show_activity(stage);
	EtlProgressStage(stage, reported->taken_in, rows);
	EtlTick();
}

void
EtlReportAnyDone(int64 done)
{
	const EtlProgress *progress = EtlProgressNow();

	if (reported == NULL)
		return;
	if (progress->stage == ETL_STAGE_READING)
		EtlProgressDone(reported->taken_in + done, done);
	else
		EtlProgressDone(progress->records, done);
	EtlTick();
}

void
EtlReportEnd(EtlRunState state, int sqlstate, const char *reason)
{
	StringInfoData line;
	bool succeeded = state == ETL_RUN_SUCCEEDED;

	if (EtlLogInterval > 0 || !succeeded)
	{
		begin_line(&line);
		appendStringInfo(&line, "%s after %.1f s", EtlWordName(&EtlRunStateWords, state),
						 seconds_so_far());
		if (!succeeded)
			appendStringInfo(&line, " with SQLSTATE %s", unpack_sql_state(sqlstate));
		appendStringInfoString(&line, ": ");
		append_counters(&line, &reported->counters);
		write_line(state == ETL_RUN_FAILED ? WARNING : LOG, sqlstate, &line, reason);
	}
	reported = NULL;
	EtlOnTick = NULL;
	EtlSetLogTimeout();
	EtlProgressEnd();
}
