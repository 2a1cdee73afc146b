/*
 * origins.c
 *		What is known of each origin: its circuit breaker and its latest requests.
 *
 * A table of fixed size, in shared memory if the library is preloaded, so that all backends spare a service
 * that is down and share its rate limit; else each backend has its own.  When it is full, the origin that
 * was not used for the longest time is forgotten: all that costs is a breaker that has to open again.
 *
 * One lock for the table.  It is held for a few comparisons, once when a request starts and once when it
 * ends, which is nothing beside the request itself.
 *
 * A probe that is under way keeps everybody else out.  So it is sent by who waits for its answer, never ahead
 * by a cursor that may not be read on, and it is given back whatever happens to its query (exchange.c
 * leaves for it), and when its backend exits.
 */
#include "etl.h"

#include "access/htup_details.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "monitor/shmem.h"
#include "source/clock.h"
#include "source/origins.h"
#include "source/url.h"

PG_FUNCTION_INFO_V1(etl_list_breakers);
PG_FUNCTION_INFO_V1(etl_breaker_reset);

#define MAX_ORIGINS 256

typedef struct Origin
{
	char name[ETL_MAX_ORIGIN]; /* empty: not in use */
	uint32 hash;
	int64 last_used;
	EtlBreaker breaker;
	int probe_pid; /* of the backend that sent the last probe */
	EtlRateLog log;
} Origin;

static Origin *origins;
static LWLock *lock; /* NULL: the table is this backend's own */

static int breaker_failures = 5;
static int breaker_pause = 30 * 1000;

