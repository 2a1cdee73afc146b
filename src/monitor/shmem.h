/*
 * shmem.h
 *		Shared memory, which there is only if the library is in shared_preload_libraries.
 */
#ifndef ETL_SHMEM_H
#define ETL_SHMEM_H

#include "etl.h"
#include "storage/lwlock.h"

typedef struct EtlShmem
{
	const char *name; /* of the piece, and of its lock's wait event */
	size_t size;
	void **memory;		/* set at the start of the server; the piece is all zeros at first */
	LWLock **lock;		/* the same; NULL: none is wanted */
	void (*init)(void); /* what zeros are not enough for; or NULL */
} EtlShmem;

/* Asks for a piece.  In _PG_init; without preloading nothing is ever set. */
extern void EtlShmemRequest(const EtlShmem *piece);

#endif /* ETL_SHMEM_H */
