/*
 * profile.h
 *		Keys of AWS as its tools keep them: a file of profiles.
 *
 *		[default]
 *		aws_access_key_id = AKIA...
 *		aws_secret_access_key = ...
 *		aws_session_token = ...
 *
 * https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
 */
#ifndef ETL_PROFILE_H
#define ETL_PROFILE_H

#include "etl.h"

typedef struct EtlAwsKeys
{
	const char *access_key_id;
	const char *secret_access_key;
	const char *session_token; /* NULL: none */
} EtlAwsKeys;

/* Finds the keys of a profile in the text of such a file (palloc'd); returns why there are none (a sentence), or NULL. */
extern const char *EtlProfileRead(const char *text, const char *profile, EtlAwsKeys *keys);

#endif /* ETL_PROFILE_H */
