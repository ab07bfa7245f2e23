/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection from accept to close on the scripted engine: the rig of the relay tests, with a real
 * configuration and OpenSSL by itself as the TLS peer.
 */
#ifndef KILN_TESTS_LIFE_RIG_H
#define KILN_TESTS_LIFE_RIG_H

#include "relay_rig.h"
#include "tls_peer.h"

struct life {
	struct rig rig;
	struct tls_peer peer;
	bool peer_done;    /* its handshake is */
	struct wire heard; /* application data that the peer read */
	bool peer_closed;  /* it read close_notify */
};

/* Made once for all tests. */
extern struct identity *life_ca, *life_server, *life_client;

int life_make_certificates(void **state);
int life_free_certificates(void **state);

/* A worker with one target, --ktls off. Servers ask for client certificates when rules are given.
 */
void life_open(struct life *life, enum kiln_role role, const struct kiln_access_rule *rule);
void life_close(struct life *life);

/* Accepts one connection; tcp: a TCP socket, which kTLS may take; otherwise a Unix socket. */
void life_accept(struct life *life, bool tcp);

/* For a client: the target's connection is there. For a server: so is the plain one. */
void life_connected(struct life *life);

/* Turns, and carries bytes both ways until neither side has anything to say or to take. cut is the
 * most that goes in one piece. */
void life_exchange(struct life *life, size_t cut);

/* Only the peer's side of it: what the peer has to say is kept in rig.from_peer. */
void life_peer_thinks(struct life *life);

/* As a client's user: accept, handshake, connect, up to the relay. */
void life_up_to_relay(struct life *life, bool tcp);

/* The last alert that OpenSSL saw, 0 for none. */
uint8_t life_peer_alert(void);

#endif
