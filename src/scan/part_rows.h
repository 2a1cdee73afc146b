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

/* as EtlScanKind has them */
extern void EtlPartRowsRewind(EtlRows *rows);
extern void EtlPartRowsWhere(const EtlRows *rows, StringInfo buf);
extern void EtlPartRowsMark(const EtlRows *rows, EtlRowMark *mark);
extern void EtlPartRowsExplain(const EtlRows *rows, ExplainState *es);
extern void EtlPartRowsTell(EtlRows *rows);
extern bool EtlPartRowsLeave(EtlRows *rows);

#endif /* ETL_PART_ROWS_H */
