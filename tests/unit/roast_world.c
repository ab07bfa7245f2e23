/* SPDX-License-Identifier: Apache-2.0
 * Sockets, an STS, and somebody in between; see roast_world.h. */
#include "roast_world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "roast/scan.h"

#define KEPT_MAX 64

static struct listener sts;
static pthread_t sts_thread;
static atomic_bool silent, ending;
static atomic_uint questions;

/* ---- sockets ------------------------------------------------------------------------------- */

struct listener world_listen(void)
{
	struct listener l = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof at;
	assert_int_equal(bind(l.fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(l.fd, 64), 0);
	assert_int_equal(getsockname(l.fd, (struct sockaddr *)&at, &len), 0);
	(void)snprintf(l.port, sizeof l.port, "%u", ntohs(at.sin_port));
	return l;
}

int world_dial(const struct listener *listener)
{
	const struct sockaddr_in at = {.sin_family = AF_INET,
				       .sin_addr = {htonl(INADDR_LOOPBACK)},
				       .sin_port = htons((uint16_t)atoi(listener->port))};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return connect(fd, (const struct sockaddr *)&at, sizeof at) == 0 ? fd : -1;
}

/* ---- STS ----------------------------------------------------------------------------------- */

static void copy_header(const char *head, const char *name, char *out, size_t size)
{
	const char *at = strcasestr(head, name);
	out[0] = '\0';
	if (at == NULL)
		return;
	at += strlen(name);
	at += strspn(at, " ");
	(void)snprintf(out, size, "%.*s", (int)strcspn(at, "\r\n"), at);
}

static size_t body_length(const char *head)
{
	char text[24];
	copy_header(head, "\nContent-Length:", text, sizeof text);
	return strtoul(text, NULL, 10);
}

/* Reads one request whole; the body's place, or NULL. */
static char *read_request(int fd, char *request, size_t size)
{
	size_t len = 0;
	for (;;) {
		const ssize_t n = recv(fd, request + len, size - 1 - len, 0);
		if (n <= 0)
			return NULL;
		len += (size_t)n;
		request[len] = '\0';
		char *end = strstr(request, "\r\n\r\n");
		if (end != NULL && len - (size_t)(end + 4 - request) >= body_length(request))
			return end + 4;
	}
}

static const struct person *who_signed(char *request, char *body)
{
	struct kiln_aws_proof proof = {0};
	char token[256];
	copy_header(request, "\nAuthorization:", proof.authorization, sizeof proof.authorization);
	copy_header(request, "\nX-Amz-Date:", proof.date, sizeof proof.date);
	copy_header(request, "\nX-Amz-Security-Token:", token, sizeof token);
	(void)snprintf(proof.region, sizeof proof.region, "%s", "eu-central-1");
	proof.token = token;
	proof.body = (uint8_t *)body;
	proof.body_len = body_length(request);
	return sts_ask(&proof, time(NULL));
}

static void answer(int fd, const struct person *person)
{
	char body[1024], head[256];
	if (person != NULL)
		(void)snprintf(body, sizeof body,
			       "{\"GetCallerIdentityResponse\":{\"GetCallerIdentityResult\":{"
			       "\"Account\":\"%.12s\",\"Arn\":\"%s\",\"UserId\":\"AROA:x\"},"
			       "\"ResponseMetadata\":{\"RequestId\":\"1\"}}}",
			       strstr(person->arn, "::") + 2, person->arn);
	else
		(void)snprintf(body, sizeof body,
			       "{\"Error\":{\"Code\":\"SignatureDoesNotMatch\",\"Message\":\"no\","
			       "\"Type\":\"Sender\"},\"RequestId\":\"1\"}");
	const int n =
	    snprintf(head, sizeof head,
		     "HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\n"
		     "Content-Length: %zu\r\n\r\n",
		     person != NULL ? "200 OK" : "403 Forbidden", strlen(body));
	(void)!send(fd, head, (size_t)n, MSG_NOSIGNAL);
	(void)!send(fd, body, strlen(body), MSG_NOSIGNAL);
}

static void *run_sts(void *arg)
{
	static char request[65536];
	int kept[KEPT_MAX], count = 0, fd;
	while ((fd = accept4(sts.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0 && !atomic_load(&ending)) {
		char *body = read_request(fd, request, sizeof request);
		if (body != NULL)
			atomic_fetch_add(&questions, 1);
		if (body != NULL && atomic_load(&silent) && count < KEPT_MAX) {
			kept[count++] = fd;
			continue;
		}
		if (body != NULL)
			answer(fd, who_signed(request, body));
		(void)close(fd);
	}
	(void)close(fd);
	while (count > 0)
		(void)close(kept[--count]);
	return arg;
}

int world_begin(void **state)
{
	static const char *const gone[] = {"AWS_PROFILE",
					   "AWS_CONFIG_FILE",
					   "AWS_REGION",
					   "AWS_SHARED_CREDENTIALS_FILE",
					   "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
					   "AWS_CONTAINER_CREDENTIALS_FULL_URI",
					   "AWS_WEB_IDENTITY_TOKEN_FILE",
					   "AWS_ENDPOINT_URL"};
	char url[64];
	(void)state;
	for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++)
		(void)unsetenv(gone[i]);
	sts = world_listen();
	(void)snprintf(url, sizeof url, "http://127.0.0.1:%s", sts.port);
	(void)setenv("AWS_ENDPOINT_URL_STS", url, 1);
	(void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	(void)setenv("AWS_DEFAULT_REGION", "eu-central-1", 1);
	(void)setenv("HOME", "/nonexistent", 1);
	return pthread_create(&sts_thread, NULL, run_sts, NULL);
}

int world_end(void **state)
{
	(void)state;
	atomic_store(&ending, true);
	const int fd = world_dial(&sts); /* wakes it */
	(void)pthread_join(sts_thread, NULL);
	(void)close(fd);
	return close(sts.fd);
}

unsigned world_questions(void)
{
	return atomic_load(&questions);
}

void world_silence(bool on)
{
	atomic_store(&silent, on);
}

struct kiln_aws *world_aws(const struct person *person)
{
	const struct kiln_aws_options options = {.development_sts = true};
	struct kiln_error err = {0};
	(void)setenv("AWS_ACCESS_KEY_ID", person->key_id, 1);
	(void)setenv("AWS_SECRET_ACCESS_KEY", person->secret, 1);
	(void)setenv("AWS_SESSION_TOKEN", person->token, 1);
	struct kiln_aws *aws = kiln_aws_open(&options, &err);
	if (aws == NULL)
		fail_msg("%s", err.message);
	(void)unsetenv("AWS_ACCESS_KEY_ID");
	(void)unsetenv("AWS_SECRET_ACCESS_KEY");
	(void)unsetenv("AWS_SESSION_TOKEN");
	return aws;
}

/* ---- a server ------------------------------------------------------------------------------ */

static void *run_accept(void *arg)
{
	struct acceptance *a = arg;
	const int fd = accept4(a->listener->fd, NULL, NULL, SOCK_CLOEXEC | a->flags);
	a->fd = kiln_roast_accept(fd, &a->allowed, 1, &a->options, &a->conn, &a->err);
	if (a->fd < 0)
		(void)close(fd);
	return NULL;
}

void accept_begin(struct acceptance *a)
{
	assert_int_equal(pthread_create(&a->thread, NULL, run_accept, a), 0);
}

void accept_end(struct acceptance *a)
{
	assert_int_equal(pthread_join(a->thread, NULL), 0);
}

/* ---- somebody in between ------------------------------------------------------------------- */

struct direction {
	int from, to;
	struct kiln_roast_scan scan;
	bool in_tls;
	struct wire *keep, *hold; /* NULL: nothing */
};

static bool send_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		const ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static bool forward(struct direction *d)
{
	uint8_t data[4096];
	const ssize_t n = recv(d->from, data, sizeof data, 0);
	size_t skipped, taken;
	if (n <= 0)
		return false;
	if (d->in_tls && d->hold != NULL) {
		wire_add(d->hold, data, (size_t)n);
		return true;
	}
	if (d->scan.complete && !d->in_tls) {
		d->in_tls = true;
		if (!send_all(d->to, (const uint8_t *)" \r\n\n", 4))
			return false;
	}
	if (!d->scan.complete) {
		if (d->keep != NULL)
			wire_add(d->keep, data, (size_t)n);
		if (kiln_roast_scan_feed(&d->scan, data, (size_t)n, &skipped, &taken, NULL) !=
		    KILN_OK)
			return false;
	}
	return send_all(d->to, data, (size_t)n);
}

static void *run_wiretap(void *arg)
{
	struct wiretap *tap = arg;
	const int client = accept4(tap->from->fd, NULL, NULL, SOCK_CLOEXEC);
	const int server = world_dial(tap->to);
	struct direction up = {
	    .from = client, .to = server, .keep = &tap->hello, .hold = &tap->held};
	struct direction down = {.from = server, .to = client};
	struct pollfd p[3] = {{.fd = client, .events = POLLIN},
			      {.fd = server, .events = POLLIN},
			      {.fd = tap->release[0], .events = POLLIN}};
	kiln_roast_scan_start(&up.scan, 32768);
	kiln_roast_scan_start(&down.scan, 32768);
	while (poll(p, 3, -1) > 0) {
		if ((p[0].revents != 0 && !forward(&up)) || (p[1].revents != 0 && !forward(&down)))
			break;
		if (p[2].revents == 0)
			continue;
		up.hold = NULL;
		p[2].fd = -1;
		if (!send_all(server, tap->held.data, tap->held.len))
			break;
	}
	(void)close(client);
	(void)close(server);
	return NULL;
}

void wiretap_begin(struct wiretap *tap)
{
	assert_int_equal(pipe2(tap->release, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&tap->thread, NULL, run_wiretap, tap), 0);
}

void wiretap_release(struct wiretap *tap)
{
	assert_int_equal(write(tap->release[1], "", 1), 1);
}

void wiretap_end(struct wiretap *tap)
{
	assert_int_equal(pthread_join(tap->thread, NULL), 0);
	wire_free(&tap->hello);
	wire_free(&tap->held);
	(void)close(tap->release[0]);
	(void)close(tap->release[1]);
}
