/*
 * choose.c
 *		The statement that takes a chunk to the target.
 *
 * All statements leave the same rows in the target.  They differ in cost, which depends on how many of the rows the target
 * has already.  The previous batch is the best guess of that.
 *
 * The gain of each stands beside it: the CPU time of a run without it, as a multiple, in the case that it is for
 * (test/bench/pipeline.py with 200,000 rows of 8 columns, PostgreSQL 15, medians of 5 pairs).
 */
#include "etl.h"

#include "pipeline/run/choose.h"

static bool
is_for_new_keys(const EtlChooser *chooser, bool partial)
{
	/* without a column that must not be null a row is refused before it shows that its key is there */
	return chooser->all_new && !(partial && chooser->run->statements->lacks_constrained);
}

static bool
is_for_unchanged_rows(const EtlChooser *chooser, bool partial)
{
	return chooser->mostly_unchanged;
}

static bool
is_for_changed_rows(const EtlChooser *chooser, bool partial)
{
	return !chooser->mostly_unchanged;
}

static bool
is_for_all(const EtlChooser *chooser, bool partial)
{
	return true;
}

typedef struct Row
{
	size_t text; /* in EtlTexts */
	bool (*applies)(const EtlChooser *chooser, bool partial);
	bool looks_up; /* it pays only if its plan looks up each row by an index */
	int gives_up;  /* at this error, which another statement does not meet; 0: at none */
} Row;

static const Row rows[ETL_TAKINGS] = {
	/* a plain INSERT, until a key is there already; all rows new: 1.32 */
	[ETL_TAKE_INSERT] = {offsetof(EtlTexts, insert), is_for_new_keys, false,
						 ERRCODE_UNIQUE_VIOLATION},
	/* ON CONFLICT locks, and so writes, each row that it finds: equal ones are left out before; nothing changed: 1.28 */
	[ETL_TAKE_REFRESH] = {offsetof(EtlTexts, refresh), is_for_unchanged_rows, true, 0},
	/* MERGE locks no row before it updates it, until another session inserts a key; 50 % updates: 1.16, WAL 1.15 */
	[ETL_TAKE_MERGE] = {offsetof(EtlTexts, merge), is_for_changed_rows, true,
						ERRCODE_UNIQUE_VIOLATION},
	/* INSERT ... ON CONFLICT */
	[ETL_TAKE_LOAD] = {offsetof(EtlTexts, load), is_for_all, false, 0},
};

void
EtlChooserOpen(EtlChooser *chooser, const EtlRun *run)
{
	chooser->run = run;
	chooser->mostly_unchanged = run->statements->notes_places; /* as snapshots are */
	for (int i = 0; i < ETL_TAKINGS; i++)
	{
		chooser->full[i].text = *(char **) ((char *) &run->statements->full + rows[i].text);
		chooser->partial[i].text = *(char **) ((char *) &run->statements->partial + rows[i].text);
	}
}

SPIPlanPtr
EtlChoose(EtlChooser *chooser, EtlSlice *slice, int nrows, bool partial)
{
	int usual = chooser->run->pipeline->batch_size;

	if (chooser->only_new)
	{
		chooser->taken = ETL_TAKE_INSERT;
		return EtlPlanFor(partial ? &chooser->partial[ETL_TAKE_INSERT]
								  : &chooser->full[ETL_TAKE_INSERT],
						  slice, nrows, usual);
	}
	for (int i = 0;; i++)
	{
		EtlPlans *plans = partial ? &chooser->partial[i] : &chooser->full[i];
		SPIPlanPtr plan;

		if (plans->text == NULL || chooser->gave_up[i] || !rows[i].applies(chooser, partial) ||
			(rows[i].looks_up && chooser->target_is_small))
			continue;
		chooser->taken = i;
		if (!rows[i].looks_up)
			return EtlPlanFor(plans, slice, nrows, usual);
		plan = EtlPlanToLookUp(plans, slice, usual);
		if (plan != NULL)
			return plan;
		chooser->target_is_small = true;
	}
}

bool
EtlChooseOther(EtlChooser *chooser, int sqlstate)
{
	if (chooser->only_new || sqlstate != rows[chooser->taken].gives_up)
		return false;
	chooser->gave_up[chooser->taken] = true;
	return true;
}

void
EtlChooserLearnUnchanged(EtlChooser *chooser, int64 emitted, int64 loaded)
{
	chooser->mostly_unchanged = emitted - loaded > emitted / 2;
}

void
EtlChooserLearn(EtlChooser *chooser, int64 emitted, int64 loaded, int64 inserted, bool skips)
{
	chooser->all_new = loaded > 0 && inserted == loaded && !skips;
	EtlChooserLearnUnchanged(chooser, emitted, loaded);
}
