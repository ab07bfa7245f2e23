/* SPDX-License-Identifier: Apache-2.0
 * kiln_roast_connect and kiln_roast_accept over loopback, with an STS that can fall silent. */
#include "roast_world.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct kiln_aws *client_aws, *server_aws;
static struct listener door;

static int begin(void **state)
{
	if (world_begin(state) != 0)
		return -1;
	client_aws = world_aws(&client_person);
	server_aws = world_aws(&server_person);
	door = world_listen();
	return 0;
}

static int end(void **state)
{
	kiln_aws_close(client_aws);
	kiln_aws_close(server_aws);
	(void)close(door.fd);
	return world_end(state);
}

static struct acceptance serve(void)
{
	return (struct acceptance){.listener = &door,
				   .options = {.aws = server_aws},
				   .allowed = rig_role(client_person.role)};
}

static int connect_as(struct kiln_aws *aws, const struct listener *to, const char *allowed,
		      uint32_t timeout_ms, struct kiln_conn **conn, struct kiln_error *err)
{
	const struct kiln_roast_conn_options options = {.aws = aws, .timeout_ms = timeout_ms};
	const struct kiln_aws_role role = rig_role(allowed);
	return kiln_roast_connect("127.0.0.1", to->port, &role, 1, &options, conn, err);
}

static void assert_failed(int fd, struct kiln_conn *const *conn, const struct kiln_error *err,
			  enum kiln_code code, const char *words)
{
	assert_int_equal(fd, -1);
	assert_null(*conn);
	if (err->code != code || strstr(err->message, words) == NULL)
		fail_msg("%s: %s", kiln_code_name(err->code), err->message);
}

static int64_t now_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void talk(struct kiln_conn *from, struct kiln_conn *to)
{
	char data[5];
	assert_int_equal(kiln_conn_write(from, "hello", 5, NULL), 5);
	assert_int_equal(kiln_conn_read(to, data, 5, NULL), 5);
	assert_memory_equal(data, "hello", 5);
}

static void check_peer(const struct kiln_conn *conn, const struct person *person,
		       const char *session)
{
	const struct kiln_roast_peer *peer = kiln_conn_role(conn);
	const struct kiln_aws_role role = rig_role(person->role);
	assert_non_null(peer);
	assert_true(kiln_aws_role_equal(&peer->role, &role));
	assert_string_equal(peer->role.account, "123456789012");
	assert_string_equal(peer->session, session);
	assert_true(peer->bound);
}

static void test_pair(void **state)
{
	struct acceptance a = serve();
	struct kiln_conn *conn;
	struct kiln_error err = {0};
	(void)state;
	a.options.require_binding = true;
	accept_begin(&a);
	const int fd = connect_as(client_aws, &door, server_person.role, 0, &conn, &err);
	accept_end(&a);
	if (fd < 0 || a.fd < 0)
		fail_msg("client: %s; server: %s", err.message, a.err.message);
	assert_int_equal(kiln_conn_fd(conn), fd);
	assert_int_equal(err.code, KILN_OK);
	check_peer(conn, &server_person, "server-session");
	check_peer(a.conn, &client_person, "client-session");
	talk(conn, a.conn);
	talk(a.conn, conn);
	kiln_conn_close(conn);
	kiln_conn_close(a.conn);
}

/* White space that arrives when TLS is awaited already, as behind the hellos of the Go library: the
 * handshake still takes no byte of the data that arrives together with its last record. And the
 * hello that somebody kept is good for nothing. */
static void test_late_blanks_and_replay(void **state)
{
	struct acceptance a = serve(), again = serve();
	struct listener between = world_listen();
	struct wiretap tap = {.from = &between, .to = &door};
	char early[5];
	struct kiln_conn *conn;
	struct kiln_error err = {0};
	(void)state;
	wiretap_begin(&tap);
	accept_begin(&a);
	const int fd = connect_as(client_aws, &between, server_person.role, 0, &conn, &err);
	if (fd >= 0)
		assert_int_equal(kiln_conn_write(conn, "early", 5, NULL), 5);
	wiretap_release(&tap);
	accept_end(&a);
	if (fd < 0 || a.fd < 0)
		fail_msg("client: %s; server: %s", err.message, a.err.message);
	assert_int_equal(kiln_conn_read(a.conn, early, sizeof early, NULL), 5);
	assert_memory_equal(early, "early", 5);
	talk(conn, a.conn);
	talk(a.conn, conn);
	kiln_conn_close(conn);
	kiln_conn_close(a.conn);

	accept_begin(&again);
	const unsigned before = world_questions();
	const int thief = world_dial(&door);
	assert_int_equal(send(thief, tap.hello.data, tap.hello.len, MSG_NOSIGNAL), tap.hello.len);
	accept_end(&again);
	assert_failed(again.fd, &again.conn, &again.err, KILN_E_ROAST_PROOF, "it is a replay");
	assert_int_equal(world_questions(), before);
	(void)close(thief);
	wiretap_end(&tap);
	(void)close(between.fd);
}

static void test_not_allowed(void **state)
{
	struct acceptance a = serve(), b = serve();
	struct kiln_conn *conn;
	struct kiln_error err = {0};
	(void)state;
	a.allowed = rig_role(mallory.role);
	accept_begin(&a);
	assert_failed(connect_as(client_aws, &door, server_person.role, 0, &conn, &err), &conn,
		      &err, KILN_E_ROAST_HELLO, "is our role on its list");
	accept_end(&a);
	assert_failed(a.fd, &a.conn, &a.err, KILN_E_ACCESS_DENIED, client_person.role);
	assert_non_null(strstr(a.err.message, "client 127.0.0.1:"));

	accept_begin(&b);
	assert_failed(connect_as(client_aws, &door, mallory.role, 0, &conn, &err), &conn, &err,
		      KILN_E_ACCESS_DENIED, server_person.role);
	accept_end(&b);
	assert_int_equal(b.fd, -1);
	assert_non_null(strstr(b.err.message, "client 127.0.0.1:"));
}

