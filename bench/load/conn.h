/*
 * One connection of the client: connect, TLS handshake, commands, close. It never blocks;
 * conn_step goes on until the socket has nothing more to give or take.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "options.h"
#include "proto.h"

enum conn_state {
	CONN_CLOSED,
	CONN_CONNECTING,
	CONN_HANDSHAKE,
	CONN_READY,   /* just got there: connected, or done with a command */
	CONN_RESTING, /* was ready, and the caller has left it so: events mean nothing to it */
	CONN_SENDING,
	CONN_RECEIVING,
	CONN_CLOSING, /* our end has been said; the peer's is awaited */
	CONN_FAILED,
};

struct conn {
	enum conn_state state;
	int fd;
	SSL *ssl; /* NULL when plain */
	struct proto_message msg;
	uint64_t off;
	uint64_t start_ns; /* of the command; of the connect until the first command is done */
	uint64_t done;     /* commands */
	const char *error;
	bool reset_at_close;
};

/* A context for TLS 1.3 clients, or NULL after a message on stderr. */
SSL_CTX *conn_tls_context(const struct load_options *opt);

/* Starts to connect; the caller watches c->fd, edge-triggered, and calls conn_step. */
bool conn_open(struct conn *c, const struct net_addr *addr, SSL_CTX *tls, const char *server_name);
void conn_command(struct conn *c, uint64_t seq, uint64_t request, uint64_t answer, bool verify);
/* Says the end in TLS and in TCP and waits for the peer's. */
void conn_shutdown(struct conn *c);
void conn_step(struct conn *c);
void conn_free(struct conn *c);
