/* SPDX-License-Identifier: Apache-2.0
 *
 * One session with a key server, from the connection to the answer.
 */
#ifndef KILN_KEYS_CLIENT_TALK_H
#define KILN_KEYS_CLIENT_TALK_H

#include "keys/client/options.h"
#include "keys/client/secret.h"

struct kiln_keycli_talk {
	const struct kiln_keycli_options *options;
	const struct kiln_keycli_secret *password;
	struct kiln_opaque_bytes token;  /* registration */
	const struct kiln_keys_ask *ask; /* NULL: a registration */

	/* what came of it */
	struct kiln_keys_client *client;
	uint32_t retry_after_ms; /* 0: not told */
	unsigned resumed;        /* on so many other connections */
};

/* KILN_OK: kiln_keys_client_answer(talk->client) has it. Otherwise KILN_E_KEYS_* or what the
 * connection came to. A connection that is lost meanwhile is opened again, and the session goes on
 * there. */
enum kiln_code kiln_keycli_talk(struct kiln_keycli_talk *talk, struct kiln_error *err) KILN_NODISCARD;
void kiln_keycli_talk_clear(struct kiln_keycli_talk *talk);

/* The stretching that was chosen. */
struct kiln_opaque_ksf kiln_keycli_stretching(const struct kiln_keycli_options *o);

#endif
