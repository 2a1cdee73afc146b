/*
 * slots.h
 *		Runs that are ready for requests, and the queues to them.
 *
 *		program -> supervisor (intake.c) -> queue in shared memory -> run (ingest.c) -> commit -> queue -> supervisor -> program
 *
 * A run that is ready for requests has a slot in shared memory: its name, the tokens that it accepts, and a segment with two queues
 * (slots.c).  The queues live no longer than the run and the supervisor, so whatever one of them has not answered is not acknowledged.
 */
#ifndef ETL_SLOTS_H
#define ETL_SLOTS_H

#include "etl.h"
#include "pipeline/catalog/catalog.h"
#include "storage/dsm.h"
#include "storage/shm_mq.h"

#define ETL_INGEST_SLOTS 64
#define ETL_INGEST_NAME 256		/* bytes of a pipeline's name, with its end */
#define ETL_INGEST_WAITING 4096 /* requests of a pipeline that are not answered */

typedef struct EtlIngestSlot
{
	bool used;
	bool taken; /* a supervisor is at the other ends of the queues */
	char database[NAMEDATALEN];
	char name[ETL_INGEST_NAME];
	dsm_handle
		handle;	 /* DSM_HANDLE_INVALID: it was not offered yet, and its tokens are not known */
	int64 room;	 /* bytes of requests that are not answered, with ETL_INGEST_OVERHEAD for each */
	int ntokens; /* -1: they are not known yet */
	uint8 tokens[ETL_MAX_TOKENS][ETL_TOKEN_HASH];
} EtlIngestSlot;

/* What a request takes in the queue besides its body. */
#define ETL_INGEST_OVERHEAD 128

/* A request in the queue; its body follows. */
typedef struct EtlIngestRequest
{
	uint64 id; /* the supervisor's */
	bool has_key;
	uint8 key[ETL_TOKEN_HASH]; /* SHA-256 of its Idempotency-Key */
} EtlIngestRequest;

typedef enum EtlIngestResult
{
	ETL_INGEST_LOADED, /* in the transaction that has committed, or in an earlier one with the same key */
	ETL_INGEST_IN_FLIGHT,  /* another request with its key is not answered */
	ETL_INGEST_OTHER_BODY, /* another body has come with its key */
	ETL_INGEST_FAULTY	   /* it cannot be hashed */
} EtlIngestResult;

typedef struct EtlIngestAnswer
{
	uint64 id;
	EtlIngestResult result;
	int64 loaded; /* records */
	int64 set_aside;
} EtlIngestAnswer;

/* Both ends of the queues. */
typedef struct EtlIngestQueues
{
	dsm_segment *segment;	 /* NULL: there are none */
	shm_mq_handle *requests; /* from the supervisor to the run */
	shm_mq_handle *answers;	 /* from the run to the supervisor */
} EtlIngestQueues;

/* Of the run.  Claims a slot, with no queues yet; -1: all are in use. */
extern int EtlIngestClaim(const char *database, const char *name);
extern void EtlIngestRelease(int slot);
extern void EtlIngestSetTokens(int slot, const uint8 (*tokens)[ETL_TOKEN_HASH], int n);
/* Makes queues, with handles in the current memory context, and offers their other ends. */
extern void EtlIngestOffer(int slot, EtlIngestQueues *queues);

/* Of the supervisor.  Copies the slot of a pipeline, and returns its number; -1: it has none that was offered. */
extern int EtlIngestFind(const char *database, const char *name, EtlIngestSlot *slot);
/* Takes the other ends of the queues of a slot that was found; false: they are gone, or taken. */
extern bool EtlIngestTake(int number, const EtlIngestSlot *found, EtlIngestQueues *queues);

/* Gives up the queues, of which the other end learns. */
extern void EtlIngestDetach(EtlIngestQueues *queues);

#endif /* ETL_SLOTS_H */
