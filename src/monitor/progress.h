/*
 * progress.h
 *		What a load under way shows in pg_stat_progress_copy, and a run in etl_progress.
 */
#ifndef ETL_PROGRESS_H
#define ETL_PROGRESS_H

#include "etl.h"

#include <signal.h>

/* Between Begin and End, whatever this backend reads counts as the progress of a load into the table, or of a run (0: none). */
extern void EtlProgressBegin(Oid relation, int64 run_id);
extern void EtlProgressEnd(void);

/* What a run is doing at this moment. */
typedef enum EtlStage
{
	ETL_STAGE_STARTING,
	ETL_STAGE_READING,
	ETL_STAGE_CONVERTING,
	ETL_STAGE_QUERYING,
	ETL_STAGE_LOADING,
	ETL_STAGE_WAITING, /* for the source, in a continuous run */
	ETL_STAGES
} EtlStage;

extern const char *EtlStageName(EtlStage stage);

typedef struct EtlProgress
{
	EtlStage stage;
	int64 records; /* taken in since the run began */
	int64 rows;	   /* of the current batch, for this stage; while reading, as many as it may get */
	int64 done;	   /* of those */
	int64 bytes;   /* read so far, and */
	int64 total;   /* of how many; 0: not known */
	int64 pages;   /* of an API; 0: it is none */
	int64 behind;  /* messages that the source has, and has not given; -1: not known */
} EtlProgress;

extern const EtlProgress *EtlProgressNow(void);

/* A stage begins that has so many rows before it. */
extern void EtlProgressStage(EtlStage stage, int64 records, int64 rows);

/* Some of them are done. */
extern void EtlProgressDone(int64 records, int64 done);

/* For readers of pages: the number of the one in hand. */
extern void EtlProgressPage(int64 page);

/* For readers of messages: how many there are behind those that were read; -1: not known. */
extern void EtlProgressBehind(int64 messages);

/* For readers, once a block: how much was read so far, and of how much (-1: not known). */
extern void EtlProgressReport(uint64 bytes, int64 total, uint64 records);

/*
 * From time to time whoever runs in this process wants to say something, which a signal handler must not.  So
 * the handler asks for it, and it is said at the next of the places where a run spends its time.
 */
extern volatile sig_atomic_t EtlTickPending;
extern void (*EtlOnTick)(void);

static inline void
EtlTick(void)
{
	if (unlikely(EtlTickPending))
	{
		EtlTickPending = false;
		if (EtlOnTick != NULL)
			EtlOnTick();
	}
}

#endif /* ETL_PROGRESS_H */
