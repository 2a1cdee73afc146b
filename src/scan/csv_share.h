/*
 * csv_share.h
 *		Rows of CSV files for plans in which several processes read them (share.h): one file in stretches, several file by file.
 */
#ifndef ETL_CSV_SHARE_H
#define ETL_CSV_SHARE_H

#include "scan/csv_rows.h"
#include "scan/share.h"

extern void EtlCsvShareInit(void);

/* As EtlScanKind has it. */
extern const char *EtlCsvWhyWhole(const EtlArgs *args);

/* The sources are known: finds out what is read here, and opens the first file. */
extern void EtlCsvShareOpen(EtlCsvRows *csv);

/* As EtlPartKind and EtlPartRowsNext have it. */
extern bool EtlCsvIsMine(EtlCsvRows *csv, int number);
extern EtlPartsStep EtlCsvShareNext(EtlCsvRows *csv);

/* There are no more; true: the others are done, too, and csv->has_header is about all files. */
extern bool EtlCsvShareEnd(EtlCsvRows *csv);

#endif /* ETL_CSV_SHARE_H */
