/*
 * catalogs.c
 *		Looking into the catalogs from wherever one stands.
 *
 * A pipeline must hold no transaction while it waits for a file or the network, and there is always something left to
 * look up on the way: whether its owner may still read files, or how text is converted.
 */
#include "etl.h"

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "source/catalogs.h"

void
EtlWithCatalogs(void (*work)(void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	bool own = !IsTransactionState();

	if (own)
	{
		StartTransactionCommand();
		MemoryContextSwitchTo(context);
	}
	work(arg);
	if (own)
		CommitTransactionCommand();
	MemoryContextSwitchTo(context);
}

static void
to_utf8(void *arg)
{
	const char **text = arg;

	*text = pg_server_to_any(*text, (int) strlen(*text), PG_UTF8);
}

static void
from_utf8(void *arg)
{
	const char **text = arg;

	*text = pg_any_to_server(*text, (int) strlen(*text), PG_UTF8);
}

const char *
EtlToUtf8(const char *text)
{
	if (GetDatabaseEncoding() != PG_UTF8)
		EtlWithCatalogs(to_utf8, &text);
	return text;
}

const char *
EtlFromUtf8(const char *text)
{
	if (GetDatabaseEncoding() != PG_UTF8)
		EtlWithCatalogs(from_utf8, &text);
	return text;
}
