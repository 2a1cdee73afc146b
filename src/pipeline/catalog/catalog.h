/*
 * catalog.h
 *		The tables of etl_catalog.
 *
 * Every function runs in the caller's transaction, and returns what it found in the caller's memory context.
 */
#ifndef ETL_CATALOG_H
#define ETL_CATALOG_H

#include "pipeline/catalog/sql.h"
#include "pipeline/pipeline.h"
#include "scan/resume.h"

/* definitions; the options are what users set: arguments and columns of the same names */
extern const EtlSqlColumn EtlPipelineOptions[];
extern const int EtlPipelineOptionCount;

extern EtlPipeline *EtlCatalogFind(const char *name, bool missing_ok);
/* The same, locked: what is changed is what was read; NULL: there is none. */
extern EtlPipeline *EtlCatalogFindToChange(const char *name);
extern EtlPipeline *EtlCatalogGet(int64 id); /* NULL: dropped */
/* A hash of the definition, with all targets; NULL: dropped. */
extern char *EtlCatalogFingerprint(int64 id);
pg_noreturn extern void EtlRaiseNoPipeline(const char *name);
extern int64 EtlCatalogInsert(const EtlPipeline *pipeline);
extern void EtlCatalogUpdate(const EtlPipeline *pipeline);
extern void EtlCatalogSetEnabled(int64 id, bool enabled);
extern void EtlCatalogDelete(int64 id);
extern int64 EtlCatalogAdopt(void);
/*
 * Makes pipelines whose owner does not exist any more those of nobody, for good: another role may get its OID one day.  It
 * waits for no lock.  Called by whatever runs pipelines, before it does.
 */
extern void EtlCatalogDisown(void);
extern int64 EtlCatalogCountOrphans(void); /* pipelines whose owner does not exist */
/* Whether a definition was made in this very database: elsewhere it is a copy. */
extern bool EtlIsAtHome(int64 system_identifier, Oid database);

/* further targets; what users set of one: arguments and columns of the same names */
extern const EtlSqlColumn EtlTargetOptions[];
extern const int EtlTargetOptionCount;

extern List *
EtlCatalogTargets(const EtlPipeline *pipeline); /* of EtlPipeline *, as they were added */
extern void EtlCatalogAddTarget(int64 pipeline, const EtlPipeline *target);
extern void EtlCatalogDropTarget(int64 pipeline, const char *target);
/* Adds to what a run has done to a further target. */
extern void EtlCatalogUpdateRunTarget(int64 run, const char *target, const EtlRunCounters *more);

/* runs */
extern int64 EtlCatalogStartRun(int64 pipeline, EtlRunKind kind);
/*
 * Adds to the counters of a run, and tells what they are now, if "all" is not NULL; an error if the run is no longer the one
 * that counts.
 */
extern void EtlCatalogUpdateRun(int64 run, const EtlRunCounters *more, EtlRunCounters *all);
extern void
EtlCatalogEndRun(int64 run, EtlRunState state, const char *sqlstate, const char *message);
/* A run that goes on has loaded what there was.  The scheduler is woken if another pipeline runs after this one. */
extern void EtlCatalogSetFlushed(int64 run, int64 pipeline);
/* Whether, at this very moment, it is not written how a run has ended. */
extern bool EtlCatalogRunIsOpen(int64 run);
/* The same of any run of a pipeline. */
extern bool EtlCatalogHasOpenRun(int64 pipeline);

typedef struct EtlRunResult
{
	int64 id;
	EtlRunState state;
	char *sqlstate;
	char *message;
	EtlRunCounters counters;
	List *missing_columns; /* of char *: columns of the source that no record had */
	List *new_columns; /* the same: those that nobody has declared, and no run had found before */
} EtlRunResult;

extern void EtlCatalogSetMissingColumns(int64 run, List *columns);
extern void EtlCatalogSetNewColumns(int64 run, List *columns);

/* Columns of the source that a record of some run of the pipeline had: a list of char *. */
extern List *EtlCatalogSeenColumns(int64 pipeline);
extern void EtlCatalogSetSeenColumns(int64 pipeline, List *columns);
/* The same of columns that nobody has declared. */
extern List *EtlCatalogUndeclared(int64 pipeline);
extern void EtlCatalogSetUndeclared(int64 pipeline, List *columns);

/* The row of a run; an error if it was purged. */
extern const EtlRunResult *EtlCatalogRunResult(int64 run);

