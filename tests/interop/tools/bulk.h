/* SPDX-License-Identifier: Apache-2.0
 * A blocking connection, plain or TLS, of the transfer program. What fails ends the program. */
#ifndef KILN_INTEROP_BULK_H
#define KILN_INTEROP_BULK_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct end {
	int fd;
	SSL_CTX *ctx; /* NULL: plain */
	SSL *ssl;
};

/* Says what failed and why, and exits. */
_Noreturn void bulk_die(const char *what);

/* Takes one connection; prints where it listens. */
void bulk_accept(struct end *end, char *where);
void bulk_connect(struct end *end, char *where);

/* The TLS client's side of a handshake: user space, as any OpenSSL program does it. */
void bulk_start_tls(struct end *end, const char *ca, const char *name);

void bulk_write(struct end *end, const uint8_t *data, size_t len);

/* 0 at the clean end of the stream; with TLS only close_notify is one. */
size_t bulk_read(struct end *end, uint8_t *data, size_t room);

/* Ends the sending half. */
void bulk_end(struct end *end);
void bulk_close(struct end *end);

#endif
