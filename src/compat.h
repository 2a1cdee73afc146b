/*
 * compat.h
 *		The only file that asks which major of PostgreSQL it is compiled for.
 *
 * Each entry says what changed and when; callers read as if only the newest major existed.
 */
#ifndef ETL_COMPAT_H
#define ETL_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "etl needs PostgreSQL 15 or later"
#endif

#ifndef FRONTEND
#include "storage/latch.h"
#include "utils/wait_event.h"

/*
 * From 17 on a wait event set belongs to a resource owner rather than to a memory context.  Ours belong to
 * the backend.
 */
#if PG_VERSION_NUM >= 170000
#define EtlCreateWaitEventSet(nevents) CreateWaitEventSet(NULL, nevents)
#else
#define EtlCreateWaitEventSet(nevents) CreateWaitEventSet(TopMemoryContext, nevents)
#endif

/* Extensions name their wait events from 17 on. */
#if PG_VERSION_NUM >= 170000
#define EtlWaitEventNew(name) WaitEventExtensionNew(name)
#else
#define EtlWaitEventNew(name) PG_WAIT_EXTENSION
#endif

#endif /* !FRONTEND */

#endif /* ETL_COMPAT_H */
