/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames and the keys of their MACs: docs/keys.md, "Frames".
 */
#ifndef KILN_KEYS_FRAME_H
#define KILN_KEYS_FRAME_H

#include "keys/message.h"

enum {
	KILN_KEYS_LENGTH_LEN = 4,
	KILN_KEYS_FRAME_MIN = 25, /* what a length may say */
	KILN_KEYS_FRAME_MAX = 16384,
	KILN_KEYS_HEADER_LEN = KILN_KEYS_LENGTH_LEN + KILN_KEYS_FRAME_MIN,
	KILN_KEYS_MAC_LEN = 32,
};

struct kiln_keys_frame {
	uint8_t type;
	const uint8_t *session;
	uint64_t sequence;
	const uint8_t *body;
	size_t body_len;
	const uint8_t *whole, *mac; /* mac: NULL for types without */
};

/* The frame's whole length, out of its first four bytes; 0 when it is out of bounds. */
size_t kiln_keys_frame_length(const uint8_t first[KILN_KEYS_LENGTH_LEN]);

/* whole has the len bytes that kiln_keys_frame_length said. False for one that is too short for its
 * type's MAC: then only session is set. */
bool kiln_keys_frame_read(const uint8_t *whole, size_t len,
			  struct kiln_keys_frame *frame) KILN_NODISCARD;

/* Writes a frame; key is needed by types with a MAC. Its length, or 0 when it cannot be written. */
size_t kiln_keys_frame_write(uint8_t type, const uint8_t session[KILN_KEYS_SESSION_ID_LEN],
			     uint64_t sequence, const struct kiln_keys_message *message,
			     const uint8_t *key, uint8_t *out, size_t cap);

static inline bool kiln_keys_has_mac(uint8_t type)
{
	return type >= 0x40;
}

/* ---- the keys of a session; wiped by the caller */

struct kiln_keys_channel {
	uint8_t client[32], server[32], resume_client[32], resume_server[32];
};

void kiln_keys_channel_init(struct kiln_keys_channel *channel, const uint8_t session_key[64],
			    const uint8_t session[KILN_KEYS_SESSION_ID_LEN]);

/* The channel on a connection: its exporter (NULL: the session is bound to none) is in the keys of
 * RESUME and RESUMED. */
void kiln_keys_channel_on(const struct kiln_keys_channel *channel, const uint8_t *exporter,
			  struct kiln_keys_channel *here);

/* The key of that type's MAC. */
const uint8_t *kiln_keys_channel_key(const struct kiln_keys_channel *channel, uint8_t type);

/* Constant time. */
bool kiln_keys_frame_authentic(const struct kiln_keys_frame *frame,
			       const struct kiln_keys_channel *channel) KILN_NODISCARD;

/* ---- OPAQUE's context */
#define KILN_KEYS_CONTEXT_MAX                                                                      \
	(sizeof KILN_KEYS_PROTOCOL - 1 + KILN_KEYS_SESSION_ID_LEN + KILN_KEYS_EXPORTER_LEN)

/* exporter: NULL for none. */
size_t kiln_keys_context(const uint8_t session[KILN_KEYS_SESSION_ID_LEN], const uint8_t *exporter,
			 uint8_t out[KILN_KEYS_CONTEXT_MAX]);

#endif
