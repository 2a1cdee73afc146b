/*
 * attempts.c
 *		The attempts of a transaction, when a row of the batch is at fault.
 *
 * Each range that isolate.c names is tried in a subtransaction.  Each success leaves a subtransaction behind that
 * others' snapshots must look at, so after a number of them what is done is committed, and the rest is left
 * to a new transaction.
 *
 * An error at commit does not point to a record: it is that of another server, or of a constraint that the user's code has
 * deferred once more.  Then each transaction takes half as many records as the one before, until the record that
 * cannot be committed alone is found.
 *
 * Records of a group commit together (rows.h), so that a transaction ends where a group does, and what cannot be committed alone is
 * a group.
 */
#include "etl.h"

#include "miscadmin.h"
#include "pipeline/run/attempts.h"
#include "pipeline/run/isolate.h"
#include "source/subtransaction.h"
#include "utils/memutils.h"

#define MAX_SUBTRANSACTIONS 50 /* PGPROC holds 64 */

/* A range of a batch that is tried. */
typedef struct Range
{
	EtlTargets *targets;
	int begin;
	int end;
	EtlLoadOutcome *outcome;
} Range;

static void
attempt_range(void *arg)
{
	Range *range = arg;

	EtlAttempt(range->targets, range->begin, range->end, range->outcome);
}

/* Tries a range in a subtransaction; NULL, or the error if it lies in a row. */
static ErrorData *
try_range(EtlTargets *targets, int begin, int end, EtlLoadOutcome *outcome)
{
	EtlRejects *rejects = targets->first->rejects;
	int nrejects = list_length(rejects->list);
	Range range = {targets, begin, end, outcome};
	ErrorData *error = EtlInSubtransaction(attempt_range, &range, rejects->reading->batch.loading);

	if (error == NULL)
		return NULL;
	if (!EtlLiesInRow(targets->first, error))
		ReThrowError(error);
	rejects->list = list_truncate(rejects->list, nrejects);
	return error;
}

/* The same, with the statement that turns out to be the right one. */
static ErrorData *
try_statements(EtlTargets *targets, int begin, int end, EtlLoadOutcome *outcome)
{
	ErrorData *error;

	do
		error = try_range(targets, begin, end, outcome);
	while (error != NULL && EtlTakeOtherStatement(targets->first, error));
	return error;
}

/* Says why an upsert has found a key that is there already. */
static void
explain_insert(const EtlLoading *loading, ErrorData *error)
{
	MemoryContext old;

	if (!loading->chooser.only_new || error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION)
		return;
	old = MemoryContextSwitchTo(loading->rejects->reading->batch.loading);
	error->detail =
		psprintf("%s%sIt is only inserted, because a later record may have loaded that "
				 "row. With overwrite => true the retry loads it as any other.",
				 error->detail != NULL ? error->detail : "", error->detail != NULL ? " " : "");
	MemoryContextSwitchTo(old);
}

/* A record that fails alone. */
static void
reject_record(EtlTargets *targets, int record, ErrorData *error, const EtlLoadOutcome *attempt,
			  EtlLoadOutcome *outcome)
{
	EtlLoading *first = targets->first;

	explain_insert(first, error);
	EtlRejectsAddError(first->rejects, record, error, EtlLoadingKey(first, record));
	((EtlReject *) llast(first->rejects->list))->all_given = first->complete;
	if (error->sqlerrcode == ERRCODE_FOREIGN_KEY_VIOLATION && attempt->emitted > 0)
		EtlDefer(first->deferred, record);
	EtlOutcomeFail(targets, outcome, attempt);
}

static bool
is_missing_key(const EtlReject *reject)
{
	return reject->sqlstate == ERRCODE_FOREIGN_KEY_VIOLATION && reject->stage == ETL_FAILED_LOAD;
}

/*
 * Gives rows whose foreign key was missing a second chance, now that the rest of the batch is there.  Those that
 * come last go first: what a row waited for stands behind it.  What is left when there have been enough
 * subtransactions has its chance at the end of the run.
 */
