/* SPDX-License-Identifier: Apache-2.0
 *
 * Kiln's handshaker on one side and OpenSSL by itself on the other, in memory, with the bytes of
 * the peer fed in pieces of any size.
 */
#ifndef KILN_TESTS_TLS_PAIR_H
#define KILN_TESTS_TLS_PAIR_H

#include <kiln/tls.h>

#include "tls_peer.h"
#include "wire.h"

struct pair {
	struct kiln_tls_config *config;
	struct kiln_handshake *hs;
	struct tls_peer peer;
	struct kiln_error err;
	enum kiln_step step;
	int peer_step;               /* 1 done, 0 under way, -1 failed */
	struct kiln_session session; /* after DONE */
	struct wire to_kiln;         /* from the peer, not yet consumed; afterwards: what is left */
	uint8_t peer_alert;          /* the last one that OpenSSL read */
};

/* Certificates that every test can use, made by the group's set-up. */
extern struct identity *pair_ca, *pair_server, *pair_client, *pair_stranger_ca;
int pair_make_certificates(void **state);
int pair_free_certificates(void **state);

/* Options with the usual certificates: a server that lets the test CA's clients in; a client that
 * expects server.example. */
struct kiln_tls_options pair_server_options(void);
struct kiln_tls_options pair_client_options(void);
struct tls_peer_options pair_client_peer(void); /* the counterpart of the first */
struct tls_peer_options pair_server_peer(void);

/* The certificates' dates are judged at now. */
void pair_open_at(struct pair *pair, const struct kiln_tls_options *options,
		  const struct tls_peer_options *peer, int64_t now);
void pair_open(struct pair *pair, const struct kiln_tls_options *options,
	       const struct tls_peer_options *peer);
void pair_close(struct pair *pair);

/* Runs until neither side moves; chunk is the most that Kiln is fed at a time. */
void pair_run(struct pair *pair, size_t chunk);

/* Everything that the peer wrote since, at the end of to_kiln. */
void pair_take(struct pair *pair);

/* Both sides are done and can talk. */
void pair_assert_done(struct pair *pair);
/* Kiln's side refused, with this code and this alert, which the peer got. */
void pair_assert_failed(const struct pair *pair, enum kiln_code code, uint8_t alert);

#endif
