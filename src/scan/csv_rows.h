/*
 * csv_rows.h
 *		Rows of CSV files: the kind behind etl_csv.
 */
#ifndef ETL_CSV_ROWS_H
#define ETL_CSV_ROWS_H

#include "scan/rows.h"

extern const EtlScanKind EtlCsvKind;

#endif /* ETL_CSV_ROWS_H */
