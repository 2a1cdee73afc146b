/*
 * oauth.h
 *		Access tokens of OAuth 2.0 (RFC 6749): client credentials, or a refresh token if there is one.
 */
#ifndef ETL_OAUTH_H
#define ETL_OAUTH_H

#include "etl.h"

#include "source/exchange.h"

/* An access token for the target: the one that this backend has, or else a new one. */
extern const char *EtlOauthToken(const EtlTarget *target, EtlHttpStats *stats);

/* The token was refused: the next one asked for is a new one. */
extern void EtlOauthForget(const EtlTarget *target);

#endif /* ETL_OAUTH_H */
