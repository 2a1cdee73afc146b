/*
 * schedules.h
 *		Schedules in etl_catalog: what users say of them, and what the scheduler has made of that.
 *
 * As with catalog.h, every function runs in the caller's transaction, and returns what it found in the caller's
 * memory context.
 */
#ifndef ETL_SCHEDULES_H
#define ETL_SCHEDULES_H

#include "pipeline/catalog/sql.h"

/*
 * What users set.  A pipeline without schedule, "after" and "watch" has no row.  A new option is a member here, a row of
 * EtlScheduleOptions and a column and two arguments in the SQL script.
 */
typedef struct EtlScheduleDefinition
{
	int64 pipeline;
	char *schedule; /* NULL: none */
	char *timezone;
	List *after; /* of char *, names of pipelines */
	bool watch;
	int max_failures;
	char *watched; /* path or pattern; NULL: it does not watch */
} EtlScheduleDefinition;

extern const EtlSqlColumn EtlScheduleOptions[];
extern const int EtlScheduleOptionCount;

/* NULL: there is no row. */
extern EtlScheduleDefinition *EtlScheduleRead(int64 pipeline);
/* Takes away the times that the schedule of before gave; the rest is the scheduler's. */
extern void EtlScheduleStore(const EtlScheduleDefinition *definition);
extern void EtlScheduleDelete(int64 pipeline);

/* The first of these names that is no pipeline which a role may see; NULL: all are. */
extern char *EtlScheduleUnknown(List *names, Oid role);
/*
 * How a pipeline that runs after these would run after itself, as "b, which runs after c", with the names that a role
 * may see; NULL: it would not.
 */
extern char *EtlScheduleCircle(int64 pipeline, List *names, Oid role);

extern bool EtlScheduleWatches(int64 pipeline);
/* Writes the path that a pipeline reads at this moment, if it watches and that is another than before. */
extern void EtlScheduleSetWatched(int64 pipeline, const char *path);

#endif /* ETL_SCHEDULES_H */
