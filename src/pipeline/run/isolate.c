/*
 * isolate.c
 *		Which attempts to make when one fails.
 *
 * The records of a batch are tried in their order, in ranges, each in a subtransaction.  After an error the
 * record that was pulled last is suspected: what is before it is tried, then it alone, then what is behind
 * it, in ranges that begin at a quarter of the distance between the last two faults and double with each
 * success: a range that fails was loaded for nothing, up to the record that failed.
 *
 * A record that is suspected and loads all the same shows that the pointer lies: the plan collects rows, or
 * the error came at the end of the statement, as that of a foreign key does.  From then on a range that
 * fails is halved, until the record that fails alone is found.
 *
 * Each success leaves a subtransaction behind that others' snapshots must look at, so after a number of them
 * what is done is committed, and the rest is left to a new transaction.
 *
 * An error that only comes at commit (another server's, say, or a constraint that code of the user's has deferred
 * once more) tells of no record.  Then each transaction takes half as many records as the one before, until
 * the one that cannot be committed alone is found.
 */
#include "etl.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pipeline/run/engine.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#define MAX_SUBTRANSACTIONS 50 /* PGPROC holds 64 */
#define MIN_RANGE 16

void
EtlAddOutcome(EtlRun *run, EtlLoadOutcome *to, const EtlLoadOutcome *more)
{
	to->emitted += more->emitted;
	to->invalid += more->invalid;
	to->superseded += more->superseded;
	to->failed += more->failed;
	to->loaded += more->loaded;
	to->inserted += more->inserted;
	if (more->has_watermark)
		EtlRaiseWatermark(run, &to->has_watermark, &to->watermark, more->watermark,
						  run->batch.loading);
}

/* Tries a range in a subtransaction; NULL, or the error if it lies in a row. */
static ErrorData *
try_range(EtlRun *run, int begin, int end, EtlLoadOutcome *outcome)
{
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext context = CurrentMemoryContext;
	int nrejects = list_length(run->batch.rejects);
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		EtlAttempt(run, begin, end, outcome);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(run->batch.loading);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error == NULL)
		return NULL;
	if (!EtlLiesInRow(run, error))
		ReThrowError(error);
	run->batch.rejects = list_truncate(run->batch.rejects, nrejects);
	return error;
}

/* The same, with the statement that turns out to be the right one. */
static ErrorData *
try_statements(EtlRun *run, int begin, int end, EtlLoadOutcome *outcome)
{
	ErrorData *error;

	do
		error = try_range(run, begin, end, outcome);
	while (error != NULL && EtlTakeOtherStatement(run, error));
	return error;
}

/* A record that fails alone. */
static void
reject_record(EtlRun *run, int record, const ErrorData *error, const EtlLoadOutcome *attempt,
			  EtlLoadOutcome *outcome)
{
	int64 rows = Max(attempt->emitted, 1); /* a record that the query fails on counts as one row */

	EtlRejectError(run, record, error);
	if (error->sqlerrcode == ERRCODE_FOREIGN_KEY_VIOLATION && attempt->emitted > 0)
		EtlPark(run, record);
	outcome->emitted += rows;
	outcome->failed += rows;
}

/*
 * Gives rows whose foreign key was missing a second chance, now that the rest of the batch is there.  Those that
 * come last go first: what a row waited for stands behind it.  What is left when there have been enough
 * subtransactions has its chance at the end of the run.
 */
static void
retry_parked(EtlRun *run, int from, int successes, EtlLoadOutcome *outcome)
{
	List *rejects = list_copy(run->batch.rejects);

	for (int i = list_length(rejects) - 1; i >= 0 && successes < MAX_SUBTRANSACTIONS; i--)
	{
		EtlReject *reject = list_nth(rejects, i);
		EtlLoadOutcome attempt;

		if (reject->sqlstate != ERRCODE_FOREIGN_KEY_VIOLATION || reject->stage != ETL_FAILED_LOAD ||
			reject->record < from)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (try_statements(run, reject->record, reject->record + 1, &attempt) != NULL)
			continue;
		successes++;
		run->batch.rejects = list_delete_ptr(run->batch.rejects, reject);
		outcome->emitted -= attempt.emitted;
		outcome->failed -= attempt.emitted;
		EtlAddOutcome(run, outcome, &attempt);
	}
}

int
EtlIsolate(EtlRun *run, int from, EtlLoadOutcome *outcome)
{
	int n = Min(run->batch.n, from + run->at_most);
	int suspect = run->suspect; /* -1: none */
	int length = n - from;
	int last_failed = from - 1;
	int successes = 0;
	bool lying = false;
	int at = from;

	memset(outcome, 0, sizeof(*outcome));
	if (run->doomed != NULL)
	{
		EtlLoadOutcome none = {0};

		reject_record(run, from, run->doomed, &none, outcome);
		return from + 1;
	}
	if (suspect < from)
	{
		suspect = -1;
		length = run->suspect == -1 && from == 0 ? Max(1, n / 2) : length;
	}
	while (at < n && successes < MAX_SUBTRANSACTIONS)
	{
		int end = suspect > at ? suspect : suspect == at ? at + 1 : Min(n, at + length);
		EtlLoadOutcome attempt;
		ErrorData *error;

		CHECK_FOR_INTERRUPTS();
		error = try_statements(run, at, end, &attempt);
		if (error == NULL)
		{
			EtlAddOutcome(run, outcome, &attempt);
			successes++;
			lying |= suspect == at;
			if (suspect == at)
				length = MIN_RANGE;
			else if (suspect < 0)
				length = Min(length, n) * 2;
			suspect = suspect == at ? -1 : suspect;
			at = end;
		}
		else if (end == at + 1)
		{
			reject_record(run, at, error, &attempt, outcome);
			length = Max(MIN_RANGE, (at - last_failed) / 4);
			last_failed = at;
			suspect = -1;
			at = end;
		}
		else
		{
			suspect = lying ? -1 : EtlSuspect(run);
			if (suspect < at || suspect >= end)
			{
				suspect = -1;
				length = Max(1, (end - at) / 2);
			}
		}
	}
	run->suspect = -2; /* from here on the rest is as good as any */
	if (at == n)
		retry_parked(run, from, successes, outcome);
	return at;
}
