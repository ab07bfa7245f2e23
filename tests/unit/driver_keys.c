/* SPDX-License-Identifier: Apache-2.0
 * The calls of kiln/keys.h over TLS, against a key server in a thread; also when the connection
 * breaks off in the middle. */
#include "driver_rig.h"

#include <kiln/keys.h>
#include <pthread.h>
#include <stdlib.h>

#include "keys/server.h"
#include "keys_store.h"

#define CONNECTIONS 3

struct server {
	struct memory_store store;
	struct kiln_opaque_setup setup;
	struct kiln_keys_server *machine;
	int fds[CONNECTIONS][2];         /* ours, the client's */
	unsigned cut_after[CONNECTIONS]; /* answers; 0: never */
	pthread_t thread;
};

static const struct kiln_conn_options bound = {
    .exporter_label = KILN_KEYS_EXPORTER_LABEL,
    .exporter_len = KILN_KEYS_EXPORTER_SIZE,
    .ktls = KILN_KTLS_OFF,
};
static const struct kiln_keys_now now = {1000, 1767225600000};

static void serve_one(struct server *s, int fd, unsigned cut_after)
{
	struct kiln_conn *conn;
	uint8_t data[4096];
	size_t len;
	ssize_t n;
	if (kiln_tls_accept(rig_server, fd, &bound, &conn, NULL) < 0)
		return;
	struct kiln_keys_conn *keys =
	    kiln_keys_conn_new(s->machine, NULL, kiln_conn_exporter(conn, &len), NULL);
	while ((n = kiln_conn_read(conn, data, sizeof data, NULL)) > 0) {
		kiln_keys_conn_feed(keys, data, (size_t)n, now);
		(void)kiln_keys_server_commit(s->machine, now);
		while (kiln_keys_server_ready(s->machine) != NULL)
			;
		const uint8_t *out = kiln_keys_conn_output(keys, &len);
		if (out == NULL)
			continue;
		if (cut_after > 0 && --cut_after == 0)
			break;
		if (kiln_conn_write(conn, out, len, NULL) != (ssize_t)len)
			break;
		kiln_keys_conn_sent(keys, len);
	}
	kiln_keys_conn_gone(keys, now);
	(void)kiln_keys_server_commit(s->machine, now);
	kiln_conn_close(conn);
}

static void *serve(void *arg)
{
	struct server *s = arg;
	for (size_t i = 0; i < CONNECTIONS; i++)
		serve_one(s, s->fds[i][0], s->cut_after[i]);
	return NULL;
}

static struct server *start(unsigned first_cut, unsigned second_cut)
{
	struct server *s = calloc(1, sizeof *s);
	assert_non_null(s);
	s->cut_after[0] = first_cut;
	s->cut_after[1] = second_cut;
	assert_int_equal(kiln_opaque_setup_generate(NULL, &s->setup, NULL), KILN_OK);
	const struct kiln_keys_server_options options = {
	    .store = &memory_store_calls,
	    .store_ctx = &s->store,
	    .setup = &s->setup,
	    .registration = KILN_KEYS_REGISTRATION_OPEN,
	    .require_binding = true,
	    .audit_pages_max = 1,
	};
	s->machine = kiln_keys_server_new(&options, NULL);
	assert_non_null(s->machine);
	for (size_t i = 0; i < CONNECTIONS; i++)
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s->fds[i]), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	return s;
}

struct ends {
	struct server *server;
	struct kiln_conn *conn;
	size_t next;
	unsigned stretched;
	bool unbound; /* the next connection is to have no exporter */
};

/* The next connection; the one before is closed. */
static struct kiln_conn *next_connection(void *arg, struct kiln_error *err)
{
	struct ends *e = arg;
	kiln_conn_close(e->conn);
	e->conn = NULL;
	if (e->next == CONNECTIONS) {
		(void)kiln_fail(err, KILN_E_TARGET, "no more connections");
		return NULL;
	}
	static const struct kiln_conn_options unbound = {.ktls = KILN_KTLS_OFF};
	if (kiln_tls_connect_fd(rig_client, e->server->fds[e->next++][1],
				e->unbound ? &unbound : &bound, &e->conn, err) < 0)
		return NULL;
	return e->conn;
}

static void stop(struct ends *e)
{
	kiln_conn_close(e->conn);
	for (; e->next < CONNECTIONS; e->next++)
		(void)close(e->server->fds[e->next][1]);
	assert_int_equal(pthread_join(e->server->thread, NULL), 0);
	kiln_keys_server_stop(e->server->machine, now);
	(void)kiln_keys_server_commit(e->server->machine, now);
	kiln_keys_server_free(e->server->machine);
	free(e->server);
}

static void progress(void *arg, enum kiln_keys_progress what)
{
	struct ends *e = arg;
	e->stretched += what == KILN_KEYS_STRETCHED;
}

