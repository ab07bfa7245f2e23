/* SPDX-License-Identifier: Apache-2.0
 * HKDF-Expand-Label and the traffic keys. RFC 8446 7.1 to 7.3, RFC 5869 2.3. */
#include "tls/secret.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/bytes.h"

#define LABEL_MAX 32u

/* HKDF-Expand for no more than one hash length is one HMAC over info and the byte 1. */
enum kiln_code kiln_expand_label(const struct kiln_suite *suite, const uint8_t *secret,
				 const char *label, uint8_t *out, size_t out_len,
				 struct kiln_error *err)
{
	/* struct { uint16 length; opaque label<7..255>; opaque context<0..255>; } HkdfLabel */
	uint8_t info[2 + 1 + 6 + LABEL_MAX + 1 + 1];
	uint8_t block[EVP_MAX_MD_SIZE];
	size_t label_len = strlen(label);
	if (label_len > LABEL_MAX || out_len > suite->hash_len)
		return kiln_fail(err, KILN_E_USAGE, "HKDF-Expand-Label: label or output too long");

	size_t n = 0;
	kiln_store_be16(info, (uint16_t)out_len);
	n += 2;
	info[n++] = (uint8_t)(6 + label_len);
	memcpy(info + n, "tls13 ", 6);
	n += 6;
	memcpy(info + n, label, label_len);
	n += label_len;
	info[n++] = 0; /* empty context */
	info[n++] = 1; /* counter of HKDF's first block */

	size_t block_len = 0;
	if (EVP_Q_mac(NULL, "HMAC", NULL, suite->hash, NULL, secret, suite->hash_len, info, n,
		      block, sizeof block, &block_len) == NULL ||
	    block_len < out_len)
		return kiln_fail(err, KILN_E_NO_MEMORY, "HMAC-%s failed", suite->hash);
	memcpy(out, block, out_len);
	kiln_wipe(block, sizeof block);
	return KILN_OK;
}

enum kiln_code kiln_derive_keys(const struct kiln_suite *suite, const uint8_t *secret,
				struct kiln_traffic_keys *keys, struct kiln_error *err)
{
	enum kiln_code rc = kiln_expand_label(suite, secret, "key", keys->key, suite->key_len, err);
	if (rc == KILN_OK)
		rc = kiln_expand_label(suite, secret, "iv", keys->iv, sizeof keys->iv, err);
	return rc;
}
