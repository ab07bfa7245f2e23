/* SPDX-License-Identifier: Apache-2.0
 * Peers that are silent, slow, gone, or in a hurry: deadlines, truncation at every stage, and data
 * in the same packet as Finished. */
#include "driver/driver.h"
#include "driver_rig.h"

#include <openssl/err.h>
#include <poll.h>
#include <time.h>

#define PATIENCE_MS 300u

/* ---- deadlines ------------------------------------------------------------------------------ */

static int64_t now_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void silent_peer(int fd, int sync, const void *arg)
{
	(void)fd, (void)arg;
	rig_hear(sync);
}

/* One byte of a plausible record every now and then: progress, but no end. */
static void dribbling_peer(int fd, int sync, const void *arg)
{
	static const uint8_t header[5] = {22, 3, 1, 2, 0};
	struct pollfd done = {.fd = sync, .events = POLLIN};
	(void)arg;
	for (size_t i = 0; poll(&done, 1, 5) == 0; i++)
		if (send(fd, i < 5 ? header + i : header + 3, 1, MSG_NOSIGNAL) != 1)
			return;
}

static void expect_timeout(const struct rig_way *way, rig_peer *peer, enum kiln_role role)
{
	const struct kiln_conn_options o = {.timeout_ms = PATIENCE_MS, .ktls = way->ktls};
	struct rig rig;
	struct kiln_conn *conn;
	struct kiln_error err;
	rig_start(&rig, way, peer, NULL);
	const int64_t began = now_ms();
	const int fd = role == KILN_SERVER
			   ? kiln_tls_accept(rig_server, rig.fd, &o, &conn, &err)
			   : kiln_tls_connect_fd(rig_client, rig.fd, &o, &conn, &err);
	const int64_t took = now_ms() - began;
	assert_int_equal(fd, -1);
	assert_string_equal(kiln_code_name(err.code), "timeout");
	assert_true(took >= PATIENCE_MS);
	/* Far from exact, because machines are busy; without a deadline it would be for ever. */
	assert_true(took < 100 * (int64_t)PATIENCE_MS);
	rig_say(rig.sync);
	assert_int_equal(close(rig.fd), 0);
	rig_finish(&rig);
}

static void test_silent_client(void **state)
{
	expect_timeout(*state, silent_peer, KILN_SERVER);
}

static void test_silent_server(void **state)
{
	expect_timeout(*state, silent_peer, KILN_CLIENT);
}

static void test_dribbling_client(void **state)
{
	expect_timeout(*state, dribbling_peer, KILN_SERVER);
}

/* ---- OpenSSL over memory, so that the test decides what goes into which packet --------------- */

struct memory_peer {
	SSL *ssl;
	BIO *in, *out;
	int fd;
};

static struct memory_peer memory_peer(enum kiln_role role, int fd)
{
	struct memory_peer p = {rig_ssl(role, -1), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()), fd};
	RIG_CHECK(p.in != NULL && p.out != NULL);
	SSL_set_bio(p.ssl, p.in, p.out);
	return p;
}

/* Everything that OpenSSL has to say; the caller frees nothing. */
static size_t output(struct memory_peer *p, uint8_t **data)
{
	char *bytes = NULL;
	const long len = BIO_get_mem_data(p->out, &bytes);
	*data = (uint8_t *)bytes;
	return len > 0 ? (size_t)len : 0;
}

