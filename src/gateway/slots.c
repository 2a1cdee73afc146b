/*
 * slots.c
 *		Runs that are ready for requests, in shared memory, and the queues to them.
 *
 * A queue takes all requests that its slot has room for, so that neither end ever waits for the other: the supervisor counts what is
 * not answered, and a receiver may owe the sender the news of a quarter of the queue that it has read.
 */
#include "etl.h"

#include "gateway/gateway.h"
#include "gateway/slots.h"
#include "monitor/shmem.h"
#include "storage/proc.h"
#include "utils/guc.h"

#define ANSWERS_SIZE \
	((Size) 2 * ETL_INGEST_WAITING * (sizeof(EtlIngestAnswer) + 2 * MAXIMUM_ALIGNOF))

/* What a segment begins with: where the queues are. */
typedef struct Segment
{
	Size requests; /* offsets */
	Size answers;
} Segment;

static int buffer_setting = 16 * 1024; /* kB */

static EtlIngestSlot *slots = NULL; /* NULL: the library was not preloaded */
static LWLock *lock;

void
EtlIngestInit(void)
{
	const EtlShmem piece = {.name = "etl_ingest",
							.size = sizeof(EtlIngestSlot) * ETL_INGEST_SLOTS,
							.memory = (void **) &slots,
							.lock = &lock};

	DefineCustomIntVariable(
		"etl.ingest_buffer",
		"Sets how much a pipeline takes of pushed records that are not loaded yet.",
		"Further requests are answered with 429. A run has it from its start on.", &buffer_setting,
		16 * 1024, 256, 1024 * 1024, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	EtlShmemRequest(&piece);
}

/* ----------------------------------------------------------------
 *	Of the run
 * ---------------------------------------------------------------- */

int
EtlIngestClaim(const char *database, const char *name)
{
	int found = -1;

	if (slots == NULL)
		return -1;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < ETL_INGEST_SLOTS && found < 0; i++)
		if (!slots[i].used)
			found = i;
	if (found >= 0)
	{
		slots[found] = (EtlIngestSlot){.used = true, .taken = true, .ntokens = -1};
		strlcpy(slots[found].database, database, sizeof(slots[found].database));
		strlcpy(slots[found].name, name, sizeof(slots[found].name));
	}
	LWLockRelease(lock);
	return found;
}

void
EtlIngestRelease(int slot)
{
	LWLockAcquire(lock, LW_EXCLUSIVE);
	slots[slot].used = false;
	LWLockRelease(lock);
}

void
EtlIngestSetTokens(int slot, const uint8 (*tokens)[ETL_TOKEN_HASH], int n)
{
	LWLockAcquire(lock, LW_EXCLUSIVE);
	slots[slot].ntokens = n;
	memcpy(slots[slot].tokens, tokens, (Size) n * ETL_TOKEN_HASH);
	LWLockRelease(lock);
}

void
EtlIngestOffer(int slot, EtlIngestQueues *queues)
{
	int64 room = (int64) buffer_setting * 1024;
	Size requests_size = MAXALIGN(room + room / 2);
	Segment *segment;
	shm_mq *requests;
	shm_mq *answers;

	queues->segment =
		dsm_create(MAXALIGN(sizeof(Segment)) + requests_size + MAXALIGN(ANSWERS_SIZE), 0);
	dsm_pin_mapping(queues->segment);
	segment = dsm_segment_address(queues->segment);
	segment->requests = MAXALIGN(sizeof(Segment));
	segment->answers = segment->requests + requests_size;
	requests = shm_mq_create((char *) segment + segment->requests, requests_size);
	answers = shm_mq_create((char *) segment + segment->answers, MAXALIGN(ANSWERS_SIZE));
	shm_mq_set_receiver(requests, MyProc);
	shm_mq_set_sender(answers, MyProc);
	queues->requests = shm_mq_attach(requests, queues->segment, NULL);
	queues->answers = shm_mq_attach(answers, queues->segment, NULL);
	LWLockAcquire(lock, LW_EXCLUSIVE);
	slots[slot].handle = dsm_segment_handle(queues->segment);
	slots[slot].room = room;
	slots[slot].taken = false;
	LWLockRelease(lock);
}

/* ----------------------------------------------------------------
 *	Of the supervisor
 * ---------------------------------------------------------------- */

int
EtlIngestFind(const char *database, const char *name, EtlIngestSlot *slot)
{
	int found = -1;

	LWLockAcquire(lock, LW_SHARED);
	for (int i = 0; i < ETL_INGEST_SLOTS && found < 0; i++)
		if (slots[i].used && slots[i].handle != DSM_HANDLE_INVALID &&
			strcmp(slots[i].name, name) == 0 && strcmp(slots[i].database, database) == 0)
			found = i;
	if (found >= 0)
		*slot = slots[found];
	LWLockRelease(lock);
	return found;
}

bool
EtlIngestTake(int number, const EtlIngestSlot *found, EtlIngestQueues *queues)
{
	Segment *segment;
	shm_mq *requests;
	shm_mq *answers;
	bool may;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	may = slots[number].used && !slots[number].taken && slots[number].handle == found->handle;
	if (may)
		slots[number].taken = true;
	LWLockRelease(lock);
	queues->segment = may ? dsm_attach(found->handle) : NULL;
	if (queues->segment == NULL)
		return false;
	dsm_pin_mapping(queues->segment);
	segment = dsm_segment_address(queues->segment);
	requests = (shm_mq *) ((char *) segment + segment->requests);
	answers = (shm_mq *) ((char *) segment + segment->answers);
	shm_mq_set_sender(requests, MyProc);
	shm_mq_set_receiver(answers, MyProc);
	queues->requests = shm_mq_attach(requests, queues->segment, NULL);
	queues->answers = shm_mq_attach(answers, queues->segment, NULL);
	return true;
}

void
EtlIngestDetach(EtlIngestQueues *queues)
{
	if (queues->segment == NULL)
		return;
	shm_mq_detach(queues->requests);
	shm_mq_detach(queues->answers);
	dsm_detach(queues->segment);
	*queues = (EtlIngestQueues){0};
}
