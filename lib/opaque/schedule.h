/* SPDX-License-Identifier: Apache-2.0
 *
 * The key schedule of OPAQUE-3DH (RFC 9807 6.4.2): from three products of the group and what was
 * said to the two MACs and the session key. Both sides compute the same.
 */
#ifndef KILN_OPAQUE_SCHEDULE_H
#define KILN_OPAQUE_SCHEDULE_H

#include <kiln/opaque.h>

struct kiln_opaque_transcript {
	struct kiln_opaque_bytes context;
	struct kiln_opaque_bytes client_identity; /* or the public key already */
	struct kiln_opaque_bytes server_identity;
	const struct kiln_opaque_ke1 *ke1;
	const struct kiln_opaque_ke2 *ke2; /* up to server_mac */
};

/* Of ephemeral with ephemeral, of the server's own key, of the client's own key, in this order. */
struct kiln_opaque_products {
	uint8_t ephemeral[KILN_OPAQUE_ELEMENT_SIZE];
	uint8_t server[KILN_OPAQUE_ELEMENT_SIZE];
	uint8_t client[KILN_OPAQUE_ELEMENT_SIZE];
};

/* Secret; the caller wipes it. */
struct kiln_opaque_keys {
	uint8_t server_mac[KILN_OPAQUE_HASH_SIZE];
	uint8_t client_mac[KILN_OPAQUE_HASH_SIZE];
	uint8_t session_key[KILN_OPAQUE_SESSION_KEY_SIZE];
};

void kiln_opaque_schedule(const struct kiln_opaque_transcript *transcript,
			  const struct kiln_opaque_products *products,
			  struct kiln_opaque_keys *keys);

#endif
