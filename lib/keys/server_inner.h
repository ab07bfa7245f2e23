/* SPDX-License-Identifier: Apache-2.0
 *
 * What a key server is made of; for server*.c only. One file per step:
 *	server.c          options, batches, deadlines
 *	server_conn.c     bytes to frames, frames to bytes
 *	server_session.c  sessions: found, begun, ended; audit lines
 *	server_frame.c    one frame: is it valid next?
 *	server_limit.c    who may try
 *	server_register.c, server_login.c, server_resume.c  until a session is open
 *	server_request.c  the one request; server_keys.c, server_sign.c, server_audit.c,
 *	                  server_password.c: what it asks for
 */
#ifndef KILN_KEYS_SERVER_INNER_H
#define KILN_KEYS_SERVER_INNER_H

#include "keys/frame.h"
#include "keys/server.h"

enum session_state {
	SESSION_REGISTERING,
	SESSION_AUTHENTICATING,
	SESSION_OPEN,
	SESSION_CONTINUING,
	SESSION_CLOSED,
	SESSION_GONE, /* until the batch ends */
};

/* Queues by deadline: in each all sessions have the same time, so the first is the next. */
enum session_queue { QUEUE_LOGIN, QUEUE_REQUEST, QUEUE_CLOSED, QUEUE_DETACHED, QUEUE_COUNT };

struct bucket {
	struct session *first;
};

struct list {
	struct session *first, *last;
};

struct session {
	uint8_t id[KILN_KEYS_SESSION_ID_LEN];
	struct kiln_keys_server *server;
	struct kiln_keys_conn *conn; /* NULL: detached */
	enum session_state state;
	enum session_queue queue;
	uint64_t deadline;
	struct session *next, *previous; /* in its queue */
	struct session *in_bucket;
	struct session *in_conn;  /* of the connection's */
	struct session *in_batch; /* did something in this batch */
	bool touched;
	bool resumed_in_batch;
	bool logged_in, answered; /* in this batch: to be told of when it is kept */
	bool keyed_at_batch;      /* what the client believes, if the batch fails */
	uint64_t sent_at_batch;

	bool registration; /* or a request session */
	bool known_user;   /* an account of that name exists (login) */
	bool known_source, has_device, known_device;
	bool exporter_bound; /* to that of each connection it comes to */
	uint8_t source[KILN_KEYS_SOURCE_LEN];
	uint8_t device[KILN_KEYS_DEVICE_LEN];
	uint8_t exporter[KILN_KEYS_EXPORTER_LEN];
	uint8_t name[KILN_KEYS_NAME_MAX], name_len;
	uint8_t token[KILN_KEYS_TOKEN_MAX], token_len;
	uint8_t user_id[KILN_KEYS_USER_ID_LEN];
	uint64_t generation;

	/* Secret from here on. */
	uint8_t record[KILN_KEYS_RECORD_LEN]; /* of a registration */
	struct kiln_opaque_server_state opaque;
	bool keyed;
	struct kiln_keys_channel channel;

	uint64_t received, sent; /* how many frames: the next one's number */
	uint64_t resume_next;    /* the lowest counter that a RESUME may have */
	uint32_t resumes;
	uint8_t *last; /* the last frame sent, whole */
	size_t last_len;

	/* the request */
	uint8_t operation, intent;
	uint8_t key_id[KILN_KEYS_KEY_ID_LEN];
	struct kiln_keys_audit_filter filter;
	uint8_t filter_ids[KILN_KEYS_AUDIT_IDS_MAX][KILN_KEYS_KEY_ID_LEN];
	uint32_t pages, lines_left; /* of an audit; lines_left 0: no bound */
};

struct kiln_keys_conn {
	struct kiln_keys_server *server;
	void *user;
	bool has_exporter, ending, news;
	bool answered; /* a session's frame is in out[shown, end), and not only refusals */
	uint8_t source[KILN_KEYS_SOURCE_LEN];
	uint8_t exporter[KILN_KEYS_EXPORTER_LEN];
	struct session *sessions;
	uint32_t session_count;

	uint8_t first[KILN_KEYS_LENGTH_LEN]; /* of the frame that comes in */
	uint8_t *in;                         /* all of it, once its length is good */
	size_t in_len, in_size;

	uint8_t *out; /* out[start, shown) may be sent, out[shown, end) after commit */
	size_t out_start, out_shown, out_end, out_cap;

	struct kiln_keys_conn *next_news;
};

struct kiln_keys_server {
	struct kiln_keys_server_options options;
	struct kiln_opaque_server opaque;
	char *identity;
	struct bucket *buckets;
	uint32_t bucket_mask;
	uint8_t hash_key[16];
	struct list queues[QUEUE_COUNT];
	struct session *batch;
	struct kiln_keys_conn *news, **news_end;
	bool begun, failed; /* the batch's transaction */
	bool winding_down;
	struct kiln_keys_server_count count;
};

/* One frame under way. */
struct turn {
	struct kiln_keys_server *server;
	struct kiln_keys_conn *conn;
	struct session *session;
	struct kiln_keys_now now;
	const struct kiln_keys_frame *frame;
	struct kiln_keys_message in, out;
	uint8_t reply; /* type of the frame to be answered with; 0: none */
	uint32_t retry_after_ms;
	bool quiet; /* the error that is coming goes into no log */
	struct kiln_keys_key key;
	uint8_t entries[KILN_KEYS_AUDIT_PAGE * KILN_KEYS_AUDIT_LEN];
};

/* A step gives KILN_KEYS_SUCCESS, or the error that ends the session. */
typedef enum kiln_keys_error step(struct turn *turn);

/* ---- server.c */

