/* SPDX-License-Identifier: Apache-2.0
 *
 * What the calls of kiln/keys.h have in common: the account at its server, and a session with it.
 */
#ifndef KILN_DRIVER_KEYS_H
#define KILN_DRIVER_KEYS_H

#include "driver/driver.h"
#include "keys/client.h"

struct kiln_keys {
	struct kiln_conn *conn;
	struct kiln_keys_options options;
	char *account, *server_identity, *device_server;
	uint8_t pinned[32], device[KILN_KEYS_DEVICE_LEN];
	uint8_t password[KILN_OPAQUE_PASSWORD_MAX];
	size_t password_len;
	uint8_t user_id[KILN_KEYS_USER_ID_LEN], server_key[32];
	uint32_t retry_after_ms;
	uint8_t input[4096]; /* received and not used yet: input[start, end) */
	size_t start, end;
};

/* NULL: the program did not ask for it. */
const uint8_t *kiln_driver_keys_exporter(const struct kiln_conn *conn);

struct kiln_keys_client_options kiln_driver_keys_options(const struct kiln_keys *keys);

/* ---- keys_session.c */

/* A whole session; a registration without ask. On success *out is the client, with the answer, for
 * the caller to free. */
enum kiln_code kiln_driver_keys_session(struct kiln_keys *keys, const struct kiln_keys_ask *ask,
					const char *token, struct kiln_keys_client **out,
					struct kiln_error *err);

/* The same, when the answer is needed for a moment only. */
enum kiln_code kiln_driver_keys_ask(struct kiln_keys *keys, const struct kiln_keys_ask *ask,
				    struct kiln_keys_answer *answer, struct kiln_error *err);

#endif
