/*
 * attempts.h
 *		The attempts of a transaction, when a row of the batch is at fault.
 */
#ifndef ETL_ATTEMPTS_H
#define ETL_ATTEMPTS_H

#include "pipeline/run/targets.h"

/* How a batch is isolated, over its transactions. */
typedef struct EtlAttempts
{
	EtlTargets *targets;
	bool isolate;	   /* all of it was tried, and failed */
	bool first;		   /* transaction since then: "suspect" is the record that failed */
	int suspect;	   /* or ETL_ANY_RECORD */
	int at_most;	   /* records to take in one transaction: fewer after an error at commit */
	ErrorData *doomed; /* what the next record alone led to at commit; NULL: nothing */
} EtlAttempts;

/* Called for each new batch. */
extern void EtlAttemptsStartBatch(EtlAttempts *attempts);
/*
 * Loads the batch from record "from" on, until all of it is done or it is time to commit; returns the record to go on
 * with.
 */
extern int EtlAttemptsRun(EtlAttempts *attempts, int from, EtlLoadOutcome *outcome);
/* An error that lies in a row has aborted the transaction; it is raised if isolation is of no help. */
extern void EtlAttemptsFailed(EtlAttempts *attempts, ErrorData *error, int from);
extern void EtlAttemptsCommitted(EtlAttempts *attempts);

#endif /* ETL_ATTEMPTS_H */
