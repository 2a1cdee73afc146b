/*
 * scheduler.h
 *		Pipelines run on time.
 *
 *		launcher.c		starts a scheduler for a database when something may be due there
 *		look.c			the process of a scheduler: one look at its database
 *		due.c			... that look: what is due, and workers for it
 *		transitions.c	what becomes of a pipeline: the one place where its state changes
 *		triggers.c		what makes it run: times, another try, files, other pipelines
 *		runner.c		the process of a run that was due
 *		watcher.c		the process that knows when files arrive; inotify.c asks the kernel
 *		shared.c		what they tell each other; places.c has places of workers, watches.c what is watched
 *		metrics.c		what they tell the world
 */
#ifndef ETL_SCHEDULER_H
#define ETL_SCHEDULER_H

#include "etl.h"
#include "datatype/timestamp.h"

extern void EtlSchedulerInit(void);
extern void EtlLauncherInit(void);
extern void EtlObstacleInit(void);

/* settings */
extern bool EtlEnabled;

/* The time, as launcher and schedulers see it. */
extern TimestampTz EtlNow(void);

/* Whether this process is a scheduler: what it writes is no news to it. */
extern bool EtlIsScheduler;

extern PGDLLEXPORT void EtlLauncherMain(Datum arg);
extern PGDLLEXPORT void EtlSchedulerMain(Datum arg);
extern PGDLLEXPORT void EtlRunnerMain(Datum arg);
extern PGDLLEXPORT void EtlWatcherMain(Datum arg);

#endif /* ETL_SCHEDULER_H */
