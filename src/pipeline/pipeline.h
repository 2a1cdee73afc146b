/*
 * pipeline.h
 *		Pipelines: a source and a SELECT over each batch of it, loaded exactly once.
 *
 *	define/			what a pipeline is: SQL functions, checks, and the statements that a run executes
 *		define.c		SQL functions that create and change definitions
 *		session.c		the settings with which their texts are read, and a run works
 *		check.c			what can be seen to be wrong with one before it runs; check_query.c: with its query
 *		statements.c	its texts as the statements that a run executes, which texts.h lists; phrases.c has their
 *						parts, removals.c those that delete; history.c: targets that keep versions
 *		lacks.c			the columns that a record lacks, on their way through the query
 *		enrichments.c	the option "enrich"
 *		targets.c		SQL functions that add and drop further targets; further.c: their statements
 *	run/			what it does: run.h has the parts of a run
 *		start.c			SQL functions that start a run, and wait for it
 *		worker.c		the process of a run; ending.c: what may end it from outside
 *		engine.c		the phases of a run
 *		report.c		progress, activity, lines in the log; alert.c: NOTIFY
 *	catalog/		all SQL on the tables of etl_catalog, and the rights to them
 *	schedule.c		when a schedule comes next; schedule_text.c reads what users write
 *	schedule_define.c	the schedule of a pipeline
 *	watch.c			the files that one watches
 *	done.c			whether one may have something done with what it has loaded
 */
#ifndef ETL_PIPELINE_H
#define ETL_PIPELINE_H

#include "etl.h"
#include "nodes/pg_list.h"
#include "pipeline/words.h"
#include "utils/timestamp.h"

typedef struct EtlRule
{
	char *name;
	char *expression;
} EtlRule;

#define ETL_MAX_PARALLEL 64 /* processes that may share a run */

/* What becomes of a key that the server refuses, and of its records. */
typedef enum EtlOnNoAnswer
{
	ETL_NO_ANSWER_LETTERS, /* they become dead letters */
	ETL_NO_ANSWER_NULL,	   /* it has no row */
	ETL_NO_ANSWER_FAILS	   /* the run fails */
} EtlOnNoAnswer;

/* A call of etl_api for each key that a batch has (define/enrichments.c). */
typedef struct EtlEnrichment
{
	char *name; /* of the relation that the query sees */
	char *call;
	List *key; /* of char *: columns of the source */
	int concurrency;
	int64 cache; /* ms for which an answer is kept; 0: it is not */
	EtlOnNoAnswer on_error;
} EtlEnrichment;

#define ETL_DELETES_KEEP "keep" /* "deletes" when nothing is */

typedef struct EtlInterval
{
	char *text; /* NULL: none */
	int64 ms;
} EtlInterval;

/*
 * A definition, as the table etl_catalog.pipelines holds it.  A new option is a member here, a row of
 * EtlPipelineOptions (catalog/pipelines.c) and a column and two arguments in the SQL script.
 */
typedef struct EtlPipeline
{
	int64 id;
	char *name;
	Oid owner;
	bool accepted; /* by its owner: else no text below is planned or run */
	char *search_path;
	List *settings; /* of char *: name=value, with which the texts are read, too */
	char *source;
	char *query;
	char *target; /* qualified and quoted */
	List *key;	  /* of char *; NIL: none */
	EtlMode mode;
	EtlOnConflict on_conflict;
	EtlReplaceBy replace_by;
	char *
		deletes; /* of an upsert, what becomes of rows that the source has no more: keep, delete, mark:column */
	EtlSnapshot snapshot;
	EtlOnLacking missing;
	EtlEvolve evolve;
	char *
		delete_when; /* of an upsert: a condition on rows of the query, which delete then; NULL: none do */
	char *delete_scope; /* of a replace: a condition on rows of the target; NULL: all of them */
	char *delete_limit; /* the most that a replace deletes of the target, as in "10%" */
	char *valid_from;	/* of a history: columns of the target; NULL: they have these names */
	char *valid_to;
	List *
		compared; /* of char *: columns of the query that make a version; NIL: all but key and watermark */
	char *watermark; /* or NULL, as lag and max */
	EtlWatermarkAs watermark_as;
	char *watermark_lag;
	char *watermark_max;
	char *rules;		 /* as JSON, and */
	List *rules_list;	 /* of EtlRule * */
	List *redact;		 /* of char * */
	char *enrich;		 /* as JSON, and */
	List *enrichments;	 /* of EtlEnrichment * */
	bool whole;			 /* the query sees all of the source at once */
	int parallel;		 /* processes that share a run */
	bool parts_disjoint; /* rows of one key are in one part of the source only */
	int batch_size;
	EtlInterval flush_interval;
	EtlOnFault on_error;
	int64 reject_limit; /* -1: none */
	EtlOnBadPart on_bad_part;
	char *when_done; /* what is done with a part of the source that is loaded; NULL: nothing */
	EtlOnShutdown on_shutdown;
	EtlInterval max_runtime;
	bool enabled;
	int64 system_identifier; /* of the server, and */
	Oid database;			 /* the database in which it was defined */

	/*
	 * Further targets of the same batches: EtlPipeline *, each of which differs from this one in query, target, key, mode,
	 * on_conflict and rules, has a delete_within, and says so in "further".
	 */
	List *targets;
	bool further;
	List *
		delete_within; /* of char *: columns; rows that belong to one record go when it has them no more; NIL: none does */
	bool cautious; /* of a retry: rows that later records may have loaded are left as they are */
} EtlPipeline;

