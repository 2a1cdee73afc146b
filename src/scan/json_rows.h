/*
 * json_rows.h
 *		Rows of JSON files: the kind behind etl_json.
 */
#ifndef ETL_JSON_ROWS_H
#define ETL_JSON_ROWS_H

#include "scan/rows.h"

extern const EtlScanKind EtlJsonKind;

#endif /* ETL_JSON_ROWS_H */
