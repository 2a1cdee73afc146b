/*
 * credentials.h
 *		What a request shows to be let in, by the option auth of its server.
 */
#ifndef ETL_CREDENTIALS_H
#define ETL_CREDENTIALS_H

#include "source/http/target.h"

/* Requests get them from now on (EtlExchangeUse). */
extern void EtlCredentialsInit(void);

/* Takes out of a URL what was put there. */
extern void EtlCredentialsRemove(const EtlTarget *target, EtlUrl *url);

#endif /* ETL_CREDENTIALS_H */
