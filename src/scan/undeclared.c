/*
 * undeclared.c
 *		Columns that a source has, and of which the declaration has none.
 *
 * CSV has them in its headers (csv_rows.c), JSON as members of its items (json_names.c): those of the item itself, and not
 * those inside of one that a path leads into.
 */
#include "etl.h"

#include "mb/pg_wchar.h"
#include "scan/undeclared.h"
#include "source/utf8.h"
#include "utils/memutils.h"

EtlUndeclared *
EtlUndeclaredCreate(List *known)
{
	EtlUndeclared *undeclared = palloc0(sizeof(EtlUndeclared));
	ListCell *lc;

	undeclared->context = CurrentMemoryContext;
	undeclared->names = EtlNamesCreate();
	undeclared->known = known;
	foreach (lc, known)
		(void) EtlNamesAdd(undeclared->names, lfirst(lc));
	return undeclared;
}

void
EtlUndeclaredNote(EtlUndeclared *undeclared, const char *name, size_t len)
{
	int clipped = pg_mbcliplen(name, (int) Min(len, NAMEDATALEN), NAMEDATALEN - 1);
	MemoryContext old;
	char *copy;

	if (EtlUndeclaredIsFull(undeclared))
		return;
	old = MemoryContextSwitchTo(undeclared->context);
	copy = pnstrdup(name, clipped);
	if (EtlNamesFind(undeclared->names, copy) >= 0)
		pfree(copy);
	else
	{
		(void) EtlNamesAdd(undeclared->names, copy);
		undeclared->found = lappend(undeclared->found, copy);
	}
	MemoryContextSwitchTo(old);
}

void
EtlUndeclaredNoteUtf8(EtlUndeclared *undeclared, const char *name, size_t len)
{
	int clipped =
		pg_encoding_mbcliplen(PG_UTF8, name, (int) Min(len, NAMEDATALEN * 4), NAMEDATALEN * 4 - 1);
	const char *shown;

	if (EtlUndeclaredIsFull(undeclared))
		return;
	shown = EtlShowUtf8Len(name, clipped);
	EtlUndeclaredNote(undeclared, shown, strlen(shown));
}
