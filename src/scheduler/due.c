/*
 * due.c
 *		What becomes of scheduled pipelines: the one place where their states change.
 *
 *		              due                     worker ordered
 *		   idle -----------------> waiting --------------------> running
 *		    ^  ^                      |                             |
 *		    |  +----------------------|-----------------------------+
 *		    |      its run has ended  |                             |
 *		    | etl_resume              | etl_pause                   | too many failures,
 *		    +-------- paused <--------+-----------------------------+ or etl_pause
 *
 * A scheduler reads all schedules of its database, carries each as far as it can go, writes back what
 * has changed, commits, and then orders the workers.  That a run was ordered is thus known before it
 * begins; if there is no trace of it when its worker has gone, the worker died at once.
 *
 * Rows that somebody is changing at this moment are left for the next look, which the commit brings about.
 */
#include "etl.h"

#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/pg_prng.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "pipeline/run/alert.h"
#include "pipeline/schedule.h"
#include "postmaster/bgworker.h"
#include "scheduler/due.h"
#include "scheduler/scheduler.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define LONGEST_WAIT (60 * USECS_PER_SEC)
#define RETRY_EXHAUSTED (10 * USECS_PER_SEC)
#define RETRY_ENDING (200 * INT64CONST(1000))
#define MOST_INTERVALS 10
#define WITHOUT_SCHEDULE (60 * USECS_PER_SEC) /* the interval of a pipeline that has none */

typedef enum State
{
	IDLE,
	WAITING,
	RUNNING,
	PAUSED
} State;

static const char *const state_names[] = {"idle", "waiting", "running", "paused"};

/* From each state, a bit for each that may follow. */
static const int may_follow[] = {1 << WAITING | 1 << PAUSED, 1 << RUNNING | 1 << PAUSED | 1 << IDLE,
								 1 << IDLE | 1 << WAITING | 1 << PAUSED, 1 << IDLE};

/* A scheduled pipeline.  Times are 0 where there is none. */
typedef struct Row
{
	int64 pipeline;
	char *name;
	Oid owner;
	bool enabled;
	char *schedule_text; /* NULL: only "after" */
	char *zone_text;
	int max_failures;
	bool after_ready; /* those it runs after have succeeded since it did */
	bool watch;
	char *obstacle; /* why its owner cannot connect, or NULL */

	State state;
	TimestampTz next_run;
	TimestampTz not_before;
	TimestampTz files_at; /* since when files call for a run, or from when on they will */
	TimestampTz waiting_since;
	int failures;
	int64 skipped;
	int64 last_run; /* the last one that was judged */
	char *reason;

	int64 run; /* the latest behind last_run; 0: none */
	char *run_state;
	char *run_sqlstate;
	char *run_message;

	bool changed;
	bool disable;
	const char *alert; /* what is to be told of it, or NULL */
	bool alive;		   /* a process runs it */
	bool unsure;	   /* or did so a moment ago: look again soon */
	EtlSchedule schedule;
	pg_tz *zone;
	EtlTicket ticket;
	TimestampTz claimed_since; /* what waiting_since was before there was a place */
} Row;

/* ----------------------------------------------------------------
 *	Transitions
 * ---------------------------------------------------------------- */

static void
set_state(Row *row, State state)
{
	if (row->state == state)
		return;
	if ((may_follow[row->state] & 1 << state) == 0)
		elog(ERROR, "pipeline " INT64_FORMAT " cannot go from state %s to %s", row->pipeline,
			 state_names[row->state], state_names[state]);
	row->state = state;
	row->changed = true;
	if (state != WAITING)
		row->waiting_since = 0;
}

static TimestampTz
next_after(const Row *row, TimestampTz after)
{
	TimestampTz next;

	if (row->schedule_text == NULL || !EtlNextRun(&row->schedule, row->zone, after, after, &next))
		return 0;
	return next;
}

/* The first time of the schedule from now on.  An interval goes on counting from the time that was due. */
static void
plan_next(Row *row, TimestampTz now)
{
	TimestampTz anchor = row->next_run != 0 ? Min(row->next_run, now) : now;

	if (row->schedule_text == NULL ||
		!EtlNextRun(&row->schedule, row->zone, anchor, now, &row->next_run))
		row->next_run = 0;
	row->changed = true;
}

static void
pause_row(Row *row, const char *reason)
{
	row->reason = pstrdup(reason);
	row->disable = true;
	row->alert = "paused";
	set_state(row, PAUSED);
	row->changed = true;
}

