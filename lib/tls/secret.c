/* SPDX-License-Identifier: Apache-2.0
 * HKDF-Expand-Label and the traffic keys. RFC 8446 7.1 to 7.3, RFC 5869 2.3. */
#include "tls/secret.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "base/bytes.h"

#define LABEL_MAX 32u

/* HMAC keyed with the secret; looking it up costs more than using it, so one serves both labels. */
static EVP_MAC_CTX *hmac_new(const struct kiln_suite *suite, const uint8_t *secret)
{
	union {
		const char *in;
		char *out;
	} hash = {.in = suite->hash}; /* OSSL_PARAM takes no const, and does not write */
	const OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash.out, 0),
	    OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);
	if (ctx != NULL && EVP_MAC_init(ctx, secret, suite->hash_len, params) == 1)
		return ctx;
	EVP_MAC_CTX_free(ctx);
	return NULL;
}

/* struct { uint16 length; opaque label<7..255>; opaque context<0..255>; } HkdfLabel, with an empty
 * context, and HKDF's counter behind it: for no more than one hash length that is all of HKDF. */
static bool expand(EVP_MAC_CTX *ctx, const char *label, uint8_t *out, size_t out_len)
{
	uint8_t info[2 + 1 + 6 + LABEL_MAX + 1 + 1];
	uint8_t block[EVP_MAX_MD_SIZE];
	const size_t label_len = strlen(label);
	size_t n = 2, block_len = 0;
	kiln_store_be16(info, (uint16_t)out_len);
	info[n++] = (uint8_t)(6 + label_len);
	memcpy(info + n, "tls13 ", 6);
	memcpy(info + n + 6, label, label_len);
	n += 6 + label_len;
	info[n++] = 0;
	info[n++] = 1;
	const bool ok = EVP_MAC_update(ctx, info, n) == 1 &&
			EVP_MAC_final(ctx, block, &block_len, sizeof block) == 1 &&
			block_len >= out_len;
	if (ok)
		memcpy(out, block, out_len);
	kiln_wipe(block, sizeof block);
	return ok;
}

enum kiln_code kiln_expand_label(const struct kiln_suite *suite, const uint8_t *secret,
				 const char *label, uint8_t *out, size_t out_len,
				 struct kiln_error *err)
{
	if (strlen(label) > LABEL_MAX || out_len > suite->hash_len)
		return kiln_fail(err, KILN_E_USAGE, "HKDF-Expand-Label: label or output too long");
	EVP_MAC_CTX *ctx = hmac_new(suite, secret);
	const bool ok = ctx != NULL && expand(ctx, label, out, out_len);
	EVP_MAC_CTX_free(ctx);
	return ok ? KILN_OK : kiln_fail(err, KILN_E_NO_MEMORY, "HMAC-%s failed", suite->hash);
}

enum kiln_code kiln_derive_keys(const struct kiln_suite *suite, const uint8_t *secret,
				struct kiln_traffic_keys *keys, struct kiln_error *err)
{
	EVP_MAC_CTX *ctx = hmac_new(suite, secret);
	/* The second start keeps the key of the first. */
	const bool ok = ctx != NULL && expand(ctx, "key", keys->key, suite->key_len) &&
			EVP_MAC_init(ctx, NULL, 0, NULL) == 1 &&
			expand(ctx, "iv", keys->iv, sizeof keys->iv);
	EVP_MAC_CTX_free(ctx);
	return ok ? KILN_OK : kiln_fail(err, KILN_E_NO_MEMORY, "HMAC-%s failed", suite->hash);
}
