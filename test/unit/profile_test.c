/*
 * profile_test.c
 *		Files of profiles, as the tools of AWS write them and as people edit them.
 */
#include "etl.h"

#include "source/http/profile.h"

#include "check.h"

static const char *
keys_of(const char *text, const char *profile)
{
	EtlAwsKeys keys;
	const char *fault = EtlProfileRead(text, profile, &keys);

	if (fault)
		return fault;
	return psprintf("%s %s %s", keys.access_key_id, keys.secret_access_key,
					keys.session_token ? keys.session_token : "-");
}

int
main(void)
{
	const char *file = "# of the loader\n"
					   "aws_access_key_id = nobody\n"
					   "[default]\r\n"
					   "aws_access_key_id = AKIA1\r\n"
					   "aws_secret_access_key=a/b+c=\t\r\n"
					   "\n"
					   "[ other ]\n"
					   "; expires soon\n"
					   "aws_secret_access_key =  s2\n"
					   "aws_session_token = t2==\n"
					   "aws_access_key_id_old = x\n"
					   "region = eu-central-1\n"
					   "s3 =\n"
					   "  aws_access_key_id = nested\n"
					   "aws_access_key_id = AKIA2\n"
					   "[profile third]\n"
					   "aws_access_key_id = AKIA3\n"
					   "aws_secret_access_key = s3";

	CHECK_STR(keys_of(file, "default"), "AKIA1 a/b+c= -");
	CHECK_STR(keys_of(file, "other"), "AKIA2 s2 t2==");
	CHECK_STR(keys_of(file, "third"), "AKIA3 s3 -");
	CHECK_STR(keys_of(file, "oth"), "It has no such profile.");
	CHECK_STR(keys_of(file, "others"), "It has no such profile.");
	CHECK_STR(keys_of("", "default"), "It has no such profile.");
	CHECK_STR(keys_of("[default", "default"), "It has no such profile.");
	CHECK_STR(keys_of("[default]\naws_access_key_id = a", "default"),
			  "The profile lacks aws_access_key_id or aws_secret_access_key.");
	CHECK_STR(keys_of("[default]\naws_access_key_id =\n", "default"),
			  "A key in it is empty, or has characters that no key has.");
	CHECK_STR(keys_of("[default]\naws_access_key_id = a\rX-Evil: b\n", "default"),
			  "A key in it is empty, or has characters that no key has.");
	/* what comes later counts, and a section may be there twice */
	CHECK_STR(keys_of("[a]\naws_access_key_id = 1\n[b]\n[a]\naws_access_key_id = 2\n"
					  "aws_secret_access_key = s\n",
					  "a"),
			  "2 s -");
	return check_report("profile");
}
