/*
 * oauth.h
 *		Access tokens of OAuth 2.0: for client credentials or a refresh token (RFC 6749), or a signed assertion
 *		(RFC 7523).
 */
#ifndef ETL_OAUTH_H
#define ETL_OAUTH_H

#include "etl.h"

#include "source/http/exchange.h"

/* An access token for the target: the one that this backend has, or else a new one. */
extern const char *EtlOauthToken(const EtlTarget *target, EtlHttpStats *stats);

/* This token was refused: the next one asked for is another one. */
extern void EtlOauthForget(const EtlTarget *target, const char *refused);

#endif /* ETL_OAUTH_H */
