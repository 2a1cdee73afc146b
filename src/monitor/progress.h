/*
 * progress.h
 *		What a load under way shows in pg_stat_progress_copy.
 */
#ifndef ETL_PROGRESS_H
#define ETL_PROGRESS_H

#include "etl.h"

/* Between Begin and End, whatever this backend reads counts as the progress of a load into the table. */
extern void EtlProgressBegin(Oid relation);
extern void EtlProgressEnd(void);

/* What a run is doing at this moment, and how many records it has taken in: shown by the view etl_progress. */
typedef enum EtlStage
{
	ETL_STAGE_READING = 1,
	ETL_STAGE_LOADING
} EtlStage;

extern void EtlProgressStage(EtlStage stage, uint64 records);

/* For readers, once a block: how much was read so far, and of how much (-1: not known). */
extern void EtlProgressReport(uint64 bytes, int64 total, uint64 records);

#endif /* ETL_PROGRESS_H */
