/*
 * ledger.c
 *		Where earlier runs stopped in each part of the source.
 *
 *		parts, as they are found      a    c d      f ...
 *		checkpoints, slice by slice [ a  b c ] [ d e f ] ...
 *									     ^         ^	passed over: not found by this run
 *
 * There may be millions of checkpoints, so only some of them are held.  Most sources find their parts in the order of their
 * names, in which the checkpoints are read as well, and so each of these is read once.  A part that comes out of order is
 * looked up by itself.
 *
 * A checkpoint that was passed over may be of a part that is gone, which the store decides (store.h).  That is written down
 * with the time, and taken back as soon as the part is found again, or nobody can tell any more; forget.c removes what has been gone
 * for long.
 */
#include "etl.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pipeline/run/ledger.h"
#include "pipeline/run/transaction.h"
#include "utils/memutils.h"

#define SLICE 1000

void
EtlLedgerOpen(EtlLedger *ledger, const EtlRun *run)
{
	*ledger = (EtlLedger){
		.run = run,
		.scan_context = CurrentMemoryContext,
		.context =
			AllocSetContextCreate(CurrentMemoryContext, "etl checkpoints", ALLOCSET_DEFAULT_SIZES),
		.single_context =
			AllocSetContextCreate(CurrentMemoryContext, "etl checkpoint", ALLOCSET_SMALL_SIZES),
		.in_order = true,
	};
}

/* ----------------------------------------------------------------
 *	Slices
 * ---------------------------------------------------------------- */

/* A query of all of the source, and what is to be known to be gone, need all of it in each run. */
static bool
has_checkpoints(const EtlLedger *ledger)
{
	return ledger->run->kind != ETL_RUN_RETRY && !EtlScansAll(ledger->run);
}

/* Opens a transaction where none is; whether it did. */
static bool
begin(void)
{
	if (IsTransactionState())
		return false;
	EtlBegin();
	return true;
}

static void
end(const EtlLedger *ledger, bool began)
{
	if (began)
		EtlCommit(ledger->run);
}

/* Writes what was found of the slice in hand.  In a transaction. */
static void
write_down(EtlLedger *ledger)
{
	if (ledger->gone != NIL)
		EtlCatalogSetMissing(ledger->run->checkpoints, ledger->gone, true);
	if (ledger->back != NIL)
		EtlCatalogSetMissing(ledger->run->checkpoints, ledger->back, false);
	ledger->gone = ledger->back = NIL;
}

/* Goes to the next slice; false: there is none. */
static bool
next_slice(EtlLedger *ledger)
{
	MemoryContext old = CurrentMemoryContext;
	char *after;
	bool began;

	if (ledger->last)
		return false;
	after = pstrdup(ledger->slice != NIL ? ((EtlCheckpoint *) llast(ledger->slice))->part : "");
	began = begin();
	write_down(ledger);
	MemoryContextReset(ledger->context);
	MemoryContextSwitchTo(ledger->context);
	ledger->slice = EtlCatalogCheckpoints(ledger->run->checkpoints, after, SLICE);
	ledger->next = 0;
	ledger->last = list_length(ledger->slice) < SLICE;
	end(ledger, began);
	MemoryContextSwitchTo(old);
	pfree(after);
	return true;
}

static void
note(EtlLedger *ledger, List **parts, const EtlCheckpoint *checkpoint)
{
	MemoryContext old = MemoryContextSwitchTo(ledger->context);

	if (!ledger->run->is_worker) /* the leader comes by all of them */
		*parts = lappend(*parts, checkpoint->part);
	MemoryContextSwitchTo(old);
}

/* A part that was not found has a checkpoint. */
static void
pass_over(EtlLedger *ledger, const EtlCheckpoint *checkpoint)
{
	MemoryContext old = MemoryContextSwitchTo(ledger->single_context);
	bool gone = ledger->parts != NULL && EtlPartsIsGone(ledger->parts, checkpoint->part,
														checkpoint->position, ledger->in_order);

	MemoryContextSwitchTo(old);
	MemoryContextReset(ledger->single_context);
	if (gone && checkpoint->missing_since == 0)
		note(ledger, &ledger->gone, checkpoint);
	else if (!gone && checkpoint->missing_since != 0)
		note(ledger, &ledger->back, checkpoint);
}

