/*
 * due.c
 *		One look of a scheduler at its database: which pipelines are due, and workers for them.
 *
 * It reads all schedules, carries each as far as it can go (transitions.c), writes back what has changed, commits, and
 * then orders the workers.  That a run was ordered is thus known before it begins; if there is no trace of it when its
 * worker has gone, the worker died at once.
 *
 * Rows that somebody is changing at this moment are left for the next look, which the commit brings about.
 */
#include "etl.h"

#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "monitor/background.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/catalog/schedules.h"
#include "pipeline/run/alert.h"
#include "postmaster/bgworker.h"
#include "scheduler/due.h"
#include "scheduler/places.h"
#include "scheduler/scheduler.h"
#include "scheduler/transitions.h"
#include "scheduler/triggers.h"
#include "scheduler/watches.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define LONGEST_WAIT (60 * USECS_PER_SEC)
#define RETRY_EXHAUSTED (10 * USECS_PER_SEC)
#define RETRY_CROWDED (1 * USECS_PER_SEC)

/* ----------------------------------------------------------------
 *	Reading
 * ---------------------------------------------------------------- */

/*
 * Whether a process runs a pipeline.  "since" is when the processes with a run were listed.  A process that was not
 * among them has written how its run ended before the rows were read.  Of a run that has begun since, nothing is
 * certain.
 */
static void
find_process(EtlDue *due, List *looks, TimestampTz since)
{
	const EtlScheduled *row = due->row;
	bool running = row->is_running || EtlHasWorker(MyDatabaseId, row->pipeline);
	bool over = row->run == 0 || row->run_state != ETL_RUN_RUNNING;
	ListCell *lc;

	foreach (lc, looks)
		due->alive |= ((EtlScheduleLook *) lfirst(lc))->pipeline == row->pipeline;
	due->unsure = running ? over : due->alive || (!over && row->run_started >= since);
	due->alive |= running || due->unsure;
}

/* Those that some process runs. */
static List *
list_alive(void)
{
	List *looks = EtlScheduleLooks();
	ListCell *lc;

	foreach (lc, looks)
	{
		const EtlScheduleLook *look = lfirst(lc);

		if (!look->is_running && !EtlHasWorker(MyDatabaseId, look->pipeline))
			looks = foreach_delete_current (looks, lc);
	}
	return looks;
}

static List *
list_dues(void)
{
	TimestampTz since = GetCurrentTimestamp();
	List *alive = list_alive();
	List *dues = NIL;
	List *rows;
	ListCell *lc;

	EtlCatalogDisown();
	rows = EtlScheduleList();
	foreach (lc, rows)
	{
		EtlDue *due = palloc0(sizeof(EtlDue));

		due->row = lfirst(lc);
		find_process(due, alive, since);
		dues = lappend(dues, due);
	}
	EtlFindCircles(dues);
	return dues;
}

/* ----------------------------------------------------------------
 *	Workers
 * ---------------------------------------------------------------- */

static int
compare_waiting(const ListCell *a, const ListCell *b)
{
	const EtlScheduled *left = ((const EtlDue *) lfirst(a))->row;
	const EtlScheduled *right = ((const EtlDue *) lfirst(b))->row;

	if (left->waiting_since != right->waiting_since)
		return left->waiting_since < right->waiting_since ? -1 : 1;
	return left->pipeline < right->pipeline ? -1 : 1;
}

static EtlPool
pool_of(const EtlScheduled *row)
{
	return row->continuous ? ETL_POOL_CONTINUOUS : ETL_POOL_SCHEDULED;
}

