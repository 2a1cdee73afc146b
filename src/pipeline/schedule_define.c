/*
 * schedule_define.c
 *		The schedule of a pipeline, as users set it.
 *
 * A pipeline without schedule, "after", "watch" and "continuous" has no row in etl_catalog.schedules.
 *
 * No lock is held that others would wait for, beyond the one of that row: two transactions that close a circle of
 * "after" at the same time do not see each other, so the scheduler looks for circles, too.
 */
#include "etl.h"

#include "miscadmin.h"
#include "pipeline/catalog/schedules.h"
#include "pipeline/schedule.h"
#include "pipeline/schedule_define.h"
#include "pipeline/watch.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define MAX_AFTER 100 /* names in "after" */
#define LONGEST_RETRY_MS (INT64CONST(30) * 86400 * 1000)

typedef struct Watched
{
	const EtlPipeline *pipeline;
	char *path;
} Watched;

static void
find_path(void *arg)
{
	Watched *path = arg;

	path->path = EtlWatchedPath(path->pipeline);
}

static void
check_schedule(EtlScheduleDefinition *d)
{
	EtlSchedule schedule;

	if (d->timezone == NULL)
		d->timezone = pstrdup(pg_get_timezone_name(session_timezone));
	(void) EtlFindTimeZone(d->timezone);
	if (d->schedule != NULL)
		EtlParseSchedule(d->schedule, &schedule);
	if (d->max_failures < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("max_failures must not be negative"),
						errhint("0 never pauses the pipeline.")));
	if (d->retry.ms > 0 && (d->retry.ms < 1000 || d->retry.ms > LONGEST_RETRY_MS))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("retry must be between a second and 30 days, or 0"),
						errhint("0 leaves it to the schedule.")));
}

/* Such a run has no end at which another could begin. */
static void
check_continuous(const EtlPipeline *pipeline, const EtlScheduleDefinition *d)
{
	const char *other = NULL;

	if (d->schedule != NULL)
		other = "a schedule";
	else if (d->after != NIL)
		other = "after";
	else if (d->watch)
		other = "watch => true";
	else if (pipeline->max_runtime.ms > 0)
		other = "max_runtime";
	else if (EtlReadsWhole(pipeline))
		other = pipeline->whole ? "whole => true" : "mode => 'replace'";
	else if (EtlRemoves(pipeline))
		other = "deletes";
	else if (pipeline->parallel > 1)
		other = "parallel";
	if (other != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a continuous pipeline cannot have %s", other),
				 errdetail("Its run does not end: it loads each flush_interval what has come.")));
}

static void
tell_schedule(const char *text)
{
	EtlSchedule schedule;

	EtlParseSchedule(text, &schedule);
	EtlTellSchedule(text, &schedule);
}

static void
check_after(const EtlPipeline *pipeline, List *after)
{
	char *problem;

	if (list_length(after) > MAX_AFTER)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a pipeline runs after at most %d others", MAX_AFTER)));
	problem = EtlScheduleUnknown(after, GetUserId());
	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("pipeline \"%s\" does not exist", problem),
						errdetail("Pipeline \"%s\" is to run after it.", pipeline->name)));
	problem = EtlScheduleCircle(pipeline->id, after, GetUserId());
	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("pipeline \"%s\" would wait for itself", pipeline->name),
						errdetail("It is to run after %s.", problem)));
}

/* The source of a pipeline that its owner has not accepted is not evaluated: what it watched before stays. */
static void
find_watched(const EtlPipeline *pipeline, EtlScheduleDefinition *d)
{
	Watched path = {pipeline, d->watch ? d->watched : NULL};

	if (d->watch && pipeline->accepted)
		EtlDoAsOwner(pipeline, find_path, &path);
	else if (d->watch && d->watched == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("pipeline \"%s\" cannot watch files yet", pipeline->name),
						errdetail("Another role than its owner wrote its source."),
						errhint("Call etl_resume(%s) first.", quote_literal_cstr(pipeline->name))));
	d->watched = path.path;
}

/* Who has just said when it runs wants to know that it does not. */
static void
warn_of_obstacle(const EtlPipeline *pipeline)
{
	const char *hint;
	const char *obstacle = EtlSchedulerObstacle(&hint);

	if (obstacle != NULL)
		ereport(WARNING, (errmsg("pipeline \"%s\" does not run by itself", pipeline->name),
						  errdetail_internal("It is defined, but %s.", obstacle),
						  hint != NULL ? errhint("%s", hint) : 0));
}

void
EtlTakeSchedule(const EtlArgs *args, const EtlPipeline *pipeline, bool redefined)
{
	EtlScheduleDefinition *d = EtlScheduleRead(pipeline->id);
	bool given;

	if (d == NULL)
	{
		d = palloc0(sizeof(EtlScheduleDefinition));
		d->pipeline = pipeline->id;
		d->max_failures = 10;
		d->retry = (EtlInterval){"1 minute", 60 * 1000};
	}
	given = EtlTakeOptions(args, EtlScheduleOptions, EtlScheduleOptionCount, d);
	if (d->continuous)
		check_continuous(pipeline, d);
	if (!given && !(redefined && d->watch))
		return;
	check_schedule(d);
	if (d->schedule != NULL && EtlArgFind(args, "schedule") != NULL)
		tell_schedule(d->schedule);
	if (EtlArgFind(args, "after") != NULL)
		check_after(pipeline, d->after);
	find_watched(pipeline, d);
	if (d->schedule == NULL && d->after == NIL && !d->watch && !d->continuous)
	{
		EtlScheduleDelete(pipeline->id);
		return;
	}
	EtlScheduleStore(d);
	if (given)
		warn_of_obstacle(pipeline);
}
