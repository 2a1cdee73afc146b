/*
 * subtransaction.c
 *		Work whose errors are values.
 */
#include "etl.h"

#include "access/xact.h"
#include "source/subtransaction.h"
#include "utils/palloc.h"
#include "utils/resowner.h"

ErrorData *
EtlInSubtransaction(void (*function)(void *arg), void *arg, MemoryContext errors)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		function(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(errors);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}
