/*
 * done.c
 *		What is done with parts that are loaded: the option when_done.
 *
 *		batch is committed, and with it which parts it ended ("pending")
 *			-> some of those parts -> requests, side by side -> "pending" is taken away -> the next ones
 *
 * So nothing is done with a part before its rows are safe, and whatever keeps it from being done, a later run does it: it is
 * done at least once, and doing it twice does no harm (when_done.h).
 */
#include "etl.h"

#include "miscadmin.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/run/done.h"
#include "pipeline/run/transaction.h"
#include "scan/parts.h"
#include "utils/memutils.h"

#define AT_ONCE 16 /* parts, each with a request under way */

typedef struct Doing
{
	const char *part;
	EtlDone *done; /* NULL: it is over */
	bool succeeded;
} Doing;

typedef struct Round
{
	EtlReading *reading;
	MemoryContext context; /* of all that a round needs */
	EtlWhenDone what;
	int n;
	Doing doing[AT_ONCE];
} Round;

/* Begins with a part (its checkpoint is given), or waits and goes on. */
static void
advance(Round *round, Doing *doing, const EtlCheckpoint *checkpoint)
{
	if (checkpoint != NULL)
		doing->done = EtlPartsDone(round->reading->rows->parts, checkpoint->part,
								   checkpoint->position, &round->what);
	else if (!EtlDoneStep(doing->done))
	{
		doing->done = NULL;
		doing->succeeded = true;
	}
}

/* The same; its error is kept, if it is the first of the run, and the part is left as it is. */
static void
try_advance(Round *round, Doing *doing, const EtlCheckpoint *checkpoint)
{
	EtlReading *reading = round->reading;
	ErrorData *error;

	MemoryContextSwitchTo(round->context);
	PG_TRY();
	{
		advance(round, doing, checkpoint);
	}
	PG_CATCH();
	{
		doing->done = NULL;
		error = EtlAbort(reading->run, reading->run->context);
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(error);
		if (reading->done_error == NULL)
			reading->done_error = error;
		else
			FreeErrorData(error);
	}
	PG_END_TRY();
}

/* Takes the next parts in hand, in the order of their names; false: there are none. */
static bool
begin_round(Round *round, char **after)
{
	const EtlRun *run = round->reading->run;
	List *pending;
	ListCell *lc;

	EtlBegin();
	MemoryContextSwitchTo(round->context);
	pending = EtlCatalogPending(run->pipeline->id, *after, AT_ONCE);
	EtlCommit(run);
	round->n = 0;
	foreach (lc, pending)
	{
		const EtlCheckpoint *checkpoint = lfirst(lc);
		Doing *doing = &round->doing[round->n++];

		*doing = (Doing){.part = checkpoint->part};
		try_advance(round, doing, checkpoint);
	}
	if (round->n > 0)
		*after = MemoryContextStrdup(run->context, round->doing[round->n - 1].part);
	return round->n > 0;
}

static bool
advance_all(Round *round)
{
	bool more = false;

	for (int i = 0; i < round->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (round->doing[i].done == NULL)
			continue;
		try_advance(round, &round->doing[i], NULL);
		more |= round->doing[i].done != NULL;
	}
	return more;
}

/* Remembers what was done. */
static void
end_round(Round *round)
{
	const EtlRun *run = round->reading->run;
	List *parts = NIL;

	EtlBegin();
	MemoryContextSwitchTo(round->context);
	for (int i = 0; i < round->n; i++)
		if (round->doing[i].succeeded)
			parts = lappend(parts, (char *) round->doing[i].part);
	if (parts != NIL)
		EtlCatalogSetDone(run->pipeline->id, parts);
	EtlCommit(run);
}

void
EtlDoWhenDone(EtlReading *reading, bool again)
{
	const EtlRun *run = reading->run;
	Round round = {.reading = reading};
	char *after = "";

	if (!reading->when_done || (reading->done_error != NULL && !again))
		return;
	round.context = AllocSetContextCreate(run->context, "etl done", ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		MemoryContextReset(round.context);
		MemoryContextSwitchTo(round.context);
		EtlWhenDoneRead(run->pipeline->when_done, &round.what);
		if (!begin_round(&round, &after))
			break;
		while (advance_all(&round))
			;
		end_round(&round);
	}
	MemoryContextSwitchTo(run->context);
	MemoryContextDelete(round.context);
}

void
EtlCheckDone(const EtlReading *reading)
{
	if (reading->done_error != NULL)
		ReThrowError(reading->done_error);
}
