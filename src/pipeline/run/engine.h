/*
 * engine.h
 *		A run under way: what its parts share.
 *
 *		fill.c		records of the source -> batch->records			outside transactions
 *		spool.c		... all of them, converted, into a file			if the query is to see the whole source
 *		load.c		-> converted rows -> the query -> the target		in one transaction, with
 *		order.c		... in the order of keys
 *		isolate.c	... in attempts, when a row is at fault
 *		parked.c	... or only waits for another
 *		engine.c	dead letters, counters, checkpoint, watermark		in the same transaction
 */
#ifndef ETL_ENGINE_H
#define ETL_ENGINE_H

#include "executor/spi.h"
#include "pipeline/run/batch.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/define/statements.h"
#include "utils/resowner.h"
#include "utils/sortsupport.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

/* How far a part of the source had been read when a record of the batch was its next one. */
typedef struct EtlMark
{
	int record;
	char *part;
	char *position;
	int64 skipped; /* records behind the position that are done, too */
} EtlMark;

/* Why a record was not loaded. */
typedef struct EtlReject
{
	int record;		 /* -1: of a whole source, a row that the query gave */
	const char *row; /* that one, as JSON */
	EtlFailedStage stage;
	const char *column;
	const char *value;
	const char *rule;
	int sqlstate;
	const char *message;
	const char *safe_message; /* one that holds no value; NULL: none is known */
	const char *detail;
} EtlReject;

typedef struct EtlBatch
{
	MemoryContext context; /* of the records; reset with the next batch */
	int n;
	int size; /* of the array */
	EtlKept *records;
	int64 *letters;	  /* in a retry: the dead letter that each record was */
	int64 position;	  /* of the first record, in the order of the run, or */
	int64 *positions; /* of each, among those of the records that were parked */
	size_t nbytes;
	List *marks;	  /* of EtlMark *, by record */
	bool reached_end; /* of the source */

	/* from here on in the context "loading" */
	MemoryContext loading;
	int nrows;		/* -1: not converted yet */
	int nfaulty;	/* of the rejects, those of the conversion */
	int *record_of; /* [nrows] the record that a converted row is */
	int *row_of;	/* [n + 1] the first converted row at or behind a record */
	Datum *values;
	bool *isnull;
	List *rejects; /* of EtlReject * */
} EtlBatch;

/* What one attempt, or all those of one transaction, did to the target. */
typedef struct EtlLoadOutcome
{
	int64 emitted;
	int64 invalid;
	int64 superseded;
	int64 failed; /* rows of records that could not be loaded */
	int64 loaded;
	int64 inserted;
	bool has_watermark;
	Datum watermark; /* the highest, in batch->loading */
} EtlLoadOutcome;

/* The key of a row that failed its foreign key. */
typedef struct EtlParked
{
	Datum *values;
	bool *isnull;
	int64 position;
	int64 letter;	 /* that the record has become; 0: none */
	int64 latest;	 /* position from which a row of this key was loaded since; -1: none was */
	int64 committed; /* the same, of transactions before */
} EtlParked;

/* A whole source, read and converted, and what is to be committed with it. */
typedef struct EtlSpool
{
	ResourceOwner owner; /* of the files, which outlast transactions */
	Tuplestorestate *rows;
	Tuplestorestate *letters;
	TupleDesc letter_desc;
	EtlRunCounters counters;
	List *checkpoints; /* of EtlCheckpoint *: how far each part was read */
} EtlSpool;

/* A statement with a plan for many rows and one for few. */
typedef struct EtlPlans
{
	const char *text;
	SPIPlanPtr bulk;
	SPIPlanPtr point;
} EtlPlans;

typedef struct EtlRun
{
	MemoryContext context; /* of all that lasts as long as the run */
	int64 id;
	EtlPipeline *pipeline;
	EtlStatements *statements;
	EtlRunKind kind;

	/* source */
	EtlRows *rows;
	EtlResume resume;
	bool watching;	   /* it runs when files arrive, so it may well find none */
	char *watched;	   /* the path or pattern that it reads; NULL: no files */
	List *checkpoints; /* of EtlCheckpoint *: where earlier runs stopped */
	char *part;		   /* the one in hand */
	int64 to_skip;	   /* records of it that are done already */

	/* loading */
	EtlBatch batch;
	EtlSpool *spool; /* NULL: the query sees a batch at a time */
	EtlWindow converted;
	EtlWindow emitted;
	EtlPlans transform, load, insert, refresh, merge, winners;
	EtlPlans *taking;	   /* the one that took the last chunk to the target */
	SortSupport key_order; /* [nkeys of statements]; NULL: rows stay as they come */
	bool loading;		   /* an error would be one of the load, not of the query */
	bool in_rows; /* an error would be one of a row or of the owner's code, so it may hold values */
	bool fatal;	  /* the error under way ends the run, whatever it is */
	int suspect;  /* record that failed when the whole batch was tried; -1: not known */
	int at_most;  /* records to isolate in one transaction: fewer after an error at commit */
	ErrorData *doomed;	 /* what the next record alone led to at commit; NULL: nothing */
	MemoryContext chunk; /* of what the query gave and was not loaded yet */
	MinimalTuple *tuples;
	int *tuple_records; /* the record of each */
	bool *superseded;
	int ntuples;
	int nloaded; /* of the last chunk, which is still there while the attempt is not over */
	int max_tuples;
	struct EtlKeys *chunk_keys; /* of the chunk, once it is in their order */
	int rejected_record;		/* none of its rows is loaded; -1: that is not said of any */
	int split_record; /* some of its rows are in the target already, before it has given all; -1: of none */
	bool query_streams;	   /* a row that the query gives is of the record that it pulled last */
	bool dedup;			   /* keys were seen twice in one batch: look for that first */
	bool all_new;		   /* all keys of the last batch were new, and */
	bool conflicts;		   /* that led to an error once in this run, so never mind */
	bool no_merge;		   /* so did MERGE */
	bool target_is_small;  /* when it last was asked, in this batch */
	bool mostly_unchanged; /* the last batch hardly changed anything */

	/* rows that wait for others */
	EtlParked *parked_rows; /* in the order of the source */
	int nparked;
	int max_parked;
	int nparked_committed;
	List *came; /* by the attempt under way: rows that would make them void */

	/* watermark */
	FmgrInfo compare;
	bool has_watermark;
	Datum watermark; /* the highest of this scan and those before, in context */
	bool has_max;
	Datum watermark_max;

	EtlRunCounters counters; /* committed */
	int64 rejected;			 /* the same: dead letters of this run */
	bool parked;			 /* some of them only waited for rows that may have come since */
} EtlRun;