/* checkpoints */
typedef struct EtlCheckpoint
{
	char *part;
	char *position;
	int64 skipped;
	int64 rows; /* records that are done */
	EtlPartState state;
	char *version;	/* NULL: nothing tells it */
	char *sqlstate; /* why it is set aside; written only */
	char *message;
	TimestampTz missing_since; /* 0: it was there when it was last looked for */
	bool pending;			   /* when_done is still to be done with it */
} EtlCheckpoint;

/* Those of parts behind "after", n at most: of EtlCheckpoint *, by part in the order of strcmp(); and that of one part. */
extern List *EtlCatalogCheckpoints(int64 pipeline, const char *after, int n);
extern EtlCheckpoint *EtlCatalogCheckpoint(int64 pipeline, const char *part);
extern void EtlCatalogSetCheckpoint(int64 pipeline, const EtlCheckpoint *checkpoint);
/* Parts that are not there any more, or are there again. */
extern void EtlCatalogSetMissing(int64 pipeline, List *parts, bool missing);
/* Has the next run try parts that were set aside, or one; returns how many those are. */
extern int64 EtlCatalogRetryParts(int64 pipeline, const char *part);
/* Those with which when_done is still to be done, of names behind "after", n at most; and that it was done with some. */
extern List *EtlCatalogPending(int64 pipeline, const char *after, int n);
extern void EtlCatalogSetDone(int64 pipeline, List *parts);
/* Removes the checkpoints of those that have been missing for so many minutes. */
extern void EtlCatalogForgetMissing(int64 pipeline, int minutes);

/* Watermarks; NULL: none.  at: the same as a time, for etl_status; infinity: it is none. */
extern char *EtlCatalogWatermark(int64 pipeline, bool pending);
extern void
EtlCatalogSetPending(int64 pipeline, const char *type, const char *value, TimestampTz at);
/* The pending one as it is now, which nobody else changes before this transaction ends. */
extern char *EtlCatalogLockPending(int64 pipeline, const char *type);
extern void EtlCatalogPublishWatermark(int64 pipeline);
extern void EtlCatalogReset(int64 pipeline);

/* Backfills: a range of the source of a pipeline that is read again, in steps. */
typedef struct EtlBackfill
{
	int64 pipeline;
	char *type;	 /* of the values, which are kept as texts (stored.h) */
	char *since; /* and */
	char *until; /* the end, which is not in it */
	char *step;
	char *next; /* where the next range begins */
	int64
		checkpoints; /* in the place of a pipeline's number: whose checkpoints are those of that range */
} EtlBackfill;

extern EtlBackfill *EtlCatalogBackfill(int64 pipeline); /* NULL: there is none */
extern void EtlCatalogBeginBackfill(const EtlBackfill *backfill);
/* To where its next range begins; NULL: it has ended.  The checkpoints are those of no range then. */
extern void EtlCatalogMoveBackfill(int64 pipeline, const char *next);

/* Keys whose rows were deleted, with the watermark of what has deleted them. */
typedef struct EtlTombstone
{
	int64 id;
	int64 key_hash;
	List *key;			   /* of char *, as those of dead letters, and */
	const char *key_type;  /* of which columns and types they are */
	const char *key_order; /* the watermark */
} EtlTombstone;

/* An answer that an enrichment keeps, by the hash of its key. */
typedef struct EtlEnriched
{
	const char *key;
	List *items; /* of char * */
} EtlEnriched;

/* Those of the keys of an enrichment that are no older; of EtlEnriched *. */
extern List *EtlCatalogEnriched(int64 pipeline, const char *name, const char *definition,
								List *keys, int64 age_ms);
extern void EtlCatalogKeepEnriched(int64 pipeline, const char *name, const char *definition,
								   const EtlEnriched *enriched);

extern bool EtlCatalogHasTombstones(int64 pipeline);
/* Those with one of the hashes, which are numbers as texts; of EtlTombstone *. */
extern List *EtlCatalogTombstones(int64 pipeline, List *hashes);
/* In the place of another one, if that is not 0. */
extern void EtlCatalogAddTombstone(int64 pipeline, const EtlTombstone *tombstone, int64 replaced);

/* Tokens with which records may be pushed to a pipeline. */
#define ETL_TOKEN_HASH 32 /* bytes: SHA-256 */
#define ETL_MAX_TOKENS 16 /* of a pipeline */

