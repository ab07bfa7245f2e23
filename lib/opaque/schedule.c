/* SPDX-License-Identifier: Apache-2.0
 * Preamble and key derivation of OPAQUE-3DH, RFC 9807 6.4.2.1 and 6.4.2.2. */
#include "opaque/schedule.h"

#include <stddef.h>

#include <sodium.h>

#include "base/bytes.h"
#include "opaque/hash.h"

static void add(crypto_hash_sha512_state *hash, const void *data, size_t length)
{
	(void)crypto_hash_sha512_update(hash, data, length);
}

static void add_with_length(crypto_hash_sha512_state *hash, struct kiln_opaque_bytes bytes)
{
	uint8_t length[2];
	kiln_store_be16(length, (uint16_t)bytes.length);
	add(hash, length, sizeof length);
	add(hash, bytes.data, bytes.length);
}

/* credential_response, server_nonce and server_public_keyshare are what comes before the MAC. */
static void add_preamble(crypto_hash_sha512_state *hash, const struct kiln_opaque_transcript *t)
{
	static const char version[] = "OPAQUEv1-";
	add(hash, version, sizeof version - 1);
	add_with_length(hash, t->context);
	add_with_length(hash, t->client_identity);
	add(hash, t->ke1, sizeof *t->ke1);
	add_with_length(hash, t->server_identity);
	add(hash, t->ke2, offsetof(struct kiln_opaque_ke2, server_mac));
}

void kiln_opaque_schedule(const struct kiln_opaque_transcript *transcript,
			  const struct kiln_opaque_products *products,
			  struct kiln_opaque_keys *keys)
{
	crypto_hash_sha512_state hash, so_far;
	uint8_t digest[KILN_OPAQUE_HASH_SIZE], prk[KILN_OPAQUE_HASH_SIZE];
	uint8_t handshake_secret[KILN_OPAQUE_HASH_SIZE], mac_key[KILN_OPAQUE_HASH_SIZE];

	(void)crypto_hash_sha512_init(&hash);
	add_preamble(&hash, transcript);
	so_far = hash;
	(void)crypto_hash_sha512_final(&so_far, digest);

	kiln_opaque_extract(prk, KILN_OPAQUE_PARTS({products, sizeof *products}));
	kiln_opaque_derive_secret(prk, "HandshakeSecret", digest, sizeof digest, handshake_secret);
	kiln_opaque_derive_secret(prk, "SessionKey", digest, sizeof digest, keys->session_key);

	kiln_opaque_derive_secret(handshake_secret, "ServerMAC", NULL, 0, mac_key);
	kiln_opaque_hmac(mac_key, sizeof mac_key, keys->server_mac,
			 KILN_OPAQUE_PARTS({digest, sizeof digest}));

	add(&hash, keys->server_mac, sizeof keys->server_mac);
	(void)crypto_hash_sha512_final(&hash, digest);
	kiln_opaque_derive_secret(handshake_secret, "ClientMAC", NULL, 0, mac_key);
	kiln_opaque_hmac(mac_key, sizeof mac_key, keys->client_mac,
			 KILN_OPAQUE_PARTS({digest, sizeof digest}));

	kiln_wipe(&hash, sizeof hash);
	kiln_wipe(&so_far, sizeof so_far);
	kiln_wipe(prk, sizeof prk);
	kiln_wipe(handshake_secret, sizeof handshake_secret);
	kiln_wipe(mac_key, sizeof mac_key);
}
