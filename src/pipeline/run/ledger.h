/*
 * ledger.h
 *		Where earlier runs stopped in each part of the source: its checkpoints, of which a run holds a slice.
 */
#ifndef ETL_LEDGER_H
#define ETL_LEDGER_H

#include "pipeline/catalog/catalog.h"
#include "pipeline/run/run.h"
#include "scan/parts.h"

typedef struct EtlLedger
{
	const EtlRun *run;
	const EtlParts *parts; /* that are walked; NULL: as yet none, or the source has no such */

	MemoryContext scan_context; /* in which it was opened */
	MemoryContext context;		/* of the slice, emptied with the next */
	List *slice;				/* of EtlCheckpoint *, in the order of strcmp() */
	int next;					/* the first one of them that was not passed */
	bool last;					/* there is none behind it */
	List *gone;					/* of char *: parts that were found to be gone, and */
	List *back;					/* to be there again: to be written down */

	MemoryContext single_context; /* of a checkpoint that is not in the slice */
	char *previous;				  /* the part that was found last; NULL: none was */
	bool in_order;				  /* parts have been found in the order of strcmp() so far */
	int64 aside;				  /* parts that are set aside, and were found and not read */
} EtlLedger;

/* For a scan, in the current memory context. */
extern void EtlLedgerOpen(EtlLedger *ledger, const EtlRun *run);

/*
 * The checkpoint of a part, NULL: it has none.  Find is for the next part in hand, Look for any other.  Both open a
 * transaction where none is, and what they return lasts until the next call.
 */
extern EtlCheckpoint *EtlLedgerFind(EtlLedger *ledger, const EtlParts *parts, const char *part);
extern EtlCheckpoint *EtlLedgerLook(EtlLedger *ledger, const char *part);

/* At the end of the source, in a transaction: writes down which of all other parts are gone. */
extern void EtlLedgerEnd(EtlLedger *ledger);

#endif /* ETL_LEDGER_H */
