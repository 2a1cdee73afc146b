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
typedef struct EtlCsvMine EtlCsvMine;

typedef struct EtlCsvRows
{
	EtlRows base;
	EtlCsvRecords records;
	EtlParts parts;
	int nfields;			 /* what a record should have; -1: anything goes */
	bool has_header;		 /* some file has one */
	const char *used_source; /* name of the file of the current record */
	uint64 nstray;			 /* records with stray quotes, by the current reading, */
	uint64 most_stray;		 /* and by any before a rewind */
	char *first_stray;		 /* where the first one is, */
	uint64 stray_at;		 /* and a number that grows from place to place */
	EtlCsvMine
		*mine; /* of a share of the rows (csv_share.c), what is read here; NULL: all of them are */

	/* for pipelines (csv_kept.c) */
	const EtlCsvKeptFile *kept_file;   /* of the current file; NULL: no record of it was kept yet */
	const EtlCsvKeptFile *mapped_file; /* as whose columns are mapped */
} EtlCsvRows;

extern const EtlScanKind EtlCsvKind;

#endif /* ETL_CSV_ROWS_H */
