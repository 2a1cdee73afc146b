/*
 * catalogs.c
 *		Looking into the catalogs from wherever one stands.
 *
 * A pipeline must hold no transaction while it waits for a file or the network, and there is always something left to
 * look up on the way: whether its owner may still read files.
 */
#include "etl.h"

#include "access/xact.h"
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
