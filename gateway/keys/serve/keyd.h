/* SPDX-License-Identifier: Apache-2.0
 *
 * The key server's process, for serve/ only. One thread, one epoll:
 *	serve.c    set-up, the sandbox, the command
 *	loop.c     a turn: what came, one commit, what goes out
 *	accept.c   what comes to the listener, and is there room for it
 *	source.c   connections of each source
 *	conn.c     a connection that was handed off
 *	events.c   log lines
 *
 * A turn feeds what all connections brought to the machine (keys/server.h), commits once, and sends
 * the answers: the more is under way, the more share a commit.
 */
#ifndef KILN_KEYS_SERVE_KEYD_H
#define KILN_KEYS_SERVE_KEYD_H

#include <kiln/handoff.h>
#include <kiln/keys.h>

#include "keys/serve/options.h"
#include "log/log.h"

struct kiln_keyd;
struct kiln_store;
struct kiln_keyd_conn;

/* Connections that have the same time: the first is the next to be over. */
struct kiln_keyd_queue {
	struct kiln_keyd_conn *first, *last;
	uint64_t wait_ms;
};

/* Connections of one source: an IPv4 address, an IPv6 /64. */
struct kiln_keyd_source;

struct kiln_keyd_sources {
	struct kiln_keyd_source **buckets;
	uint32_t mask;
	uint8_t hash_key[16];
};

struct kiln_keyd_conn {
	struct kiln_keyd *keyd;
	struct kiln_keyd_source *source; /* that it is counted for; NULL: none */
	struct kiln_conn *tls;
	struct kiln_keys_conn *keys; /* NULL: the machine has done with it */
	uint64_t id;

	struct kiln_keyd_queue *queue; /* fresh, idle, or closing */
	struct kiln_keyd_conn *next, *prev;
	uint64_t deadline;
	struct kiln_keyd_conn *next_more;
	struct kiln_keyd_conn *next_eof, *next_ended;

	uint32_t watched; /* what epoll was told */
	bool more;        /* bytes are there that the socket does not show */
	bool blocked;     /* waits for room to send */
	bool eof;         /* the peer has ended; closed when it has what is its */
	bool closing;     /* our end is said; waits for the peer's */
	bool ended;       /* freed at the end of the turn */
	bool unwanted;    /* what it sent last was of no session, or one attempt too many */
	unsigned refused; /* frames of no session */
	unsigned limited; /* attempts that were refused for being too many */

	uint64_t started_ms, bytes_in, bytes_out;
	const char *close; /* for the log; NULL: by the peer, as it should be */
	struct kiln_error err;
};

struct kiln_keyd_counters {
	uint64_t connections, refused_connections, registrations, logins, failed_logins, requests,
	    failed_requests, resumed, refused_frames, store_failures, batches;
};

/* Where --max-connections does not say. */
#define KILN_KEYD_CONNECTIONS UINT64_C(10000)

/* Without descriptors, they are looked for so often, and when a connection has gone. */
#define KILN_KEYD_DEAF_MS 1000u

struct kiln_keyd {
	const struct kiln_keys_serve_options *options;
	struct kiln_handoff *listener;
	struct kiln_keys_server *server;
	int epoll, signals;
	struct kiln_keys_now now;

	struct kiln_keyd_queue fresh, idle, closing; /* fresh: no session has got an answer */
	struct kiln_keyd_conn *more, *eofs, *ended;
	struct kiln_keyd_conn *feeding; /* whose frame is worked on; NULL: none's */
	struct kiln_keyd_sources sources;
	uint64_t max_connections, max_per_source;
	uint64_t conn_count;
	uint64_t next_id;
	bool deaf; /* descriptors are short: the listener is left alone */
	uint64_t deaf_until;
	bool ran, stopping, stopped;
	uint8_t server_key[KILN_OPAQUE_ELEMENT_SIZE];
	uint64_t stop_at;
	struct kiln_keyd_counters counters;
	struct kiln_store *store;
};

