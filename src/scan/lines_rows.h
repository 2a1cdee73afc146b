/*
 * lines_rows.h
 *		Rows of text lines: the kinds behind etl_lines and etl_fixed.
 */
#ifndef ETL_LINES_ROWS_H
#define ETL_LINES_ROWS_H

#include "scan/rows.h"

extern const EtlScanKind EtlLinesKind;
extern const EtlScanKind EtlFixedKind;

#endif /* ETL_LINES_ROWS_H */