void
EtlOriginsInit(void)
{
	const EtlShmem piece = {.name = "etl_origins",
							.size = MAX_ORIGINS * sizeof(Origin),
							.memory = (void **) &origins,
							.lock = &lock};

	DefineCustomIntVariable("etl.breaker_failures",
							"Sets how many failures in a row stop requests to an origin.", NULL,
							&breaker_failures, 5, 1, 1000, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("etl.breaker_pause",
							"Sets how long requests to an origin stop after too many failures.",
							"Then a single request finds out whether it is back.", &breaker_pause,
							30 * 1000, 1, INT_MAX, PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	EtlShmemRequest(&piece);
}

static void
lock_table(LWLockMode mode)
{
	if (!origins)
		origins = MemoryContextAllocZero(TopMemoryContext, MAX_ORIGINS * sizeof(Origin));
	if (lock)
		LWLockAcquire(lock, mode);
}

static void
unlock_table(void)
{
	if (lock)
		LWLockRelease(lock);
}

static EtlBreakerPolicy
policy(void)
{
	EtlBreakerPolicy result = {.failures = breaker_failures, .pause = breaker_pause};

	return result;
}

/* An origin's entry, or NULL; *room is where one could be made. */
static Origin *
find(const char *name, uint32 hash, Origin **room)
{
	*room = &origins[0];
	for (int i = 0; i < MAX_ORIGINS; i++)
	{
		Origin *origin = &origins[i];

		if (origin->name[0] == '\0')
		{
			*room = origin;
			return NULL;
		}
		if (origin->hash == hash && strcmp(origin->name, name) == 0)
			return origin;
		if (origin->last_used < (*room)->last_used)
			*room = origin;
	}
	return NULL;
}

static uint32
hash_of(const char *name)
{
	return hash_bytes((const unsigned char *) name, (int) strlen(name));
}

static Origin *
find_or_make(const char *name)
{
	uint32 hash = hash_of(name);
	Origin *room;
	Origin *origin = find(name, hash, &room);

	if (!origin)
	{
		origin = room;
		memset(origin, 0, sizeof(*origin));
		strlcpy(origin->name, name, sizeof(origin->name));
		origin->hash = hash;
	}
	return origin;
}

/* before_shmem_exit: gives back the probes that this backend has under way. */
static void
give_probes_back(int code, Datum arg)
{
	EtlBreakerPolicy now_policy = policy();

	lock_table(LW_EXCLUSIVE);
	for (int i = 0; i < MAX_ORIGINS && origins[i].name[0] != '\0'; i++)
	{
		EtlBreaker *breaker = &origins[i].breaker;

		if (breaker->state == ETL_BREAKER_HALF_OPEN && origins[i].probe_pid == MyProcPid)
			EtlBreakerLeave(breaker, &now_policy, breaker->last_probe, ETL_NO_OUTCOME, 0);
	}
	unlock_table();
}

static void
register_exit(void)
{
	static bool registered = false;

	if (lock && !registered)
		before_shmem_exit(give_probes_back, (Datum) 0);
	registered = true;
}

EtlAdmission
EtlOriginEnter(const char *name, const EtlRate *rate, bool waited_for, uint32 *probe, int64 *wait)
{
	EtlBreakerPolicy now_policy = policy();
	EtlAdmission result = ETL_ADMITTED;
	int64 now = EtlClock();
	Origin *origin;

	Assert(strlen(name) < ETL_MAX_ORIGIN);
	register_exit();
	*probe = 0;
	lock_table(LW_EXCLUSIVE);
	origin = find_or_make(name);
	origin->last_used = now;
	*wait = EtlBreakerWait(&origin->breaker, &now_policy, now);
	if (*wait != 0 || (!waited_for && origin->breaker.state != ETL_BREAKER_CLOSED))
		result = ETL_BREAKER_OPENED;
	else if ((*wait = EtlRateWait(&origin->log, rate, now)) != 0)
		result = ETL_RATE_LIMITED;
	else
	{
		*probe = EtlBreakerEnter(&origin->breaker);
		if (*probe != 0)
			origin->probe_pid = MyProcPid;
		EtlRateNote(&origin->log, now);
	}
	unlock_table();
	return result;
}

void
EtlOriginLeave(const char *name, uint32 probe, EtlOutcome outcome)
{
	EtlBreakerPolicy now_policy = policy();
	Origin *origin;
	Origin *room;

	lock_table(LW_EXCLUSIVE);
	origin = find(name, hash_of(name), &room);
	/* It may have been forgotten since, and found again by others. */
	if (origin)
		EtlBreakerLeave(&origin->breaker, &now_policy, probe, outcome, EtlClock());
	unlock_table();
}

/* What etl_breakers shows of one origin. */
static void
put_breaker(ReturnSetInfo *rsinfo, const Origin *origin, int64 clock_now, TimestampTz now)
{
	static const char *const states[] = {
		[ETL_BREAKER_CLOSED] = "closed",
		[ETL_BREAKER_OPEN] = "open",
		[ETL_BREAKER_HALF_OPEN] = "half-open",
	};
	const EtlBreaker *breaker = &origin->breaker;
	Datum values[6];
	bool nulls[6] = {false};
	int64 ago = (clock_now - breaker->opened_at) * 1000;

	values[0] = CStringGetTextDatum(origin->name);
	values[1] = CStringGetTextDatum(states[breaker->state]);
	values[2] = Int32GetDatum(breaker->failures);
	values[3] = TimestampTzGetDatum(now - ago);
	values[4] = TimestampTzGetDatum(now - ago + (int64) breaker_pause * 1000);
	values[5] = Int32GetDatum(origin->probe_pid);
	nulls[3] = breaker->state == ETL_BREAKER_CLOSED;
	nulls[4] = breaker->state != ETL_BREAKER_OPEN;
	nulls[5] = breaker->state != ETL_BREAKER_HALF_OPEN;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* etl_list_breakers: each origin that was asked for something lately, and whether it may be asked again. */
Datum
etl_list_breakers(PG_FUNCTION_ARGS)
{
	Origin *copy = palloc(MAX_ORIGINS * sizeof(Origin));
	TimestampTz now = GetCurrentTimestamp();
	int64 clock_now = EtlClock();

	InitMaterializedSRF(fcinfo, 0);
	lock_table(LW_SHARED);
	memcpy(copy, origins, MAX_ORIGINS * sizeof(Origin));
	unlock_table();
	for (int i = 0; i < MAX_ORIGINS && copy[i].name[0] != '\0'; i++)
		put_breaker((ReturnSetInfo *) fcinfo->resultinfo, &copy[i], clock_now, now);
	return (Datum) 0;
}

/* etl_breaker_reset: closes the breaker of an origin; false if nothing is known of it. */
Datum
etl_breaker_reset(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Origin *origin;
	Origin *room;
	EtlUrl url;

	/* https://Host:443/ is https://host. */
	if (EtlUrlParse(name, &url) == NULL)
		name = EtlUrlOrigin(&url);

	lock_table(LW_EXCLUSIVE);
	origin = find(name, hash_of(name), &room);
	if (origin)
		EtlBreakerReset(&origin->breaker);
	unlock_table();
	PG_RETURN_BOOL(origin != NULL);
}
