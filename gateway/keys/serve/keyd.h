/* SPDX-License-Identifier: Apache-2.0
 *
 * The key server's process, for serve/ only. One thread, one epoll:
 *	serve.c    set-up, the sandbox, the command
 *	loop.c     a turn: what came, one commit, what goes out
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

struct kiln_keyd_conn {
	struct kiln_keyd *keyd;
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
	bool unwanted;    /* what it sent last was of no session */
	unsigned refused; /* frames of no session */

	uint64_t started_ms, bytes_in, bytes_out;
	const char *close; /* for the log; NULL: by the peer, as it should be */
	struct kiln_error err;
};

struct kiln_keyd_counters {
	uint64_t connections, refused_connections, registrations, logins, failed_logins, requests,
	    failed_requests, resumed, refused_frames, store_failures, batches;
};

struct kiln_keyd {
	const struct kiln_keys_serve_options *options;
	struct kiln_handoff *listener;
	struct kiln_keys_server *server;
	int epoll, signals;
	struct kiln_keys_now now;

	struct kiln_keyd_queue fresh, idle, closing; /* fresh: no session has got an answer */
	struct kiln_keyd_conn *more, *eofs, *ended;
	struct kiln_keyd_conn *feeding; /* whose frame is worked on; NULL: none's */
	unsigned conn_count;
	uint64_t next_id;
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

/* ---- conn.c */
void kiln_keyd_accept(struct kiln_keyd *keyd);
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
void kiln_keyd_log_unbound(struct kiln_keyd *keyd, const char *label);
void kiln_keyd_log_counters(const struct kiln_keyd *keyd);
void kiln_keyd_log_error(const char *event, const struct kiln_error *err);
void kiln_keyd_source_text(const uint8_t source[KILN_KEYS_SOURCE_LEN], char *out, size_t size);

#endif
