/* SPDX-License-Identifier: Apache-2.0
 *
 * The way to a key server: its address, its certificate, and the time that there is.
 */
#ifndef KILN_KEYS_CLIENT_TALK_H
#define KILN_KEYS_CLIENT_TALK_H

#include <time.h>

#include "keys/client/options.h"
#include "keys/client/secret.h"
#include "net/address.h"

struct kiln_keycli_talk {
	const struct kiln_keycli_options *options;
	struct kiln_tls_config *config;
	struct kiln_conn *conn;
	struct kiln_address address;
	char port[8];
	uint64_t end_ms;
	timer_t deadline;
	bool has_deadline;
	struct kiln_keys *keys;
	unsigned reconnects;
	uint8_t device[KILN_KEYS_DEVICE_LEN];
};

/* Connects; calls of kiln/keys.h can be made with talk->keys. A connection that is lost meanwhile
 * is opened again. To be closed also after a failure. */
enum kiln_code kiln_keycli_open(struct kiln_keycli_talk *talk,
				const struct kiln_keycli_options *options,
				const struct kiln_keycli_secret *password,
				struct kiln_error *err) KILN_NODISCARD;
/* What a call gave: a connection that broke off because the time was over is told as that. */
enum kiln_code kiln_keycli_in_time(const struct kiln_keycli_talk *talk, enum kiln_code rc,
				   struct kiln_error *err) KILN_NODISCARD;
void kiln_keycli_close(struct kiln_keycli_talk *talk);

/* The stretching that was chosen. */
struct kiln_opaque_ksf kiln_keycli_stretching(const struct kiln_keycli_options *o);

#endif
