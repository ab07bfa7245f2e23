/* SPDX-License-Identifier: Apache-2.0
 * The key server: options, batches, deadlines; see server.h. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "keys/crypto.h"
#include "keys/server_inner.h"

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
	return value != 0 ? value : otherwise;
}

static void set_defaults(struct kiln_keys_server_options *o)
{
	o->sessions_max = or_default(o->sessions_max, 65536);
	o->sessions_per_conn_max = or_default(o->sessions_per_conn_max, 64);
	o->detached_max = or_default(o->detached_max, 4096);
	o->output_max = or_default(o->output_max, 262144);
	o->login_ms = or_default(o->login_ms, 120000);
	o->request_ms = or_default(o->request_ms, 60000);
	o->closed_ms = or_default(o->closed_ms, 30000);
	o->detached_ms = or_default(o->detached_ms, 30000);
	o->audit_pages_max = or_default(o->audit_pages_max, KILN_KEYS_AUDIT_PAGES_MAX);
	for (size_t i = 0; i < 5; i++)
		if (o->limits[i].free == 0)
			o->limits[i] = kiln_keys_default_limits[i];
}

static bool allocate(struct kiln_keys_server *server, const char *identity)
{
	uint32_t buckets = 64;
	while (buckets < server->options.sessions_max && buckets < 1u << 20)
		buckets *= 2;
	server->bucket_mask = buckets - 1;
	server->buckets = calloc(buckets, sizeof *server->buckets);
	if (identity != NULL)
		server->identity = strdup(identity);
	return server->buckets != NULL && (identity == NULL || server->identity != NULL);
}

struct kiln_keys_server *kiln_keys_server_new(const struct kiln_keys_server_options *options,
					      struct kiln_error *err)
{
	if (options->identity != NULL && strlen(options->identity) > KILN_KEYS_NAME_MAX) {
		(void)kiln_fail(err, KILN_E_CONFIG, "a server's identity has at most %d bytes",
				KILN_KEYS_NAME_MAX);
		return NULL;
	}
	struct kiln_keys_server *server = calloc(1, sizeof *server);
	if (server == NULL)
		goto no_memory;
	server->options = *options;
	server->news_end = &server->news;
	set_defaults(&server->options);
	if (!allocate(server, options->identity))
		goto no_memory;
	if (sodium_init() < 0 ||
	    !kiln_keys_random(options->random, server->hash_key, sizeof server->hash_key)) {
		(void)kiln_fail(err, KILN_E_SYSTEM, "no random bytes for the key server");
		goto failed;
	}
	if (kiln_opaque_server_init(options->setup, &server->opaque, err) != KILN_OK)
		goto failed;
	return server;
no_memory:
	(void)kiln_fail(err, KILN_E_NO_MEMORY, "no memory for the key server");
failed:
	kiln_keys_server_free(server);
	return NULL;
}

static void forget_batch(struct kiln_keys_server *server)
{
	while (server->batch != NULL) {
		struct session *session = server->batch;
		server->batch = session->in_batch;
		session->in_batch = NULL;
		session->touched = session->resumed_in_batch = false;
		session->logged_in = session->answered = false;
		if (session->state == SESSION_GONE)
			kiln_keys_session_free(session);
	}
	server->begun = server->failed = false;
}

void kiln_keys_server_free(struct kiln_keys_server *server)
{
	if (server == NULL)
		return;
	for (size_t i = 0; i < QUEUE_COUNT; i++)
		while (server->queues[i].first != NULL)
			kiln_keys_session_end(server->queues[i].first);
	if (server->begun)
		server->options.store->rollback(server->options.store_ctx);
	forget_batch(server);
	free(server->identity);
	free(server->buckets);
	kiln_wipe(server, sizeof *server);
	free(server);
}

void kiln_keys_tell(struct kiln_keys_server *server, const struct kiln_keys_event *event)
{
	if (server->options.event != NULL)
		server->options.event(server->options.event_arg, event);
}

/* ---- the store's transaction ---------------------------------------------------------------- */

