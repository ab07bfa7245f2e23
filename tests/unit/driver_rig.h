/* SPDX-License-Identifier: Apache-2.0
 *
 * The rig of the driver's tests: throw-away certificates, a connected pair of sockets, and a peer
 * in a process of its own at the other end.
 *
 *      test process                        child process
 *      driver under test  fd <-------> fd  peer: the driver, OpenSSL, or raw bytes
 *                       sync <-------> sync  one byte: "now"
 */
#ifndef KILN_TESTS_DRIVER_RIG_H
#define KILN_TESTS_DRIVER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <kiln/conn.h>
#include <openssl/ssl.h>

/* Where the connection runs, and what the driver may do with it. */
struct rig_way {
	const char *name;
	bool unix_socket;
	enum kiln_ktls_mode ktls;
};

extern const struct rig_way rig_ways[3]; /* tcp, tcp without kTLS, socketpair */

struct rig {
	const struct rig_way *way;
	int fd, sync;
	int pid;
};

typedef void rig_peer(int fd, int sync, const void *arg);

/* Starts the peer in a child that is killed after a while. The child exits 0 when peer returns. */
void rig_start(struct rig *rig, const struct rig_way *way, rig_peer *peer, const void *arg);
/* Closes sync, and fails the test unless the peer ended well. The fd is the test's to close. */
void rig_finish(struct rig *rig);

/* One byte across sync. */
void rig_say(int sync);
void rig_hear(int sync);

/* Like assert, for children: says where and exits. */
#define RIG_CHECK(condition)                                                                       \
	do {                                                                                       \
		if (!(condition))                                                                  \
			rig_child_failed(__FILE__, __LINE__, #condition);                          \
	} while (0)
_Noreturn void rig_child_failed(const char *file, int line, const char *what);

/* ---- certificates and configurations; made once per program by rig_set_up (cmocka group setup)
 *
 * With KILN_TEST_PATH=ktls in the environment rig_set_up ends the program with 77 (skipped) where
 * kernel TLS cannot be had; with KILN_EXPECT_PATH=ktls, which stands for a machine that must have
 * it, that is a failure. */

int rig_set_up(void **state);
int rig_tear_down(void **state);

extern struct kiln_tls_config *rig_server, *rig_client; /* mutual TLS, ALPN "kiln,h2" */
/* A configuration of its own: change is called with the options of rig_server or rig_client. */
struct kiln_tls_config *rig_config(enum kiln_role role, void (*change)(struct kiln_tls_options *));
/* Writes ca.pem, server.pem, server.key, client.pem, client.key into the directory. */
void rig_write_files(const char *directory);

/* An OpenSSL object with the certificates of that role; the peer's certificate is verified. */
SSL *rig_ssl(enum kiln_role role, int fd);
/* OpenSSL's handshake, or the child fails with its reason. */
void rig_ssl_handshake(SSL *ssl);
void rig_ssl_free(SSL *ssl);

/* ---- the path that a connection should have taken */

void rig_check_kernel(void);
bool rig_kernel_can(void); /* kTLS with TLS_AES_256_GCM_SHA384, by trying */
bool rig_kernel_can_rekey(void);
void rig_assert_path(const struct rig_way *way, const struct kiln_conn *conn);

/* Opens the driver's side over rig->fd with the way's options, and checks the path. */
struct kiln_conn *rig_open(struct rig *rig, struct kiln_tls_config *config, enum kiln_role role);
struct kiln_conn *rig_open_with(struct rig *rig, struct kiln_tls_config *config,
				enum kiln_role role, struct kiln_conn_options options);

/* The driver's client side in a child. */
struct kiln_conn *rig_child_open(int fd, const struct rig_way *way,
				 struct kiln_conn_options options);

/* Reads until len bytes are there; fails the test otherwise. */
void rig_read(struct kiln_conn *conn, void *data, size_t len);
void rig_write(struct kiln_conn *conn, const void *data, size_t len);
/* Reads and expects this result: a code, or KILN_OK for the clean end. */
void rig_expect_end(struct kiln_conn *conn, enum kiln_code code);

/* A test once for each way. */
#define RIG_TEST_EACH(f)                                                                           \
	{#f " (tcp)", f, NULL, NULL, (void *)(uintptr_t)&rig_ways[0]},                             \
	    {#f " (tcp, user space)", f, NULL, NULL, (void *)(uintptr_t)&rig_ways[1]},             \
	{                                                                                          \
#f " (socketpair)", f, NULL, NULL, (void *)(uintptr_t)&rig_ways[2]                 \
	}

#endif
