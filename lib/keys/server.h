/* SPDX-License-Identifier: Apache-2.0
 *
 * The key server as a machine: bytes of many connections and a time go in, bytes come out; what is
 * to be kept goes through a struct kiln_keys_store. No sockets, no clock, no threads. docs/keys.md.
 *
 *	loop:
 *		kiln_keys_conn_new / _feed / _gone for whatever happened on sockets
 *		kiln_keys_server_tick when kiln_keys_server_deadline has come
 *		kiln_keys_server_commit: ends the batch
 *		while ((conn = kiln_keys_server_ready(server)) != NULL)
 *			send kiln_keys_conn_output, then kiln_keys_conn_sent;
 *			when kiln_keys_conn_ending and all is sent: close, kiln_keys_conn_gone
 *
 * A batch is one transaction of the store, begun when something needs it. Output shows only after
 * the commit that covers it. When commit fails, every session that did something in the batch ends
 * with the error `store`, and none of their answers leaves.
 *
 * A struct kiln_keys_conn belongs to the event loop until kiln_keys_conn_gone.
 */
#ifndef KILN_KEYS_SERVER_H
#define KILN_KEYS_SERVER_H

#include "keys/message.h"
#include "keys/store.h"

struct kiln_keys_now {
	uint64_t steady_ms; /* for deadlines: never goes back */
	uint64_t unix_ms;   /* for the store: since 1970 */
};

enum kiln_keys_registration {
	KILN_KEYS_REGISTRATION_CLOSED = 0,
	KILN_KEYS_REGISTRATION_TOKEN = 1, /* with a token that the store has */
	KILN_KEYS_REGISTRATION_OPEN = 2,
};

/* Something an operator may want in a log or counted. */
struct kiln_keys_event {
	enum {
		KILN_KEYS_EVENT_REGISTER,  /* a registration ended */
		KILN_KEYS_EVENT_LOGIN,     /* a login ended */
		KILN_KEYS_EVENT_REQUEST,   /* a request ended, or was refused */
		KILN_KEYS_EVENT_REFUSED,   /* a frame outside of any session was refused */
		KILN_KEYS_EVENT_RESUMED,   /* a session came to another connection */
		KILN_KEYS_EVENT_STORE,     /* the store failed: see error */
		KILN_KEYS_EVENT_NO_MEMORY, /* a connection or a session was given up */
	} what;
	uint16_t outcome;       /* enum kiln_keys_error */
	uint8_t operation;      /* enum kiln_keys_operation, 0: none */
	const uint8_t *user_id; /* NULL: not known */
	const uint8_t *account; /* its name, normalised; NULL: not known */
	size_t account_len;
	const uint8_t *source;          /* KILN_KEYS_SOURCE_LEN bytes; NULL: none */
	const struct kiln_error *error; /* NULL, or what the store said */
};

/* Zeroes stand for the defaults. */
struct kiln_keys_server_options {
	const struct kiln_keys_store *store; /* the caller's, like store_ctx, and outlives the
						server */
	void *store_ctx;
	const struct kiln_opaque_setup *setup; /* copied */
	const char *identity;                  /* the server's name in OPAQUE; NULL: its key */
	enum kiln_keys_registration registration;
	bool require_binding; /* to the TLS exporter */

	struct kiln_keys_limit limits[5]; /* by enum kiln_keys_limit_kind; free 0: the default */

	uint32_t sessions_max;          /* 65536 */
	uint32_t sessions_per_conn_max; /* 64 */
	uint32_t detached_max;          /* 4096: open sessions without a connection */
	uint32_t output_max;            /* 262144 bytes that a peer does not read */

	uint32_t login_ms;    /* 120000: from the first frame until OPEN */
	uint32_t request_ms;  /* 60000: from OPEN until RESPONSE */
	uint32_t closed_ms;   /* 30000: how long an answer can be asked for again */
	uint32_t detached_ms; /* 30000: without a connection */

	uint32_t audit_pages_max; /* 256, and not more: of a log, in one session */

	const struct kiln_opaque_random *random; /* NULL: the system's; must outlive the server */
	void (*event)(void *arg, const struct kiln_keys_event *event); /* NULL: none */
	void *event_arg;
};

struct kiln_keys_server;
struct kiln_keys_conn;

/* NULL with *err filled: KILN_E_NO_MEMORY, KILN_E_CONFIG (the setup or an option is bad). */
struct kiln_keys_server *kiln_keys_server_new(const struct kiln_keys_server_options *options,
					      struct kiln_error *err) KILN_NODISCARD;

/* Begins no session any more: who asks hears busy. Those that are there go on; under way are those
 * that kiln_keys_server_count calls starting and open. */
void kiln_keys_server_wind_down(struct kiln_keys_server *server);

/* Ends all sessions, each with its line in the audit log; then kiln_keys_server_commit. */
void kiln_keys_server_stop(struct kiln_keys_server *server, struct kiln_keys_now now);

/* All connections are gone. NULL is fine. */
void kiln_keys_server_free(struct kiln_keys_server *server);

/* A connection with its peer's address (NULL: not known) and TLS exporter value (NULL: not known).
 * Both are copied. NULL: no memory. */
struct kiln_keys_conn *kiln_keys_conn_new(struct kiln_keys_server *server, const uint8_t *source,
					  const uint8_t *exporter, void *user) KILN_NODISCARD;
void *kiln_keys_conn_user(const struct kiln_keys_conn *conn);

/* Takes all bytes. What is fed to a connection that is ending is dropped. */
void kiln_keys_conn_feed(struct kiln_keys_conn *conn, const uint8_t *data, size_t len,
			 struct kiln_keys_now now);

/* The connection ended, from whichever side. Its open sessions wait to be resumed; others end.
 * Frees conn. */
void kiln_keys_conn_gone(struct kiln_keys_conn *conn, struct kiln_keys_now now);

/* Bytes to be sent now; valid until the next call with this conn. */
const uint8_t *kiln_keys_conn_output(const struct kiln_keys_conn *conn, size_t *len);
void kiln_keys_conn_sent(struct kiln_keys_conn *conn, size_t len);

/* To be closed when its output is sent. */
bool kiln_keys_conn_ending(const struct kiln_keys_conn *conn);

/* Its peer does not read: feed nothing more until it did. */
bool kiln_keys_conn_full(const struct kiln_keys_conn *conn);

/* Ends what is over its time. */
void kiln_keys_server_tick(struct kiln_keys_server *server, struct kiln_keys_now now);

/* When something will be, in steady_ms; UINT64_MAX: nothing is under way. */
uint64_t kiln_keys_server_deadline(const struct kiln_keys_server *server);

/* Ends the batch. False when the store failed; the sessions were told. */
bool kiln_keys_server_commit(struct kiln_keys_server *server, struct kiln_keys_now now);

/* The next connection with news since it was last given here; NULL when there is none. */
struct kiln_keys_conn *kiln_keys_server_ready(struct kiln_keys_server *server);

struct kiln_keys_server_count {
	uint32_t connections, sessions, starting, open, detached; /* starting: not open yet */
};
struct kiln_keys_server_count kiln_keys_server_count(const struct kiln_keys_server *server);

#endif
