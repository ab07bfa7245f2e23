/* SPDX-License-Identifier: Apache-2.0
 *
 * The application's side of `kiln server --handoff unix:PATH`: connections come in whose TLS
 * handshake the gateway has done, and are the application's from then on.
 *
 *	listener = kiln_handoff_listen("/run/app/handoff.sock", NULL, &err);
 *	while ((fd = kiln_handoff_accept(listener, -1, &conn, &err)) >= 0 ||
 *	       err.code != KILN_E_USAGE) {
 *		if (fd < 0)
 *			... err.message; one was refused for want of something: go on
 *		kiln_conn_handoff(conn)->proof ... kiln_conn_peer(conn)->name ...
 *		... kiln_conn_read(), kiln_conn_write(), or read() and write() on fd
 *		kiln_conn_close(conn);
 *	}
 *
 * The connection is one of kiln/conn.h, and all of that header holds for it. On its fd plain
 * read() and write() carry plain bytes on both paths, which is more than kiln_conn_in_kernel says:
 *   - in the kernel ("ktls") the fd is the client's own TCP socket with kernel TLS. No process is
 *     between the two any more, and the gateway may be restarted, or die;
 *   - otherwise ("userspace") the fd is one end of a Unix socket whose bytes the gateway's worker
 *     relays. It lives as long as that worker, which waits for it when it is told to stop.
 * What plain calls do not do is told in kiln/conn.h. In short: first take what kiln_conn_pending
 * counts (what came with the handshake) with kiln_conn_read. When read() gives 0, EIO, or any
 * other error but EAGAIN, call kiln_conn_read: it tells an end from a truncation, and follows a
 * KeyUpdate. End with kiln_conn_shutdown_write or kiln_conn_close; a bare close() is, to the
 * client, a truncation.
 *
 * Whoever may connect to the socket's path could hand off invented identities, and who listens at
 * it gets the clients. So both sides look at the other's user (SO_PEERCRED).
 *
 * Threads. A listener is used by one thread at a time; the connections are free of it.
 */
#ifndef KILN_HANDOFF_H
#define KILN_HANDOFF_H

#include <sys/socket.h>

#include <kiln/conn.h>
#include <kiln/roast.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KILN_HANDOFF_EXPORTER  32u /* bytes of keying material */
#define KILN_HANDOFF_LABEL_MAX 64u /* bytes of an exporter's label */

/* What kiln_conn_exporter gives by default: RFC 9266, which every TLS library can compute. */
#define KILN_HANDOFF_LABEL "EXPORTER-Channel-Binding"

/* Everything zero is a good choice. Nothing is kept. */
struct kiln_handoff_options {
	unsigned mode; /* of the socket's file; 0: 0600, its owner alone */

	/* Whose processes may hand connections off: user's, or (NULL) those of this process's own
	 * user and root's. A name, or a number. */
	const char *user;

	unsigned channels;      /* gateway workers at once; 0: 256, which is also the most */
	bool nonblocking;       /* connections get O_NONBLOCK */
	uint64_t rekey_records; /* as in struct kiln_conn_options; 0: as the gateway says */
};

struct kiln_handoff;

/* Listens at path (a leading '@' is the abstract namespace, which has no file mode: then the users
 * alone decide). A socket that nobody listens at any more is replaced; two that start at once are
 * kept apart by a lock on its folder, which has to be readable for that, and which whoever may read
 * it can withhold for half a second. NULL with *err filled:
 *   KILN_E_CONFIG      the path is too long, is in use, or is no socket; no such user
 *   KILN_E_PERMISSION  the path may not be written
 *   KILN_E_SYSTEM, KILN_E_NO_MEMORY */
KILN_API struct kiln_handoff *kiln_handoff_listen(const char *path,
						  const struct kiln_handoff_options *options,
						  struct kiln_error *err) KILN_NODISCARD;

/* For poll(): readable when kiln_handoff_accept has something to do, which need not be a whole
 * connection. It belongs to the listener. */
KILN_API int kiln_handoff_fd(const struct kiln_handoff *listener);

/* Takes the next connection, waiting for up to timeout_ms (-1: for ever, 0: not at all); signals do
 * not end the wait, for which there is poll(). Returns its fd (close-on-exec; blocking unless the
 * options say otherwise), which belongs to *conn; or -1 with *conn NULL and *err filled:
 *   KILN_E_AGAIN      none came in that time
 *   KILN_E_NO_MEMORY  one came and had to be refused (its client gets an alert)
 *   KILN_E_SYSTEM     for want of descriptors or memory (sys_errno EMFILE, ENFILE, ENOMEM, ENOBUFS)
 *                     one had to be refused, or a worker waits, which is tried again
 *   KILN_E_USAGE      the listener's descriptors were closed behind its back
 * All of it passes, and the next call is as good as the first, but for KILN_E_USAGE, which stays.
 * The gateway is told that the connection was taken before this returns. */
KILN_API int kiln_handoff_accept(struct kiln_handoff *listener, int timeout_ms,
				 struct kiln_conn **conn, struct kiln_error *err) KILN_NODISCARD;

/* Stops listening and removes the socket's file. Connections that were taken stay. NULL is fine. */
KILN_API void kiln_handoff_close(struct kiln_handoff *listener);

/* How the gateway knows who the client is. */
enum kiln_proof {
	KILN_PROOF_NONE = 0,  /* it does not: no certificate was asked for, or none came */
	KILN_PROOF_PKI = 1,   /* by a certificate that verified: kiln_conn_peer */
	KILN_PROOF_ROAST = 2, /* by an AWS role: kiln_conn_role */
};

/* What is known of a connection that was handed off, beside what kiln/conn.h tells. Addresses that
 * are not known have the family AF_UNSPEC. */
struct kiln_handoff_info {
	uint64_t id; /* as the gateway's log has it, with its worker */
	enum kiln_proof proof;
	struct sockaddr_storage peer, local; /* of the connection as it came to the gateway */
	/* Who connected to the load balancer in front, and where to, by its PROXY header. */
	struct sockaddr_storage client, destination;
	char exporter_label[KILN_HANDOFF_LABEL_MAX + 1];
};

/* NULL for a connection that was not handed off; lives as long as conn. */
KILN_API const struct kiln_handoff_info *kiln_conn_handoff(const struct kiln_conn *conn);

#ifdef __cplusplus
}
#endif
#endif