/* ---- time ---------------------------------------------------------------------------------- */

#define SHORT_MS 400

static void assert_in_time(int64_t began)
{
	const int64_t took = now_ms() - began;
	assert_true(took >= SHORT_MS);
	assert_in_range(took, SHORT_MS, SHORT_MS + 5000);
}

static void test_silent_server(void **state)
{
	struct kiln_conn *conn;
	struct kiln_error err = {0};
	const struct listener deaf = world_listen(); /* the kernel accepts, and nobody else */
	const int64_t began = now_ms();
	(void)state;
	assert_failed(connect_as(client_aws, &deaf, server_person.role, SHORT_MS, &conn, &err),
		      &conn, &err, KILN_E_TIMEOUT, "s have passed while waiting for its hello");
	assert_in_time(began);
	(void)close(deaf.fd);
}

static void test_silent_client(void **state)
{
	struct acceptance a = serve();
	const int64_t began = now_ms();
	(void)state;
	a.options.timeout_ms = SHORT_MS;
	accept_begin(&a);
	const int fd = world_dial(&door);
	assert_int_equal(send(fd, "{", 1, MSG_NOSIGNAL), 1);
	accept_end(&a);
	assert_failed(a.fd, &a.conn, &a.err, KILN_E_TIMEOUT, "waiting for the rest of its hello");
	assert_in_time(began);
	(void)close(fd);
}

static void test_silent_sts(void **state)
{
	struct acceptance a = serve();
	struct kiln_conn *conn;
	struct kiln_error err = {0};
	(void)state;
	a.options.timeout_ms = SHORT_MS;
	world_silence(true);
	const int64_t began = now_ms();
	accept_begin(&a);
	assert_failed(connect_as(client_aws, &door, server_person.role, 0, &conn, &err), &conn,
		      &err, KILN_E_ROAST_HELLO, "closed the connection");
	accept_end(&a);
	world_silence(false);
	assert_failed(a.fd, &a.conn, &a.err, KILN_E_TIMEOUT, "for STS's word on its proof");
	assert_in_time(began);
}

/* ---- usage --------------------------------------------------------------------------------- */

/* The call waits on either kind of socket, and gives it back as it came. */
static void test_nonblocking_server(void **state)
{
	struct kiln_conn *conn;
	struct kiln_error err = {0};
	char data[5];
	(void)state;
	struct acceptance server = serve();
	server.flags = SOCK_NONBLOCK;
	accept_begin(&server);
	const int fd = connect_as(client_aws, &door, server_person.role, 0, &conn, &err);
	accept_end(&server);
	if (fd < 0 || server.fd < 0)
		fail_msg("%s %s", err.message, server.err.message);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(server.fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(kiln_conn_read(server.conn, data, 5, &err), -1);
	assert_int_equal(err.code, KILN_E_AGAIN);
	kiln_conn_close(conn);
	kiln_conn_close(server.conn);
}

static void test_usage(void **state)
{
	const struct kiln_aws_role role = rig_role(client_person.role);
	struct kiln_roast_conn_options o = {.aws = server_aws, .timeout_ms = 15001};
	struct kiln_conn *conn;
	struct kiln_error err;
	int pair[2];
	(void)state;
	assert_failed(kiln_roast_accept(-1, &role, 1, &o, &conn, &err), &conn, &err, KILN_E_USAGE,
		      "15000 ms");
	o.timeout_ms = 0;
	o.exporter_label = "EXPORTER-test";
	for (size_t len = 0; len <= KILN_EXPORTER_MAX + 1; len += KILN_EXPORTER_MAX + 1) {
		o.exporter_len = len;
		assert_failed(kiln_roast_accept(-1, &role, 1, &o, &conn, &err), &conn, &err,
			      KILN_E_USAGE, "exporter");
	}
	o.exporter_label = NULL;
	assert_failed(kiln_roast_accept(-1, &role, 0, &o, &conn, &err), &conn, &err, KILN_E_CONFIG,
		      "at least one role");
	assert_failed(kiln_roast_accept(-1, NULL, 1, &o, &conn, &err), &conn, &err, KILN_E_CONFIG,
		      "at least one role");
	assert_failed(kiln_roast_accept(-1, &role, 1, &o, &conn, &err), &conn, &err, KILN_E_SYSTEM,
		      "no peer");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_failed(kiln_roast_accept(pair[0], &role, 1, &o, &conn, &err), &conn, &err,
		      KILN_E_USAGE, "TCP");
	assert_int_equal(close(pair[0]), 0); /* they stayed ours */
	(void)close(pair[1]);
	assert_int_equal(kiln_roast_connect("127.0.0.1", "1", &role, 1, &o, &conn, NULL), -1);
	assert_null(conn);
	kiln_aws_close(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pair),
	    cmocka_unit_test(test_late_blanks_and_replay),
	    cmocka_unit_test(test_not_allowed),
	    cmocka_unit_test(test_silent_server),
	    cmocka_unit_test(test_silent_client),
	    cmocka_unit_test(test_silent_sts),
	    cmocka_unit_test(test_nonblocking_server),
	    cmocka_unit_test(test_usage),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
