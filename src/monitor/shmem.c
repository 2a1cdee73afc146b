/*
 * shmem.c
 *		Shared memory: a piece for each part of the extension that needs one.
 */
#include "etl.h"

#include "miscadmin.h"
#include "monitor/shmem.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#define MAX_PIECES 8

static EtlShmem pieces[MAX_PIECES];
static int npieces = 0;

static shmem_request_hook_type previous_shmem_request_hook;
static shmem_startup_hook_type previous_shmem_startup_hook;

static void
request_shmem(void)
{
	if (previous_shmem_request_hook)
		previous_shmem_request_hook();
	for (int i = 0; i < npieces; i++)
	{
		RequestAddinShmemSpace(pieces[i].size);
		if (pieces[i].lock != NULL)
			RequestNamedLWLockTranche(pieces[i].name, 1);
	}
}

static void
start_piece(const EtlShmem *piece)
{
	bool found;

	*piece->memory = ShmemInitStruct(piece->name, piece->size, &found);
	if (piece->lock != NULL)
		*piece->lock = &GetNamedLWLockTranche(piece->name)->lock;
	if (found)
		return;
	memset(*piece->memory, 0, piece->size);
	if (piece->init != NULL)
		piece->init();
}

static void
startup_shmem(void)
{
	if (previous_shmem_startup_hook)
		previous_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < npieces; i++)
		start_piece(&pieces[i]);
	LWLockRelease(AddinShmemInitLock);
}

void
EtlShmemRequest(const EtlShmem *piece)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	if (npieces == MAX_PIECES)
		elog(ERROR, "too many pieces of shared memory");
	if (npieces == 0)
	{
		previous_shmem_request_hook = shmem_request_hook;
		shmem_request_hook = request_shmem;
		previous_shmem_startup_hook = shmem_startup_hook;
		shmem_startup_hook = startup_shmem;
	}
	pieces[npieces++] = *piece;
}
