/*
 * rejects.h
 *		Records that cannot be loaded, and the dead letters that they become.
 */
#ifndef ETL_REJECTS_H
#define ETL_REJECTS_H

#include "pipeline/catalog/catalog.h"
#include "pipeline/run/deferred.h"
#include "pipeline/run/keys.h"
#include "pipeline/run/read.h"

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
	const EtlKey *key; /* of its row; NULL: not known */
	bool all_given;	   /* the query has given all rows of the record */
} EtlReject;

typedef struct EtlRejects
{
	EtlRun *run;
	const EtlReading *reading;
	EtlDeferred *deferred;
	EtlKeys *keys;
	List *list;		/* of EtlReject *: of the transaction under way, in batch->loading */
	int64 rejected; /* dead letters that count, without those of the transaction under way */
	int64
		before; /* dead letters of this run that do not count any more: a continuous run counts anew each hour */
} EtlRejects;

/* Everything in "reject" lasts as long as the batch.  An error with on_error => 'fail'. */
extern void EtlRejectsAdd(EtlRejects *rejects, EtlReject *reject);
extern void
EtlRejectsAddError(EtlRejects *rejects, int record, const ErrorData *error, const EtlKey *key);
/* The error that ends the run because of a record; "hint" may be NULL. */
pg_noreturn extern void
EtlRejectsFail(const EtlRejects *rejects, const EtlReject *reject, const char *hint);
/*
 * The key of a record, as the query would have passed it on, for at most INDEX_MAX_KEYS columns; false: it is not known.  In the
 * batch's context.
 */
extern bool
EtlRejectKey(const EtlRejects *rejects, const EtlReject *reject, Datum *key, bool *null);
/* What an error says without any value in it. */
extern const char *EtlSafeMessage(const ErrorData *error);
extern void
EtlRejectsMakeLetter(const EtlRejects *rejects, const EtlReject *reject, EtlDeadLetter *letter);
/* An error if the run has more dead letters than reject_limit. */
extern void EtlRejectsCheckLimit(const EtlRejects *rejects, int64 rejected, const EtlReject *last);
/*
 * Writes what is wrong with the records between two numbers, and counts it; the dead letters that others of them were are
 * resolved.
 */
extern void EtlRejectsSettle(const EtlRejects *rejects, int from, int to, EtlRunCounters *counters);

#endif /* ETL_REJECTS_H */
