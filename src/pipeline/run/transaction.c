/*
 * transaction.c
 *		The transactions of a run.
 */
#include "etl.h"

#include "access/xact.h"
#include "pipeline/define/session.h"
#include "pipeline/run/transaction.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

void
EtlBegin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	EtlBecomeOwner();
	PushActiveSnapshot(GetTransactionSnapshot());
}

void
EtlCommit(const EtlRun *run)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	EtlResetSettings(); /* the source is read between transactions */
	MemoryContextSwitchTo(run->context);
}

ErrorData *
EtlAbort(const EtlRun *run, MemoryContext context)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	AbortCurrentTransaction();
	MemoryContextSwitchTo(run->context);
	return error;
}
