/* SPDX-License-Identifier: Apache-2.0
 * Configurations from files, connecting by name, and several threads on one configuration. */
#include "driver_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

static char folder[PATH_MAX];

static int set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");
	(void)rig_set_up(state);
	(void)snprintf(folder, sizeof folder, "%s/kiln-driver-XXXXXX", tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(folder));
	rig_write_files(folder);
	assert_int_equal(chdir(folder), 0);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const files[] = {"ca.pem",     "server.pem", "server.key", "client.pem",
					    "client.key", "empty",      "large",      "fifo"};
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		(void)unlink(files[i]);
	(void)rmdir(folder);
	return rig_tear_down(state);
}

/* ---- files ---------------------------------------------------------------------------------- */

static const struct kiln_tls_options server_options = {
    .role = KILN_SERVER,
    .peer_auth = KILN_PEER_REQUIRED,
    .allow_any = true,
};
static const struct kiln_tls_files server_files = {"server.pem", "server.key", "ca.pem"};

static void test_load(void **state)
{
	struct kiln_error err = {0};
	(void)state;
	struct kiln_tls_config *config = kiln_tls_config_load(&server_options, &server_files, &err);
	assert_non_null(config);
	assert_int_equal(err.code, KILN_OK);
	kiln_tls_config_unref(config);
}

static void expect_refusal(struct kiln_tls_files files, enum kiln_code code, const char *words)
{
	struct kiln_error err = {0};
	assert_null(kiln_tls_config_load(&server_options, &files, &err));
	assert_int_equal(err.code, code);
	if (strstr(err.message, words) == NULL)
		fail_msg("'%s' does not say '%s'", err.message, words);
}

static void make_file(const char *name, off_t size)
{
	const int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	(void)close(fd);
}

/* Each refusal names the file at fault. */
static void test_refused_files(void **state)
{
	struct kiln_tls_files f = server_files;
	(void)state;
	f.cert = "missing.pem";
	expect_refusal(f, KILN_E_CONFIG, "certificate file missing.pem cannot be opened");
	f.cert = ".";
	expect_refusal(f, KILN_E_CONFIG, "certificate file . is no file of 1 byte to 4 MiB");
	make_file("empty", 0);
	make_file("large", 4 * 1024 * 1024 + 1);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	f = server_files;
	f.key = "empty";
	expect_refusal(f, KILN_E_CONFIG, "key file empty is no file");
	f.key = "large";
	expect_refusal(f, KILN_E_CONFIG, "key file large is no file");
	f.key = "fifo"; /* and no waiting for a writer */
	expect_refusal(f, KILN_E_CONFIG, "key file fifo is no file");
	f.key = "client.key";
	expect_refusal(f, KILN_E_CONFIG, "does not belong");
	f = server_files;
	f.ca = "server.key";
	expect_refusal(f, KILN_E_CONFIG, "CA file");
}

static void test_system_roots(void **state)
{
	struct kiln_error err;
	struct kiln_tls_files f = {.cert = "server.pem", .key = "server.key"};
	(void)state;
	assert_int_equal(setenv("SSL_CERT_FILE", "ca.pem", 1), 0);
	assert_string_equal(kiln_system_roots(), "ca.pem");
	struct kiln_tls_config *config = kiln_tls_config_load(&server_options, &f, &err);
	assert_non_null(config);
	kiln_tls_config_unref(config);
	assert_int_equal(setenv("SSL_CERT_FILE", "nowhere.pem", 1), 0);
	expect_refusal(f, KILN_E_CONFIG, "nowhere.pem");
	assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
}

static void test_files_or_texts(void **state)
{
	struct kiln_tls_options o = server_options;
	struct kiln_error err;
	(void)state;
	o.key_pem = "x";
	assert_null(kiln_tls_config_load(&o, &server_files, &err));
	assert_int_equal(err.code, KILN_E_USAGE);
}

/* ---- by name -------------------------------------------------------------------------------- */

static int listen_v4(char port[8])
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof at;
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	(void)snprintf(port, 8, "%u", ntohs(at.sin_port));
	return fd;
}

/* Accepts count connections one after the other, and echoes. */
struct echo {
	int listener;
	unsigned count;
	enum kiln_code failed;
};

static void *echo_thread(void *arg)
{
	struct echo *echo = arg;
	struct kiln_conn *conn;
	struct kiln_error err = {0};
	char data[64];
	ssize_t n;
	for (unsigned i = 0; i < echo->count && echo->failed == KILN_OK; i++) {
		const int fd = accept(echo->listener, NULL, NULL);
		if (kiln_tls_accept(rig_server, fd, NULL, &conn, &err) < 0) {
			echo->failed = err.code;
			(void)close(fd);
			break;
		}
		while ((n = kiln_conn_read(conn, data, sizeof data, &err)) > 0)
			if (kiln_conn_write(conn, data, (size_t)n, &err) != n)
				break;
		echo->failed = err.code;
		kiln_conn_close(conn);
	}
	return NULL;
}