static void
retry_deferred(EtlTargets *targets, int from, int successes, EtlLoadOutcome *outcome)
{
	EtlRejects *rejects = targets->first->rejects;
	List *list = list_copy(rejects->list);

	for (int i = list_length(list) - 1; i >= 0 && successes < MAX_SUBTRANSACTIONS; i--)
	{
		EtlReject *reject = list_nth(list, i);
		EtlLoadOutcome attempt;

		if (!is_missing_key(reject) || reject->record < from)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (try_statements(targets, reject->record, reject->record + 1, &attempt) != NULL)
			continue;
		successes++;
		rejects->list = list_delete_ptr(rejects->list, reject);
		EtlOutcomeRecover(targets, outcome, &attempt);
	}
}

/* Tries ranges until all records are done, or there were enough subtransactions; returns how many succeeded. */
static int
try_ranges(EtlTargets *targets, EtlIsolation *isolation, EtlLoadOutcome *outcome)
{
	const EtlReading *reading = targets->first->converted->reading;
	int successes = 0;

	while (
		isolation->at < isolation->end &&
		(successes < MAX_SUBTRANSACTIONS || EtlReadingEdge(reading, isolation->at) > isolation->at))
	{
		int at = isolation->at;
		int end = EtlIsolationNext(isolation);
		EtlLoadOutcome attempt;
		ErrorData *error;

		CHECK_FOR_INTERRUPTS();
		error = try_statements(targets, at, end, &attempt);
		if (error == NULL)
		{
			EtlOutcomeAdd(targets, outcome, &attempt);
			EtlIsolationSucceeded(isolation, end);
			successes++;
		}
		else if (EtlIsolationFailed(isolation, end, EtlSuspect(targets->first)))
			reject_record(targets, at, error, &attempt, outcome);
	}
	return successes;
}

static int
isolate_batch(EtlAttempts *attempts, int from, EtlLoadOutcome *outcome)
{
	EtlTargets *targets = attempts->targets;
	const EtlReading *reading = targets->first->converted->reading;
	int n = EtlReadingEdge(reading, Min(reading->batch.n, from + attempts->at_most));
	EtlIsolation isolation;
	int successes;

	if (attempts->doomed != NULL)
	{
		const EtlLoadOutcome none = {0};

		for (int i = from; i < n; i++)
			reject_record(targets, i, attempts->doomed, &none, outcome);
		return n;
	}
	if (attempts->first)
		EtlIsolationBegin(&isolation, from, n, attempts->suspect);
	else
		EtlIsolationGoOn(&isolation, from, n);
	successes = try_ranges(targets, &isolation, outcome);
	attempts->first = false; /* from here on the rest is as good as any */
	if (isolation.at == n)
		retry_deferred(targets, from, successes, outcome);
	return isolation.at;
}

int
EtlAttemptsRun(EtlAttempts *attempts, int from, EtlLoadOutcome *outcome)
{
	int n = attempts->targets->first->converted->reading->batch.n;
	EtlLoadOutcome attempt;

	memset(outcome, 0, sizeof(*outcome));
	if (attempts->isolate)
		return isolate_batch(attempts, from, outcome);
	EtlAttempt(attempts->targets, from, n, &attempt);
	EtlOutcomeAdd(attempts->targets, outcome, &attempt);
	return n;
}

/* No attempt has failed, but the commit of all of them: the next one is to be half as large. */
static void
take_fewer(EtlAttempts *attempts, ErrorData *error, int rest)
{
	if (attempts->doomed != NULL)
		ReThrowError(error); /* it has nothing to do with the records */
	if (Min(attempts->at_most, rest) == 1)
		attempts->doomed = error;
	else
		attempts->at_most = Min(attempts->at_most, rest) / 2;
}

void
EtlAttemptsFailed(EtlAttempts *attempts, ErrorData *error, int from)
{
	if (attempts->isolate)
	{
		take_fewer(attempts, error, attempts->targets->first->converted->reading->batch.n - from);
		return;
	}
	attempts->suspect = EtlSuspect(attempts->targets->first);
	attempts->isolate = attempts->first = true;
}

void
EtlAttemptsCommitted(EtlAttempts *attempts)
{
	attempts->doomed = NULL;
	attempts->at_most =
		Min(attempts->at_most * 2, Max(attempts->targets->first->converted->reading->batch.n, 1));
}

void
EtlAttemptsStartBatch(EtlAttempts *attempts)
{
	attempts->isolate = attempts->first = false;
	attempts->suspect = ETL_ANY_RECORD;
	attempts->at_most = Max(attempts->targets->first->converted->reading->batch.n, 1);
	attempts->doomed = NULL;
}