static struct kiln_keys *open_keys(struct ends *e, const char *password, const uint8_t *server_key)
{
	const struct kiln_keys_options options = {
	    .ksf = {.profile = KILN_OPAQUE_KSF_NONE},
	    .server_key = server_key,
	    .progress = progress,
	    .reconnect = next_connection,
	    .arg = e,
	};
	struct kiln_keys *keys;
	struct kiln_error err;
	if (e->conn == NULL)
		assert_non_null(next_connection(e, &err));
	if (kiln_keys_open(e->conn, "Ada", password, strlen(password), &options, &keys, &err) !=
	    KILN_OK)
		fail_msg("%s", err.message);
	return keys;
}

#define OK(call)                                                                                   \
	do {                                                                                       \
		err = (struct kiln_error){0};                                                      \
		if ((call) != KILN_OK)                                                             \
			fail_msg("%s: %s", #call, err.message);                                    \
	} while (0)

/* Before a call: the server is at rest then. */
static void add_lines(struct server *s, unsigned count)
{
	const struct kiln_keys_audit line = {.action = KILN_KEYS_DID_SIGN};
	const uint8_t *user_id = s->store.now.users[0].user_id;
	struct kiln_error err;
	assert_int_equal(memory_store_calls.begin(&s->store, &err), KILN_STORE_OK);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(memory_store_calls.audit_append(&s->store, user_id, &line, &err),
				 KILN_STORE_OK);
	assert_int_equal(memory_store_calls.commit(&s->store, &err), KILN_STORE_OK);
}

static void test_every_call(void **state)
{
	struct ends e = {.server = start(0, 0)};
	struct kiln_keys *keys = open_keys(&e, "password", NULL);
	const struct kiln_opaque_ksf none = {.profile = KILN_OPAQUE_KSF_NONE};
	struct kiln_keys_secret made, got;
	struct kiln_keys_audit *entries;
	struct kiln_error err;
	uint8_t key_id[16], public_key[33], again[33], signature[64], out[KILN_KEYS_EXPORT_MAX];
	uint8_t server_key[32];
	size_t count;
	(void)state;
	assert_int_equal(kiln_keys_login_test(keys, &err), KILN_E_KEYS_PASSWORD);
	OK(kiln_keys_register(keys, NULL, &err));
	assert_int_equal(kiln_keys_register(keys, NULL, &err), KILN_E_KEYS_NAME);
	assert_memory_equal(kiln_keys_server_key(keys), e.server->setup.server_public_key, 32);
	OK(kiln_keys_login_test(keys, &err));
	OK(kiln_keys_generate(keys, KILN_KEYS_BACKED_UP, &made, &err));
	OK(kiln_keys_retrieve(keys, made.key_id, KILN_KEYS_BACKUP, KILN_KEYS_FOR_LOCAL_USE, &got,
			      &err));
	assert_memory_equal(&made, &got, sizeof made);
	OK(kiln_keys_generate(keys, KILN_KEYS_AT_SERVER, &made, &err));
	assert_int_equal(made.len, 0);
	OK(kiln_keys_store(keys, "secret", 6, key_id, &err));
	OK(kiln_keys_export(keys, key_id, KILN_KEYS_BACKUP, out, &count, &err));
	assert_int_equal(count, 1 + 6 + 1 + 60);
	assert_memory_equal(out, "\6secret\74", 8);
	OK(kiln_keys_import(keys, KILN_KEYS_AT_SERVER, "other", 5, key_id, &err));
	OK(kiln_keys_delete(keys, key_id, &err));
	assert_int_equal(kiln_keys_delete(keys, key_id, &err), KILN_E_KEYS_KEY);
	OK(kiln_keys_generate_signing(keys, key_id, public_key, &err));
	OK(kiln_keys_public_key(keys, key_id, again, &err));
	assert_memory_equal(public_key, again, 33);
	OK(kiln_keys_sign(keys, key_id, "message", 7, false, signature, &err));
	memset(out, 0, 32);
	assert_int_equal(kiln_keys_import_signing(keys, out, key_id, public_key, &err),
			 KILN_E_KEYS_KEY);
	out[31] = 1;
	OK(kiln_keys_import_signing(keys, out, key_id, public_key, &err));
	OK(kiln_keys_change_password(keys, "new one", 7, &none, &err));
	OK(kiln_keys_audit(keys, NULL, &entries, &count, NULL, &err));
	assert_true(count > 20);
	free(entries);
	memcpy(server_key, kiln_keys_server_key(keys), sizeof server_key);
	kiln_keys_close(keys);

	keys = open_keys(&e, "password", server_key);
	assert_int_equal(kiln_keys_login_test(keys, &err), KILN_E_KEYS_PASSWORD);
	assert_int_equal(kiln_keys_import(keys, KILN_KEYS_AT_SERVER, "", 0, key_id, &err),
			 KILN_E_KEYS_PASSWORD);
	kiln_keys_close(keys);
	server_key[0] ^= 1;
	keys = open_keys(&e, "new one", server_key);
	assert_int_equal(kiln_keys_login_test(keys, &err), KILN_E_KEYS_SERVER);
	kiln_keys_close(keys);
	keys = open_keys(&e, "wrong", NULL);
	enum kiln_code rc = KILN_E_KEYS_PASSWORD;
	for (int i = 0; i < 30 && rc == KILN_E_KEYS_PASSWORD; i++)
		rc = kiln_keys_login_test(keys, &err);
	assert_int_equal(rc, KILN_E_KEYS_LIMITED);
	assert_in_range(kiln_keys_retry_after_ms(keys), 1, 300000);
	assert_true(e.stretched > 20);
	kiln_keys_close(keys);
	stop(&e);
}

/* A log that is longer than what one session gives is read to its end, or to where it was asked
 * for. */
static void test_long_log(void **state)
{
	(void)state;
	struct ends e = {.server = start(0, 0)};
	struct kiln_keys *keys = open_keys(&e, "password", NULL);
	struct kiln_keys_query query = {.limit = 350};
	struct kiln_keys_audit *entries;
	struct kiln_error err;
	uint64_t next;
	size_t count;
	OK(kiln_keys_register(keys, NULL, &err));
	add_lines(e.server, 700);
	OK(kiln_keys_audit(keys, NULL, &entries, &count, &next, &err));
	assert_in_range(count, 701, 720);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(entries[i].number, i + 1);
	assert_int_equal(next, 0);
	free(entries);
	OK(kiln_keys_audit(keys, &query, &entries, &count, &next, &err));
	assert_int_equal(count, 350);
	assert_int_equal(next, 351);
	free(entries);
	query = (struct kiln_keys_query){.from_number = 690, .last = 5};
	OK(kiln_keys_audit(keys, &query, &entries, &count, &next, &err));
	assert_int_equal(count, 5);
	assert_int_equal(entries[4].action, KILN_KEYS_DID_AUDIT);
	assert_int_equal(entries[4].number, entries[0].number + 4);
	free(entries);
	query.limit = 5;
	assert_int_equal(kiln_keys_audit(keys, &query, &entries, &count, &next, &err),
			 KILN_E_USAGE);
	kiln_keys_close(keys);
	stop(&e);
}

/* Registration, and login with generate, have four answers each: whichever is the one that
 * does not arrive, what was asked for is done once, or not at all and said so. */
static void test_cut(void **state)
{
	(void)state;
	for (unsigned cut = 1; cut <= 4; cut++) {
		struct ends e = {.server = start(4 + cut, cut == 3 ? 2 : 0)};
		struct kiln_keys *keys = open_keys(&e, "password", NULL);
		struct kiln_keys_secret made, got;
		struct kiln_error err;
		OK(kiln_keys_register(keys, NULL, &err));
		const enum kiln_code rc =
		    kiln_keys_generate(keys, KILN_KEYS_BACKED_UP, &made, &err);
		/* KE2 was lost: there was no session yet. */
		assert_int_equal(rc, cut == 1 ? KILN_E_TLS_TRUNCATED : KILN_OK);
		assert_int_equal(e.server->store.now.key_count, cut != 1);
		if (rc == KILN_OK) {
			OK(kiln_keys_retrieve(keys, made.key_id, KILN_KEYS_BACKUP,
					      KILN_KEYS_FOR_NOTHING, &got, &err));
			assert_memory_equal(made.data, got.data, 32);
		}
		kiln_keys_close(keys);
		stop(&e);
	}
}

/* A session that is bound to its connection does not go on where there is nothing to bind to. */
static void test_cut_unbound(void **state)
{
	struct ends e = {.server = start(8, 0)};
	struct kiln_keys *keys = open_keys(&e, "password", NULL);
	struct kiln_keys_secret made;
	struct kiln_error err;
	(void)state;
	OK(kiln_keys_register(keys, NULL, &err));
	e.unbound = true;
	assert_int_equal(kiln_keys_generate(keys, KILN_KEYS_BACKED_UP, &made, &err),
			 KILN_E_KEYS_OUTCOME);
	assert_non_null(strstr(err.message, "exporter"));
	assert_int_equal(e.server->store.now.key_count, 1); /* indeed */
	kiln_keys_close(keys);
	stop(&e);
}

static void test_bad_arguments(void **state)
{
	struct ends e = {.server = start(0, 0)};
	struct kiln_keys *keys;
	struct kiln_error err;
	(void)state;
	assert_non_null(next_connection(&e, &err));
	assert_int_equal(kiln_keys_open(e.conn, "a\nb", "pw", 2, NULL, &keys, &err),
			 KILN_E_KEYS_NAME);
	assert_int_equal(kiln_keys_open(e.conn, "ada", "", 0, NULL, &keys, &err), KILN_E_USAGE);
	assert_null(keys);
	kiln_keys_close(NULL);
	stop(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_call),    cmocka_unit_test(test_long_log),
	    cmocka_unit_test(test_cut),           cmocka_unit_test(test_cut_unbound),
	    cmocka_unit_test(test_bad_arguments),
	};
	return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}