/* Takes places for those that wait, the oldest first; the others go on waiting. */
static List *
claim_places(List *dues, const char *database, TimestampTz now)
{
	List *claimed = NIL;
	List *processes = EtlRunProcesses();
	bool full[ETL_POOLS] = {false};
	ListCell *lc;

	list_sort(dues, compare_waiting);
	foreach (lc, dues)
	{
		EtlDue *due = lfirst(lc);
		EtlScheduled *row = due->row;
		EtlClaim claim;

		if (row->state != ETL_SCHEDULE_WAITING)
			continue;
		if (row->obstacle != NULL)
		{
			EtlDueRefuse(due, now, row->obstacle);
			continue;
		}
		due->ticket = (EtlTicket){.database = MyDatabaseId,
								  .owner = row->owner,
								  .pipeline = row->pipeline,
								  .pool = pool_of(row),
								  .version = row->version};
		claim = EtlClaimPlace(database, row->waiting_since, processes, full[pool_of(row)],
							  &due->ticket);
		due->crowded = claim == ETL_CLAIM_CROWDED;
		full[pool_of(row)] |= claim == ETL_CLAIM_FULL;
		if (claim != ETL_CLAIM_GRANTED)
			continue;
		EtlDueBegin(due, now);
		claimed = lappend(claimed, due);
	}
	return claimed;
}

static bool
order_worker(const EtlDue *due)
{
	EtlBackground worker = {.function = "EtlRunnerMain",
							.type = due->row->continuous ? "etl continuous" : "etl pipeline",
							.subject = due->row->name,
							.extra = &due->ticket,
							.extra_len = sizeof(EtlTicket)};

	StaticAssertStmt(sizeof(EtlTicket) <= BGW_EXTRALEN, "a ticket must fit into bgw_extra");
	return EtlStartBackground(&worker, NULL);
}

static void
begin(void)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
commit(void)
{
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
		EtlDue *due = lfirst(lc);

		if (order_worker(due))
			continue;
		EtlCancelTicket(&due->ticket);
		EtlDuePutBack(due);
		refused = lappend(refused, due);
	}
	if (refused != NIL)
	{
		begin();
		foreach (lc, refused)
			EtlScheduleWrite(((EtlDue *) lfirst(lc))->row);
		commit();
	}
	/* where none was wanted, it is not known that there are some again */
	if (claimed != NIL && EtlSetExhausted(refused != NIL))
		ereport(LOG, (errmsg("pipelines wait: all background workers of the server are in use"),
					  errhint("Raise \"max_worker_processes\".")));
	return refused != NIL;
}

/* ----------------------------------------------------------------
 *	Continuous runs
 * ---------------------------------------------------------------- */

typedef struct Wanted
{
	List *dues; /* of EtlDue * */
	List *
		looks; /* of EtlScheduleLook *: also those that another session is changing, which are left alone */
} Wanted;

/* Whether a continuous run is to end: it is no longer wanted, or what it has taken over is out of date. */
static bool
is_outdated(int64 pipeline, int64 version, void *arg)
{
	const Wanted *wanted = arg;
	ListCell *lc;

	foreach (lc, wanted->dues)
	{
		const EtlScheduled *row = ((EtlDue *) lfirst(lc))->row;

		if (row->pipeline == pipeline)
			return !row->continuous || !row->enabled || row->version != version;
	}
	foreach (lc, wanted->looks)
	{
		if (((EtlScheduleLook *) lfirst(lc))->pipeline == pipeline)
			return false;
	}
	return true;
}

/* ----------------------------------------------------------------
 *	Files
 * ---------------------------------------------------------------- */

static bool
has_arrived(int64 pipeline, const EtlArrivals *arrivals)
{
	bool found = arrivals->all;

	for (int i = 0; i < arrivals->n; i++)
		found |= arrivals->pipelines[i] == pipeline;
	return found;
}

static void
take_arrival(EtlDue *due, const EtlArrivals *arrivals, TimestampTz now)
{
	EtlScheduled *row = due->row;

	if (!row->watch || !has_arrived(row->pipeline, arrivals))
		return;
	row->files_at = row->files_at != 0 ? Min(row->files_at, now) : now;
	due->changed = true;
}

