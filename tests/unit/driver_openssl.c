/* SPDX-License-Identifier: Apache-2.0
 * The driver against OpenSSL's own sockets: tickets, key updates, alerts. */
#include "driver_rig.h"

#include <openssl/err.h>

/* KeyUpdates that an OpenSSL peer received. */
static int updates_seen;

static void count_updates(int sending, int version, int type, const void *data, size_t len,
			  SSL *ssl, void *arg)
{
	(void)version, (void)ssl, (void)arg;
	if (!sending && type == SSL3_RT_HANDSHAKE && len > 0 &&
	    *(const uint8_t *)data == SSL3_MT_KEY_UPDATE)
		updates_seen++;
}

static void expect_text(SSL *ssl, const char *text)
{
	char data[64];
	const size_t len = strlen(text);
	for (size_t done = 0; done < len;) {
		const int n = SSL_read(ssl, data + done, (int)(len - done));
		RIG_CHECK(n > 0);
		done += (size_t)n;
	}
	RIG_CHECK(memcmp(data, text, len) == 0);
}

/* ---- tickets -------------------------------------------------------------------------------- */

static void server_with_tickets(int fd, int sync, const void *arg)
{
	SSL *ssl = rig_ssl(KILN_SERVER, fd);
	(void)sync, (void)arg;
	RIG_CHECK(SSL_set_num_tickets(ssl, 2) == 1);
	rig_ssl_handshake(ssl);
	expect_text(ssl, "question");
	RIG_CHECK(SSL_write(ssl, "answer", 6) == 6);
	RIG_CHECK(SSL_shutdown(ssl) == 0 && SSL_shutdown(ssl) == 1);
	rig_ssl_free(ssl);
}

static void test_tickets_are_skipped(void **state)
{
	struct rig rig;
	char data[6];
	rig_start(&rig, *state, server_with_tickets, NULL);
	struct kiln_conn *conn = rig_open(&rig, rig_client, KILN_CLIENT);
	rig_write(conn, "question", 8);
	rig_read(conn, data, sizeof data);
	assert_memory_equal(data, "answer", 6);
	rig_expect_end(conn, KILN_OK);
	kiln_conn_close(conn);
	rig_finish(&rig);
}

static void server_that_reads_late(int fd, int sync, const void *arg)
{
	SSL *ssl = rig_ssl(KILN_SERVER, fd);
	char data[1];
	(void)arg;
	RIG_CHECK(SSL_set_num_tickets(ssl, 2) == 1);
	rig_ssl_handshake(ssl);
	rig_say(sync); /* the tickets are there */
	rig_hear(sync);
	expect_text(ssl, "question");
	RIG_CHECK(SSL_read(ssl, data, 1) == 0);
	RIG_CHECK(SSL_get_error(ssl, 0) == SSL_ERROR_ZERO_RETURN);
	RIG_CHECK(recv(fd, data, 1, 0) == 0); /* a FIN and no reset */
	rig_ssl_free(ssl);
}

/* A socket closed with bytes unread resets the connection: tickets that nobody cared for would
 * destroy what is under way to the server. */
static void test_unread_tickets_destroy_nothing(void **state)
{
	struct rig rig;
	rig_start(&rig, *state, server_that_reads_late, NULL);
	struct kiln_conn *conn = rig_open(&rig, rig_client, KILN_CLIENT);
	rig_hear(rig.sync);
	rig_write(conn, "question", 8);
	kiln_conn_close(conn);
	rig_say(rig.sync);
	rig_finish(&rig);
}

static void server_of_tickets(int fd, int sync, const void *arg)
{
	SSL *ssl = rig_ssl(KILN_SERVER, fd);
	(void)sync, (void)arg;
	RIG_CHECK(SSL_set_num_tickets(ssl, 50) == 1);
	(void)SSL_do_handshake(ssl); /* which may find that the client has had enough */
	rig_ssl_free(ssl);
}

static void test_endless_tickets(void **state)
{
	struct rig rig;
	rig_start(&rig, *state, server_of_tickets, NULL);
	struct kiln_conn *conn = rig_open(&rig, rig_client, KILN_CLIENT);
	rig_expect_end(conn, KILN_E_TLS_MESSAGE);
	kiln_conn_close(conn);
	rig_finish(&rig);
}