static void send_output(struct memory_peer *p)
{
	uint8_t *data;
	const size_t len = output(p, &data);
	RIG_CHECK(send(p->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len);
	(void)BIO_reset(p->out);
}

static void receive(struct memory_peer *p)
{
	uint8_t data[16384];
	const ssize_t n = recv(p->fd, data, sizeof data, 0);
	RIG_CHECK(n > 0 && BIO_write(p->in, data, (int)n) == n);
}

/* Up to, and without, the flight that completes the handshake. */
static void almost_shake(struct memory_peer *p)
{
	while (SSL_do_handshake(p->ssl) != 1) {
		RIG_CHECK(SSL_get_error(p->ssl, -1) == SSL_ERROR_WANT_READ);
		uint8_t *data;
		if (output(p, &data) > 0)
			send_output(p);
		receive(p);
	}
}

/* ---- in a hurry ----------------------------------------------------------------------------- */

/* How many bytes of the data that follows Finished go into its packet; -1: all of them. */
static void hurried_client(int fd, int sync, const void *arg)
{
	const int glued = *(const int *)arg;
	struct memory_peer p = memory_peer(KILN_CLIENT, fd);
	uint8_t *data;
	almost_shake(&p);
	const size_t finished = output(&p, &data);
	RIG_CHECK(SSL_write(p.ssl, "first", 5) == 5);
	RIG_CHECK(SSL_write(p.ssl, "second", 6) == 6);
	RIG_CHECK(SSL_shutdown(p.ssl) == 0);
	const size_t all = output(&p, &data);
	const size_t now = glued < 0 ? all : finished + (size_t)glued;
	RIG_CHECK(send(fd, data, now, MSG_NOSIGNAL) == (ssize_t)now);
	rig_hear(sync); /* until the handshake is over at the other end */
	if (now < all)
		RIG_CHECK(send(fd, data + now, all - now, MSG_NOSIGNAL) == (ssize_t)(all - now));
	rig_hear(sync);
	rig_ssl_free(p.ssl);
}

/* Data, and the end, in the packet of Finished; then records cut in all places that differ: in the
 * header, behind it, in the text, in the tag. */
static void test_data_with_finished(void **state)
{
	static const int cuts[] = {-1, 0, 1, 4, 5, 6, 12, 26, 27, 28, 40};
	for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
		struct rig rig;
		char data[11];
		rig_start(&rig, *state, hurried_client, &cuts[i]);
		struct kiln_conn *conn = rig_open(&rig, rig_server, KILN_SERVER);
		rig_say(rig.sync);
		rig_read(conn, data, sizeof data);
		assert_memory_equal(data, "firstsecond", 11);
		rig_expect_end(conn, KILN_OK);
		kiln_conn_close(conn);
		rig_say(rig.sync);
		rig_finish(&rig);
	}
}

/* ---- gone ----------------------------------------------------------------------------------- */

struct leaving {
	enum kiln_role role;
	int after; /* bytes of the first flight that are sent */
};

static void leaving_peer(int fd, int sync, const void *arg)
{
	const struct leaving *how = arg;
	struct memory_peer p = memory_peer(how->role, fd);
	uint8_t *data;
	(void)sync;
	if (how->role == KILN_SERVER)
		receive(&p);
	(void)SSL_do_handshake(p.ssl);
	const size_t len = output(&p, &data);
	RIG_CHECK(len > (size_t)how->after);
	RIG_CHECK(send(fd, data, (size_t)how->after, MSG_NOSIGNAL) == how->after);
	rig_ssl_free(p.ssl);
	(void)shutdown(fd, SHUT_WR);
	while (recv(fd, &(char[4096]){0}, 4096, 0) > 0)
		continue;
}

static void leave(const struct rig_way *way, enum kiln_role peers_role)
{
	static const int places[] = {0, 1, 4, 5, 6, 60, 120};
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		const struct leaving how = {peers_role, places[i]};
		const struct kiln_conn_options o = {.ktls = way->ktls};
		struct rig rig;
		struct kiln_conn *conn;
		struct kiln_error err;
		rig_start(&rig, way, leaving_peer, &how);
		const int fd = peers_role == KILN_CLIENT
				   ? kiln_tls_accept(rig_server, rig.fd, &o, &conn, &err)
				   : kiln_tls_connect_fd(rig_client, rig.fd, &o, &conn, &err);
		assert_int_equal(fd, -1);
		assert_string_equal(kiln_code_name(err.code), "tls_truncated");
		assert_null(conn);
		assert_int_equal(close(rig.fd), 0);
		rig_finish(&rig);
	}
}

static void test_client_leaves_during_handshake(void **state)
{
	leave(*state, KILN_CLIENT);
}

static void test_server_leaves_during_handshake(void **state)
{
	leave(*state, KILN_SERVER);
}

/* After the handshake: a FIN without close_notify, between records (0) and inside of one. */
static void truncating_client(int fd, int sync, const void *arg)
{
	struct memory_peer p = memory_peer(KILN_CLIENT, fd);
	uint8_t *data;
	almost_shake(&p);
	RIG_CHECK(SSL_write(p.ssl, "whole", 5) == 5);
	send_output(&p);
	RIG_CHECK(SSL_write(p.ssl, "never", 5) == 5);
	RIG_CHECK(output(&p, &data) > 10);
	RIG_CHECK(send(fd, data, (size_t) * (const int *)arg, MSG_NOSIGNAL) == *(const int *)arg);
	rig_hear(sync);
	(void)shutdown(fd, SHUT_WR);
	rig_hear(sync);
	rig_ssl_free(p.ssl);
}

