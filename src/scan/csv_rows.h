/*
 * csv_rows.h
 *		Rows of CSV files: the kind behind etl_csv.
 */
#ifndef ETL_CSV_ROWS_H
#define ETL_CSV_ROWS_H

#include "scan/csv_records.h"
#include "scan/parts.h"
#include "scan/rows.h"

typedef struct EtlCsvKeptFile EtlCsvKeptFile;

typedef struct EtlCsvRows
{
	EtlRows base;
	EtlCsvRecords records;
	EtlParts parts;
	int nfields;			 /* what a record should have; -1: anything goes */
	Bitmapset *found;		 /* columns that any file had so far */
	const char *used_source; /* name of the file of the current record */

	/* for pipelines (csv_kept.c) */
	const EtlCsvKeptFile *kept_file;   /* of the file in hand; NULL: no record of it was kept yet */
	const EtlCsvKeptFile *mapped_file; /* as whose columns are mapped */
} EtlCsvRows;

extern const EtlScanKind EtlCsvKind;

#endif /* ETL_CSV_ROWS_H */