/* Arrivals for rows that another session is changing are left for the next look as well. */
static void
keep_arrivals(const char *database, const EtlArrivals *arrivals, List *watched, List *dues)
{
	ListCell *lc, *lc2;

	foreach (lc, watched)
	{
		int64 pipeline = ((EtlWatched *) lfirst(lc))->pipeline;
		bool read = false;

		if (!has_arrived(pipeline, arrivals))
			continue;
		foreach (lc2, dues)
			read |= ((EtlDue *) lfirst(lc2))->row->pipeline == pipeline;
		if (!read)
			EtlArrive(database, pipeline, false);
	}
}

static void
give_watches(const char *database, List *watched)
{
	if (EtlGiveWatches(database, watched))
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

/* Takes a pipeline out of the schedule.  The reason may be the message of a run, which may hold values of records. */
static void
disable(const EtlScheduled *row)
{
	EtlCatalogSetEnabled(row->pipeline, false);
	ereport(LOG, (errmsg("pipeline \"%s\" is paused", row->name),
				  row->run_sqlstate != NULL
					  ? errdetail("%d failures in a row, the last with SQLSTATE %s.", row->failures,
								  row->run_sqlstate)
					  : errdetail("%d failures in a row.", row->failures),
				  errhint("The view etl_status has the reason.")));
}

static void
write_back(List *dues)
{
	ListCell *lc;

	foreach (lc, dues)
	{
		const EtlDue *due = lfirst(lc);

		if (due->changed)
			EtlScheduleWrite(due->row);
		if (due->disable)
			disable(due->row);
	}
}

/* Says what has become of pipelines to whom it may concern. */
static void
tell(List *dues)
{
	ListCell *lc;

	foreach (lc, dues)
	{
		const EtlDue *due = lfirst(lc);
		const EtlScheduled *row = due->row;

		if (due->alert != NULL)
			EtlAlert(due->alert, row->pipeline, row->run);
	}
}

/* What waits only because of its own role does not keep other databases from having places. */
static void
make_report(List *dues, TimestampTz now, EtlReport *report)
{
	ListCell *lc;

	foreach (lc, dues)
	{
		const EtlDue *due = lfirst(lc);
		TimestampTz since = due->row->waiting_since;
		TimestampTz *oldest = &report->oldest_waiting[pool_of(due->row)];

		report->next = EtlDueNext(due, now, report->next);
		if (due->row->state != ETL_SCHEDULE_WAITING)
			continue;
		if (due->crowded)
			report->next = Min(report->next, now + RETRY_CROWDED);
		else if (*oldest == 0 || since < *oldest)
			*oldest = since;
	}
}

void
EtlRunDue(const char *database, EtlReport *report)
{
	MemoryContext context =
		AllocSetContextCreate(TopMemoryContext, "etl schedules", ALLOCSET_DEFAULT_SIZES);
	TimestampTz now = EtlNow();
	List *dues = NIL;
	List *claimed = NIL;
	List *watched = NIL;
	Wanted wanted = {NIL, NIL};
	EtlArrivals arrivals;
	ListCell *lc;

	EtlTakeArrivals(database, &arrivals);
	report->next = now + LONGEST_WAIT;
	memset(report->oldest_waiting, 0, sizeof(report->oldest_waiting));
	begin();
	if (extension_exists())
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		watched = EtlScheduleWatched();
		dues = list_dues();
		keep_arrivals(database, &arrivals, watched, dues);
		foreach (lc, dues)
		{
			take_arrival(lfirst(lc), &arrivals, now);
			EtlDueAdvance(lfirst(lc), now);
		}
		claimed = claim_places(dues, database, now);
		write_back(dues);
		wanted = (Wanted){dues, EtlScheduleLooks()};
		MemoryContextSwitchTo(old);
	}
	EtlStopContinuous(MyDatabaseId, is_outdated, &wanted);
	commit();
	MemoryContextSwitchTo(context);
	give_watches(database, watched);
	if (order_workers(claimed))
		report->next = now + RETRY_EXHAUSTED;
	make_report(dues, now, report);
	tell(dues);
}
