/*
 * origins.c
 *		What is known of each origin: its circuit breakers and its latest requests.
 *
 *		breaker		one for each role and origin
 *		rate limit	the latest requests, for each server that has a limit, and origin
 *
 * A table of fixed size, in shared memory if the library is preloaded, so that all backends spare a service
 * that is down and share its rate limit; else each backend has its own.
 *
 * A role has ROLE_ENTRIES entries at most.  A new one takes the place of the one that was not used for the longest time:
 * of its own, or, if it has not as many, of anybody's; but never of a breaker that is not closed, nor of a rate limit
 * whose period is under way.  Where there is no such place, a breaker is done without, and a rate limit is refused.
 *
 * One lock for the table.  It is held for a few comparisons, once when a request starts and once when it
 * ends, which is nothing beside the request itself.
 *
 * A probe that is under way keeps the others out.  So it is sent by who waits for its answer, never ahead
 * by a cursor that may not be read on, and it is given back whatever happens to its query (exchange_hops.c
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
#include "source/http/origins.h"
#include "source/http/url.h"

PG_FUNCTION_INFO_V1(etl_list_breakers);
PG_FUNCTION_INFO_V1(etl_breaker_reset);

#define MAX_ENTRIES 512
#define ROLE_ENTRIES 64

typedef enum Kind
{
	BREAKER, /* of a role */
	RATE,	 /* of a server */
} Kind;

/* What an entry is looked up by; the hash is that of the rest. */
typedef struct Key
{
	uint32 hash;
	Kind kind;
	Oid database; /* of the server */
	Oid owner;	  /* role or server */
	const char *origin;
} Key;

typedef struct Entry
{
	char origin[ETL_MAX_ORIGIN]; /* empty: not in use */
	uint32 hash;
	Kind kind;
	Oid database;
	Oid owner;
	Oid role; /* that made it */
	int64 last_used;
	int64 busy_until; /* of a rate limit: the end of its period */
	EtlBreaker breaker;
	int probe_pid; /* of the backend that sent the last probe */
	EtlRateLog log;
} Entry;

static Entry *entries;
static LWLock *lock; /* NULL: the table is this backend's own */

static int breaker_failures = 5;
static int breaker_pause = 30 * 1000;

