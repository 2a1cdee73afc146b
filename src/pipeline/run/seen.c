/*
 * seen.c
 *		Columns of the source that no record has, and those that it has and nobody has declared.
 *
 * At the end of the source the run fails if there is a column that no record of any run of the pipeline has had: it is
 * misspelt.  The last records are not loaded then (EtlReadingFill sees to it that there are some), so the next run fails as
 * well.  If earlier records had it, it may be rare, or was renamed at the source: the run counts it, and etl_runs has its
 * name.  A run without records judges nothing.
 *
 * What the source has and the declaration has not is reported once: the first run that finds a name writes it down.
 */
#include "etl.h"

#include "pipeline/catalog/catalog.h"
#include "pipeline/run/seen.h"
#include "utils/memutils.h"

void
EtlSeenOpen(EtlSeen *seen)
{
	MemoryContext old = MemoryContextSwitchTo(seen->run->context);
	ListCell *lc;

	seen->ever = EtlCatalogSeenColumns(seen->run->pipeline->id);
	seen->reading->ever = EtlNamesCreate();
	foreach (lc, seen->ever)
		(void) EtlNamesAdd(seen->reading->ever, lfirst(lc));
	if (seen->run->pipeline->evolve == ETL_EVOLVE_NOTICE)
		seen->reading->undeclared =
			EtlUndeclaredCreate(EtlCatalogUndeclared(seen->run->pipeline->id));
	MemoryContextSwitchTo(old);
}

void
EtlSeenJudge(const EtlSeen *seen)
{
	EtlRun *run = seen->run;
	EtlFault fault;

	if (!EtlRowsMissing(seen->reading->rows, seen->reading->ever, &fault))
		return;
	run->fatal = true;
	run->fatal_reason = MemoryContextStrdup(run->context, fault.message);
	EtlRaiseFault(&fault);
}

Bitmapset *
EtlSeenUnseen(const EtlSeen *seen)
{
	const EtlRows *rows = seen->reading->rows;
	Bitmapset *unseen = NULL;

	for (int i = 0; i < rows->nunseen; i++)
		unseen = bms_add_member(unseen, rows->unseen[i]);
	return unseen;
}

void
EtlSeenKeepUnseen(EtlSeen *seen, const Bitmapset *unseen)
{
	EtlRows *rows = seen->reading->rows;
	int n = 0;

	for (int i = 0; i < rows->nunseen; i++)
		if (bms_is_member(rows->unseen[i], unseen))
			rows->unseen[n++] = rows->unseen[i];
	rows->nunseen = n;
}

/* The columns that some record of this run had are among those of all runs from now on. */
static void
add_seen(EtlSeen *seen)
{
	const EtlRows *rows = seen->reading->rows;
	MemoryContext old = MemoryContextSwitchTo(seen->run->context);
	int before = list_length(seen->ever);
	Bitmapset *unseen = EtlSeenUnseen(seen);

	for (int i = 0; i < rows->desc->natts && rows->nsearched > 0; i++)
	{
		const char *name = rows->columns[i].name;

		if (rows->columns[i].kind != ETL_FIELD || bms_is_member(i, unseen) ||
			EtlNamesFind(seen->reading->ever, name) >= 0)
			continue;
		seen->ever = lappend(seen->ever, pstrdup(name)); /* a scan ends before the run does */
		(void) EtlNamesAdd(seen->reading->ever, llast(seen->ever));
	}
	bms_free(unseen);
	MemoryContextSwitchTo(old);
	if (list_length(seen->ever) > before)
		EtlCatalogSetSeenColumns(seen->run->pipeline->id, seen->ever);
}

int64
EtlSeenSave(EtlSeen *seen, bool complete)
{
	List *unseen = EtlRowsUnseen(seen->reading->rows);

	add_seen(seen);
	if (!complete || unseen == NIL || seen->reading->rows->missing == ETL_MISSING_NULL)
		return 0;
	EtlCatalogSetMissingColumns(seen->run->id, unseen);
	return list_length(unseen);
}

int64
EtlSeenSaveNew(EtlSeen *seen)
{
	const EtlUndeclared *undeclared = seen->reading->undeclared;
	const EtlRun *run = seen->run;

	if (undeclared == NULL)
		return 0;
	if (list_length(undeclared->found) > run->counters.columns_new) /* which is committed */
	{
		EtlCatalogSetUndeclared(run->pipeline->id,
								list_concat_copy(undeclared->known, undeclared->found));
		EtlCatalogSetNewColumns(run->id, undeclared->found);
	}
	return list_length(undeclared->found);
}
