/*
 * lock.c
 *		The lock of a pipeline, which its run holds.
 *
 * It is of the kind of advisory locks, for those last for the session and outlive an aborted transaction,
 * but with a tag that no key of a user's can have.  pg_advisory_unlock_all() in a user's query frees it all
 * the same; that is why a run also updates its own row with each batch (EtlCatalogUpdateRun).
 *
 * To ask whether a pipeline runs must not stop a run that starts at the same moment.  So there is a second lock, which a
 * run takes after the first; to ask is to take the second for a moment.  (pg_locks cannot be asked: it does not
 * show session locks of a backend that is in no transaction, as a run is while it reads.)
 */
#include "etl.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/run/lock.h"
#include "storage/lock.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(etl_is_running);
PG_FUNCTION_INFO_V1(etl_is_at_home);
PG_FUNCTION_INFO_V1(etl_state_of);

/* The functions for users make 1 and 2 of this field. */
#define MAY_RUN 0x65
#define RUNS 0x66

static LOCKTAG
tag_of(int64 pipeline, int kind)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (pipeline >> 32), (uint32) pipeline, kind);
	return tag;
}

bool
EtlLockPipeline(int64 pipeline, bool session)
{
	LOCKTAG may_run = tag_of(pipeline, MAY_RUN);
	LOCKTAG runs = tag_of(pipeline, RUNS);

	if (LockAcquire(&may_run, ExclusiveLock, session, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	if (session)
		(void) LockAcquire(&runs, ExclusiveLock, true, false);
	return true;
}

/* Whether some session has it. */
static bool
is_locked(int64 pipeline)
{
	LOCKTAG runs = tag_of(pipeline, RUNS);

	if (EtlLockHeldByMe(&runs, ExclusiveLock))
		return true;
	if (LockAcquire(&runs, ShareLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	(void) LockRelease(&runs, ShareLock, false);
	return false;
}

/*
 * etl_catalog.is_running(pipeline bigint) returns boolean.  A standby has no locks of the primary, so there it counts
 * what is written.
 */
Datum
etl_is_running(PG_FUNCTION_ARGS)
{
	if (RecoveryInProgress())
		PG_RETURN_BOOL(EtlCatalogHasOpenRun(PG_GETARG_INT64(0)));
	PG_RETURN_BOOL(is_locked(PG_GETARG_INT64(0)));
}

/*
 * etl_catalog.state_of(run bigint, pipeline bigint, state text) returns text: that of a run, or "crashed" if its
 * worker died, as far as this server can know.  One that has ended since the caller's snapshot was taken was running
 * then.
 */
Datum
etl_state_of(PG_FUNCTION_ARGS)
{
	char *state = text_to_cstring(PG_GETARG_TEXT_PP(2));

	if (strcmp(state, "running") != 0 || RecoveryInProgress() || is_locked(PG_GETARG_INT64(1)) ||
		!EtlCatalogRunIsOpen(PG_GETARG_INT64(0)))
		PG_RETURN_DATUM(PG_GETARG_DATUM(2));
	PG_RETURN_TEXT_P(cstring_to_text("crashed"));
}

/* etl_catalog.is_at_home(system_identifier bigint, database oid) returns boolean */
Datum
etl_is_at_home(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(EtlIsAtHome(PG_GETARG_INT64(0), PG_GETARG_OID(1)));
}
