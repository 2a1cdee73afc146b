/*
 * crypto.h
 *		Hashes and signatures.
 *
 * Nothing here raises an error or needs a server.
 */
#ifndef ETL_CRYPTO_H
#define ETL_CRYPTO_H

#include "etl.h"

#define ETL_SHA256_LENGTH 32
#define ETL_MAX_SIGNATURE 2048 /* bytes: RSA with 16384 bits */

typedef struct EtlSignature
{
	unsigned char bytes[ETL_MAX_SIGNATURE];
	size_t len;
} EtlSignature;

/* False: there is no memory, or the library forbids it. */
extern bool EtlSha256(const void *data, size_t len, uint8 *digest);
extern bool
EtlHmacSha256(const void *key, size_t key_len, const void *data, size_t len, uint8 *digest);

/* Is there such a way to sign (RS256, ES256: RFC 7518)? */
extern bool EtlCanSign(const char *algorithm);

/* Signs with a private key in PEM, and returns what is wrong with that (a sentence), or NULL. */
extern const char *
EtlSign(const char *algorithm, const char *pem, const char *text, EtlSignature *signature);

#endif /* ETL_CRYPTO_H */