/* False: there is one of that name. */
extern bool EtlCatalogAddIngestToken(int64 pipeline, const char *name, const uint8 *hash);
/* False: there is none. */
extern bool EtlCatalogDropIngestToken(int64 pipeline, const char *name);
/* Fills in their hashes, "max" at most; returns how many. */
extern int EtlCatalogIngestTokens(int64 pipeline, uint8 (*hashes)[ETL_TOKEN_HASH], int max);

/* A request with an Idempotency-Key. */
typedef struct EtlIngestKey
{
	uint8 key[ETL_TOKEN_HASH];	/* SHA-256 of that, and */
	uint8 body[ETL_TOKEN_HASH]; /* of its body */
	int64 loaded;				/* records */
	int64 set_aside;
} EtlIngestKey;

/* What has become of the request of a key that came within so many ms; false: there was none. */
extern bool EtlCatalogFindIngestKey(int64 pipeline, int64 window_ms, EtlIngestKey *key);
/* In the transaction that loads the requests. */
extern void EtlCatalogAddIngestKeys(int64 pipeline, const EtlIngestKey *keys, int n);
/* Those that are older. */
extern void EtlCatalogForgetIngestKeys(int64 pipeline, int64 window_ms);

/* dead letters */
typedef struct EtlDeadLetter
{
	int64 id;
	int64 run;
	EtlFailedStage stage;
	const char *source;
	int64 line; /* 0: NULL, as with the next two */
	int64 page;
	int64 index;
	int64 byte_offset;
	const char *column_name;
	const char *value;
	const char *raw;
	const char *header;
	const char *rule;
	const char *sqlstate;
	const char *message;
	const char *detail;
	bool replayable;
	bool wanders;		   /* the record may stand elsewhere when it is read again; not stored */
	List *key;			   /* of char *: values of the key, as texts; NIL: not known, and so are: */
	const char *key_type;  /* of which columns and types they are */
	int64 key_hash;		   /* 0: NULL */
	const char *key_order; /* the watermark, if the pipeline has one; NULL: null */
} EtlDeadLetter;

extern const EtlSqlColumn EtlDeadLetterColumns[];
extern const int EtlDeadLetterColumnCount;

/*
 * In the place of the open one that an earlier run wrote for the same record, if there is one, as one attempt more.
 * Returns its number.
 */
extern int64
EtlCatalogAddDeadLetter(const EtlPipeline *pipeline, int64 run, const EtlDeadLetter *letter);
/*
 * A part is read on, and begins with this record, of which source, line, offset and raw (NULL: it is no text) are set.  If
 * its line was cut off when an earlier run read it, what was set aside of it then is superseded.
 */
extern void EtlCatalogResolveCutOff(int64 pipeline, int64 run, const EtlDeadLetter *record);

/* The open, replayable ones behind "after": those whose keys are known, those whose keys are not, or both. */
extern List *
EtlCatalogDeadLetters(int64 pipeline, int64 after, int n, bool of_known_keys, bool of_others);
/*
 * Those of a run behind "first" that have failed with an SQLSTATE, from "after" on; backwards: those before "after", the last
 * one first.
 */
extern List *EtlCatalogDeadLettersOf(int64 pipeline, int64 run, const char *sqlstate, int64 first,
									 int64 after, bool backwards, int n);
/* Nothing is done to one that is resolved already. */
extern void EtlCatalogResolve(int64 letter, int64 run, EtlResolution resolution);
/* The open ones of runs before this one, as superseded. */
extern void EtlCatalogResolveBefore(int64 pipeline, int64 run);
/* Numbers and hashes of the keys of open ones behind "after". */
extern List *EtlCatalogOpenKeys(int64 pipeline, int64 after, int n);
/* The open ones with such a hash. */
extern List *EtlCatalogDeadLettersOfKey(int64 pipeline, int64 key_hash);
/* Forgets the key of a letter, or all that are of other columns and types. */
extern void EtlCatalogForgetKey(int64 letter);
extern void EtlCatalogForgetOtherKeys(int64 pipeline, const char *key_type);
extern void EtlCatalogFailedAgain(int64 letter, EtlFailedStage stage, const char *sqlstate,
								  const char *message, const char *detail);
/* Removes old runs and resolved dead letters, or open ones, too; of each no more than "most", the oldest first; 0: all. */
extern int64 EtlCatalogPurge(int64 pipeline, const char *age, bool open, int64 most);

#endif /* ETL_CATALOG_H */
