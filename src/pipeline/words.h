/*
 * words.h
 *		What is a word in SQL and an enum in C: one table of names for each enum.
 */
#ifndef ETL_WORDS_H
#define ETL_WORDS_H

#include "etl.h"

typedef struct EtlWords
{
	const char *what; /* for messages: the argument, or the kind of word */
	int n;
	const char *const *names; /* [n], by the value of the enum */
} EtlWords;

/* What a run is. */
typedef enum EtlRunKind
{
	ETL_RUN_LOAD,	 /* of the source */
	ETL_RUN_RETRY,	 /* of dead letters */
	ETL_RUN_BACKFILL /* of a range of the source */
} EtlRunKind;

typedef enum EtlRunState
{
	ETL_RUN_RUNNING,
	ETL_RUN_SUCCEEDED,
	ETL_RUN_FAILED,
	ETL_RUN_CANCELLED,
	ETL_RUN_STOPPED, /* by a shutdown */
	ETL_RUN_CRASHED	 /* its worker ended without a word */
} EtlRunState;

/* What the scheduler has made of a pipeline. */
typedef enum EtlScheduleState
{
	ETL_SCHEDULE_IDLE,
	ETL_SCHEDULE_WAITING, /* for a worker */
	ETL_SCHEDULE_RUNNING,
	ETL_SCHEDULE_PAUSED
} EtlScheduleState;

/* How rows are applied to the target. */
typedef enum EtlMode
{
	ETL_MODE_UPSERT,
	ETL_MODE_APPEND,
	ETL_MODE_REPLACE, /* the target becomes what all of the source says */
	ETL_MODE_HISTORY  /* the target keeps each version of a row */
} EtlMode;

/* What an upsert does with a key that is there. */
typedef enum EtlOnConflict
{
	ETL_CONFLICT_UPDATE,
	ETL_CONFLICT_IGNORE,
	ETL_CONFLICT_ERROR
} EtlOnConflict;

/* How a replace without a key makes room for the rows of the source. */
typedef enum EtlReplaceBy
{
	ETL_REPLACE_DELETE,
	ETL_REPLACE_TRUNCATE
} EtlReplaceBy;

/* Which parts of the source are the snapshot. */
typedef enum EtlSnapshot
{
	ETL_SNAPSHOT_ALL,
	ETL_SNAPSHOT_NEWEST /* the last one by name */
} EtlSnapshot;

/* What becomes of a column that a record lacks. */
typedef enum EtlOnLacking
{
	ETL_LACKING_KEEP, /* an update leaves it as it is, an insert gives it its default */
	ETL_LACKING_NULL
} EtlOnLacking;

/* What becomes of a column that the source has and the declaration has not. */
typedef enum EtlEvolve
{
	ETL_EVOLVE_NOTICE, /* it is reported, once */
	ETL_EVOLVE_FREEZE  /* it is left out */
} EtlEvolve;

/* As what watermarks are compared. */
typedef enum EtlWatermarkAs
{
	ETL_WATERMARK_VALUE,
	ETL_WATERMARK_TEXT /* letter by letter, in the order of the collation */
} EtlWatermarkAs;

/* What becomes of a record that cannot be loaded; EtlOnError (rows.h) is what a scan does with it. */
typedef enum EtlOnFault
{
	ETL_FAULT_DEAD_LETTER,
	ETL_FAULT_FAIL
} EtlOnFault;

/* What becomes of a part of the source that cannot be read. */
typedef enum EtlOnBadPart
{
	ETL_BAD_PART_FAIL,
	ETL_BAD_PART_SET_ASIDE
} EtlOnBadPart;

typedef enum EtlOnShutdown
{
	ETL_SHUTDOWN_DRAIN,
	ETL_SHUTDOWN_DROP
} EtlOnShutdown;

/* Where a record failed. */
typedef enum EtlFailedStage
{
	ETL_FAILED_PARSE,
	ETL_FAILED_CONVERT,
	ETL_FAILED_ENRICH,
	ETL_FAILED_RULE,
	ETL_FAILED_LOAD
} EtlFailedStage;

/* What has become of a dead letter that is not open any more. */
typedef enum EtlResolution
{
	ETL_RESOLVED_LOADED, /* a retry took it through the pipeline */
	ETL_RESOLVED_SUPERSEDED /* a later record of its key was loaded, or all of a whole source was read again */
} EtlResolution;

extern const EtlWords EtlRunKindWords;
extern const EtlWords EtlRunStateWords;
extern const EtlWords EtlScheduleStateWords;
extern const EtlWords EtlModeWords;
extern const EtlWords EtlOnConflictWords;
extern const EtlWords EtlReplaceByWords;
extern const EtlWords EtlSnapshotWords;
extern const EtlWords EtlOnLackingWords;
extern const EtlWords EtlEvolveWords;
extern const EtlWords EtlWatermarkAsWords;
extern const EtlWords EtlOnFaultWords;
extern const EtlWords EtlOnBadPartWords;
extern const EtlWords EtlPartStateWords; /* of EtlPartState (scan/resume.h) */
extern const EtlWords EtlOnShutdownWords;
extern const EtlWords EtlFailedStageWords;
extern const EtlWords EtlResolutionWords;

/* The value that a word stands for; an error that lists the words if there is none (22023). */
extern int EtlWordOf(const EtlWords *words, const char *name);
extern const char *EtlWordName(const EtlWords *words, int value);

#endif /* ETL_WORDS_H */
