/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages between a worker and the application that it hands connections to, as bytes:
 * docs/handoff.md is the format. No I/O: descriptors travel beside the bytes, and are the caller's.
 *
 * A message is a header and then fields, each with its type and length. A reader skips the types it
 * does not know, unless their highest bit says that they must be understood.
 */
#ifndef KILN_HANDOFF_MESSAGE_H
#define KILN_HANDOFF_MESSAGE_H

#include <kiln/handoff.h>

#define KILN_HANDOFF_VERSION     1u
#define KILN_HANDOFF_HEADER      16u    /* magic, version, kind, number */
#define KILN_HANDOFF_EARLY_MAX   65536u /* bytes of data that were decrypted already */
#define KILN_HANDOFF_MESSAGE_MAX (KILN_HANDOFF_EARLY_MAX + 8192u)
#define KILN_HANDOFF_SHORT_MAX   512u /* an answer of the application's */
#define KILN_HANDOFF_REASON_MAX  64u  /* why it is not in the kernel, with its NUL */

enum kiln_handoff_kind {
	KILN_HANDOFF_CONNECTION = 1, /* to the application, with descriptors */
	KILN_HANDOFF_TAKEN = 2,      /* to the worker: it is the application's now */
	KILN_HANDOFF_REFUSED = 3,    /* to the worker: it will not be served, and why */
};

/* What of a struct kiln_traffic outlives the move to the kernel and to another process. */
struct kiln_handoff_direction {
	uint8_t secret[KILN_SECRET_MAX];
	uint8_t secret_len; /* 0: the receiver may not change this key */
	uint64_t records, limit;
	uint32_t key_updates;
	uint8_t message[5], message_have, useless;
	uint32_t message_left;
};

struct kiln_handoff_message {
	enum kiln_handoff_kind kind;
	uint64_t number; /* of the connection on this channel; answers name it */

	/* KILN_HANDOFF_CONNECTION */
	struct kiln_handoff_info info;
	bool in_kernel;
	char path_reason[KILN_HANDOFF_REASON_MAX]; /* "" in the kernel */
	uint16_t suite;
	struct kiln_peer peer;
	struct kiln_roast_peer role; /* with KILN_PROOF_ROAST */
	char server_name[KILN_NAME_MAX], alpn[KILN_NAME_MAX], group[32];
	uint8_t exporter[KILN_HANDOFF_EXPORTER];
	bool rx_closed;     /* the peer's close_notify was read: nothing comes behind early */
	bool update_wanted; /* the peer waits for a new key of ours */
	struct kiln_handoff_direction rx, tx; /* in the kernel only */
	const uint8_t *early;                 /* decoding: points into the bytes */
	uint32_t early_len;

	/* KILN_HANDOFF_REFUSED */
	char text[KILN_ERROR_MAX];
};

/* Writes it into out; 0 when that is too small, or when there is too much early data. */
size_t kiln_handoff_encode(const struct kiln_handoff_message *message, uint8_t *out, size_t cap);

/* Reads len bytes. KILN_E_HANDOFF with the broken rule for anything that is not whole and sound;
 * then only kind and number mean something, and number only where kind is not 0. */
enum kiln_code kiln_handoff_decode(const uint8_t *data, size_t len,
				   struct kiln_handoff_message *message,
				   struct kiln_error *err) KILN_NODISCARD;

#endif
