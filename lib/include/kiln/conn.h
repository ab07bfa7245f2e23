/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.3 connections for programs that embed the library: a handshake on a socket, and afterwards
 * an ordinary file descriptor plus a struct kiln_conn.
 *
 *	fd = kiln_tls_connect(config, "db.example.com", "5433", NULL, &conn, &err);
 *	if (kiln_conn_in_kernel(conn))
 *		... read(), write(), sendfile(), splice() on fd carry plain bytes
 *	... kiln_conn_read() and kiln_conn_write() do so always
 *	kiln_conn_close(conn);
 *
 * Where the kernel can, the traffic keys go into the socket (kernel TLS); where it cannot, the
 * struct kiln_conn keeps the record layer, and kiln_conn_path_reason says why. The calls of this
 * header behave the same on both.
 *
 * What plain calls on the fd do not do, and why the calls here are better even in the kernel:
 *   - read() meets a record that is not data (an alert, a KeyUpdate, a ticket) as EIO, splice() as
 *     EINVAL. Nothing is lost: call kiln_conn_read, which acts on it and goes on.
 *   - read() gives 0 for a FIN whether or not a close_notify came before: only kiln_conn_read tells
 *     a truncation from an end.
 *   - write() can raise SIGPIPE. Nothing in this header does.
 *   - write() is not counted, so the key is never changed (RFC 8446 5.5: after 2^24.5 records).
 *   - close() sends no close_notify.
 *
 * Blocking. On a blocking fd the calls block like read() and write(); SO_RCVTIMEO and SO_SNDTIMEO
 * hold. On an O_NONBLOCK fd they never wait and say KILN_E_AGAIN. A loop around poll() should use
 * O_NONBLOCK: a socket is also readable for records that bring no data. Signals (EINTR) are
 * retried, not reported. No call changes O_NONBLOCK.
 *
 * Errors. *err is filled on failure and left alone on success; err may be NULL.
 *
 * Threads. A connection is used by one thread at a time. Different connections, also of one config,
 * may be used by different threads at once.
 */
#ifndef KILN_CONN_H
#define KILN_CONN_H

#include <sys/types.h>

#include <kiln/ktls.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ configuration from files */

/* PEM files; each a regular file of at most 4 MiB. NULL: none. */
struct kiln_tls_files {
	const char *cert; /* chain, leaf first */
	const char *key;  /* its private key; may be the same file */
	const char *ca;   /* trusted roots; NULL: the system's, where the peer must be verified */
};

/* kiln_tls_config_new with the PEM texts of options taken from files (those in options must be
 * NULL). The texts are wiped. NULL with *err filled when a file or an option is bad. */
KILN_API struct kiln_tls_config *kiln_tls_config_load(const struct kiln_tls_options *options,
						      const struct kiln_tls_files *files,
						      struct kiln_error *err) KILN_NODISCARD;

/* The file with the system's trusted roots, as OpenSSL finds it ($SSL_CERT_FILE first). */
KILN_API const char *kiln_system_roots(void);

/* ------------------------------------------------------------------ opening */

#define KILN_CONN_TIMEOUT_MS 10000u /* for connecting and the handshake together */
#define KILN_CONN_LINGER_MS  1000u  /* for last words: an alert, a close_notify */
#define KILN_EXPORTER_MAX    64u    /* bytes */

/* Everything zero is a good choice. Nothing is kept. */
struct kiln_conn_options {
	uint32_t timeout_ms; /* 0: KILN_CONN_TIMEOUT_MS. There is no "for ever". */
	enum kiln_ktls_mode ktls;
	uint64_t rekey_records; /* change our key after so many records; 0: as RFC 8446 5.5 */

	/* RFC 8446 7.5 keying material, computed once: exporter_len <= KILN_EXPORTER_MAX bytes.
	 * NULL: none. A NULL context is the same as an empty one. */
	const char *exporter_label;
	const void *exporter_context;
	size_t exporter_context_len;
	size_t exporter_len;

	const struct kiln_sys *sys; /* NULL: the real system calls */
};

struct kiln_conn;

/* Connects to host and port (names or numbers, as getaddrinfo takes them), trying each address
 * with its share of the time left, and shakes hands. Names: config has the one to ask for and to
 * verify; host is only where to connect. The name is looked up by the system's resolver, which
 * knows no deadline but its own.
 *
 * Returns the connected fd (blocking, close-on-exec, TCP_NODELAY), which belongs to *conn; or -1
 * with *conn NULL and *err filled:
 *   KILN_E_USAGE        the config is a server's, or an option is out of range
 *   KILN_E_TARGET       the name does not resolve, or no address accepts
 *   KILN_E_TIMEOUT      the time is over
 *   KILN_E_UNSUPPORTED  ktls is KILN_KTLS_REQUIRE and the kernel cannot
 *   KILN_E_TLS_*, KILN_E_CERT_*, KILN_E_NAME_MISMATCH and so on: as kiln_handshake_step
 *   KILN_E_TLS_TRUNCATED  the peer went away during the handshake
 *
 * A client's handshake is done before the server has judged its certificate (RFC 8446 4.4.2.4): a
 * refusal comes as KILN_E_TLS_ALERT from the first kiln_conn_read. */
KILN_API int kiln_tls_connect(struct kiln_tls_config *config, const char *host, const char *port,
			      const struct kiln_conn_options *options, struct kiln_conn **conn,
			      struct kiln_error *err) KILN_NODISCARD;

/* The same on a stream socket that is connected already. On success fd belongs to *conn and is
 * returned; on failure it stays the caller's, who closes it (an alert was sent where one is due,
 * which may take up to KILN_CONN_LINGER_MS, and the socket is of no further use). */
