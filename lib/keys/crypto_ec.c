/* SPDX-License-Identifier: Apache-2.0
 * ECDSA on secp256k1 by OpenSSL; see crypto.h. SEC 1 and SEC 2. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <string.h>

#include "base/bytes.h"
#include "keys/crypto.h"

/* SEC 2, 2.4.1. */
static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
				  0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48,
				  0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41};

/* out = a - b; gives the borrow, 0 or 1, that is: a < b. Constant time. */
static unsigned subtract(const uint8_t a[32], const uint8_t b[32], uint8_t out[32])
{
	unsigned borrow = 0;
	for (int i = 31; i >= 0; i--) {
		const unsigned d = (unsigned)a[i] - b[i] - borrow;
		out[i] = (uint8_t)d;
		borrow = d >> 8 & 1;
	}
	return borrow;
}

bool kiln_keys_scalar_valid(const uint8_t scalar[KILN_KEYS_SCALAR_LEN])
{
	uint8_t rest[32];
	unsigned any = 0;
	for (size_t i = 0; i < 32; i++)
		any |= scalar[i];
	const unsigned below = subtract(scalar, order, rest);
	kiln_wipe(rest, sizeof rest);
	return (below & (any + 0xff) >> 8) == 1;
}

bool kiln_keys_scalar_generate(const struct kiln_opaque_random *random,
			       uint8_t scalar[KILN_KEYS_SCALAR_LEN])
{
	/* One draw in 2^128 is not below the order. */
	for (int i = 0; i < 4; i++)
		if (!kiln_keys_random(random, scalar, KILN_KEYS_SCALAR_LEN))
			return false;
		else if (kiln_keys_scalar_valid(scalar))
			return true;
	return false;
}

bool kiln_keys_ec_public(const uint8_t scalar[KILN_KEYS_SCALAR_LEN],
			 uint8_t public_key[KILN_KEYS_PUBLIC_LEN])
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_secp256k1);
	EC_POINT *point = group != NULL ? EC_POINT_new(group) : NULL;
	BN_CTX *ctx = BN_CTX_secure_new();
	BIGNUM *k = BN_secure_new();
	bool ok = point != NULL && ctx != NULL && k != NULL;
	if (ok) {
		BN_set_flags(k, BN_FLG_CONSTTIME);
		ok = BN_bin2bn(scalar, KILN_KEYS_SCALAR_LEN, k) != NULL &&
		     EC_POINT_mul(group, point, k, NULL, NULL, ctx) == 1 &&
		     EC_POINT_point2oct(group, point, POINT_CONVERSION_COMPRESSED, public_key,
					KILN_KEYS_PUBLIC_LEN, ctx) == KILN_KEYS_PUBLIC_LEN;
	}
	BN_clear_free(k);
	BN_CTX_free(ctx);
	EC_POINT_clear_free(point);
	EC_GROUP_free(group);
	return ok;
}

/* scalar NULL: the public half alone. */
static EVP_PKEY *make_key(const uint8_t *scalar, const uint8_t public_key[KILN_KEYS_PUBLIC_LEN])
{
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params = NULL;
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	BIGNUM *k = BN_secure_new();
	if (build == NULL || ctx == NULL || k == NULL ||
	    (scalar != NULL && BN_bin2bn(scalar, KILN_KEYS_SCALAR_LEN, k) == NULL))
		goto out;
	BN_set_flags(k, BN_FLG_CONSTTIME);
	if (OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "secp256k1", 0) !=
		1 ||
	    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, public_key,
					     KILN_KEYS_PUBLIC_LEN) != 1 ||
	    (scalar != NULL && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, k) != 1))
		goto out;
	params = OSSL_PARAM_BLD_to_param(build);
	if (params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, scalar != NULL ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
			      params) != 1)
		key = NULL;
out:
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	BN_clear_free(k);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* n - s where s is in the upper half; which half it is in is public. */
static void lower_half(uint8_t s[32])
{
	uint8_t other[32], rest[32];
	(void)subtract(order, s, other);
	if (subtract(other, s, rest) == 1)
		memcpy(s, other, 32);
}

static bool flatten(const uint8_t *der, size_t len, uint8_t signature[KILN_KEYS_SIGNATURE_LEN])
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
	const bool ok = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, 32) == 32 &&
			BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + 32, 32) == 32;
	ECDSA_SIG_free(sig);
	if (ok)
		lower_half(signature + 32);
	return ok;
}

bool kiln_keys_ec_sign(const uint8_t scalar[KILN_KEYS_SCALAR_LEN],
		       const uint8_t digest[KILN_KEYS_HASH_LEN],
		       uint8_t signature[KILN_KEYS_SIGNATURE_LEN])
{
	uint8_t public_key[KILN_KEYS_PUBLIC_LEN], der[80];
	size_t len = sizeof der;
	unsigned nonce_type = 1; /* an OpenSSL that does not know it passes it over */
	const OSSL_PARAM params[] = {OSSL_PARAM_construct_uint("nonce-type", &nonce_type),
				     OSSL_PARAM_construct_end()};
	if (!kiln_keys_ec_public(scalar, public_key))
		return false;
	EVP_PKEY *key = make_key(scalar, public_key);
	EVP_PKEY_CTX *ctx = key != NULL ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
	const bool ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
			EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
			EVP_PKEY_CTX_set_params(ctx, params) == 1 &&
			EVP_PKEY_sign(ctx, der, &len, digest, KILN_KEYS_HASH_LEN) == 1 &&
			flatten(der, len, signature);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	return ok;
}

static int unflatten(const uint8_t signature[KILN_KEYS_SIGNATURE_LEN], uint8_t **der)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(signature, 32, NULL), *s = BN_bin2bn(signature + 32, 32, NULL);
	int len = -1;
	*der = NULL;
	if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
		r = s = NULL;
		len = i2d_ECDSA_SIG(sig, der);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return len;
}

bool kiln_keys_ec_verify(const uint8_t public_key[KILN_KEYS_PUBLIC_LEN],
			 const uint8_t digest[KILN_KEYS_HASH_LEN],
			 const uint8_t signature[KILN_KEYS_SIGNATURE_LEN])
{
	uint8_t *der;
	const int len = unflatten(signature, &der);
	EVP_PKEY *key = make_key(NULL, public_key);
	EVP_PKEY_CTX *ctx = key != NULL ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
	const bool ok = len > 0 && ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
			EVP_PKEY_verify(ctx, der, (size_t)len, digest, KILN_KEYS_HASH_LEN) == 1;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	OPENSSL_free(der);
	return ok;
}