/* The first time of the schedule when the wait is over; an interval starts again there. */
static void
plan_behind_wait(Row *row)
{
	row->next_run =
		row->schedule.interval > 0 ? row->not_before : next_after(row, row->not_before - 1);
}

/* From the second failure in a row on, the next run comes later and later. */
static void
back_off(Row *row, TimestampTz now)
{
	TimestampTz first = next_after(row, now);
	TimestampTz second = first != 0 ? next_after(row, first) : 0;
	int64 interval = second != 0 ? second - first : WITHOUT_SCHEDULE;
	int doublings = row->failures - (row->schedule_text != NULL ? 2 : 1);
	double factor;

	if (doublings < 0)
		return;
	factor = doublings < 3 ? 2 << doublings : MOST_INTERVALS;
	factor *= 0.75 + 0.25 * pg_prng_double(&pg_global_prng_state);
	row->not_before = now + (int64) (interval * factor);
	plan_behind_wait(row);
}

/* What a run was to read is still there to be read, and nothing else will call for it. */
static void
call_again(Row *row, TimestampTz now)
{
	if (row->watch && row->schedule_text == NULL)
		row->files_at = now;
}

/* "told": the run has told of it itself. */
static void
judge_failure(Row *row, TimestampTz now, const char *reason, bool told)
{
	row->failures++;
	row->changed = true;
	row->alert = told ? NULL : "failed";
	call_again(row, now);
	row->reason = pstrdup(reason);
	if (row->max_failures > 0 && row->failures >= row->max_failures)
		pause_row(row, psprintf("%d failures in a row, the last: %s", row->failures, reason));
	else
		back_off(row, now);
}

/* Its source asked for a wait, and its worker wrote down for how long: nothing is wrong with it. */
static bool
was_parked(const Row *row, TimestampTz now)
{
	return strcmp(row->run_state, "failed") == 0 && row->not_before > now &&
		   strcmp(row->run_sqlstate, unpack_sql_state(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED)) == 0;
}

/* What its latest run has come to; without any, its worker died before there was one. */
static void
judge(Row *row, TimestampTz now)
{
	set_state(row, row->state == RUNNING ? IDLE : row->state);
	row->changed = true;
	if (row->run == 0)
		judge_failure(row, now, "the worker ended before the run began; the server's log tells why",
					  false);
	else if (strcmp(row->run_state, "succeeded") == 0)
	{
		row->failures = 0;
		row->not_before = 0;
		row->reason = NULL;
	}
	else if (strcmp(row->run_state, "stopped") == 0)
	{
		row->next_run = Min(row->next_run != 0 ? row->next_run : now, now); /* go on where it was */
		call_again(row, now);
	}
	else if (was_parked(row, now))
	{
		row->reason = row->run_message;
		plan_behind_wait(row);
	}
	else if (strcmp(row->run_state, "running") == 0)
		judge_failure(row, now, "the worker died", false);
	else if (strcmp(row->run_state, "cancelled") != 0)
		judge_failure(row, now, row->run_message != NULL ? row->run_message : row->run_state,
					  strcmp(row->run_state, "failed") == 0);
	row->last_run = Max(row->last_run, row->run);
}

static void
come_due(Row *row, TimestampTz now)
{
	bool by_time = row->next_run != 0 && row->next_run <= now;
	bool by_files = row->files_at != 0 && row->files_at <= now;

	if (!by_time && !by_files && !row->after_ready)
		return;
	if (row->alive)
	{
		if (by_time)
		{
			row->skipped++;
			plan_next(row, now);
		}
	}
	else if (row->not_before <= now)
	{
		row->waiting_since = by_time ? row->next_run : by_files ? row->files_at : now;
		set_state(row, WAITING);
	}
}

/* The text was checked when it was given, but a time zone may have gone since. */
static bool
read_schedule(Row *row)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool read = false;

	if (row->schedule_text == NULL)
		return true;
	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		EtlParseSchedule(row->schedule_text, &row->schedule);
		row->zone = EtlFindTimeZone(row->zone_text);
		ReleaseCurrentSubTransaction();
		read = true;
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		row->reason = error->message;
		row->schedule_text = NULL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return read;
}

