/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSL by itself as the other end of a connection, between two memory BIOs: nothing of Kiln's
 * own code is on this side.
 */
#ifndef KILN_TESTS_TLS_PEER_H
#define KILN_TESTS_TLS_PEER_H

#include <openssl/ssl.h>

#include "tls_certs.h"

struct tls_peer {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out;
};

struct tls_peer_options {
	bool server;
	const struct identity *identity; /* its certificate; NULL for a client without one */
	const struct identity *ca;       /* verifies the other end; NULL: whoever it is */
	bool request_client;             /* server: asks for a certificate */
	int min_version, max_version;    /* 0: TLS 1.3 */
	const char *suites, *groups;     /* NULL: OpenSSL's */
	const char *alpn;                /* wire format; NULL: none */
	unsigned tickets;                /* server: how many NewSessionTickets */
	const char *server_name;
};

void tls_peer_open(struct tls_peer *peer, const struct tls_peer_options *options);
void tls_peer_close(struct tls_peer *peer);

/* Gives the peer bytes; takes what it has to send (malloc'ed, *len of them). */
void tls_peer_put(struct tls_peer *peer, const void *data, size_t len);
uint8_t *tls_peer_take(struct tls_peer *peer, size_t *len);

/* Moves its handshake on: 1 done, 0 wants more, -1 failed. */
int tls_peer_step(struct tls_peer *peer);

/* SSL_read of all there is into out; returns bytes. *closed: close_notify came. */
size_t tls_peer_read(struct tls_peer *peer, void *out, size_t cap, bool *closed);
void tls_peer_write(struct tls_peer *peer, const void *data, size_t len);

#endif
