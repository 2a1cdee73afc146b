/*
 * pipeline.h
 *		Pipelines: a source and a SELECT over each batch of it, loaded exactly once.
 *
 *		define.c		SQL functions that create and change definitions
 *		check.c			what can be seen to be wrong with one before it runs
 *		check_query.c	... with its query
 *		statements.c	its texts as the statements that a run executes
 *		run.c			SQL functions that start a run, and wait for it
 *		worker.c		the process of a run
 *		engine.c		the run: batch by batch, and what becomes of errors
 *		fill.c			raw records into a batch, outside transactions
 *		spool.c			a whole source in a file
 *		load.c			one attempt to take a range of a batch into the target
 *		order.c			the rows of an attempt in the order of their keys
 *		isolate.c		which attempts to make when one fails
 *		parked.c		rows that wait for others
 *		report.c		what a run tells of itself: progress, activity, lines in the log
 *		dead_letter.c	records that cannot be loaded, and their second chance
 *		watermark.c		how far the data goes
 *		schedule.c		when a schedule comes next; schedule_text.c reads what users write
 *		schedule_define.c	the schedule of a pipeline
 *		watch.c			the files that one watches
 *		alert.c			tells whom it may concern
 *		catalog.c		definitions in the tables of etl_catalog; catalog_runs.c has runs, checkpoints and watermarks,
 *						catalog_letters.c dead letters, and catalog_sql.c the rights to all of them
 */
#ifndef ETL_PIPELINE_H
#define ETL_PIPELINE_H

#include "etl.h"
#include "nodes/pg_list.h"
#include "utils/timestamp.h"

typedef struct EtlRule
{
	char *name;
	char *expression;
} EtlRule;

/* A definition, as the table etl_catalog.pipelines holds it. */
typedef struct EtlPipeline
{
	int64 id;
	char *name;
	Oid owner;
	char *search_path;
	char *source;
	char *query;
	char *target; /* qualified and quoted */
	List *key;	  /* of char *; NIL: none */
	char *mode;
	char *on_conflict;
	char *watermark; /* or NULL, as the next two */
	char *watermark_lag;
	char *watermark_max;
	char *rules_json;
	List *rules;  /* of EtlRule * */
	List *redact; /* of char * */
	bool whole;	  /* the query sees all of the source at once */
	int batch_size;
	char *flush_interval; /* as text, and */
	int64 flush_ms;
	char *on_error;
	int64 reject_limit; /* -1: none */
	char *on_shutdown;
	char *max_runtime; /* or NULL */
	int64 max_runtime_ms;
	bool enabled;
	bool at_home; /* no copy: it was defined in this database */
} EtlPipeline;

static inline bool
EtlIsUpsert(const EtlPipeline *pipeline)
{
	return strcmp(pipeline->mode, "upsert") == 0;
}

/* What a run has done, and the columns of etl_catalog.runs that tell it. */
typedef struct EtlRunCounters
{
	int64 batches;
	int64 read;
	int64 malformed;
	int64 convert_failed;
	int64 converted;
	int64 emitted;
	int64 invalid;
	int64 superseded;
	int64 load_failed;
	int64 loaded; /* inserted and updated */
	int64 inserted;
	int64 skipped;
	bool loaded_only; /* inserted is not known */
} EtlRunCounters;

extern void EtlPipelineInit(void);

/* Whether launcher and workers can be there, to run pipelines by themselves. */
extern bool EtlIsPreloaded;

/* After a run: in how many ms a last record that it held back will count; 0: none was held back. */
extern int64 EtlSettlesIn;

/* settings */
extern int EtlDrainTimeout; /* ms */
extern int EtlSettleTime;	/* ms */
extern int EtlDeadLetterMaxBytes;
extern int EtlRetention;   /* minutes; 0: for ever */
extern int EtlLogInterval; /* s; 0 or -1: no lines */

#endif /* ETL_PIPELINE_H */