KILN_API int kiln_tls_connect_fd(struct kiln_tls_config *config, int fd,
				 const struct kiln_conn_options *options, struct kiln_conn **conn,
				 struct kiln_error *err) KILN_NODISCARD;

/* The server's side, on a socket from accept(). As kiln_tls_connect_fd. A client that is not let in
 * gives KILN_E_CERT_* or KILN_E_ACCESS_DENIED. */
KILN_API int kiln_tls_accept(struct kiln_tls_config *config, int fd,
			     const struct kiln_conn_options *options, struct kiln_conn **conn,
			     struct kiln_error *err) KILN_NODISCARD;

/* ------------------------------------------------------------------ what was agreed on */

/* Strings and structures live as long as conn. Texts that the peer chose (server name, ALPN) may
 * hold any byte but NUL: escape them before they go into a log. */
KILN_API int kiln_conn_fd(const struct kiln_conn *conn);
KILN_API bool kiln_conn_in_kernel(const struct kiln_conn *conn);
KILN_API const char *kiln_conn_path(const struct kiln_conn *conn); /* "ktls", "userspace" */
KILN_API const char *
kiln_conn_path_reason(const struct kiln_conn *conn); /* "" when in the kernel */
KILN_API const struct kiln_peer *kiln_conn_peer(const struct kiln_conn *conn);
KILN_API const char *kiln_conn_alpn(const struct kiln_conn *conn);        /* "" for none */
KILN_API const char *kiln_conn_server_name(const struct kiln_conn *conn); /* SNI, "" for none */
KILN_API const char *kiln_conn_cipher(const struct kiln_conn *conn);      /* IANA name */
KILN_API const char *kiln_conn_group(const struct kiln_conn *conn);       /* key exchange */

/* exporter_len bytes; NULL when none was asked for. */
KILN_API const uint8_t *kiln_conn_exporter(const struct kiln_conn *conn, size_t *len);

/* ------------------------------------------------------------------ reading and writing */

/* Reads 1 to len bytes of data (len > 0) and returns their number; 0 after the peer's close_notify,
 * for good; -1 with *err filled:
 *   KILN_E_AGAIN             nothing is there now
 *   KILN_E_TLS_TRUNCATED     the stream ended without close_notify
 *   KILN_E_TLS_ALERT         the peer gave up; err->alert says why
 *   KILN_E_TLS_KEY_UPDATE    the peer changed its key, and this kernel cannot follow
 *   KILN_E_TLS_RECORD, KILN_E_TLS_DECRYPT, KILN_E_TLS_MESSAGE: the peer broke a rule
 * All but KILN_E_AGAIN are final; an alert was sent where one is due. Tickets are skipped; a
 * KeyUpdate is followed, and answered where the peer asks for it. */
KILN_API ssize_t kiln_conn_read(struct kiln_conn *conn, void *data, size_t len,
				struct kiln_error *err) KILN_NODISCARD;

/* How many bytes kiln_conn_read gives without asking the socket. In user space also 1 when a whole
 * record waits to be opened, and behind a hand-off when the end came with the handshake: so read
 * before you poll() while this is not 0. */
KILN_API size_t kiln_conn_pending(const struct kiln_conn *conn);

/* Takes up to len bytes (all of them on a blocking fd) and returns how many; -1 with *err filled:
 *   KILN_E_AGAIN             nothing could be taken now
 *   KILN_E_TLS_TRUNCATED     the peer is gone; kiln_conn_read may still tell why
 *   KILN_E_TLS_RECORD_LIMIT  the key is used up and this kernel cannot change it: reading and
 *                            kiln_conn_shutdown_write still work
 *   KILN_E_USAGE             after kiln_conn_shutdown_write
 * Less than len is returned where a problem came up after the first byte; the next call tells. */
KILN_API ssize_t kiln_conn_write(struct kiln_conn *conn, const void *data, size_t len,
				 struct kiln_error *err) KILN_NODISCARD;

/* True while something that was taken, or is due to the peer, is not in the socket yet. Happens
 * only on O_NONBLOCK fds: poll() for POLLOUT and call kiln_conn_flush. */
KILN_API bool kiln_conn_unsent(const struct kiln_conn *conn);
KILN_API enum kiln_code kiln_conn_flush(struct kiln_conn *conn, struct kiln_error *err);

/* ------------------------------------------------------------------ ending */

/* Sends close_notify and a FIN: the peer reads the end; reading goes on. KILN_E_AGAIN on an
 * O_NONBLOCK fd: poll() for POLLOUT and call again. Harmless when called twice. */
KILN_API enum kiln_code kiln_conn_shutdown_write(struct kiln_conn *conn, struct kiln_error *err);

/* Sends close_notify if that was not done (on a blocking fd waiting up to KILN_CONN_LINGER_MS for
 * room), closes the fd, wipes and frees. NULL is fine. As with close() on a socket, bytes of the
 * peer's that were not read can make the kernel reset the connection and lose what is under way: a
 * program that must know that everything arrived calls kiln_conn_shutdown_write, reads until 0,
 * and closes then. */
KILN_API void kiln_conn_close(struct kiln_conn *conn);

/* Gives up the struct and keeps the connection: for a program that passes the fd to another one,
 * and in a child or parent after fork(). Only for a connection in the kernel with nothing unsent
 * and nothing pending: returns the fd, which is the caller's now, and frees conn; otherwise -1, and
 * conn is as before.
 */
KILN_API int kiln_conn_detach(struct kiln_conn *conn);

#ifdef __cplusplus
}
#endif
#endif
