/*
 * part_rows.h
 *		Rows whose records come from parts (parts.h): what is the same for every format.
 *
 * The "open" of such a kind sets rows->parts, and its table has these functions.
 */
#ifndef ETL_PART_ROWS_H
#define ETL_PART_ROWS_H

#include "scan/parts.h"
#include "scan/rows.h"

/* Goes to the next record, for "advance". */
extern EtlPartsStep EtlPartRowsNext(EtlRows *rows);

/*
 * Whether the current record, which starts at that byte, is the rest of a line whose beginning was taken for a record, because
 * the part ended there and has grown since; Reject makes that its fault.
 */
extern bool EtlPartRowsIsRest(EtlRows *rows, uint64 offset);
extern EtlAdvance EtlPartRowsRejectRest(EtlRows *rows);

/* For "end" of an EtlPartKind whose parts need not begin with anything: an error (22P04) where one without a byte would remove rows. */
extern void EtlPartRowsCheckEmpty(const EtlRows *rows);

/* as EtlScanKind has them */
extern void EtlPartRowsRewind(EtlRows *rows);
extern void EtlPartRowsWhere(const EtlRows *rows, StringInfo buf);
extern void EtlPartRowsMark(const EtlRows *rows, EtlRowMark *mark);
extern void EtlPartRowsExplain(const EtlRows *rows, ExplainState *es);
extern void EtlPartRowsTell(EtlRows *rows);
extern bool EtlPartRowsLeave(EtlRows *rows);

#endif /* ETL_PART_ROWS_H */