static void test_truncation(void **state)
{
	static const int parts[] = {0, 1, 10};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		struct rig rig;
		char data[5];
		rig_start(&rig, *state, truncating_client, &parts[i]);
		struct kiln_conn *conn = rig_open(&rig, rig_server, KILN_SERVER);
		rig_read(conn, data, 5);
		rig_say(rig.sync);
		rig_expect_end(conn, KILN_E_TLS_TRUNCATED);
		kiln_conn_close(conn);
		rig_say(rig.sync);
		rig_finish(&rig);
	}
}

/* ---- not TLS, or not any more --------------------------------------------------------------- */

static void http_client(int fd, int sync, const void *arg)
{
	static const char request[] = "GET / HTTP/1.1\r\n\r\n";
	(void)sync, (void)arg;
	RIG_CHECK(send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == sizeof request - 1);
	while (recv(fd, &(char[64]){0}, 64, 0) > 0)
		continue;
}

static void test_not_tls(void **state)
{
	struct rig rig;
	struct kiln_conn *conn;
	struct kiln_error err;
	rig_start(&rig, *state, http_client, NULL);
	assert_int_equal(kiln_tls_accept(rig_server, rig.fd, NULL, &conn, &err), -1);
	assert_int_equal(err.code, KILN_E_NOT_TLS);
	(void)close(rig.fd);
	rig_finish(&rig);
}

/* A record changed on its way. */
static void tampering_client(int fd, int sync, const void *arg)
{
	struct memory_peer p = memory_peer(KILN_CLIENT, fd);
	uint8_t *data;
	(void)arg;
	almost_shake(&p);
	send_output(&p);
	RIG_CHECK(SSL_write(p.ssl, "hello", 5) == 5);
	const size_t len = output(&p, &data);
	data[len - 1] ^= 1;
	send_output(&p);
	rig_hear(sync);
	rig_ssl_free(p.ssl);
}

static void test_tampered(void **state)
{
	struct rig rig;
	rig_start(&rig, *state, tampering_client, NULL);
	struct kiln_conn *conn = rig_open(&rig, rig_server, KILN_SERVER);
	rig_expect_end(conn, KILN_E_TLS_DECRYPT);
	kiln_conn_close(conn);
	rig_say(rig.sync);
	rig_finish(&rig);
}

/* RFC 8446 4.6.1: only servers send tickets. */
static void client_with_a_ticket(int fd, int sync, const void *arg)
{
	static const uint8_t ticket[] = {4, 0, 0, 0};
	struct kiln_error err;
	struct kiln_conn *conn = rig_child_open(fd, arg, (struct kiln_conn_options){0});
	RIG_CHECK(kiln_driver_send_control(conn, KILN_RECORD_HANDSHAKE, ticket, sizeof ticket, 0,
					   &err) == KILN_OK);
	RIG_CHECK(kiln_driver_flush(conn, 0, &err) == KILN_OK);
	RIG_CHECK(kiln_conn_read(conn, &(char[1]){0}, 1, &err) == -1);
	RIG_CHECK(err.code == KILN_E_TLS_ALERT && err.alert == KILN_ALERT_UNEXPECTED_MESSAGE);
	rig_hear(sync);
}

static void test_ticket_from_a_client(void **state)
{
	struct rig rig;
	rig_start(&rig, *state, client_with_a_ticket, *state);
	struct kiln_conn *conn = rig_open(&rig, rig_server, KILN_SERVER);
	rig_expect_end(conn, KILN_E_TLS_MESSAGE);
	rig_say(rig.sync);
	kiln_conn_close(conn);
	rig_finish(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    RIG_TEST_EACH(test_silent_client),
	    RIG_TEST_EACH(test_silent_server),
	    RIG_TEST_EACH(test_dribbling_client),
	    RIG_TEST_EACH(test_data_with_finished),
	    RIG_TEST_EACH(test_client_leaves_during_handshake),
	    RIG_TEST_EACH(test_server_leaves_during_handshake),
	    RIG_TEST_EACH(test_truncation),
	    RIG_TEST_EACH(test_not_tls),
	    RIG_TEST_EACH(test_tampered),
	    RIG_TEST_EACH(test_ticket_from_a_client),
	};
	return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}
