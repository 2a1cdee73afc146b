/*
 * schedules.h
 *		Schedules in etl_catalog: what users say of them, and what the scheduler has made of that.
 *
 * As with catalog.h, every function runs in the caller's transaction, and returns what it found in the caller's
 * memory context.
 */
#ifndef ETL_SCHEDULES_H
#define ETL_SCHEDULES_H

#include "datatype/timestamp.h"
#include "pipeline/catalog/sql.h"

/*
 * What users set: arguments and columns of these names.
 *
 * schedule		NULL: none
 * after		of char *, names of pipelines
 * retry		after a failure that may pass; of no length: only by the schedule
 */
#define ETL_SCHEDULE_OPTIONS(OPTION)          \
	OPTION(char *, schedule, ETL_SQL_TEXT)    \
	OPTION(char *, timezone, ETL_SQL_TEXT)    \
	OPTION(List *, after, ETL_SQL_TEXTS)      \
	OPTION(bool, watch, ETL_SQL_BOOLEAN)      \
	OPTION(bool, continuous, ETL_SQL_BOOLEAN) \
	OPTION(int, max_failures, ETL_SQL_INT)    \
	OPTION(EtlInterval, retry, ETL_SQL_INTERVAL)

/*
 * When triggers (scheduler/triggers.c) call for a run: columns that the scheduler writes; 0: they do not.
 *
 * next_run		by the schedule
 * retry_at		a run that failed is tried again
 * files_at		since when files call for one, or from when on they will
 */
#define ETL_TRIGGER_TIMES(TIME) \
	TIME(next_run)              \
	TIME(retry_at)              \
	TIME(files_at)

#define MEMBER(ctype, name, type) ctype name;
#define TIME(name) TimestampTz name;

/* A pipeline without schedule, "after", "watch" and "continuous" has no row. */
typedef struct EtlScheduleDefinition
{
	int64 pipeline;
	ETL_SCHEDULE_OPTIONS(MEMBER)
	char *watched; /* path or pattern; NULL: it does not watch */
} EtlScheduleDefinition;

extern const EtlSqlColumn EtlScheduleOptions[];
extern const int EtlScheduleOptionCount;

/*
 * A pipeline with a schedule, as the scheduler sees it.  Times are 0 where there is none.
 */
typedef struct EtlScheduled
{
	int64 pipeline;
	char *name;
	Oid owner;
	bool enabled;
	bool is_copy;	/* of a pipeline of another database: it is left alone */
	char *obstacle; /* why its owner cannot connect, or NULL */
	int64
		version; /* of all that a run takes over when it begins: definition, extension, settings of roles and databases */

	ETL_SCHEDULE_OPTIONS(MEMBER)

	/* what the scheduler has made of that */
	EtlScheduleState state;
	ETL_TRIGGER_TIMES(TIME)
	TimestampTz not_before; /* nothing begins until then */
	TimestampTz waiting_since;
	int failures; /* in a row, of runs that came at their times */
	int retries;  /* since then */
	int64 skipped;
	int64 last_run; /* the last one that was judged */
	char *reason;
	char *blocked; /* why nothing starts it by "after" */

	/* what has happened */
	bool is_running;
	bool after_ready;	 /* those it runs after have succeeded since it did */
	char *after_missing; /* one of those that does not exist */
	int64 run;			 /* the latest behind last_run; 0: none */
	EtlRunState run_state;
	TimestampTz run_started;
	bool run_flushed; /* it is a continuous one, and has loaded what there was */
	char *run_sqlstate;
	char *run_message;
} EtlScheduled;

#undef MEMBER
#undef TIME

/* Those that no other session is changing; they are locked. */
extern List *EtlScheduleList(void);
extern void EtlScheduleWrite(const EtlScheduled *row);

/* All of them, by number, and whether a process has their lock at this moment. */
typedef struct EtlScheduleLook
{
	int64 pipeline;
	bool is_running;
} EtlScheduleLook;

extern List *EtlScheduleLooks(void);

/* The processes of runs, of all databases. */
typedef struct EtlRunProcess
{
	int pid;
	Oid owner;
} EtlRunProcess;

extern List *EtlRunProcesses(void);
/* How many of a role connected before this one, which is one of them. */
extern int64 EtlCountRunsBefore(Oid owner);
extern int64 EtlCountParallelBefore(void); /* workers that share runs */

/* NULL: there is no row. */
extern EtlScheduleDefinition *EtlScheduleRead(int64 pipeline);
/* Takes away the times that the schedule of before gave; the rest is the scheduler's. */
extern void EtlScheduleStore(const EtlScheduleDefinition *definition);
extern void EtlScheduleDelete(int64 pipeline);
/* Of copies that are to become pipelines of this database: what became of their runs elsewhere does not count. */
extern void EtlScheduleAdopt(void);

/* The first of these names that is no pipeline which a role may see; NULL: all are. */
extern char *EtlScheduleUnknown(List *names, Oid role);
/*
 * How a pipeline that runs after these would run after itself, as "b, which runs after c", with the names that a role
 * may see; NULL: it would not.
 */
extern char *EtlScheduleCircle(int64 pipeline, List *names, Oid role);

/* The pipelines that run after one, as "a, b", as far as a role may see them; NULL: none do. */
extern char *EtlScheduleFollowers(const char *name, Oid role);

extern bool EtlScheduleWatches(int64 pipeline);
/* Writes the path that a pipeline reads at this moment, if it watches and that is another than before. */
extern void EtlScheduleSetWatched(int64 pipeline, const char *path);

/* Paths and patterns of pipelines that may run, whose owners may read files. */
typedef struct EtlWatched
{
	int64 pipeline;
	char *path;
} EtlWatched;

extern List *EtlScheduleWatched(void);

/* What a run leaves for the scheduler: its source asked not to be asked before; its files are still from then on. */
extern void EtlScheduleSetNotBefore(int64 pipeline, TimestampTz time);
extern void EtlScheduleSetFilesAt(int64 pipeline, TimestampTz time);

#endif /* ETL_SCHEDULES_H */
