/*
 * kept_token.h
 *		Refresh tokens that a service has put in the place of those in user mappings.
 *
 * They are rows of etl_catalog.refresh_tokens, found by a hash of everything that the first of them was got with, the one
 * of the mapping included: another mapping has other rows.
 */
#ifndef ETL_KEPT_TOKEN_H
#define ETL_KEPT_TOKEN_H

#include "etl.h"
#include "fmgr.h"

#define ETL_TOKEN_KEY 32 /* bytes of the hash */

extern void EtlKeptTokenKey(const char *owner, uint8 *key);

/*
 * Locks out other sessions: only one at a time requests a token, because that may invalidate the one before (call it
 * inside of PG_TRY).  Raises 25006 on a standby, where no token can be kept.
 */
extern void EtlKeptTokenLock(const uint8 *key);
extern void EtlKeptTokenUnlock(const uint8 *key);

/* The token that was kept last, palloc'd; NULL: there is none. */
extern char *EtlKeptTokenRead(const uint8 *key);

/* Keeps a token even if the current transaction is rolled back; false: no background worker is available for that. */
extern bool EtlKeptTokenWrite(const uint8 *key, const char *token);

/* The worker that does it. */
extern PGDLLEXPORT void etl_keep_token(Datum arg);

#endif /* ETL_KEPT_TOKEN_H */
