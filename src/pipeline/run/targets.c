/*
 * targets.c
 *		The targets of a run: one attempt takes a range of a batch into all of them.
 *
 *		the query of each target		-> its chunk, less records that are dead letters because of a row of any
 *		the chunk of each target		-> the target
 *
 * Where a target deletes what its record has no more, a range is taken in pieces in which each record is the only one of its key.
 *
 * Targets are taken in the order of their foreign keys, so that what a row refers to is there before it.  All of an attempt
 * is one subtransaction, or transaction: if a row fails in one target, so does its record in all.
 */
#include "etl.h"

#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pipeline/run/targets.h"

/* ----------------------------------------------------------------
 *	Opening
 * ---------------------------------------------------------------- */

/* Whether a foreign key of a target refers to one of others; "at_once": one that cannot be deferred. */
static bool
refers_to(const EtlLoading *loading, const List *others, bool at_once)
{
	const EtlStatements *s = loading->run->statements;
	const ListCell *lc;

	foreach (lc, others)
	{
		const EtlLoading *other = lfirst(lc);

		if (other != loading && list_member_oid(at_once ? s->references_now : s->references,
												other->run->statements->target))
			return true;
	}
	return false;
}

static EtlLoading *
first_without(const List *rest, bool at_once)
{
	const ListCell *lc;

	foreach (lc, rest)
		if (!refers_to(lfirst(lc), rest, at_once))
			return lfirst(lc);
	return NULL;
}

/* The next one to be loaded.  Where foreign keys go in circles, one with those that can be deferred. */
static EtlLoading *
next_in_order(EtlTargets *targets, const List *rest)
{
	EtlLoading *next = first_without(rest, false);

	if (next != NULL)
		return next;
	targets->circular = true;
	next = first_without(rest, true);
	return next != NULL ? next : linitial(rest);
}

static void
put_in_order(EtlTargets *targets)
{
	List *rest = list_make1(targets->first);
	EtlLoading *before = NULL;
	ListCell *lc;

	foreach (lc, targets->further)
		rest = lappend(rest, &((EtlFurther *) lfirst(lc))->loading);
	while (rest != NIL)
	{
		EtlLoading *next = next_in_order(targets, rest);

		next->before = before;
		targets->ordered = lappend(targets->ordered, before = next);
		rest = list_delete_ptr(rest, next);
	}
}

static EtlFurther *
open_further(EtlTargets *targets, EtlStatements *statements)
{
	EtlLoading *first = targets->first;
	EtlFurther *further = palloc0(sizeof(EtlFurther));
	EtlRun *run = palloc(sizeof(EtlRun));

	*run = *first->run;
	run->statements = statements;
	run->pipeline = (EtlPipeline *) statements->pipeline;
	EtlChunkOpen(&further->chunk, statements, run->context);
	further->deferred = (EtlDeferred){.run = run,
									  .batch = first->deferred->batch,
									  .chunk = &further->chunk,
									  .context = first->deferred->context};
	further->keys.looked = true;
	further->loading = (EtlLoading){.run = run,
									.together = &targets->together,
									.converted = first->converted,
									.rejects = first->rejects,
									.deferred = &further->deferred,
									.watermark = &further->watermark,
									.keys = &further->keys,
									.chunk = &further->chunk};
	EtlLoadingOpen(&further->loading);
	further->loading.batch.desc = first->batch.desc;
	if (statements->updates && !statements->tells_inserted)
		further->counters.inserted = further->counters.updated = -1;
	return further;
}

void
EtlTargetsOpen(EtlTargets *targets, EtlLoading *first)
{
	MemoryContext old = MemoryContextSwitchTo(first->run->context);
	EtlDeferred *last = first->deferred;
	ListCell *lc;

	targets->first = first;
	first->together = &targets->together;
	EtlLoadingOpen(first);
	foreach (lc, first->run->statements->further)
	{
		EtlFurther *further = open_further(targets, lfirst(lc));

		targets->further = lappend(targets->further, further);
		last->next = &further->deferred;
		last = last->next;
		if (further->loading.within.remove.text != NULL && targets->parents.n == 0)
			EtlParentsOpen(&targets->parents, first->converted);
	}
	put_in_order(targets);
	MemoryContextSwitchTo(old);
}