struct kiln_keys_now kiln_keyd_clock(void);

/* ---- loop.c */

/* Runs until it was told to stop. KILN_OK, or why it cannot go on. */
enum kiln_code kiln_keyd_run(struct kiln_keyd *keyd, struct kiln_error *err) KILN_NODISCARD;

/* The descriptors that the loop needs. */
enum kiln_code kiln_keyd_open(struct kiln_keyd *keyd, struct kiln_error *err) KILN_NODISCARD;
void kiln_keyd_close(struct kiln_keyd *keyd);

/* Reads --tokens, and says so; false with *err: nothing was changed. */
bool kiln_keyd_read_tokens(struct kiln_keyd *keyd, struct kiln_error *err);

/* ---- accept.c */

/* How many connections there may be, in all and of one source. KILN_E_CONFIG: there are not as many
 * descriptors; KILN_E_NO_MEMORY. */
enum kiln_code kiln_keyd_plan(struct kiln_keyd *keyd, struct kiln_error *err) KILN_NODISCARD;
void kiln_keyd_accept(struct kiln_keyd *keyd);

/* Descriptors were short: the listener is heard again if they are no more. */
void kiln_keyd_listen_again(struct kiln_keyd *keyd);

/* ---- source.c */
enum kiln_code kiln_keyd_sources_open(struct kiln_keyd *keyd,
				      struct kiln_error *err) KILN_NODISCARD;
void kiln_keyd_sources_close(struct kiln_keyd *keyd);

/* Who limits and audit lines are about: the client, also behind a load balancer. False: it has no
 * address. */
bool kiln_keyd_find_source(const struct kiln_handoff_info *info,
			   uint8_t address[KILN_KEYS_SOURCE_LEN]);

/* Counts one more for where the address is. KILN_E_LIMIT: it has as many as it may. */
enum kiln_code kiln_keyd_source_enter(struct kiln_keyd *keyd,
				      const uint8_t address[KILN_KEYS_SOURCE_LEN],
				      struct kiln_keyd_source **source) KILN_NODISCARD;
void kiln_keyd_source_leave(struct kiln_keyd *keyd, struct kiln_keyd_source *source);

/* ---- conn.c */
void kiln_keyd_wait_in(struct kiln_keyd_conn *conn, struct kiln_keyd_queue *queue);
void kiln_keyd_readable(struct kiln_keyd_conn *conn);
/* Sends what the machine has for it, and ends it when that was all. */
void kiln_keyd_push(struct kiln_keyd_conn *conn);
/* close_notify, and a little time for the peer's. */
void kiln_keyd_begin_close(struct kiln_keyd_conn *conn, const char *why);
/* Now. err may be NULL. */
void kiln_keyd_end(struct kiln_keyd_conn *conn, const char *why, const struct kiln_error *err);
/* Frees those that ended in this turn; false: there were none. */
bool kiln_keyd_reap(struct kiln_keyd *keyd);

/* ---- events.c */
void kiln_keyd_on_event(void *arg, const struct kiln_keys_event *event);
void kiln_keyd_log_conn(const struct kiln_keyd_conn *conn);
void kiln_keyd_log_full(struct kiln_keyd *keyd);
void kiln_keyd_log_crowd(struct kiln_keyd *keyd, const uint8_t address[KILN_KEYS_SOURCE_LEN]);
void kiln_keyd_log_accept(struct kiln_keyd *keyd, const struct kiln_error *err);
void kiln_keyd_log_unbound(struct kiln_keyd *keyd, const char *label);
void kiln_keyd_log_counters(const struct kiln_keyd *keyd);
void kiln_keyd_log_error(const char *event, const struct kiln_error *err);
void kiln_keyd_source_text(const uint8_t source[KILN_KEYS_SOURCE_LEN], char *out, size_t size);

#endif
