/*
 * api_many.h
 *		Rows of many requests to an API at once: the kind behind etl_api_many.
 */
#ifndef ETL_API_MANY_H
#define ETL_API_MANY_H

#include "scan/rows.h"

extern const EtlScanKind EtlApiManyKind;

/*
 * The same for a pipeline, which reads it outside of transactions; it is no source.  Of errors only those are faults of their
 * requests that are about these; any other, such as a server that is down or takes no credentials, is raised.
 */
extern const EtlScanKind EtlEnrichKind;

/* The number of the request, from 1, that the current row of such a scan is of; whether it stands for a faulty one. */
extern int EtlApiManyRequest(const EtlRows *rows, bool *is_faulty);

#endif /* ETL_API_MANY_H */