void
EtlTargetsBegin(EtlTargets *targets)
{
	ListCell *lc;

	foreach (lc, targets->further)
	{
		EtlFurther *further = lfirst(lc);

		EtlLoadingBegin(&further->loading);
		memset(&further->attempt, 0, sizeof(EtlLoadOutcome));
		memset(&further->done, 0, sizeof(EtlLoadOutcome));
	}
	EtlLoadingBegin(targets->first);
}

void
EtlTargetsStartBatch(EtlTargets *targets)
{
	ListCell *lc;

	EtlParentsStartBatch(&targets->parents);
	foreach (lc, targets->ordered)
		EtlLoadingStartBatch(lfirst(lc));
}

/* ----------------------------------------------------------------
 *	Attempts
 * ---------------------------------------------------------------- */

/* Constraints that can wait do so until the end of the attempt. */
static void
defer_constraints(void)
{
	ConstraintsSetStmt *stmt = makeNode(ConstraintsSetStmt);

	stmt->deferred = true;
	AfterTriggerSetState(stmt);
}

static void
attempt_piece(EtlTargets *targets, int begin, int end)
{
	ListCell *lc;

	foreach (lc, targets->ordered)
		EtlLoadingGoOn(lfirst(lc), begin, end);
	foreach (lc, targets->ordered)
		EtlLoadingQuery(lfirst(lc));
	EtlLoadingTake(llast(targets->ordered));
	foreach (lc, targets->ordered)
		EtlLoadingRemove(lfirst(lc));
}

void
EtlAttempt(EtlTargets *targets, int begin, int end, EtlLoadOutcome *outcome)
{
	ListCell *lc;
	int next;

	foreach (lc, targets->further)
	{
		EtlFurther *further = lfirst(lc);

		EtlLoadingStart(&further->loading, &further->attempt);
	}
	EtlLoadingStart(targets->first, outcome);
	if (targets->circular)
		defer_constraints();
	for (; begin < end; begin = next)
	{
		CHECK_FOR_INTERRUPTS();
		next = EtlParentsDistinct(&targets->parents, begin, end);
		attempt_piece(targets, begin, next);
	}
	EtlCheckDeferred();
	foreach (lc, targets->ordered)
		EtlLoadingSucceeded(lfirst(lc));
}

/* ----------------------------------------------------------------
 *	What they did
 * ---------------------------------------------------------------- */

static void
add_counts(EtlLoadOutcome *to, const EtlLoadOutcome *attempt)
{
	to->emitted += attempt->emitted;
	to->null_watermark += attempt->null_watermark;
	to->invalid += attempt->invalid;
	to->superseded += attempt->superseded;
	to->failed += attempt->failed;
	to->loaded += attempt->loaded;
	to->inserted += attempt->inserted;
	to->tombstones += attempt->tombstones;
	to->deleted += attempt->deleted;
	to->closed += attempt->closed;
}

void
EtlOutcomeAdd(EtlTargets *targets, EtlLoadOutcome *to, const EtlLoadOutcome *attempt)
{
	const EtlLoading *first = targets->first;
	ListCell *lc;

	add_counts(to, attempt);
	if (attempt->watermark.known)
		EtlWatermarkRaise(first->watermark, &to->watermark, attempt->watermark.value,
						  first->converted->reading->batch.loading);
	foreach (lc, targets->further)
	{
		EtlFurther *further = lfirst(lc);

		add_counts(&further->done, &further->attempt);
	}
}

/* Rows of a record, which failed, or did so before. */
static void
count_failed(EtlLoadOutcome *to, int64 rows, int64 null_watermark)
{
	to->emitted += rows;
	to->failed += rows;
	to->null_watermark += null_watermark;
}

void
EtlOutcomeFail(EtlTargets *targets, EtlLoadOutcome *to, const EtlLoadOutcome *attempt)
{
	ListCell *lc;

	count_failed(to, Max(attempt->emitted, 1), attempt->null_watermark);
	foreach (lc, targets->further)
	{
		EtlFurther *further = lfirst(lc);

		count_failed(&further->done, further->attempt.emitted, 0);
	}
}

void
EtlOutcomeRecover(EtlTargets *targets, EtlLoadOutcome *to, const EtlLoadOutcome *attempt)
{
	ListCell *lc;

	count_failed(to, -attempt->emitted, -attempt->null_watermark);
	foreach (lc, targets->further)
	{
		EtlFurther *further = lfirst(lc);

		count_failed(&further->done, -further->attempt.emitted, 0);
	}
	EtlOutcomeAdd(targets, to, attempt);
}