void
EtlOriginsInit(void)
{
	const EtlShmem piece = {.name = "etl_origins",
							.size = MAX_ENTRIES * sizeof(Entry),
							.memory = (void **) &entries,
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
	if (!entries)
		entries = MemoryContextAllocZero(TopMemoryContext, MAX_ENTRIES * sizeof(Entry));
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

static Key
make_key(Kind kind, Oid owner, const char *origin)
{
	Key key = {.kind = kind,
			   .database = kind == RATE ? MyDatabaseId : InvalidOid,
			   .owner = owner,
			   .origin = origin};

	key.hash = hash_bytes((const unsigned char *) origin, (int) strlen(origin)) ^ owner;
	return key;
}

static bool
is_entry(const Entry *entry, const Key *key)
{
	return entry->hash == key->hash && entry->kind == key->kind && entry->owner == key->owner &&
		   entry->database == key->database && strcmp(entry->origin, key->origin) == 0;
}

static Entry *
find(const Key *key)
{
	for (int i = 0; i < MAX_ENTRIES && entries[i].origin[0] != '\0'; i++)
		if (is_entry(&entries[i], key))
			return &entries[i];
	return NULL;
}

/* Whether an entry can be forgotten without letting a request through that it would hold back. */
static bool
is_idle(const Entry *entry, int64 now)
{
	return entry->kind == RATE ? entry->busy_until <= now
							   : entry->breaker.state == ETL_BREAKER_CLOSED;
}

/* The idle entry that was not used for the longest time, of a role (InvalidOid: of anybody); NULL: there is none. */
static Entry *
find_oldest(Oid role, int64 now)
{
	Entry *oldest = NULL;

	for (int i = 0; i < MAX_ENTRIES && entries[i].origin[0] != '\0'; i++)
		if ((!OidIsValid(role) || entries[i].role == role) && is_idle(&entries[i], now) &&
			(!oldest || entries[i].last_used < oldest->last_used))
			oldest = &entries[i];
	return oldest;
}

/* Where an entry of a role can be made; NULL: nowhere. */
static Entry *
find_room(Oid role, int64 now)
{
	int its_own = 0;
	int i = 0;

	for (; i < MAX_ENTRIES && entries[i].origin[0] != '\0'; i++)
		its_own += entries[i].role == role;
	if (its_own >= ROLE_ENTRIES)
		return find_oldest(role, now);
	return i < MAX_ENTRIES ? &entries[i] : find_oldest(InvalidOid, now);
}

static Entry *
find_or_make(const Key *key, Oid role, int64 now)
{
	Entry *entry = find(key);

	if (!entry && (entry = find_room(role, now)) != NULL)
	{
		memset(entry, 0, sizeof(*entry));
		strlcpy(entry->origin, key->origin, sizeof(entry->origin));
		entry->hash = key->hash;
		entry->kind = key->kind;
		entry->database = key->database;
		entry->owner = key->owner;
		entry->role = role;
	}
	if (entry)
		entry->last_used = now;
	return entry;
}

/* before_shmem_exit: gives back the probes that this backend has under way. */
static void
give_probes_back(int code, Datum arg)
{
	EtlBreakerPolicy now_policy = policy();

	lock_table(LW_EXCLUSIVE);
	for (int i = 0; i < MAX_ENTRIES && entries[i].origin[0] != '\0'; i++)
	{
		EtlBreaker *breaker = &entries[i].breaker;

		if (breaker->state == ETL_BREAKER_HALF_OPEN && entries[i].probe_pid == MyProcPid)
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

/* The table is locked. */
static EtlAdmission
enter(const char *origin, const EtlSender *sender, bool waited_for, uint32 *probe, int64 *wait)
{
	EtlBreakerPolicy now_policy = policy();
	int64 now = EtlClock();
	Key of_role = make_key(BREAKER, sender->role, origin);
	Key of_server = make_key(RATE, sender->server, origin);
	bool limited = sender->rate.requests > 0;
	Entry *breaker = find_or_make(&of_role, sender->role, now);
	Entry *rate = limited ? find_or_make(&of_server, sender->role, now) : NULL;

	if (breaker && breaker == rate) /* there was no other place */
		breaker = NULL;
	if (breaker)
		*wait = EtlBreakerWait(&breaker->breaker, &now_policy, now);
	if (*wait != 0 || (breaker && !waited_for && breaker->breaker.state != ETL_BREAKER_CLOSED))
		return ETL_BREAKER_OPENED;
	if (limited && !rate)
		return ETL_TOO_MANY_RATES;
	if (limited && (*wait = EtlRateWait(&rate->log, &sender->rate, now)) != 0)
		return ETL_RATE_LIMITED;
	if (breaker)
		*probe = EtlBreakerEnter(&breaker->breaker);
	if (*probe != 0)
		breaker->probe_pid = MyProcPid;
	if (limited)
	{
		EtlRateNote(&rate->log, now);
		rate->busy_until = now + sender->rate.period;
	}
	return ETL_ADMITTED;
}

EtlAdmission
EtlOriginEnter(const char *origin, const EtlSender *sender, bool waited_for, uint32 *probe,
			   int64 *wait)
{
	EtlAdmission result;

	Assert(strlen(origin) < ETL_MAX_ORIGIN);
	register_exit();
	*probe = 0;
	*wait = 0;
	lock_table(LW_EXCLUSIVE);
	result = enter(origin, sender, waited_for, probe, wait);
	unlock_table();
	return result;
}

void
EtlOriginLeave(const char *origin, Oid role, uint32 probe, EtlOutcome outcome)
{
	EtlBreakerPolicy now_policy = policy();
	Key key = make_key(BREAKER, role, origin);
	Entry *entry;

	lock_table(LW_EXCLUSIVE);
	entry = find(&key);
	/* It may have been forgotten since, and found again. */
	if (entry)
		EtlBreakerLeave(&entry->breaker, &now_policy, probe, outcome, EtlClock());
	unlock_table();
}

/* A line of etl_breakers. */
static void
put_breaker(ReturnSetInfo *rsinfo, const Entry *entry, int64 clock_now, TimestampTz now)
{
	static const char *const states[] = {
		[ETL_BREAKER_CLOSED] = "closed",
		[ETL_BREAKER_OPEN] = "open",
		[ETL_BREAKER_HALF_OPEN] = "half-open",
	};
	const EtlBreaker *breaker = &entry->breaker;
	int64 ago = (clock_now - breaker->opened_at) * 1000;
	Datum values[] = {
		CStringGetTextDatum(entry->origin),
		ObjectIdGetDatum(entry->owner),
		CStringGetTextDatum(states[breaker->state]),
		Int32GetDatum(breaker->failures),
		TimestampTzGetDatum(now - ago),
		TimestampTzGetDatum(now - ago + (int64) breaker_pause * 1000),
		Int32GetDatum(entry->probe_pid),
	};
	bool nulls[lengthof(values)] = {false};

	nulls[4] = breaker->state == ETL_BREAKER_CLOSED;
	nulls[5] = breaker->state != ETL_BREAKER_OPEN;
	nulls[6] = breaker->state != ETL_BREAKER_HALF_OPEN;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* etl_list_breakers: each role and origin that it asked for something lately, and whether it may ask again. */
Datum
etl_list_breakers(PG_FUNCTION_ARGS)
{
	Entry *copy = palloc(MAX_ENTRIES * sizeof(Entry));
	TimestampTz now = GetCurrentTimestamp();
	int64 clock_now = EtlClock();

	InitMaterializedSRF(fcinfo, 0);
	lock_table(LW_SHARED);
	memcpy(copy, entries, MAX_ENTRIES * sizeof(Entry));
	unlock_table();
	for (int i = 0; i < MAX_ENTRIES && copy[i].origin[0] != '\0'; i++)
		if (copy[i].kind == BREAKER)
			put_breaker((ReturnSetInfo *) fcinfo->resultinfo, &copy[i], clock_now, now);
	return (Datum) 0;
}

/* etl_breaker_reset: closes the breakers of all roles for an origin; false if there is none. */
Datum
etl_breaker_reset(PG_FUNCTION_ARGS)
{
	char *origin = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool found = false;
	EtlUrl url;

	/* https://Host:443/ is https://host. */
	if (EtlUrlParse(origin, &url) == NULL)
		origin = EtlUrlOrigin(&url);

	lock_table(LW_EXCLUSIVE);
	for (int i = 0; i < MAX_ENTRIES && entries[i].origin[0] != '\0'; i++)
	{
		if (entries[i].kind != BREAKER || strcmp(entries[i].origin, origin) != 0)
			continue;
		EtlBreakerReset(&entries[i].breaker);
		found = true;
	}
	unlock_table();
	PG_RETURN_BOOL(found);
}