enum kiln_keys_error kiln_keys_store_failed(struct kiln_keys_server *server,
					    const struct kiln_error *why)
{
	const struct kiln_keys_event event = {
	    .what = KILN_KEYS_EVENT_STORE, .outcome = KILN_KEYS_STORE, .error = why};
	kiln_keys_tell(server, &event);
	return KILN_KEYS_STORE;
}

bool kiln_keys_store_ready(struct kiln_keys_server *server)
{
	struct kiln_error err = {0};
	if (!server->begun && !server->failed) {
		server->begun = true;
		if (server->options.store->begin(server->options.store_ctx, &err) !=
		    KILN_STORE_OK) {
			server->failed = true;
			server->begun = false;
			(void)kiln_keys_store_failed(server, &err);
		}
	}
	return !server->failed;
}

/* The store gave up the whole batch. */
static enum kiln_keys_error batch_lost(struct kiln_keys_server *server,
				       const struct kiln_error *why)
{
	server->begun = false;
	server->failed = true;
	return kiln_keys_store_failed(server, why);
}

enum kiln_keys_error kiln_keys_all_or_nothing(struct turn *turn, step *work)
{
	struct kiln_keys_server *server = turn->server;
	const struct kiln_keys_store *store = server->options.store;
	void *ctx = server->options.store_ctx;
	struct kiln_error err = {0};
	if (!kiln_keys_store_ready(server))
		return KILN_KEYS_STORE;
	if (store->savepoint(ctx, &err) != KILN_STORE_OK) {
		store->rollback(ctx);
		return batch_lost(server, &err);
	}
	const enum kiln_keys_error rc = work(turn);
	if (rc == KILN_KEYS_SUCCESS && store->release(ctx, &err) == KILN_STORE_OK)
		return KILN_KEYS_SUCCESS;
	if (rc == KILN_KEYS_SUCCESS)
		(void)kiln_keys_store_failed(server, &err);
	if (store->undo(ctx, &err) != KILN_STORE_OK)
		return batch_lost(server, &err);
	return rc != KILN_KEYS_SUCCESS ? rc : KILN_KEYS_STORE;
}

/* What sessions did is told when it is known whether it is so. */
static void tell_batch(struct kiln_keys_server *server, enum kiln_keys_error outcome)
{
	const bool kept = outcome == KILN_KEYS_SUCCESS;
	for (const struct session *s = server->batch; s != NULL; s = s->in_batch) {
		struct kiln_keys_event event = {
		    .what = KILN_KEYS_EVENT_LOGIN,
		    .outcome = (uint16_t)outcome,
		    .user_id = kept || !s->registration ? s->user_id : NULL,
		    .account = s->name,
		    .account_len = s->name_len,
		    .source = s->source,
		};
		if (s->logged_in)
			kiln_keys_tell(server, &event);
		event.what = s->registration ? KILN_KEYS_EVENT_REGISTER : KILN_KEYS_EVENT_REQUEST;
		event.operation = s->operation;
		if (s->answered)
			kiln_keys_tell(server, &event);
	}
}

/* The error's type, as far as the client is. Who waits for RESUMED takes nothing with a MAC before.
 */
static uint8_t lost_type(const struct session *s)
{
	return s->keyed_at_batch && !s->resumed_in_batch ? KILN_KEYS_FAILURE : KILN_KEYS_ERROR;
}

/* The batch was not kept, or nobody knows: its answers do not leave, and its sessions end. A
 * session may have answered on a connection that it has left since, so all of them are looked at.
 */
