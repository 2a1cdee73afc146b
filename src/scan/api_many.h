/*
 * api_many.h
 *		Rows of many requests to an API at once: the kind behind etl_api_many.
 */
#ifndef ETL_API_MANY_H
#define ETL_API_MANY_H

#include "scan/rows.h"

extern const EtlScanKind EtlApiManyKind;

#endif /* ETL_API_MANY_H */
