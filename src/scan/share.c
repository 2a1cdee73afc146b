/*
 * share.c
 *		A scan whose rows are read by several processes of one plan, each a share of them.
 */
#include "etl.h"

#include "scan/share.h"
#include "utils/wait_event.h"

void
EtlShareInit(EtlShare *share)
{
	memset(share, 0, sizeof(*share));
	SpinLockInit(&share->mutex);
	ConditionVariableInit(&share->turned);
}

bool
EtlShareJoin(EtlShare *share, uint64 identity, int64 npieces, int64 size)
{
	bool same;

	SpinLockAcquire(&share->mutex);
	if (!share->begun)
	{
		share->begun = true;
		share->identity = identity;
		share->npieces = npieces;
		share->size = size;
	}
	same = share->identity == identity && share->size <= size;
	SpinLockRelease(&share->mutex);
	return same;
}

bool
EtlShareTake(EtlShare *share, int64 *piece)
{
	SpinLockAcquire(&share->mutex);
	*piece = share->next < share->npieces ? share->next++ : -1;
	SpinLockRelease(&share->mutex);
	return *piece >= 0;
}

void
EtlShareAwaitTurn(EtlShare *share, int64 piece, bool *inside, uint64 *line)
{
	bool mine;

	for (;;)
	{
		SpinLockAcquire(&share->mutex);
		mine = share->turn == piece;
		*inside = share->inside;
		*line = share->line;
		SpinLockRelease(&share->mutex);
		if (mine)
			break;
		ConditionVariableSleep(&share->turned, WAIT_EVENT_PARALLEL_FINISH);
	}
	(void) ConditionVariableCancelSleep();
}

void
EtlSharePassTurn(EtlShare *share, bool inside, uint64 line)
{
	SpinLockAcquire(&share->mutex);
	share->turn++;
	share->inside = inside;
	share->line = line;
	SpinLockRelease(&share->mutex);
	ConditionVariableBroadcast(&share->turned);
}

bool
EtlShareEnd(EtlShare *share, int64 nread, bool *has_header)
{
	bool all;

	SpinLockAcquire(&share->mutex);
	share->nread += nread;
	share->has_header |= *has_header;
	all = share->nread == share->npieces;
	*has_header = share->has_header;
	SpinLockRelease(&share->mutex);
	return all;
}

void
EtlShareGive(EtlShare *share, const EtlCounters *counters)
{
	SpinLockAcquire(&share->mutex);
	EtlCountersAdd(&share->counters, counters);
	SpinLockRelease(&share->mutex);
}

void
EtlShareGiveStray(EtlShare *share, uint64 nstray, uint64 at, const char *where)
{
	SpinLockAcquire(&share->mutex);
	if (share->nstray == 0 || at < share->stray_at)
	{
		share->stray_at = at;
		strlcpy(share->first_stray, where, sizeof(share->first_stray));
	}
	share->nstray += nstray;
	SpinLockRelease(&share->mutex);
}
