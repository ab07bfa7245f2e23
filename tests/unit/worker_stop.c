/* SPDX-License-Identifier: Apache-2.0
 * A worker that has to end while a connection is open: both sides must see that it was cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "demo/certs.h"
#include "worker/worker.h"

#define PATIENCE_TURNS 2000

/* The client, the target, and a deadline that keeps the worker's loop turning. */
struct scene {
	struct kiln_worker worker;
	struct kiln_counters counters;
	struct kiln_deadline pulse;
	struct kiln_tls_config *client_config;
	struct kiln_handshake *client;
	struct kiln_session session;
	int client_fd, target_listener, target_fd;
};

static struct scene scene;

static void beat(struct kiln_deadline *pulse)
{
	kiln_deadline_set(&scene.worker.wheel, pulse, scene.worker.now, 5);
}

static int listen_on_loopback(struct sockaddr_in *address)
{
	socklen_t len = sizeof *address;
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*address =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)address, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
	return fd;
}

/* Both ends of a TCP connection: ours, and the one that the worker accepts. */
static int connect_pair(int *accepted)
{
	struct sockaddr_in address;
	const int listener = listen_on_loopback(&address);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	*accepted = accept(listener, NULL, NULL);
	assert_true(*accepted >= 0);
	(void)close(listener);
	return fd;
}

static void make_configs(struct kiln_tls_config **server, struct kiln_tls_config **client)
{
	static const char *const dns[] = {"localhost", NULL};
	const struct kiln_leaf leaf = {.common_name = "s", .dns = dns, .for_server = true};
	struct kiln_pair pair = {0};
	struct kiln_pem ca = {0};
	struct kiln_authority *authority = kiln_authority_new("test", time(NULL), 2, NULL);
	assert_non_null(authority);
	assert_int_equal(kiln_authority_issue(authority, &leaf, &pair, NULL), KILN_OK);
	assert_int_equal(kiln_authority_cert(authority, &ca, NULL), KILN_OK);
	const struct kiln_tls_options of_server = {
	    .role = KILN_SERVER,
	    .peer_auth = KILN_PEER_NONE,
	    .cert_pem = pair.cert.data,
	    .cert_len = pair.cert.len,
	    .key_pem = pair.key.data,
	    .key_len = pair.key.len,
	};
	const struct kiln_tls_options of_client = {
	    .role = KILN_CLIENT,
	    .peer_auth = KILN_PEER_REQUIRED,
	    .ca_pem = ca.data,
	    .ca_len = ca.len,
	    .server_name = "localhost",
	    .verify_name = "localhost",
	};
	*server = kiln_tls_config_new(&of_server, NULL);
	*client = kiln_tls_config_new(&of_client, NULL);
	assert_non_null(*server);
	assert_non_null(*client);
	kiln_pair_clear(&pair);
	kiln_pem_clear(&ca);
	kiln_authority_free(authority);
}

static void flush_client(void)
{
	size_t len;
	const uint8_t *output = kiln_handshake_output(scene.client, &len);
	while (len > 0) {
		const ssize_t n = send(scene.client_fd, output, len, MSG_NOSIGNAL);
		assert_true(n > 0);
		kiln_handshake_sent(scene.client, (size_t)n);
		output = kiln_handshake_output(scene.client, &len);
	}
}

/* One step of the client, if there is something to read; true when its handshake is done. */
static bool step_client(void)
{
	uint8_t data[16384];
	size_t consumed;
	struct kiln_error err = {0};
	const ssize_t n = recv(scene.client_fd, data, sizeof data, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return false;
	assert_true(n > 0);
	const enum kiln_step step =
	    kiln_handshake_step(scene.client, data, (size_t)n, &consumed, &err);
	assert_int_not_equal(step, KILN_STEP_FAILED);
	flush_client();
	return step == KILN_STEP_DONE;
}

static void until_relay(void)
{
	struct kiln_error err = {0};
	bool done = false;
	for (int i = 0; i < PATIENCE_TURNS; i++) {
		assert_int_equal(kiln_worker_turn(&scene.worker, &err), KILN_OK);
		done = done || step_client();
		if (done && scene.worker.conns != NULL &&
		    scene.worker.conns->phase == KILN_PHASE_RELAY)
			return;
	}
	fail_msg("the connection never came to its relay");
}

static int open_scene(void **state)
{
	const struct kiln_settings settings = {
	    .role = KILN_SERVER,
	    .engine = KILN_ENGINE_EPOLL,
	    .ktls = KILN_KTLS_OFF,
	    .handshake_timeout = 10000,
	    .connect_timeout = 10000,
	    .max_connections = 8,
	    .buffer_bytes = 1u << 20,
	    .target_name = "target",
	};
	struct kiln_tls_config *server;
	struct sockaddr_in target;
	char why[160];
	size_t consumed;
	int accepted;
	(void)state;
	make_configs(&server, &scene.client_config);
	assert_int_equal(
	    kiln_worker_init(&scene.worker, &settings, 0, server, &scene.counters, why, NULL),
	    KILN_OK);
	kiln_tls_config_unref(server);
	scene.pulse.expired = beat;
	beat(&scene.pulse);
	scene.target_listener = listen_on_loopback(&target);
	memcpy(&scene.worker.targets.at[0].addr, &target, sizeof target);
	scene.worker.targets.at[0].len = sizeof target;
	scene.worker.targets.count = 1;
	scene.client_fd = connect_pair(&accepted);
	kiln_link_start(&scene.worker, accepted);
	scene.client = kiln_handshake_new(scene.client_config, time(NULL), NULL);
	assert_non_null(scene.client);
	assert_int_equal(kiln_handshake_step(scene.client, NULL, 0, &consumed, NULL),
			 KILN_STEP_NEED_INPUT);
	flush_client();
	until_relay();
	assert_int_equal(kiln_handshake_finish(scene.client, &scene.session, NULL), KILN_OK);
	scene.target_fd = accept(scene.target_listener, NULL, NULL);
	assert_true(scene.target_fd >= 0);
	return 0;
}

static int close_scene(void **state)
{
	(void)state;
	kiln_handshake_free(scene.client);
	kiln_session_clear(&scene.session);
	kiln_tls_config_unref(scene.client_config);
	(void)close(scene.client_fd);
	(void)close(scene.target_listener);
	(void)close(scene.target_fd);
	return 0;
}

static ssize_t receive(int fd, uint8_t *data, size_t len)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&ready, 1, 5000), 1);
	return recv(fd, data, len, 0);
}

static void shows_both_sides_that_it_was_cut(void **state)
{
	uint8_t record[512], content[512], byte;
	size_t length = 0;
	uint8_t type = 0;
	(void)state;
	kiln_deadline_clear(&scene.worker.wheel, &scene.pulse);
	kiln_worker_close(&scene.worker);
	/* The target: a reset, for a FIN would say that everything had arrived. */
	assert_int_equal(receive(scene.target_fd, &byte, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	/* The peer: one alert, and it is not close_notify. */
	const ssize_t n = receive(scene.client_fd, record, sizeof record);
	assert_true(n > 0);
	assert_int_equal(
	    kiln_traffic_open(&scene.session.rx, record, (size_t)n, content, &length, &type, NULL),
	    KILN_OK);
	assert_int_equal(type, KILN_RECORD_ALERT);
	assert_int_equal(length, 2);
	assert_int_equal(content[1], KILN_ALERT_INTERNAL_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(shows_both_sides_that_it_was_cut, open_scene,
					    close_scene),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