static bool ask(const char *host, const char *port, struct kiln_error *err)
{
	struct kiln_conn *conn;
	char data[4] = "";
	if (kiln_tls_connect(rig_client, host, port, NULL, &conn, err) < 0)
		return false;
	const bool ok = kiln_conn_write(conn, "ping", 4, err) == 4 &&
			kiln_conn_read(conn, data, 4, err) == 4 && memcmp(data, "ping", 4) == 0;
	kiln_conn_close(conn);
	return ok;
}

/* The fd is what the header says: blocking, close-on-exec, TCP_NODELAY. */
static void test_connect(void **state)
{
	struct kiln_error err = {0};
	struct kiln_conn *conn;
	struct echo echo = {.count = 1};
	char port[8];
	int nodelay = 0;
	socklen_t len = sizeof nodelay;
	pthread_t thread;
	(void)state;
	echo.listener = listen_v4(port);
	assert_int_equal(pthread_create(&thread, NULL, echo_thread, &echo), 0);
	/* "localhost" may be ::1 first, where nobody listens: the next address is tried. */
	const int fd = kiln_tls_connect(rig_client, "localhost", port, NULL, &conn, &err);
	if (fd < 0)
		fail_msg("%s", err.message);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len), 0);
	assert_true(nodelay);
	kiln_conn_close(conn);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	(void)pthread_join(thread, NULL);
	assert_int_equal(echo.failed, KILN_OK);
	(void)close(echo.listener);
}

static void test_nobody_there(void **state)
{
	struct kiln_error err = {0};
	char port[8];
	(void)state;
	(void)close(listen_v4(port));
	assert_false(ask("127.0.0.1", port, &err));
	assert_int_equal(err.code, KILN_E_TARGET);
	assert_int_equal(err.sys_errno, ECONNREFUSED);
	assert_false(ask("127.0.0.1", "no-such-service", &err));
	assert_int_equal(err.code, KILN_E_TARGET);
}

/* It accepts (the kernel does) and says nothing. */
static void test_deadline_of_connect(void **state)
{
	const struct kiln_conn_options o = {.timeout_ms = 100};
	struct kiln_conn *conn;
	struct kiln_error err = {0};
	char port[8];
	(void)state;
	const int listener = listen_v4(port);
	assert_int_equal(kiln_tls_connect(rig_client, "127.0.0.1", port, &o, &conn, &err), -1);
	assert_int_equal(err.code, KILN_E_TIMEOUT);
	assert_null(conn);
	(void)close(listener);
}

static void wrong_name(struct kiln_tls_options *o)
{
	o->verify_name = "example.com";
}

static void test_wrong_name(void **state)
{
	struct kiln_tls_config *config = rig_config(KILN_CLIENT, wrong_name);
	struct kiln_error err = {0};
	struct kiln_conn *conn;
	struct echo echo = {.count = 1};
	char port[8];
	pthread_t thread;
	(void)state;
	echo.listener = listen_v4(port);
	assert_int_equal(pthread_create(&thread, NULL, echo_thread, &echo), 0);
	assert_int_equal(kiln_tls_connect(config, "127.0.0.1", port, NULL, &conn, &err), -1);
	assert_int_equal(err.code, KILN_E_NAME_MISMATCH);
	(void)pthread_join(thread, NULL);
	assert_int_equal(echo.failed, KILN_E_TLS_ALERT);
	(void)close(echo.listener);
	kiln_tls_config_unref(config);
}

/* ---- threads -------------------------------------------------------------------------------- */

#define THREADS 4u
#define ROUNDS  10u

struct asker {
	const char *port;
	bool ok;
	struct kiln_error err;
};

static void *asking_thread(void *arg)
{
	struct asker *asker = arg;
	asker->ok = true;
	for (unsigned i = 0; i < ROUNDS && asker->ok; i++) {
		kiln_tls_config_unref(kiln_tls_config_ref(rig_client));
		asker->ok = ask("127.0.0.1", asker->port, &asker->err);
	}
	return NULL;
}

/* Threads share the configurations and nothing else. */
static void test_threads(void **state)
{
	pthread_t threads[2 * THREADS];
	struct echo echo[THREADS];
	struct asker asker[THREADS] = {{0}};
	char port[8];
	(void)state;
	const int listener = listen_v4(port);
	for (unsigned i = 0; i < THREADS; i++) {
		echo[i] = (struct echo){.listener = listener, .count = ROUNDS};
		asker[i].port = port;
		assert_int_equal(pthread_create(&threads[i], NULL, echo_thread, &echo[i]), 0);
		assert_int_equal(
		    pthread_create(&threads[THREADS + i], NULL, asking_thread, &asker[i]), 0);
	}
	for (unsigned i = 0; i < 2 * THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		if (!asker[i].ok)
			fail_msg("%s", asker[i].err.message);
		assert_int_equal(echo[i].failed, KILN_OK);
	}
	(void)close(listener);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_load),
	    cmocka_unit_test(test_refused_files),
	    cmocka_unit_test(test_system_roots),
	    cmocka_unit_test(test_files_or_texts),
	    cmocka_unit_test(test_connect),
	    cmocka_unit_test(test_nobody_there),
	    cmocka_unit_test(test_deadline_of_connect),
	    cmocka_unit_test(test_wrong_name),
	    cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
