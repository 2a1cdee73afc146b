/*
 * secret.h
 *		Takes secrets out of a text that may show them: what a server answers, what a library says.
 *
 *		secrets = EtlSecretsCreate()
 *		EtlSecretsAdd(secrets, value)			each that went out with the request
 *		EtlSecretsMask(secrets, text, cut)		"***" in the place of each, in place
 *
 * A server shows what it was sent in a form of its own: as JSON, HTML, a URL, quoted-printable, base64, or one of these
 * inside of another.  A secret is found in all of them.  The work is linear in the text and in the secrets, but for those that
 * are there.
 */
#ifndef ETL_SECRET_H
#define ETL_SECRET_H

#include "etl.h"

typedef struct EtlSecrets EtlSecrets;

/* Everything is allocated in the memory context that is current. */
extern EtlSecrets *EtlSecretsCreate(void);

/* Shorter values than four bytes (and NULL) are no secrets: they would be found everywhere. */
extern void EtlSecretsAdd(EtlSecrets *secrets, const char *value);

/* With "cut" the text may end within a secret, of which four bytes or more are masked then. */
extern void EtlSecretsMask(EtlSecrets *secrets, char *text, bool cut);

#endif /* ETL_SECRET_H */
