/*
 * take.h
 *		A chunk into its target.
 */
#ifndef ETL_TAKE_H
#define ETL_TAKE_H

#include "pipeline/run/load.h"

/* Who gets the rows of a statement. */
typedef struct EtlReceiver
{
	DestReceiver dest;
	EtlLoading *loading;
	int64 nrows; /* that the statement has before it */
} EtlReceiver;

extern void EtlReceiverSet(EtlReceiver *receiver, bool (*receive)(TupleTableSlot *, DestReceiver *),
						   EtlLoading *loading);

/* Takes the chunk, which has rows, into the target, and counts what became of them in loading->outcome. */
extern void EtlTakeChunk(EtlLoading *loading);

#endif /* ETL_TAKE_H */