/* ---- key updates ---------------------------------------------------------------------------- */

/* Changes its key before each of five messages, and expects an answer to each. */
static void updating_client(int fd, int sync, const void *arg)
{
	const int kind = *(const int *)arg;
	SSL *ssl = rig_ssl(KILN_CLIENT, fd);
	SSL_set_msg_callback(ssl, count_updates);
	rig_ssl_handshake(ssl);
	rig_hear(sync);
	for (int i = 0; i < 5; i++) {
		RIG_CHECK(SSL_key_update(ssl, kind) == 1);
		RIG_CHECK(SSL_write(ssl, "ping", 4) == 4);
		expect_text(ssl, "pong");
	}
	RIG_CHECK(updates_seen == (kind == SSL_KEY_UPDATE_REQUESTED ? 5 : 0));
	RIG_CHECK(SSL_shutdown(ssl) == 0 && SSL_shutdown(ssl) == 1);
	rig_ssl_free(ssl);
}

/* The same on a kernel that cannot follow: it gets an alert, soon. */
static void updating_client_refused(int fd, int sync, const void *arg)
{
	SSL *ssl = rig_ssl(KILN_CLIENT, fd);
	char data[8];
	rig_ssl_handshake(ssl);
	rig_hear(sync);
	RIG_CHECK(SSL_key_update(ssl, *(const int *)arg) == 1);
	RIG_CHECK(SSL_write(ssl, "ping", 4) == 4);
	RIG_CHECK(SSL_read(ssl, data, sizeof data) <= 0);
	RIG_CHECK(ERR_GET_REASON(ERR_peek_error()) == SSL_AD_REASON_OFFSET + SSL_AD_INTERNAL_ERROR);
	rig_ssl_free(ssl);
}

static void ping_pong(struct kiln_conn *conn, int rounds)
{
	char data[4];
	for (int i = 0; i < rounds; i++) {
		rig_read(conn, data, sizeof data);
		assert_memory_equal(data, "ping", 4);
		rig_write(conn, "pong", 4);
	}
}

static void follow(const struct rig_way *way, int kind)
{
	struct rig rig;
	const bool can = way != &rig_ways[0] || !rig_kernel_can() || rig_kernel_can_rekey();
	rig_start(&rig, way, can ? updating_client : updating_client_refused, &kind);
	struct kiln_conn *conn = rig_open(&rig, rig_server, KILN_SERVER);
	rig_say(rig.sync);
	if (can) {
		ping_pong(conn, 5);
		rig_expect_end(conn, KILN_OK);
	} else {
		rig_expect_end(conn, KILN_E_TLS_KEY_UPDATE);
	}
	kiln_conn_close(conn);
	rig_finish(&rig);
}

static void test_key_update(void **state)
{
	follow(*state, SSL_KEY_UPDATE_NOT_REQUESTED);
}

static void test_key_update_with_request(void **state)
{
	follow(*state, SSL_KEY_UPDATE_REQUESTED);
}

static void counting_client(int fd, int sync, const void *arg)
{
	const int expected = *(const int *)arg;
	SSL *ssl = rig_ssl(KILN_CLIENT, fd);
	SSL_set_msg_callback(ssl, count_updates);
	rig_ssl_handshake(ssl);
	for (int i = 0; i < (expected > 0 ? 10 : 3); i++)
		expect_text(ssl, "pong");
	char data[1];
	rig_say(sync);
	RIG_CHECK(SSL_write(ssl, "ping", 4) == 4);
	RIG_CHECK(SSL_read(ssl, data, 1) == 0);
	RIG_CHECK(SSL_get_error(ssl, 0) == SSL_ERROR_ZERO_RETURN);
	RIG_CHECK(updates_seen == expected);
	RIG_CHECK(SSL_shutdown(ssl) == 1);
	rig_ssl_free(ssl);
}

/* RFC 8446 5.5: after so many records our key changes; where the kernel cannot change it, writing
 * ends, and everything else goes on. */