/* Whether rows are held against those of the target by their key. */
static inline bool
EtlUpserts(const EtlPipeline *pipeline)
{
	return pipeline->mode != ETL_MODE_APPEND && pipeline->key != NIL;
}

/* Whether rows of the target that the source has no more are deleted, or marked. */
static inline bool
EtlRemoves(const EtlPipeline *pipeline)
{
	return pipeline->mode == ETL_MODE_REPLACE || strcmp(pipeline->deletes, ETL_DELETES_KEEP) != 0;
}

/* The columns of a history that say since when, and until when, a version holds. */
static inline const char *
EtlValidFrom(const EtlPipeline *pipeline)
{
	return pipeline->valid_from != NULL ? pipeline->valid_from : "valid_from";
}

static inline const char *
EtlValidTo(const EtlPipeline *pipeline)
{
	return pipeline->valid_to != NULL ? pipeline->valid_to : "valid_to";
}

/* The column in which such rows are marked; NULL: they are not. */
static inline const char *
EtlMarkColumn(const EtlPipeline *pipeline)
{
	return strncmp(pipeline->deletes, "mark:", 5) == 0 ? pipeline->deletes + 5 : NULL;
}

/* Whether each run reads all of the source, and loads it at once. */
static inline bool
EtlReadsWhole(const EtlPipeline *pipeline)
{
	return pipeline->whole || pipeline->mode == ETL_MODE_REPLACE;
}

/* The part of a whole that a text like "10%" states, 0 to 1; anything else is an error (22023). */
extern double EtlShareOf(const char *option, const char *text);

/* The rules that a JSON object states; anything else in it is an error (22023). */
extern List *EtlRulesOf(const char *json);

/*
 * The counters of a run, as columns of etl_catalog.runs and .totals, and as a line of the log shows them; -1: not known.
 * A new one is a row here, and columns in the SQL script.  Those of batches, records and rows are results of etl_run, too.
 */
#define ETL_ROW_COUNTERS(COUNTER)                    \
	COUNTER(batches, "%lld batches")                 \
	COUNTER(read, ", read %lld")                     \
	COUNTER(malformed, ", malformed %lld")           \
	COUNTER(convert_failed, ", convert_failed %lld") \
	COUNTER(converted, ", converted %lld")           \
	COUNTER(emitted, ", emitted %lld")               \
	COUNTER(invalid, ", invalid %lld")               \
	COUNTER(superseded, ", superseded %lld")         \
	COUNTER(load_failed, ", load_failed %lld")       \
	COUNTER(loaded, ", loaded %lld")                 \
	COUNTER(inserted, " (inserted %lld")             \
	COUNTER(updated, ", updated %lld)")              \
	COUNTER(skipped, ", skipped %lld")

#define ETL_RUN_COUNTERS(COUNTER)                      \
	ETL_ROW_COUNTERS(COUNTER)                          \
	COUNTER(tombstones, ", tombstones %lld")           \
	COUNTER(deleted, ", deleted %lld")                 \
	COUNTER(marked, ", marked %lld")                   \
	COUNTER(closed, ", closed %lld")                   \
	COUNTER(null_watermark, ", null watermark %lld")   \
	COUNTER(parts_set_aside, ", parts set aside %lld") \
	COUNTER(parts_empty, ", parts empty %lld")         \
	COUNTER(columns_missing, ", columns missing %lld") \
	COUNTER(columns_new, ", new columns %lld")

typedef struct EtlRunCounters
{
#define COUNTER(name, text) int64 name;
	ETL_RUN_COUNTERS(COUNTER)
#undef COUNTER
} EtlRunCounters;

/* What has come to the counters since they were "before", which may be less than nothing; ETL_NOT_COUNTED: not known. */
#define ETL_NOT_COUNTED PG_INT64_MIN

static inline EtlRunCounters
EtlCountersSince(const EtlRunCounters *c, const EtlRunCounters *before)
{
	EtlRunCounters since;

#define COUNTER(name, text) since.name = c->name < 0 ? ETL_NOT_COUNTED : c->name - before->name;
	ETL_RUN_COUNTERS(COUNTER)
#undef COUNTER
	return since;
}

/* Records and rows that became dead letters. */
static inline int64
EtlCountRejected(const EtlRunCounters *c)
{
	return c->malformed + c->convert_failed + c->invalid + c->load_failed;
}

extern void EtlPipelineInit(void);

/*
 * Why no schedule of this database starts anything; NULL: nothing is in the way.  The scheduler says so; what would help
 * is in *hint.
 */
extern const char *(*EtlSchedulerObstacle)(const char **hint);

/* Runs that the scheduler starts have bounds of their own, by pool. */
typedef enum EtlPool
{
	ETL_POOL_SCHEDULED,	 /* those with an end; runs that are started by hand count for their role */
	ETL_POOL_CONTINUOUS, /* those without */
	ETL_POOLS
} EtlPool;

/* How many runs there may be in a pool, and how many of them of one role; INT_MAX: any number. */
extern int EtlMaxRuns(EtlPool pool);
extern int EtlMaxRunsOf(EtlPool pool, Oid role);

/* settings */
#define ETL_MAX_WORKERS 128 /* of a pool */
extern int EtlMaxRuntime;	/* ms; 0: no limit */
extern int EtlDrainTimeout; /* ms */
extern int EtlSettleTime;	/* ms */
extern int EtlDeadLetterMaxBytes;
extern int EtlMaxParallelWorkers;
extern int EtlRetention;   /* minutes; 0: for ever */
extern int EtlLogInterval; /* s; 0 or -1: no lines */

#endif /* ETL_PIPELINE_H */
