/*
 * api_rows.h
 *		Rows of paged APIs: the kind behind etl_api.
 */
#ifndef ETL_API_ROWS_H
#define ETL_API_ROWS_H

#include "scan/rows.h"

extern const EtlScanKind EtlApiKind;

#endif /* ETL_API_ROWS_H */
