/*
 * aws.h
 *		Requests to AWS and to what is like S3: signed, and sent to the region where the bucket is.
 */
#ifndef ETL_AWS_H
#define ETL_AWS_H

#include "source/http/exchange.h"

/* As apply and refused of EtlCredentials, for ETL_AUTH_AWS and ETL_AUTH_PUBLIC. */
extern const char *
EtlAwsApply(const EtlTarget *target, EtlUrl *url, EtlHttpRequest *request, EtlHttpStats *stats);
extern bool
EtlAwsRefused(const EtlTarget *target, const EtlUrl *url, const char *shown, EtlHttp *http);

#endif /* ETL_AWS_H */
