/* SPDX-License-Identifier: Apache-2.0
 * Random keys and tokens; see random.h. */
#include "sts/random.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/bytes.h"

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static enum kiln_code draw(uint8_t *out, size_t len, struct kiln_error *err)
{
	if (RAND_priv_bytes(out, (int)len) != 1)
		return kiln_fail(err, KILN_E_SYSTEM, "OpenSSL has no random numbers");
	return KILN_OK;
}

enum kiln_code kiln_stsd_random_id(const char *prefix, char out[21], struct kiln_error *err)
{
	uint8_t raw[16];
	enum kiln_code code = draw(raw, sizeof raw, err);
	(void)snprintf(out, 5, "%s", prefix);
	for (size_t i = 0; i < sizeof raw; i++)
		out[4 + i] = base32[raw[i] & 31];
	out[20] = '\0';
	return code;
}

enum kiln_code kiln_stsd_random_secret(char out[41], struct kiln_error *err)
{
	uint8_t raw[30];
	enum kiln_code code = draw(raw, sizeof raw, err);
	(void)EVP_EncodeBlock((uint8_t *)out, raw, sizeof raw);
	kiln_wipe(raw, sizeof raw);
	return code;
}

enum kiln_code kiln_stsd_random_token(char out[KILN_STSD_TOKEN_LEN + 1], struct kiln_error *err)
{
	uint8_t
	    raw[181]; /* not a multiple of three, so that a token ends in '=' as AWS's often do */
	_Static_assert((sizeof raw + 2) / 3 * 4 == KILN_STSD_TOKEN_LEN, "base64 of so many bytes");
	enum kiln_code code = draw(raw, sizeof raw, err);
	(void)EVP_EncodeBlock((uint8_t *)out, raw, sizeof raw);
	kiln_wipe(raw, sizeof raw);
	return code;
}

enum kiln_code kiln_stsd_random_uuid(char out[37], struct kiln_error *err)
{
	uint8_t raw[16];
	char *at = out;
	enum kiln_code code = draw(raw, sizeof raw, err);
	raw[6] = (uint8_t)((raw[6] & 0x0f) | 0x40);
	raw[8] = (uint8_t)((raw[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof raw; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		(void)snprintf(at, 3, "%02x", raw[i]);
		at += 2;
	}
	return code;
}

enum kiln_code kiln_stsd_unique_id(const char *prefix, const char *arn, size_t len, char out[22],
				   struct kiln_error *err)
{
	uint8_t hash[32];
	if (EVP_Digest(arn, len, hash, NULL, EVP_sha256(), NULL) != 1)
		return kiln_fail(err, KILN_E_SYSTEM, "OpenSSL has no SHA-256");
	(void)snprintf(out, 5, "%s", prefix);
	for (size_t i = 0; i < 17; i++)
		out[4 + i] = base32[hash[i] & 31];
	out[21] = '\0';
	return KILN_OK;
}