static void undo_batch(struct kiln_keys_server *server, enum kiln_keys_error why)
{
	const uint32_t again = why == KILN_KEYS_STORE ? 1000 : 0;
	for (struct kiln_keys_conn *conn = server->news; conn != NULL; conn = conn->next_news)
		kiln_keys_conn_drop(conn);
	for (struct session *s = server->batch; s != NULL; s = s->in_batch) {
		struct kiln_keys_message m = {.code = (uint16_t)why, .retry_after_ms = again};
		uint8_t frame[128];
		const size_t len = kiln_keys_frame_write(lost_type(s), s->id, s->sent_at_batch, &m,
							 s->channel.server, frame, sizeof frame);
		if (s->conn != NULL)
			(void)kiln_keys_conn_put(s->conn, frame, len);
		if (s->state != SESSION_GONE)
			kiln_keys_session_end(s);
	}
}

static enum kiln_keys_error commit(struct kiln_keys_server *server)
{
	struct kiln_error err = {0};
	if (server->failed)
		return KILN_KEYS_STORE;
	const enum kiln_store_result result =
	    server->begun ? server->options.store->commit(server->options.store_ctx, &err)
			  : KILN_STORE_OK;
	if (result == KILN_STORE_OK)
		return KILN_KEYS_SUCCESS;
	(void)kiln_keys_store_failed(server, &err);
	return result == KILN_STORE_UNKNOWN ? KILN_KEYS_OUTCOME_UNKNOWN : KILN_KEYS_STORE;
}

bool kiln_keys_server_commit(struct kiln_keys_server *server, struct kiln_keys_now now)
{
	const enum kiln_keys_error outcome = commit(server);
	(void)now;
	tell_batch(server, outcome);
	if (outcome != KILN_KEYS_SUCCESS)
		undo_batch(server, outcome);
	for (struct kiln_keys_conn *conn = server->news; conn != NULL; conn = conn->next_news)
		kiln_keys_conn_show(conn);
	forget_batch(server);
	return outcome == KILN_KEYS_SUCCESS;
}

struct kiln_keys_conn *kiln_keys_server_ready(struct kiln_keys_server *server)
{
	struct kiln_keys_conn *conn = server->news;
	if (conn == NULL)
		return NULL;
	server->news = conn->next_news;
	if (server->news == NULL)
		server->news_end = &server->news;
	conn->next_news = NULL;
	conn->news = false;
	return conn;
}

/* ---- deadlines ------------------------------------------------------------------------------ */

static void expire(struct session *session, struct kiln_keys_now now)
{
	if (session->state == SESSION_CLOSED || session->conn == NULL) {
		kiln_keys_session_touch(session);
		kiln_keys_session_abandon(session, now, KILN_KEYS_EXPIRED);
		return;
	}
	struct turn turn = {
	    .server = session->server, .conn = session->conn, .session = session, .now = now};
	kiln_keys_session_touch(session);
	kiln_keys_session_fail(&turn, KILN_KEYS_EXPIRED);
}

void kiln_keys_server_tick(struct kiln_keys_server *server, struct kiln_keys_now now)
{
	for (size_t i = 0; i < QUEUE_COUNT; i++)
		while (server->queues[i].first != NULL &&
		       server->queues[i].first->deadline <= now.steady_ms)
			expire(server->queues[i].first, now);
}

uint64_t kiln_keys_server_deadline(const struct kiln_keys_server *server)
{
	uint64_t next = UINT64_MAX;
	for (size_t i = 0; i < QUEUE_COUNT; i++)
		if (server->queues[i].first != NULL && server->queues[i].first->deadline < next)
			next = server->queues[i].first->deadline;
	return next;
}

void kiln_keys_server_wind_down(struct kiln_keys_server *server)
{
	server->winding_down = true;
}

void kiln_keys_server_stop(struct kiln_keys_server *server, struct kiln_keys_now now)
{
	for (size_t i = 0; i < QUEUE_COUNT; i++)
		while (server->queues[i].first != NULL) {
			struct session *session = server->queues[i].first;
			kiln_keys_session_touch(session);
			kiln_keys_session_abandon(session, now, KILN_KEYS_ABANDONED);
		}
}

struct kiln_keys_server_count kiln_keys_server_count(const struct kiln_keys_server *server)
{
	return server->count;
}
