/*
 * catalogs.c
 *		Catalog lookups inside and outside of transactions.
 *
 * A pipeline holds no transaction while it waits for a file or the network, but has to look things up meanwhile: whether
 * its owner may still read files, for example.
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
