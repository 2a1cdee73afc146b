/*
 * run.h
 *		A run under way: what all its parts know of it.
 *
 * Each part has a struct of its own, in its header, and is used by those below it in this list only:
 *
 *		parallel	other processes that read parts of its source, too
 *		places		places of rows in the target
 *		slice		rows in memory as what statements read
 *		watermark	how far the data goes
 *		ledger		where earlier runs stopped
 *		read		the source -> records of a batch				outside transactions
 *		aside		parts of it that cannot be read
 *		done		what is done with parts that are loaded
 *		chunk		rows that the query gave, in the order of their keys
 *		deferred	rows that failed their foreign key, and what comes to their keys meanwhile
 *		keys		keys of rows that are loaded, and of dead letters
 *		rejects		records that cannot be loaded -> dead letters
 *		convert		records -> rows
 *		whole		... of all of the source, in a file, if the query is to see it at once
 *		removal		rows of the target that the source has no more
 *		within		rows of a further target that their record has no more
 *		tombstones	keys whose rows were deleted
 *		choose		the statement that takes a chunk to the target
 *		load		rows -> the query -> chunks of a target
 *		take		... into it
 *		targets		... all targets
 *		isolate		... in attempts, when a row is at fault
 *		again		dead letters as the records of a batch
 *		seen		columns of the source that no record has, and those that nobody has declared
 *		commit		dead letters, counters, checkpoint, watermark	in the same transaction
 *		enrich		what APIs say of keys of the batch					outside transactions
 *		range		of the source, that a backfill reads
 *		forget		what a run removes behind itself
 *		continuous	what a run without an end does between its batches
 *		engine		the phases of a run
 */
#ifndef ETL_RUN_H
#define ETL_RUN_H

#include "pipeline/define/statements.h"
#include "pipeline/pipeline.h"

/* How the source is read. */
typedef enum EtlReadMode
{
	ETL_READ_BATCHES,	/* the query sees a batch at a time */
	ETL_READ_WHOLE,		/* it sees all of the source at once */
	ETL_READ_CONTINUOUS /* as batches, and what comes later is waited for */
} EtlReadMode;

/* A run that several processes share (parallel.h). */
typedef struct EtlParallel EtlParallel;

typedef struct EtlRun
{
	MemoryContext context; /* of all that lasts as long as the run */
	int64 id;
	EtlRunKind kind;	   /* what it is */
	EtlReadMode read_mode; /* how its source is read; how rows are applied is pipeline->mode */
	EtlPipeline *pipeline;
	EtlStatements *statements;
	int64
		checkpoints; /* whose checkpoints are those of the run: the pipeline's number, if it is no backfill */
	TimestampTz instant;	 /* of its versions; 0: that of the transaction */
	int64 taken_in;			 /* records, those of the current batch included */
	EtlRunCounters counters; /* committed, by this process */
	EtlParallel *parallel;	 /* NULL: no other process may share it */
	bool is_worker;			 /* another process begins and ends it */
	bool overwrite;			 /* of a retry: also what later records may have loaded */
	bool in_rows; /* an error would be one of a row or of the owner's code, so it may hold values */
	bool in_source; /* the error that ends the run is one of opening or reading the source */
	bool fatal;		/* the error under way ends the run, whatever it is, and */
	const char *fatal_reason; /* says why without a value */
} EtlRun;

/* Whether a run reads all of the source, finished parts too, and what it does not find is gone. */
static inline bool
EtlScansAll(const EtlRun *run)
{
	return run->read_mode == ETL_READ_WHOLE ||
		   (run->kind == ETL_RUN_LOAD && EtlRemoves(run->pipeline));
}

#endif /* ETL_RUN_H */
