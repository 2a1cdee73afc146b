/*
 * aws_keys.h
 *		The keys of AWS that a target signs with: those of the mapping, of a file, or of the machine.
 */
#ifndef ETL_AWS_KEYS_H
#define ETL_AWS_KEYS_H

#include "source/http/exchange.h"
#include "source/http/profile.h"

/* The keys as they are now (without "access_key_id": there are none).  Those of the machine may be fetched. */
extern EtlAwsKeys EtlAwsKeysGet(const EtlTarget *target, EtlHttpStats *stats);

/* The same, but nothing is fetched: there are none where Get would do that. */
extern EtlAwsKeys EtlAwsKeysLook(const EtlTarget *target);

/*
 * The keys that Look gives were refused: the next Get fetches others.  False: there are no others, or those were fetched for
 * the request that was refused.
 */
extern bool EtlAwsKeysForget(const EtlTarget *target);

#endif /* ETL_AWS_KEYS_H */
