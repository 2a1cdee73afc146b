/*
 * crypto.c
 *		Hashes and signatures: the only file that knows OpenSSL.
 *
 * OpenSSL's objects live between two statements of ours that cannot raise an error: what went wrong comes back
 * as a sentence.  PostgreSQL's own functions would do for hashes, but they need a transaction.
 */
#include "etl.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "source/http/crypto.h"

#define ES256_HALF 32

/* ----------------------------------------------------------------
 *	Hashes
 * ---------------------------------------------------------------- */

bool
EtlSha256(const void *data, size_t len, uint8 *digest)
{
	bool done = EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) == 1;

	ERR_clear_error();
	return done;
}

bool
EtlHmacSha256(const void *key, size_t key_len, const void *data, size_t len, uint8 *digest)
{
	bool done = HMAC(EVP_sha256(), key, (int) key_len, (const unsigned char *) data, len, digest,
					 NULL) != NULL;

	ERR_clear_error();
	return done;
}

/* ----------------------------------------------------------------
 *	Signatures
 * ---------------------------------------------------------------- */

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
EtlCanSign(const char *algorithm)
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
take_numbers(EtlSignature *signature)
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
sign_with(EVP_PKEY *key, const struct Algorithm *algorithm, const char *text,
		  EtlSignature *signature)
{
	EVP_MD_CTX *context;
	bool is_ec = algorithm->type == EVP_PKEY_EC;
	bool done;

	if (EVP_PKEY_base_id(key) != algorithm->type || (is_ec && EVP_PKEY_bits(key) != 8 * ES256_HALF))
		return algorithm->wrong_key;
	if (EVP_PKEY_size(key) > ETL_MAX_SIGNATURE)
		return "It is too long.";
	context = EVP_MD_CTX_new();
	signature->len = ETL_MAX_SIGNATURE;
	done = context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
		   EVP_DigestSign(context, signature->bytes, &signature->len, (const unsigned char *) text,
						  strlen(text)) == 1 &&
		   (!is_ec || take_numbers(signature));
	EVP_MD_CTX_free(context);
	return done ? NULL : "OpenSSL cannot sign with it.";
}

const char *
EtlSign(const char *algorithm, const char *pem, const char *text, EtlSignature *signature)
{
	EVP_PKEY *key = read_key(pem);
	const char *problem = "It is not a private key in PEM without a password.";

	if (key != NULL)
		problem = sign_with(key, find_algorithm(algorithm), text, signature);
	EVP_PKEY_free(key);
	/* What is left in the queue would be taken for an error of the client's connection. */
	ERR_clear_error();
	return problem;
}
