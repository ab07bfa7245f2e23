/* SPDX-License-Identifier: Apache-2.0
 *
 * Roast: mutual TLS 1.3 between AWS roles. Both ends prove their role to each other by AWS itself
 * (STS GetCallerIdentity); there is no certificate to configure. What has to be known is whom one
 * wants to talk to:
 *
 *	kiln_aws_role_parse("arn:aws:iam::123456789012:role/Ledger", &ledger, &err);
 *	fd = kiln_roast_connect("ledger.internal", "8443", &ledger, 1, NULL, &conn, &err);
 *	kiln_conn_role(conn)->role.account ...
 *	... kiln_conn_read(), kiln_conn_write(), and in the kernel read() and write() on fd
 *	kiln_conn_close(conn);
 *
 * The connection is one of kiln/conn.h: all of that header holds for it. docs/roast.md tells the
 * protocol, and what it is worth.
 *
 * Who we are is a struct kiln_aws (kiln/aws.h). Where none is given, the process has one of its
 * own, made at first use from the environment as it is then, and kept until the process ends. What
 * is kept: credentials, and the peers' proofs that were seen, without which somebody could show a
 * server the same hello twice (he would get no further than that: the keys behind it are not his).
 *
 * Errors. *err is filled on failure and left alone on success; err may be NULL. The message names
 * the peer, the step, and the rule that was broken. The peer learns nothing: Roast has no message
 * for it, and the connection just ends.
 *
 * Threads. These calls may be made by any number of threads at once, also with one struct kiln_aws.
 * After fork() in a program with threads the child makes its own with kiln_aws_open. What was seen
 * before fork() is known on both sides; what comes later, on one.
 *
 * What happens to the process. Looking for credentials may run a program (a profile's
 * credential_process), in a process group of its own, which is waited for with waitpid(2) by its
 * number, and killed when it takes too long. So a SIGCHLD comes that is not the program's own, and
 * who collects children by waitpid(-1), or ignores SIGCHLD, takes away its exit status: that source
 * then fails. Requests are libcurl's, and kiln_aws_open calls curl_global_init: a program that uses
 * libcurl itself, and one older than 7.84, calls it before it starts threads.
 *
 * Limits. A call asks STS once for its peer, and where it is new once for itself; how many peers
 * are served at once, and how many of one source, is for the program to say.
 */
#ifndef KILN_ROAST_H
#define KILN_ROAST_H

#include <kiln/aws.h>
#include <kiln/conn.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KILN_ROAST_TIMEOUT_MS 15000u

/* Everything zero is a good choice. Nothing is kept but aws. */
struct kiln_roast_conn_options {
	struct kiln_aws *aws; /* NULL: the process's own */

	/* For everything: credentials, connecting, STS, TLS. 0: KILN_ROAST_TIMEOUT_MS, which is
	 * also the most; the peer does not wait longer either. */
	uint32_t timeout_ms;

	/* Refuse a peer whose hello is not bound to its role (docs/roast.md, "The binding"). Kilns
	 * bind theirs; the Go library does not. */
	bool require_binding;

	enum kiln_ktls_mode ktls;

	/* Keying material for kiln_conn_exporter, as in struct kiln_conn_options, no context. */
	const char *exporter_label;
	size_t exporter_len;
};

/* Connects to host and port (names or numbers, as getaddrinfo takes them) and lets in a server with
 * one of the allowed roles, of which there is at least one; they are read during the call only. The
 * name is looked up by the system's
 * resolver, which knows no deadline but its own.
 *
 * Returns the connected fd (blocking, close-on-exec, TCP_NODELAY), which belongs to *conn; or -1
 * with *conn NULL and *err filled:
 *   KILN_E_USAGE          an option is out of range
 *   KILN_E_CONFIG         no role is allowed; or as kiln_aws_whoami
 *   KILN_E_CREDENTIALS, KILN_E_STS  about ourselves (as kiln_aws_whoami), or about the peer: STS
 *                         cannot be asked
 *   KILN_E_TARGET         the name does not resolve, or no address accepts
 *   KILN_E_TIMEOUT        the time is over
 *   KILN_E_ROAST_HELLO    the peer's hello breaks the format; or the peer closed the connection,
 *                         perhaps because it does not allow our role
 *   KILN_E_ROAST_PROOF    the peer's proof does not hold, or was seen before
 *   KILN_E_ROAST_BINDING  its binding is wrong, or missing where it is required
 *   KILN_E_ACCESS_DENIED  the peer is somebody, and not one of the allowed roles
 *   KILN_E_UNSUPPORTED    ktls is KILN_KTLS_REQUIRE and the kernel cannot
 *   KILN_E_TLS_*, KILN_E_CERT_*, KILN_E_NAME_MISMATCH: as kiln_tls_connect */
KILN_API int kiln_roast_connect(const char *host, const char *port,
				const struct kiln_aws_role *allowed, size_t allowed_count,
				const struct kiln_roast_conn_options *options,
				struct kiln_conn **conn, struct kiln_error *err) KILN_NODISCARD;

/* The server's side, on a TCP socket from accept(): lets in a client with one of the allowed roles,
 * which are read during the call only. The call waits, up to its timeout, also on an O_NONBLOCK fd,
 * and leaves that flag as it is: the calls of kiln/conn.h then go by it.
 *
 * On success fd belongs to *conn and is returned; on failure it stays the caller's, who closes it,
 * and -1 comes back with *conn NULL and *err filled. The codes are those of kiln_roast_connect, but
 * KILN_E_TARGET, and
 *   KILN_E_USAGE          also for a socket that is not TCP
 *   KILN_E_SYSTEM         for one that is not connected any more */
KILN_API int kiln_roast_accept(int fd, const struct kiln_aws_role *allowed, size_t allowed_count,
			       const struct kiln_roast_conn_options *options,
			       struct kiln_conn **conn, struct kiln_error *err) KILN_NODISCARD;

/* Who the peer is: what STS said about its proof. */
struct kiln_roast_peer {
	struct kiln_aws_role role; /* one of those that were allowed */
	char session[KILN_AWS_SESSION_MAX + 1];
	bool bound; /* its hello was bound to its role */
};

/* NULL for a connection that was not opened by the calls above; lives as long as conn. */
KILN_API const struct kiln_roast_peer *kiln_conn_role(const struct kiln_conn *conn);

#ifdef __cplusplus
}
#endif
#endif
