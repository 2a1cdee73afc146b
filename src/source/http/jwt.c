/*
 * jwt.c
 *		Signed JSON Web Tokens.
 *
 *		base64url(header) . base64url(claims) . base64url(signature of what is before)
 */
#include "etl.h"

#include "lib/stringinfo.h"
#include "utils/json.h"

#include "source/http/crypto.h"
#include "source/http/jwt.h"

static void
append_base64url(StringInfo to, const unsigned char *bytes, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < len; i += 3)
	{
		int n = (int) Min(len - i, 3);
		uint32 group = bytes[i] << 16;

		if (n > 1)
			group |= bytes[i + 1] << 8;
		if (n > 2)
			group |= bytes[i + 2];
		for (int j = 0; j <= n; j++)
			appendStringInfoChar(to, digits[group >> (18 - 6 * j) & 63]);
	}
}

char *
EtlJwtSign(const char *algorithm, const char *key_id, const char *claims, const char *private_key)
{
	StringInfoData header, token;
	EtlSignature signature;
	const char *problem;

	initStringInfo(&header);
	appendStringInfo(&header, "{\"alg\":\"%s\",\"typ\":\"JWT\"", algorithm);
	if (key_id != NULL)
	{
		appendStringInfoString(&header, ",\"kid\":");
		escape_json(&header, key_id);
	}
	appendStringInfoChar(&header, '}');

	initStringInfo(&token);
	append_base64url(&token, (const unsigned char *) header.data, header.len);
	appendStringInfoChar(&token, '.');
	append_base64url(&token, (const unsigned char *) claims, strlen(claims));
	problem = EtlSign(algorithm, private_key, token.data, &signature);
	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\"", "private_key"),
						errdetail("%s", problem)));
	appendStringInfoChar(&token, '.');
	append_base64url(&token, signature.bytes, signature.len);
	return token.data;
}
