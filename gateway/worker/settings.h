/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker needs to know about its job, and what it counts. Both are set up by the supervisor
 * before it forks: the settings are copied, the counters are shared memory with one writer each.
 */
#ifndef KILN_WORKER_SETTINGS_H
#define KILN_WORKER_SETTINGS_H

#include <sys/socket.h>

#include <kiln/aws.h>
#include <kiln/ktls.h>

#include "io/io.h"

#define KILN_LISTEN_MAX 16u

/* What a PROXY v2 header to the target tells; each includes the one before. */
enum kiln_proxy_send {
	KILN_PROXY_SEND_OFF,
	KILN_PROXY_SEND_CONN,     /* addresses */
	KILN_PROXY_SEND_TLS,      /* SNI, ALPN, version, cipher, the client certificate's CN */
	KILN_PROXY_SEND_TLS_FULL, /* Kiln's own TLVs: the peer's name and public key hash */
};

/* Which suites this kernel takes, by the order of kiln_suites(), and why if it does not. */
struct kiln_kernel_paths {
	bool suite[3];
	bool rekey;
	char reason[160];
};

struct kiln_settings {
	enum kiln_role
	    role; /* KILN_SERVER: TLS is accepted; KILN_CLIENT: TLS is opened to the target */
	enum kiln_engine engine;
	enum kiln_ktls_mode ktls;
	struct kiln_kernel_paths kernel;

	/* Milliseconds; 0 is "no limit" where that is allowed. */
	uint32_t handshake_timeout, connect_timeout, send_timeout, idle_timeout, close_timeout;

	unsigned max_connections; /* of this worker */
	size_t buffer_bytes;      /* limit of the buffer pool */
	uint64_t rekey_records;   /* change sending keys after so many records; 0: RFC 8446 5.5 */
	enum kiln_proxy_send proxy_out;
	bool proxy_in;

	/* Connections are handed to the application at the target's path. */
	bool handoff, handoff_any_own; /* its user is ours, or root's; not handoff_user's */
	uid_t handoff_user;
	const char *handoff_label; /* of the exporter */

	char target_name[256]; /* as the operator wrote it, for messages */

	bool roast, require_binding;
	const struct kiln_aws_role *roles; /* whom the peer may be; the options' own */
	size_t role_count;
};

/* Whether a connection stayed in user space, and why. */
enum kiln_path_reason {
	KILN_PATH_UNDECIDED,   /* it ended before that was known; not counted */
	KILN_PATH_KTLS,        /* it did not */
	KILN_PATH_OFF,         /* --ktls off */
	KILN_PATH_NO_KERNEL,   /* this kernel has no kTLS */
	KILN_PATH_NO_CIPHER,   /* not for this suite */
	KILN_PATH_REFUSED,     /* setsockopt refused this socket */
	KILN_PATH_HALF_CLOSED, /* the peer's FIN came before the keys could go in */
	KILN_PATH_UNIX,        /* the TLS side is a Unix socket */
	KILN_PATH_REASONS
};

struct kiln_counters {
	uint64_t accepted, active, refused_limit, accept_errors;
	uint64_t handshakes_ok, handshakes_failed, access_denied;
	uint64_t path[KILN_PATH_REASONS];
	uint64_t handed_off, handoff_failed, handoff_late;
	uint64_t handoff_lost; /* channels, not connections */
	uint64_t target_failed, truncated, no_close_notify, timeouts;
	uint64_t key_updates, key_update_impossible, record_limit;
	uint64_t bytes_up, bytes_down;
	uint64_t buffers_peak;
	uint64_t turns; /* of the loop, at least one in KILN_PULSE_MS: a sign of life */
};

#define KILN_PULSE_MS 1000u

#endif
