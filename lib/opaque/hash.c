/* SPDX-License-Identifier: Apache-2.0
 * HMAC and HKDF (RFC 2104, RFC 5869), expand_message_xmd (RFC 9380 5.3.1) and the key schedule's
 * labels (RFC 9807 6.4.2.1), all on SHA-512. libsodium's hash functions have no way to fail. */
#include "opaque/hash.h"

#include <string.h>

#include <sodium.h>

#include "base/bytes.h"

void kiln_opaque_hash(uint8_t out[KILN_OPAQUE_HASH_SIZE], const struct kiln_opaque_bytes *parts,
		      size_t count)
{
	crypto_hash_sha512_state state;
	(void)crypto_hash_sha512_init(&state);
	for (size_t i = 0; i < count; i++)
		(void)crypto_hash_sha512_update(&state, parts[i].data, parts[i].length);
	(void)crypto_hash_sha512_final(&state, out);
	kiln_wipe(&state, sizeof state);
}

void kiln_opaque_hmac(const uint8_t *key, size_t key_length, uint8_t out[KILN_OPAQUE_HASH_SIZE],
		      const struct kiln_opaque_bytes *parts, size_t count)
{
	crypto_auth_hmacsha512_state state;
	(void)crypto_auth_hmacsha512_init(&state, key, key_length);
	for (size_t i = 0; i < count; i++)
		(void)crypto_auth_hmacsha512_update(&state, parts[i].data, parts[i].length);
	(void)crypto_auth_hmacsha512_final(&state, out);
	kiln_wipe(&state, sizeof state);
}

void kiln_opaque_extract(uint8_t out[KILN_OPAQUE_HASH_SIZE], const struct kiln_opaque_bytes *parts,
			 size_t count)
{
	/* No salt is a salt of zeros (RFC 5869 2.2), and HMAC fills a short key with zeros. */
	static const uint8_t salt[1];
	kiln_opaque_hmac(salt, 0, out, parts, count);
}

void kiln_opaque_expand(const uint8_t prk[KILN_OPAQUE_HASH_SIZE], uint8_t *out, size_t length,
			const struct kiln_opaque_bytes *parts, size_t count)
{
	crypto_auth_hmacsha512_state keyed, state;
	uint8_t block[KILN_OPAQUE_HASH_SIZE];
	(void)crypto_auth_hmacsha512_init(&keyed, prk, KILN_OPAQUE_HASH_SIZE);
	for (uint8_t n = 1; length > 0; n++) {
		const size_t take = length < sizeof block ? length : sizeof block;
		state = keyed;
		if (n > 1)
			(void)crypto_auth_hmacsha512_update(&state, block, sizeof block);
		for (size_t i = 0; i < count; i++)
			(void)crypto_auth_hmacsha512_update(&state, parts[i].data, parts[i].length);
		(void)crypto_auth_hmacsha512_update(&state, &n, 1);
		(void)crypto_auth_hmacsha512_final(&state, block);
		memcpy(out, block, take);
		out += take;
		length -= take;
	}
	kiln_wipe(&keyed, sizeof keyed);
	kiln_wipe(&state, sizeof state);
	kiln_wipe(block, sizeof block);
}

void kiln_opaque_derive_secret(const uint8_t secret[KILN_OPAQUE_HASH_SIZE], const char *label,
			       const uint8_t *context, size_t context_length,
			       uint8_t out[KILN_OPAQUE_HASH_SIZE])
{
	static const char prefix[] = "OPAQUE-";
	const size_t label_length = strlen(label);
	const uint8_t head[] = {0, KILN_OPAQUE_HASH_SIZE,
				(uint8_t)(sizeof prefix - 1 + label_length)};
	const uint8_t context_head = (uint8_t)context_length;
	kiln_opaque_expand(secret, out, KILN_OPAQUE_HASH_SIZE,
			   KILN_OPAQUE_PARTS({head, sizeof head}, {prefix, sizeof prefix - 1},
					     {label, label_length}, {&context_head, 1},
					     {context, context_length}));
}

void kiln_opaque_expand_message(struct kiln_opaque_bytes dst, uint8_t out[KILN_OPAQUE_XMD_SIZE],
				const struct kiln_opaque_bytes *parts, size_t count)
{
	static const uint8_t z_pad[crypto_hash_sha512_BYTES * 2]; /* one input block of SHA-512 */
	static const uint8_t length_and_zero[] = {0, KILN_OPAQUE_XMD_SIZE, 0};
	static const uint8_t one = 1;
	const uint8_t dst_length = (uint8_t)dst.length;
	crypto_hash_sha512_state state;
	uint8_t b0[KILN_OPAQUE_HASH_SIZE];
	(void)crypto_hash_sha512_init(&state);
	(void)crypto_hash_sha512_update(&state, z_pad, sizeof z_pad);
	for (size_t i = 0; i < count; i++)
		(void)crypto_hash_sha512_update(&state, parts[i].data, parts[i].length);
	(void)crypto_hash_sha512_update(&state, length_and_zero, sizeof length_and_zero);
	(void)crypto_hash_sha512_update(&state, dst.data, dst.length);
	(void)crypto_hash_sha512_update(&state, &dst_length, 1);
	(void)crypto_hash_sha512_final(&state, b0);
	kiln_opaque_hash(out, KILN_OPAQUE_PARTS({b0, sizeof b0}, {&one, 1}, dst, {&dst_length, 1}));
	kiln_wipe(&state, sizeof state);
	kiln_wipe(b0, sizeof b0);
}