static void test_record_limit(void **state)
{
	struct rig rig;
	struct kiln_error err = {0};
	const bool can = *state != &rig_ways[0] || !rig_kernel_can() || rig_kernel_can_rekey();
	const int expected = can ? 3 : 0;
	rig_start(&rig, *state, counting_client, &expected);
	struct kiln_conn *conn = rig_open_with(&rig, rig_server, KILN_SERVER,
					       (struct kiln_conn_options){.rekey_records = 3});
	for (int i = 0; i < (can ? 10 : 3); i++)
		rig_write(conn, "pong", 4);
	if (!can) {
		assert_int_equal(kiln_conn_write(conn, "pong", 4, &err), -1);
		assert_int_equal(err.code, KILN_E_TLS_RECORD_LIMIT);
	}
	rig_hear(rig.sync);
	char data[4];
	rig_read(conn, data, 4);
	assert_int_equal(kiln_conn_shutdown_write(conn, &err), KILN_OK);
	rig_expect_end(conn, KILN_OK);
	kiln_conn_close(conn);
	rig_finish(&rig);
}

/* ---- alerts --------------------------------------------------------------------------------- */

static void server_for_nobody(int fd, int sync, const void *arg)
{
	SSL *ssl = rig_ssl(KILN_SERVER, fd);
	(void)sync, (void)arg;
	/* Without our authority: unknown_ca, after the client believes it is done. */
	X509_STORE *empty = X509_STORE_new();
	SSL_set0_verify_cert_store(ssl, empty);
	RIG_CHECK(SSL_do_handshake(ssl) != 1);
	char byte;
	RIG_CHECK(read(fd, &byte, 1) >= 0); /* until the client has had the alert, and closes */
	rig_ssl_free(ssl);
}

/* The server's refusal comes with the first read, also after writing failed. */
static void test_refused_by_the_server(void **state)
{
	struct rig rig;
	struct kiln_error err = {0};
	char data[4];
	rig_start(&rig, *state, server_for_nobody, NULL);
	struct kiln_conn *conn = rig_open(&rig, rig_client, KILN_CLIENT);
	assert_int_equal(kiln_conn_read(conn, data, sizeof data, &err), -1);
	assert_int_equal(err.code, KILN_E_TLS_ALERT);
	assert_int_equal(err.alert, 48); /* unknown_ca */
	assert_int_equal(kiln_conn_write(conn, "x", 1, &err), -1);
	assert_int_equal(err.code, KILN_E_TLS_ALERT);
	kiln_conn_close(conn);
	rig_finish(&rig);
}

static void client_with_wrong_rule(int fd, int sync, const void *arg)
{
	SSL *ssl = rig_ssl(KILN_CLIENT, fd);
	char data[4];
	(void)sync, (void)arg;
	rig_ssl_handshake(ssl);
	RIG_CHECK(SSL_read(ssl, data, sizeof data) <= 0);
	RIG_CHECK(ERR_GET_REASON(ERR_peek_error()) == SSL_AD_REASON_OFFSET + SSL_AD_ACCESS_DENIED);
	rig_ssl_free(ssl);
}

static void only_somebody_else(struct kiln_tls_options *o)
{
	static const struct kiln_access_rule rule = {KILN_ACCESS_CN, "somebody else"};
	o->allow_any = false;
	o->rules = &rule;
	o->rule_count = 1;
}

static void test_access_denied(void **state)
{
	struct rig rig;
	struct kiln_error err;
	struct kiln_conn *conn;
	struct kiln_tls_config *config = rig_config(KILN_SERVER, only_somebody_else);
	rig_start(&rig, *state, client_with_wrong_rule, NULL);
	assert_int_equal(kiln_tls_accept(config, rig.fd, NULL, &conn, &err), -1);
	assert_int_equal(err.code, KILN_E_ACCESS_DENIED);
	(void)close(rig.fd);
	rig_finish(&rig);
	kiln_tls_config_unref(config);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    RIG_TEST_EACH(test_tickets_are_skipped),
	    RIG_TEST_EACH(test_unread_tickets_destroy_nothing),
	    RIG_TEST_EACH(test_endless_tickets),
	    RIG_TEST_EACH(test_key_update),
	    RIG_TEST_EACH(test_key_update_with_request),
	    RIG_TEST_EACH(test_record_limit),
	    RIG_TEST_EACH(test_refused_by_the_server),
	    RIG_TEST_EACH(test_access_denied),
	};
	return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}