/* Carries a pipeline as far as it can go before a worker is needed. */
static void
advance(Row *row, TimestampTz now)
{
	TimestampTz first;

	if (!read_schedule(row) && row->enabled)
	{
		pause_row(row, row->reason);
		return;
	}
	if (!row->alive && (row->state == RUNNING || row->run != 0))
		judge(row, now);
	if (!row->enabled)
	{
		set_state(row, PAUSED);
		return;
	}
	if (row->state == PAUSED && !row->disable)
	{
		set_state(row, IDLE);
		row->failures = 0;
		row->not_before = row->next_run = row->files_at = 0;
		row->reason = NULL;
	}
	first = next_after(row, now);
	if (row->next_run == 0 ? first != 0 : row->not_before < now && row->next_run > first)
		plan_next(row, now); /* it is new, or the clock was put back */
	if (row->state == IDLE || row->state == RUNNING)
		come_due(row, now);
}

/* ----------------------------------------------------------------
 *	Rows
 * ---------------------------------------------------------------- */

/* SPI leaves us in its own memory, which does not last; what is made of the rows must. */
static void
select_rows(const char *text)
{
	MemoryContext context = CurrentMemoryContext;

	if (SPI_execute(text, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the schedules");
	MemoryContextSwitchTo(context);
}

static Datum
column(int row, const char *name, bool *isnull)
{
	int number = SPI_fnumber(SPI_tuptable->tupdesc, name);

	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, isnull);
}

static char *
column_text(int row, const char *name)
{
	bool isnull;
	Datum value = column(row, name, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static int64
column_int64(int row, const char *name)
{
	bool isnull;
	Datum value = column(row, name, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static bool
column_bool(int row, const char *name)
{
	return column_int64(row, name) != 0;
}

static State
state_of(const char *name)
{
	for (int i = 0; i < lengthof(state_names); i++)
	{
		if (strcmp(name, state_names[i]) == 0)
			return i;
	}
	elog(ERROR, "unknown state of a schedule: %s", name);
}

static const char *const query =
	"SELECT p.id, p.name, p.owner::oid::bigint AS owner, "
	"(p.enabled AND etl_catalog.is_at_home(p.system_identifier, p.database))::int::bigint AS enabled, "
	"s.schedule, s.timezone, s.max_failures::bigint, s.state, s.next_run, s.not_before, "
	"s.waiting_since, s.watch::int::bigint, s.files_at, s.failures::bigint, s.skipped, s.last_run, s.reason, "
	"r.id AS run, r.state AS run_state, r.sqlstate AS run_sqlstate, r.message AS run_message, "
	"r.started_at AS run_started, "
	"etl_catalog.is_running(p.id)::int::bigint AS is_running, "
	"(cardinality(s.after) > 0 AND NOT EXISTS (SELECT FROM unnest(s.after) AS a(name) "
	"	WHERE NOT EXISTS (SELECT FROM etl_catalog.runs d JOIN etl_catalog.pipelines o ON o.id = d.pipeline "
	"		WHERE o.name = a.name AND d.state = 'succeeded' AND d.finished_at > coalesce("
	"			(SELECT m.started_at FROM etl_catalog.runs m WHERE m.pipeline = p.id "
	"			AND m.kind = 'load' AND m.state = 'succeeded' ORDER BY m.id DESC LIMIT 1), "
	"			(SELECT t.last_success FROM etl_catalog.totals t WHERE t.pipeline = p.id), " /* it was purged */
	"			'-infinity'))))::int::bigint AS after_ready, "
	"CASE WHEN a.oid IS NULL THEN 'its owner does not exist any more' "
	"	WHEN NOT a.rolcanlogin THEN format('its owner, role \"%s\", may not log in', a.rolname) "
	"	WHEN NOT has_database_privilege(a.oid, current_database(), 'CONNECT') THEN "
	"		format('its owner, role \"%s\", may not connect to this database', a.rolname) END AS obstacle "
	"FROM etl_catalog.schedules s JOIN etl_catalog.pipelines p ON p.id = s.pipeline "
	"LEFT JOIN pg_catalog.pg_roles a ON a.oid = p.owner::oid "
	"LEFT JOIN LATERAL (SELECT l.id, l.state, l.sqlstate, l.message, l.started_at FROM etl_catalog.runs l "
	"	WHERE l.pipeline = p.id AND l.id > s.last_run AND l.kind = 'load' "
	"	ORDER BY l.id DESC LIMIT 1) r ON true "
	"FOR NO KEY UPDATE OF s, p SKIP LOCKED";

static Row *
read_row(int i)
{
	Row *row = palloc0(sizeof(Row));

	row->pipeline = column_int64(i, "id");
	row->name = column_text(i, "name");
	row->owner = (Oid) column_int64(i, "owner");
	row->enabled = column_bool(i, "enabled");
	row->schedule_text = column_text(i, "schedule");
	row->zone_text = column_text(i, "timezone");
	row->max_failures = (int) column_int64(i, "max_failures");
	row->after_ready = column_bool(i, "after_ready");
	row->obstacle = column_text(i, "obstacle");
	row->state = state_of(column_text(i, "state"));
	row->next_run = column_int64(i, "next_run");
	row->not_before = column_int64(i, "not_before");
	row->waiting_since = column_int64(i, "waiting_since");
	row->watch = column_bool(i, "watch");
	row->files_at = column_int64(i, "files_at");
	row->failures = (int) column_int64(i, "failures");
	row->skipped = column_int64(i, "skipped");
	row->last_run = column_int64(i, "last_run");
	row->reason = column_text(i, "reason");
	row->run = column_int64(i, "run");
	row->run_state = column_text(i, "run_state");
	row->run_sqlstate = column_text(i, "run_sqlstate");
	row->run_message = column_text(i, "run_message");
	return row;
}

/*
 * Whether a process runs a pipeline.  "since" is when those were listed that had one.  Whoever had none then has
 * written down how its run ended before the rows were read; but for a run that has begun since, nothing can be
 * said for sure.
 */
static void
find_process(Row *row, List *listed, TimestampTz since, int i)
{
	bool running = column_bool(i, "is_running") || EtlHasWorker(MyDatabaseId, row->pipeline);
	bool over = row->run == 0 || strcmp(row->run_state, "running") != 0;
	ListCell *lc;

	foreach (lc, listed)
		row->alive |= *(int64 *) lfirst(lc) == row->pipeline;
	row->unsure = running ? over : row->alive || (!over && column_int64(i, "run_started") >= since);
	row->alive |= running || row->unsure;
}

/* The pipelines that some process runs. */
static List *
list_alive(void)
{
	List *alive = NIL;

	select_rows("SELECT pipeline, etl_catalog.is_running(pipeline)::int::bigint AS is_running "
				"FROM etl_catalog.schedules");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		int64 *pipeline = palloc(sizeof(int64));

		*pipeline = column_int64(i, "pipeline");
		if (column_bool(i, "is_running") || EtlHasWorker(MyDatabaseId, *pipeline))
			alive = lappend(alive, pipeline);
	}
	return alive;
}

static List *
read_rows(void)
{
	TimestampTz since = GetCurrentTimestamp();
	List *alive = list_alive();
	List *rows = NIL;

	select_rows(query);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Row *row = read_row(i);

		find_process(row, alive, since, i);
		rows = lappend(rows, row);
	}
	return rows;
}

static void
execute(const char *text, int n, Oid *types, Datum *values, const char *nulls)
{
	MemoryContext context = CurrentMemoryContext;

	if (SPI_execute_with_args(text, n, types, values, nulls, false, 0) < 0)
		elog(ERROR, "could not write the schedules");
	MemoryContextSwitchTo(context);
}

static void
write_row(const Row *row)
{
	Oid types[] = {INT8OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
				   INT8OID, INT8OID, INT8OID,		 TEXTOID,		 TIMESTAMPTZOID};
	Datum values[] = {Int64GetDatum(row->pipeline),
					  CStringGetTextDatum(state_names[row->state]),
					  TimestampTzGetDatum(row->next_run),
					  TimestampTzGetDatum(row->not_before),
					  TimestampTzGetDatum(row->waiting_since),
					  Int64GetDatum(row->failures),
					  Int64GetDatum(row->skipped),
					  Int64GetDatum(row->last_run),
					  CStringGetTextDatum(row->reason != NULL ? row->reason : ""),
					  TimestampTzGetDatum(row->files_at)};
	char nulls[] = "          ";

	nulls[2] = row->next_run != 0 ? ' ' : 'n';
	nulls[3] = row->not_before != 0 ? ' ' : 'n';
	nulls[4] = row->waiting_since != 0 ? ' ' : 'n';
	nulls[8] = row->reason != NULL ? ' ' : 'n';
	nulls[9] = row->files_at != 0 ? ' ' : 'n';
	execute(
		"UPDATE etl_catalog.schedules SET (state, next_run, not_before, waiting_since, failures, "
		"skipped, last_run, reason, files_at) = ($2, $3, $4, $5, $6, $7, $8, $9, $10) "
		"WHERE pipeline = $1",
		lengthof(values), types, values, nulls);
}

/* Takes a pipeline out of the schedule. */
static void
disable(const Row *row)
{
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(row->pipeline)};

	execute("UPDATE etl_catalog.pipelines SET enabled = false WHERE id = $1", 1, types, values,
			NULL);
	/* the reason may be the message of a run, which may hold values of records */
	ereport(LOG, (errmsg("pipeline \"%s\" is paused", row->name),
				  row->run_sqlstate != NULL
					  ? errdetail("%d failures in a row, the last with SQLSTATE %s.", row->failures,
								  row->run_sqlstate)
					  : errdetail("%d failures in a row.", row->failures),
				  errhint("The view etl_status has the reason.")));
}

/* ----------------------------------------------------------------
 *	Workers
 * ---------------------------------------------------------------- */

static int
compare_waiting(const ListCell *a, const ListCell *b)
{
	const Row *left = lfirst(a);
	const Row *right = lfirst(b);

	if (left->waiting_since != right->waiting_since)
		return left->waiting_since < right->waiting_since ? -1 : 1;
	return left->pipeline < right->pipeline ? -1 : 1;
}

/* Takes places for those that wait, the oldest first; the others go on waiting. */
static List *
claim_places(List *rows, const char *database, TimestampTz now)
{
	List *claimed = NIL;
	ListCell *lc;

	list_sort(rows, compare_waiting);
	foreach (lc, rows)
	{
		Row *row = lfirst(lc);

		if (row->state != WAITING)
			continue;
		if (row->obstacle != NULL)
		{
			set_state(row, IDLE);
			row->files_at = 0;
			plan_next(row, now);
			judge_failure(row, now, row->obstacle, false);
			continue;
		}
		row->ticket.database = MyDatabaseId;
		row->ticket.owner = row->owner;
		row->ticket.pipeline = row->pipeline;
		if (!EtlClaimWorker(database, EtlMaxWorkers, row->waiting_since, &row->ticket))
			break;
		row->claimed_since = row->waiting_since;
		set_state(row, RUNNING);
		if (row->next_run != 0 && row->next_run <= now)
			plan_next(row, now);
		if (row->files_at <= now)
			row->files_at = 0;
		claimed = lappend(claimed, row);
	}
	return claimed;
}

static bool
order_worker(const Row *row)
{
	BackgroundWorker worker = {0};

	StaticAssertStmt(sizeof(EtlTicket) <= BGW_EXTRALEN, "a ticket must fit into bgw_extra");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "etl", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "EtlRunnerMain", sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_name, BGW_MAXLEN, "etl pipeline %s", row->name);
	strlcpy(worker.bgw_type, "etl pipeline", sizeof(worker.bgw_type));
	memcpy(worker.bgw_extra, &row->ticket, sizeof(EtlTicket));
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

static void
begin(void)
{
	StartTransactionCommand();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
commit(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * Orders the workers.  Where the server has none left, the pipeline is put back to wait: it has not failed.  True if
 * that was so.
 */
static bool
order_workers(List *claimed)
{
	List *refused = NIL;
	ListCell *lc;

	foreach (lc, claimed)
	{
		Row *row = lfirst(lc);

		if (order_worker(row))
			continue;
		EtlCancelTicket(&row->ticket);
		set_state(row, WAITING);
		row->waiting_since = row->claimed_since;
		refused = lappend(refused, row);
	}
	if (refused != NIL)
	{
		begin();
		foreach (lc, refused)
			write_row(lfirst(lc));
		commit();
	}
	/* where none was wanted, it is not known that there are some again */
	if (claimed != NIL && EtlSetExhausted(refused != NIL))
		ereport(LOG, (errmsg("pipelines wait: all background workers of the server are in use"),
					  errhint("Raise \"max_worker_processes\".")));
	return refused != NIL;
}

/* ----------------------------------------------------------------
 *	Files
 * ---------------------------------------------------------------- */

/* What is watched: nothing for pipelines that may not run, or whose owners may not know of files. */
static List *
list_watches(void)
{
	List *watches = NIL;

	select_rows("SELECT s.pipeline, s.watched FROM etl_catalog.schedules s "
				"JOIN etl_catalog.pipelines p ON p.id = s.pipeline "
				"JOIN pg_catalog.pg_roles a ON a.oid = p.owner::oid "
				"WHERE s.watch AND octet_length(s.watched) BETWEEN 1 AND 4095 AND p.enabled "
				"AND etl_catalog.is_at_home(p.system_identifier, p.database) "
				"AND pg_has_role(a.oid, 'pg_read_server_files', 'USAGE') ORDER BY s.pipeline");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		EtlWatch *watch = palloc0(sizeof(EtlWatch));

		watch->pipeline = column_int64(i, "pipeline");
		watch->path = column_text(i, "watched");
		watches = lappend(watches, watch);
	}
	return watches;
}

static bool
has_arrived(int64 pipeline, const EtlArrivals *arrivals)
{
	bool found = arrivals->all;

	for (int i = 0; i < arrivals->n; i++)
		found |= arrivals->pipelines[i] == pipeline;
	return found;
}

static void
take_arrival(Row *row, const EtlArrivals *arrivals, TimestampTz now)
{
	if (!row->watch || !has_arrived(row->pipeline, arrivals))
		return;
	row->files_at = row->files_at != 0 ? Min(row->files_at, now) : now;
	row->changed = true;
}

/* Arrivals for rows that somebody is changing at this moment are left for the next look, too. */
static void
keep_arrivals(const char *database, const EtlArrivals *arrivals, List *watches, List *rows)
{
	ListCell *lc, *lc2;

	foreach (lc, watches)
	{
		int64 pipeline = ((EtlWatch *) lfirst(lc))->pipeline;
		bool read = false;

		if (!has_arrived(pipeline, arrivals))
			continue;
		foreach (lc2, rows)
			read |= ((Row *) lfirst(lc2))->pipeline == pipeline;
		if (!read)
			EtlArrive(database, pipeline, false);
	}
}

static void
give_watches(const char *database, List *watches)
{
	if (EtlGiveWatches(database, watches))
		ereport(LOG, (errmsg("too many pipelines watch files"),
					  errdetail("All their paths together may have %d kB. Those beyond that run "
								"by their schedules only.",
								ETL_WATCH_BYTES / 1024)));
}

/* ----------------------------------------------------------------
 *	One look
 * ---------------------------------------------------------------- */

/*
 * A scheduler has all rights, and a schema of the name of ours may be anybody's where the extension is not.  So that is
 * what counts, and the lock keeps it from being dropped before the look is over.
 */
static bool
extension_exists(void)
{
	Oid extension = get_extension_oid("etl", true);

	if (!OidIsValid(extension))
		return false;
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	return get_extension_oid("etl", true) == extension;
}

/* Says what has become of a pipeline to whom it may concern. */
static void
tell(const Row *row)
{
	if (row->alert != NULL)
		EtlAlert(row->alert, row->pipeline, row->run);
}

static void
make_report(List *rows, TimestampTz now, EtlReport *report)
{
	ListCell *lc;

	foreach (lc, rows)
	{
		const Row *row = lfirst(lc);

		if (row->state == WAITING)
		{
			if (report->oldest_waiting == 0 || row->waiting_since < report->oldest_waiting)
				report->oldest_waiting = row->waiting_since;
		}
		else if (row->state != PAUSED)
		{
			if (row->next_run > now)
				report->next = Min(report->next, row->next_run);
			if (row->not_before > now)
				report->next = Min(report->next, row->not_before);
			if (row->files_at > now)
				report->next = Min(report->next, row->files_at);
		}
		if (row->unsure && row->state != RUNNING)
			report->next = Min(report->next, now + RETRY_ENDING);
	}
}

void
EtlRunDue(const char *database, EtlReport *report)
{
	MemoryContext context =
		AllocSetContextCreate(TopMemoryContext, "etl schedules", ALLOCSET_DEFAULT_SIZES);
	TimestampTz now = EtlNow();
	List *rows = NIL;
	List *claimed = NIL;
	List *watches = NIL;
	EtlArrivals arrivals;
	ListCell *lc;

	EtlTakeArrivals(database, &arrivals);
	report->next = now + LONGEST_WAIT;
	report->oldest_waiting = 0;
	begin();
	if (extension_exists())
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		watches = list_watches();
		rows = read_rows();
		keep_arrivals(database, &arrivals, watches, rows);
		foreach (lc, rows)
		{
			take_arrival(lfirst(lc), &arrivals, now);
			advance(lfirst(lc), now);
		}
		claimed = claim_places(rows, database, now);
		foreach (lc, rows)
		{
			const Row *row = lfirst(lc);

			if (row->changed)
				write_row(row);
			if (row->disable)
				disable(row);
		}
		MemoryContextSwitchTo(old);
	}
	commit();
	MemoryContextSwitchTo(context);
	give_watches(database, watches);
	if (order_workers(claimed))
		report->next = now + RETRY_EXHAUSTED;
	make_report(rows, now, report);
	foreach (lc, rows)
		tell(lfirst(lc));
}
