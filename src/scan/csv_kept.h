/*
 * csv_kept.h
 *		Records of CSV files for pipelines: kept across transactions, and resumed where a run stopped.
 */
#ifndef ETL_CSV_KEPT_H
#define ETL_CSV_KEPT_H

#include "scan/csv_rows.h"

extern void EtlCsvKeep(EtlRows *rows, EtlKept *kept);
extern void EtlCsvUse(EtlRows *rows, const EtlKept *kept);
extern void EtlCsvRevive(EtlRows *rows, EtlKept *kept);
extern char *EtlCsvRedact(EtlRows *rows, const EtlKept *kept, const Bitmapset *columns);

/* What was read before of a part that is to be opened; NULL: nothing. */
extern const EtlSourcePast *EtlCsvPast(EtlCsvRecords *records, const EtlPart *part);

/* Takes the current record into account for the position. */
extern void EtlCsvCount(EtlCsvRows *csv);

/*
 * The file in hand was opened: goes to where the last run stopped, and marks that.  False if the file was
 * finished and has not changed since.
 */
extern bool EtlCsvResume(EtlCsvRows *csv);

/* Marks how far the file in hand was read, or that it is finished. */
extern void EtlCsvTell(EtlRows *rows);
extern void EtlCsvTellEnd(EtlCsvRows *csv);

#endif /* ETL_CSV_KEPT_H */
