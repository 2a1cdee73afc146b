/*
 * jwt.h
 *		Signed JSON Web Tokens (RFC 7519, RFC 7515), with which a client says who it is.
 */
#ifndef ETL_JWT_H
#define ETL_JWT_H

#include "etl.h"

/*
 * The token, palloc'd, of claims, which are a JSON object; key_id may be NULL.  The private key is PEM.  An error
 * that shows nothing of the key if that is none, or not one for the algorithm (EtlCanSign of crypto.h).
 */
extern char *
EtlJwtSign(const char *algorithm, const char *key_id, const char *claims, const char *private_key);

#endif /* ETL_JWT_H */
