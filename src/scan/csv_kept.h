/*
 * csv_kept.h
 *		Records of CSV files for pipelines: kept across transactions.
 */
#ifndef ETL_CSV_KEPT_H
#define ETL_CSV_KEPT_H

#include "scan/csv_rows.h"

extern void EtlCsvKeep(EtlRows *rows, EtlKept *kept);
extern void EtlCsvUse(EtlRows *rows, const EtlKept *kept);
extern char *EtlCsvRedact(EtlRows *rows, const EtlKept *kept, const Bitmapset *columns);

#endif /* ETL_CSV_KEPT_H */
