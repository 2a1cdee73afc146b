/*
 * catalog.h
 *		The tables of etl_catalog.
 *
 * Every function runs in the caller's transaction, and returns what it found in the caller's memory context.
 */
#ifndef ETL_CATALOG_H
#define ETL_CATALOG_H

#include "pipeline/pipeline.h"

/* definitions */
extern EtlPipeline *EtlCatalogFind(const char *name, bool missing_ok);
extern EtlPipeline *EtlCatalogGet(int64 id); /* NULL: dropped */
extern int64 EtlCatalogInsert(const EtlPipeline *pipeline);
extern void EtlCatalogUpdate(const EtlPipeline *pipeline);
extern void EtlCatalogSetEnabled(int64 id, bool enabled);
extern void EtlCatalogDelete(int64 id);
extern int64 EtlCatalogAdopt(void);

/* where the extension's functions are */
extern char *EtlCatalogFunctionSchema(void);

/* Does some work through SPI with the rights on these tables; nothing of a user's may run in it. */
extern void EtlCatalogDo(void (*work)(void *arg), void *arg);

/* runs */
extern int64 EtlCatalogStartRun(int64 pipeline, const char *kind);
/* Writes the counters; an error if the run is no longer the one that counts. */
extern void EtlCatalogUpdateRun(int64 run, const EtlRunCounters *counters);
extern void
EtlCatalogEndRun(int64 run, const char *state, const char *sqlstate, const char *message);

/* What CALL etl_run shows: the row of a run, in the order of its OUT parameters. */
#define ETL_RUN_RESULTS 14
extern void
EtlCatalogRunResult(int64 run, Datum *values, bool *isnull, char **sqlstate, char **message);

/* checkpoints */
typedef struct EtlCheckpoint
{
	char *part;
	char *position;
	int64 skipped;
} EtlCheckpoint;

extern List *EtlCatalogCheckpoints(int64 pipeline); /* of EtlCheckpoint * */
extern void EtlCatalogSetCheckpoint(int64 pipeline, const EtlCheckpoint *checkpoint);

/* watermarks; NULL: none */
extern char *EtlCatalogWatermark(int64 pipeline, bool pending);
extern void EtlCatalogSetPending(int64 pipeline, const char *type, const char *value);
extern void EtlCatalogPublishWatermark(int64 pipeline);
extern void EtlCatalogReset(int64 pipeline);

/* dead letters; spool.c names the texts */
typedef struct EtlDeadLetter
{
	int64 id;
	const char *stage;
	const char *source;
	int64 line; /* 0: NULL, as with the next two */
	int64 page;
	int64 index;
	int64 offset;
	const char *column;
	const char *value;
	const char *raw;
	const char *header;
	const char *rule;
	const char *sqlstate;
	const char *message;
	const char *detail;
	bool replayable;
} EtlDeadLetter;

extern int64 EtlCatalogAddDeadLetter(int64 pipeline, int64 run, const EtlDeadLetter *letter);
/* The open, replayable ones behind "after". */
extern List *EtlCatalogDeadLetters(int64 pipeline, int64 after, int n);
/* Those of a run that have failed with an SQLSTATE; backwards: those before "after", the last one first. */
extern List *EtlCatalogDeadLettersOf(int64 pipeline, int64 run, const char *sqlstate, int64 after,
									 bool backwards, int n);
extern void EtlCatalogResolve(int64 letter, int64 run);
/* The open ones of runs before this one. */
extern void EtlCatalogResolveBefore(int64 pipeline, int64 run);
extern void EtlCatalogFailedAgain(int64 letter, const char *stage, const char *sqlstate,
								  const char *message, const char *detail);
/* Removes old runs and resolved dead letters, or open ones, too. */
extern int64 EtlCatalogPurge(int64 pipeline, const char *age, bool open);

#endif /* ETL_CATALOG_H */
