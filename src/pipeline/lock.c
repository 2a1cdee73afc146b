/*
 * lock.c
 *		The lock of a pipeline: whoever holds it runs the pipeline.
 *
 * It is of the kind of advisory locks, for those last for the session and outlive an aborted transaction,
 * but with a tag that no key of a user's can have.  pg_advisory_unlock_all() in a user's query frees it all
 * the same; that is why a run also updates its own row with each batch (EtlCatalogUpdateRun).
 */
#include "etl.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pipeline/lock.h"
#include "storage/lock.h"

PG_FUNCTION_INFO_V1(etl_is_running);
PG_FUNCTION_INFO_V1(etl_is_at_home);

#define OUR_LOCKS 0x65 /* the functions for users make 1 and 2 of this field */

static LOCKTAG
tag_of(int64 pipeline)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (pipeline >> 32), (uint32) pipeline,
						 OUR_LOCKS);
	return tag;
}

bool
EtlLockPipeline(int64 pipeline, bool session)
{
	LOCKTAG tag = tag_of(pipeline);

	return LockAcquire(&tag, ExclusiveLock, session, true) != LOCKACQUIRE_NOT_AVAIL;
}

bool
EtlPipelineIsLocked(int64 pipeline)
{
	LOCKTAG tag = tag_of(pipeline);
	int n;

	(void) GetLockConflicts(&tag, ExclusiveLock, &n);
	return n > 0 || EtlLockHeldByMe(&tag, ExclusiveLock);
}

/* etl_catalog.is_running(pipeline bigint) returns boolean */
Datum
etl_is_running(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(EtlPipelineIsLocked(PG_GETARG_INT64(0)));
}

/* etl_catalog.is_at_home(system_identifier bigint, database oid) returns boolean */
Datum
etl_is_at_home(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL((uint64) PG_GETARG_INT64(0) == GetSystemIdentifier() &&
				   PG_GETARG_OID(1) == MyDatabaseId);
}