/* Passes over all checkpoints before a part (NULL: all); the one that follows, NULL: there is none. */
static EtlCheckpoint *
walk(EtlLedger *ledger, const char *part)
{
	do
	{
		for (; ledger->next < list_length(ledger->slice); ledger->next++)
		{
			EtlCheckpoint *checkpoint = list_nth(ledger->slice, ledger->next);

			CHECK_FOR_INTERRUPTS();
			if (part != NULL && strcmp(checkpoint->part, part) >= 0)
				return checkpoint;
			pass_over(ledger, checkpoint);
		}
	} while (next_slice(ledger));
	return NULL;
}

/* ----------------------------------------------------------------
 *	Parts
 * ---------------------------------------------------------------- */

/* They are in the order of strcmp(). */
static EtlCheckpoint *
look_in_slice(const EtlLedger *ledger, const char *part)
{
	int low = 0;
	int high = list_length(ledger->slice);

	while (low < high)
	{
		int middle = (low + high) / 2;
		EtlCheckpoint *checkpoint = list_nth(ledger->slice, middle);
		int order = strcmp(checkpoint->part, part);

		if (order == 0)
			return checkpoint;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static bool
is_within_slice(const EtlLedger *ledger, const char *part)
{
	return ledger->slice != NIL &&
		   strcmp(((EtlCheckpoint *) linitial(ledger->slice))->part, part) <= 0 &&
		   (ledger->last || strcmp(((EtlCheckpoint *) llast(ledger->slice))->part, part) >= 0);
}

EtlCheckpoint *
EtlLedgerLook(EtlLedger *ledger, const char *part)
{
	MemoryContext old = CurrentMemoryContext;
	EtlCheckpoint *checkpoint;
	bool began;

	if (!has_checkpoints(ledger))
		return NULL;
	if (is_within_slice(ledger, part))
		return look_in_slice(ledger, part);
	began = begin();
	MemoryContextReset(ledger->single_context);
	MemoryContextSwitchTo(ledger->single_context);
	checkpoint = EtlCatalogCheckpoint(ledger->run->checkpoints, part);
	end(ledger, began);
	MemoryContextSwitchTo(old);
	return checkpoint;
}

static void
keep_previous(EtlLedger *ledger, const char *part)
{
	if (ledger->previous != NULL)
		pfree(ledger->previous);
	ledger->previous = MemoryContextStrdup(ledger->scan_context, part);
}

/* The same for a part that comes out of order: it may have been passed over. */
static EtlCheckpoint *
find_out_of_order(EtlLedger *ledger, const char *part)
{
	bool began = begin();

	ledger->in_order = false;
	write_down(ledger);
	EtlCatalogSetMissing(ledger->run->checkpoints, list_make1((char *) part), false);
	end(ledger, began);
	return EtlLedgerLook(ledger, part);
}

EtlCheckpoint *
EtlLedgerFind(EtlLedger *ledger, const EtlParts *parts, const char *part)
{
	EtlCheckpoint *checkpoint;

	if (!has_checkpoints(ledger))
		return NULL;
	ledger->parts = parts;
	if (ledger->previous != NULL && strcmp(part, ledger->previous) <= 0)
		checkpoint = find_out_of_order(ledger, part);
	else
	{
		keep_previous(ledger, part);
		checkpoint = walk(ledger, part);
		if (checkpoint == NULL || strcmp(checkpoint->part, part) != 0)
			return NULL;
		ledger->next++;
		if (checkpoint->missing_since != 0)
			note(ledger, &ledger->back, checkpoint);
	}
	if (checkpoint != NULL && checkpoint->state == ETL_PART_SET_ASIDE)
		ledger->aside++;
	return checkpoint;
}

void
EtlLedgerEnd(EtlLedger *ledger)
{
	if (!has_checkpoints(ledger))
		return;
	(void) walk(ledger, NULL);
	write_down(ledger);
}
