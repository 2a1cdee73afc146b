/*
 * jwt.c
 *		Signed JSON Web Tokens: the only file that knows OpenSSL.
 *
 *		base64url(header) . base64url(claims) . base64url(signature of what is before)
 *
 * OpenSSL's objects live between two statements of ours that cannot raise an error: what went wrong comes back
 * as a sentence.
 */
#include "etl.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "lib/stringinfo.h"
#include "utils/json.h"

#include "source/http/jwt.h"

#define MAX_SIGNATURE 2048 /* bytes: RSA with 16384 bits */
#define ES256_HALF 32

typedef struct Signature
{
	unsigned char bytes[MAX_SIGNATURE];
	size_t len;
} Signature;

static const struct Algorithm
{
	const char *name;
	int type; /* of the key */
	const char *wrong_key;
} algorithms[] = {
	{"RS256", EVP_PKEY_RSA, "Algorithm RS256 needs an RSA key."},
	{"ES256", EVP_PKEY_EC, "Algorithm ES256 needs a key on the curve P-256."},
};

static const struct Algorithm *
find_algorithm(const char *name)
{
	for (int i = 0; i < lengthof(algorithms); i++)
		if (strcmp(algorithms[i].name, name) == 0)
			return &algorithms[i];
	return NULL;
}

bool
EtlJwtKnows(const char *algorithm)
{
	return find_algorithm(algorithm) != NULL;
}

/* Instead of asking whoever sits at the server's terminal. */
static int
no_password(char *buf, int size, int for_writing, void *arg)
{
	return -1;
}

static EVP_PKEY *
read_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	return key;
}

/* Of a signature on a curve OpenSSL gives the DER, and a token has the two numbers, one behind the other. */
static bool
take_numbers(Signature *signature)
{
	const unsigned char *der = signature->bytes;
	ECDSA_SIG *numbers = d2i_ECDSA_SIG(NULL, &der, (long) signature->len);
	unsigned char raw[2 * ES256_HALF];
	bool taken =
		numbers != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(numbers), raw, ES256_HALF) == ES256_HALF &&
		BN_bn2binpad(ECDSA_SIG_get0_s(numbers), raw + ES256_HALF, ES256_HALF) == ES256_HALF;

	ECDSA_SIG_free(numbers);
	if (taken)
		memcpy(signature->bytes, raw, sizeof(raw));
	signature->len = sizeof(raw);
	return taken;
}

/* Signs, and returns what is wrong with the key, NULL: nothing. */
static const char *
sign_with(EVP_PKEY *key, const struct Algorithm *algorithm, const char *text, Signature *signature)
{
	EVP_MD_CTX *context;
	bool is_ec = algorithm->type == EVP_PKEY_EC;
	bool done;

	if (EVP_PKEY_base_id(key) != algorithm->type || (is_ec && EVP_PKEY_bits(key) != 8 * ES256_HALF))
		return algorithm->wrong_key;
	if (EVP_PKEY_size(key) > MAX_SIGNATURE)
		return "It is too long.";
	context = EVP_MD_CTX_new();
	signature->len = MAX_SIGNATURE;
	done = context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
		   EVP_DigestSign(context, signature->bytes, &signature->len, (const unsigned char *) text,
						  strlen(text)) == 1 &&
		   (!is_ec || take_numbers(signature));
	EVP_MD_CTX_free(context);
	return done ? NULL : "OpenSSL cannot sign with it.";
}

static const char *
sign(const struct Algorithm *algorithm, const char *pem, const char *text, Signature *signature)
{
	EVP_PKEY *key = read_key(pem);
	const char *problem = "It is not a private key in PEM without a password.";

	if (key != NULL)
		problem = sign_with(key, algorithm, text, signature);
	EVP_PKEY_free(key);
	/* What is left in the queue would be taken for an error of the client's connection. */
	ERR_clear_error();
	return problem;
}

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
	const struct Algorithm *found = find_algorithm(algorithm);
	StringInfoData header, token;
	Signature signature;
	const char *problem;

	initStringInfo(&header);
	appendStringInfo(&header, "{\"alg\":\"%s\",\"typ\":\"JWT\"", found->name);
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
	problem = sign(found, private_key, token.data, &signature);
	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\"", "private_key"),
						errdetail("%s", problem)));
	appendStringInfoChar(&token, '.');
	append_base64url(&token, signature.bytes, signature.len);
	return token.data;
}