/* The store in a transaction; false when this batch is lost already. */
bool kiln_keys_store_ready(struct kiln_keys_server *server);

/* Tells of KILN_STORE_FAILED, and gives KILN_KEYS_STORE. */
enum kiln_keys_error kiln_keys_store_failed(struct kiln_keys_server *server,
					    const struct kiln_error *why);

/* Runs work so that the store keeps all of it or nothing. */
enum kiln_keys_error kiln_keys_all_or_nothing(struct turn *turn, step *work);

void kiln_keys_tell(struct kiln_keys_server *server, const struct kiln_keys_event *event);

/* ---- server_conn.c */

/* Appends a session's frame to what conn sends after commit. NULL, with conn ending, when memory is
 * short. */
const uint8_t *kiln_keys_conn_put(struct kiln_keys_conn *conn, const uint8_t *frame, size_t len);

/* The same with the refusal of a frame that is no session's: it holds whatever becomes of the
 * batch.
 */
void kiln_keys_conn_put_error(struct kiln_keys_conn *conn, const uint8_t *session, uint64_t number,
			      enum kiln_keys_error code, uint32_t retry_after_ms);
void kiln_keys_conn_give_up(struct kiln_keys_conn *conn); /* memory is short */
void kiln_keys_conn_note(struct kiln_keys_conn *conn);    /* there is news */
void kiln_keys_conn_show(struct kiln_keys_conn *conn);    /* the batch is kept */
void kiln_keys_conn_drop(struct kiln_keys_conn *conn);    /* it is not: answers do not leave */

/* ---- server_frame.c */
void kiln_keys_take_frame(struct kiln_keys_conn *conn, const uint8_t *whole, size_t len,
			  struct kiln_keys_now now);

/* ---- server_session.c */
struct session *kiln_keys_session_find(struct kiln_keys_server *server,
				       const uint8_t id[KILN_KEYS_SESSION_ID_LEN]);

/* A new session on turn->conn, in turn->session; or busy. */
enum kiln_keys_error kiln_keys_session_begin(struct turn *turn, bool registration);

/* Sends turn->reply. False, and the session is gone, when memory is short. */
bool kiln_keys_session_send(struct turn *turn);

/* Ends it with an error: a frame to the client, a line in the log. */
void kiln_keys_session_fail(struct turn *turn, enum kiln_keys_error code);

/* Ends it without a word. */
void kiln_keys_session_end(struct session *session);
void kiln_keys_session_free(struct session *session);
void kiln_keys_session_touch(struct session *session);
void kiln_keys_session_set(struct session *session, enum session_state state,
			   enum session_queue queue, uint64_t steady_ms);
void kiln_keys_session_attach(struct session *session, struct kiln_keys_conn *conn);
void kiln_keys_session_detach(struct session *session);

/* Its request is done: what is left of it is its last frame. */
void kiln_keys_session_close(struct turn *turn);

/* The connection of this login or registration is gone, or its time is over. */
void kiln_keys_session_abandon(struct session *session, struct kiln_keys_now now,
			       enum kiln_keys_error code);

/* Appends a line: to the user's log, or to nobody's. */
enum kiln_keys_error kiln_keys_audit_line(struct session *session, struct kiln_keys_now now,
					  uint8_t action, enum kiln_keys_error outcome,
					  const uint8_t *key_id);

/* What the operation is in the log. */
uint8_t kiln_keys_operation_action(uint8_t operation, uint8_t intent);

/* Looks for the session's account: known_user, and *user when there is one (wiped by the caller).
 */
enum kiln_keys_error kiln_keys_find_account(struct turn *turn, struct kiln_keys_user *user);

/* ---- server_limit.c */
extern const struct kiln_keys_limit kiln_keys_default_limits[5];
enum kiln_keys_error kiln_keys_limit_login(struct turn *turn);
enum kiln_keys_error kiln_keys_limit_registration(struct turn *turn);

/* The login was good: takes the attempt back, and remembers where from. */
enum kiln_keys_error kiln_keys_limit_forgive(struct turn *turn);

/* Source and device are ones that the account's owner uses. */
enum kiln_keys_error kiln_keys_limit_remember(struct turn *turn);

/* ---- steps of a session */
step kiln_keys_register_start, kiln_keys_register_upload;
step kiln_keys_login_start, kiln_keys_ke3;
step kiln_keys_request, kiln_keys_finish;
void kiln_keys_resume(struct turn *turn);

/* KE2 against record (NULL: there is no such user). */
enum kiln_keys_error kiln_keys_answer_ke1(struct turn *turn,
					  const struct kiln_opaque_registration_record *record);

/* Flags and name of a START frame, into the session. */
enum kiln_keys_error kiln_keys_take_start(struct turn *turn);

/* ---- operations; user is the session's, read again */
typedef enum kiln_keys_error operation(struct turn *turn, struct kiln_keys_user *user);
operation kiln_keys_do_complete, kiln_keys_do_nothing;
operation kiln_keys_do_offer, kiln_keys_do_backup;
operation kiln_keys_do_generate_server, kiln_keys_do_import_server;
operation kiln_keys_do_retrieve, kiln_keys_do_delete;
operation kiln_keys_do_generate_signing, kiln_keys_do_import_signing;
operation kiln_keys_do_sign, kiln_keys_do_public_key;
operation kiln_keys_do_audit, kiln_keys_do_audit_page;
operation kiln_keys_do_password, kiln_keys_do_password_change;

/* Fills owner, times and a fresh key_id of turn->key, and stores it. */
enum kiln_keys_error kiln_keys_store_new(struct turn *turn);

/* turn->in.key_id into turn->key, if it is the user's. */
enum kiln_keys_error kiln_keys_get_key(struct turn *turn);

#endif