/* fill.c */
extern void EtlOpenSource(EtlRun *run);
/* Plans the call of a source, and evaluates its arguments as its statement would, into a memory context. */
extern void EtlEvaluateSource(const char *statement, MemoryContext context,
							  const EtlScanKind **kind, EtlArgs **args, TupleDesc *desc);
extern void EtlFillBatch(EtlRun *run);
extern void EtlStartBatch(EtlRun *run);
/* How far the source is done when the records before "to" are: a list of EtlCheckpoint *. */
extern List *EtlCheckpointsAt(const EtlRun *run, int to);
extern EtlKept *EtlAddRecord(EtlRun *run);

/* watch.c */
extern char *
EtlFilesOfSource(const EtlScanKind *kind,
				 const EtlArgs *args); /* the path or pattern; NULL: no files of the server */

/* load.c */
extern void EtlLoadInit(EtlRun *run);
extern void EtlConvertBatch(EtlRun *run);
/* Takes the records between two numbers through the query into the target; raises whatever goes wrong. */
extern void EtlAttempt(EtlRun *run, int begin, int end, EtlLoadOutcome *outcome);
/* The same with all that was spooled. */
extern void EtlAttemptWhole(EtlRun *run, EtlLoadOutcome *outcome);
/* After an error in an attempt: the record to suspect; -1: any of them. */
extern int EtlSuspect(const EtlRun *run);
/* Whether an error lies in a row: its kind says so, and a row had been pulled when it came. */
extern bool EtlLiesInRow(const EtlRun *run, const ErrorData *error);
/* Whether an error only shows that another statement should have been used: the next try will do so. */
extern bool EtlTakeOtherStatement(EtlRun *run, const ErrorData *error);

/* spool.c */
extern void EtlSpoolBegin(EtlRun *run);
extern void EtlSpoolEnd(EtlRun *run);
/* Adds the batch, which was converted in the transaction under way. */
extern void EtlSpoolBatch(EtlRun *run);
/* Writes what commits with the rows: dead letters, and how far the source was read. */
extern void EtlSpoolSettle(EtlRun *run);

/* order.c */
extern void EtlOrderInit(EtlRun *run);
/* Puts the chunk into the order of its keys; whether one comes twice. */
extern bool EtlOrderChunk(EtlRun *run);
/* The first row of a key in the chunk, which is in order; *end is behind the last one. */
extern int EtlFindKey(const EtlRun *run, const Datum *values, const bool *isnull, int *end);

/* parked.c */
extern void EtlPark(EtlRun *run, int record);
extern void EtlParkedAs(EtlRun *run, int record, int64 letter);
extern void EtlFindPositions(EtlRun *run);
extern void EtlLeaveOutVoid(EtlRun *run, EtlLoadOutcome *outcome);
extern void EtlCame(EtlRun *run);
extern void EtlSettleParked(EtlRun *run, bool committed);

/* isolate.c */
/*
 * Loads the batch from record "from" on in attempts, until all of it is done or it is time to commit; returns the
 * record to go on with.
 */
extern int EtlIsolate(EtlRun *run, int from, EtlLoadOutcome *outcome);
extern void EtlAddOutcome(EtlRun *run, EtlLoadOutcome *to, const EtlLoadOutcome *more);

/* watermark.c */
extern void EtlWatermarkInit(EtlRun *run);
extern bool EtlBeyondMax(const EtlRun *run, Datum value);
extern void
EtlRaiseWatermark(EtlRun *run, bool *has, Datum *highest, Datum value, MemoryContext context);
extern void EtlSavePendingWatermark(EtlRun *run, const EtlLoadOutcome *outcome);

/* dead_letter.c */
/* What an error says without any value in it. */
extern const char *EtlSafeMessage(const ErrorData *error);
extern void EtlAddReject(EtlRun *run, EtlReject *reject);
extern void EtlRejectError(EtlRun *run, int record, const ErrorData *error);
extern void EtlMakeLetter(const EtlRun *run, const EtlReject *reject, EtlDeadLetter *letter);
/* An error if so many dead letters of the run are too many. */
extern void EtlCheckRejectLimit(EtlRun *run, int64 rejected, const EtlReject *last);
extern void EtlSettleRejects(EtlRun *run, int from, int to, EtlRunCounters *counters);
extern bool EtlNextLetters(EtlRun *run, int64 *after);
/* The same with those of this run that failed their foreign key; backwards, or forwards. */
extern bool EtlNextParked(EtlRun *run, int64 *after, bool backwards);

/* engine.c */
extern void EtlRunPipeline(int64 pipeline, EtlRunKind kind, void (*started)(int64 run_id));

#endif /* ETL_ENGINE_H */
