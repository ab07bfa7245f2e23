/* SPDX-License-Identifier: Apache-2.0
 * Many connections at once through a gateway to an echo server, each checked byte by byte.
 *
 *   interop_load --connect HOST:PORT --connections N [--tls CA [--cert F --key F] [--name N]]
 *                [--size BYTES] [--requests N] [--churn] [--opening N] [--digest]
 *
 * Lines of JSON come out: "up" when every connection has had its first answer, "failure" for each
 * that failed, "end" at the end, and with --digest "stream" for each that closed. Commands come in,
 * one a line: "stat" (answered by "stat"), "mark" (starts the figures since_mark anew) and "stop"
 * (finish what is under way, and close). Exit status 1 when something failed. A connection that is
 * refused has not failed. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

/* A failed or refused connection is not tried again in the same turn, but in this many ms. */
#define AGAIN_MS 20

static void die(const char *what, const char *detail)
{
	(void)fprintf(stderr, "interop_load: %s: %s\n", what, detail);
	exit(2);
}

static void print_counts(const char *name, const struct counts *c)
{
	(void)printf(",\"%s\":{\"opened\":%llu,\"closed\":%llu,\"requests\":%llu,\"failed\":%llu,"
		     "\"refused\":%llu,\"serials\":{",
		     name, (unsigned long long)c->opened, (unsigned long long)c->closed,
		     (unsigned long long)c->requests, (unsigned long long)c->failed,
		     (unsigned long long)c->refused);
	for (unsigned i = 0; i < SERIALS_MAX && c->serials[i].count > 0; i++)
		(void)printf("%s\"%ld\":%llu", i > 0 ? "," : "", c->serials[i].serial,
			     (unsigned long long)c->serials[i].count);
	(void)printf("}}");
}

/* moved: connections with an answer since the last mark. */
static void print_stat(const struct load *load, const char *event)
{
	unsigned open = 0, moved = 0;
	for (unsigned i = 0; i < load->options.connections; i++) {
		const struct conn *conn = &load->conns[i];
		open += conn->state == ECHO;
		moved += conn->state == ECHO && conn->since_mark > 0;
	}
	(void)printf("{\"event\":\"%s\",\"open\":%u,\"moved\":%u", event, open, moved);
	print_counts("total", &load->total);
	print_counts("since_mark", &load->mark);
	(void)printf("}\n");
	(void)fflush(stdout);
}

static void mark(struct load *load)
{
	memset(&load->mark, 0, sizeof load->mark);
	for (unsigned i = 0; i < load->options.connections; i++)
		load->conns[i].since_mark = 0;
}

/* What is under way is finished; what has not even begun is not. */
static void stop(struct load *load)
{
	load->stopping = true;
	for (unsigned i = 0; i < load->options.connections; i++)
		if (load->conns[i].state == CONNECTING)
			load_refuse(load, &load->conns[i]);
}

static void obey(struct load *load, const char *command)
{
	if (strcmp(command, "stat") == 0)
		print_stat(load, "stat");
	else if (strcmp(command, "mark") == 0)
		mark(load);
	else if (strcmp(command, "stop") == 0)
		stop(load);
	else
		die("no such command", command);
}

static void read_commands(struct load *load)
{
	static char text[256];
	static size_t have;
	const ssize_t n = read(STDIN_FILENO, text + have, sizeof text - 1 - have);
	if (n <= 0) {
		stop(load);
		(void)epoll_ctl(load->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
		return;
	}
	have += (size_t)n;
	text[have] = '\0';
	char *line = text;
	for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		obey(load, line);
	}
	have = strlen(line);
	memmove(text, line, have + 1);
}

static void open_more(struct load *load)
{
	const struct options *o = &load->options;
	for (unsigned i = 0; i < o->connections && load->opening < o->opening; i++) {
		struct conn *conn = &load->conns[i];
		if (conn->state == IDLE && load->stopping)
			conn->state = OVER;
		else if (conn->state == IDLE)
			load_open(load, conn);
	}
}

static bool all_over(const struct load *load)
{
	for (unsigned i = 0; i < load->options.connections; i++)
		if (load->conns[i].state != OVER && load->conns[i].state != IDLE)
			return false;
	if (load->stopping)
		return true;
	for (unsigned i = 0; i < load->options.connections; i++)
		if (load->conns[i].state != OVER)
			return false;
	return true;
}

static void turn(struct load *load)
{
	static struct epoll_event events[512];
	const int n = epoll_wait(load->epoll, events, 512, AGAIN_MS);
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == NULL)
			read_commands(load);
		else if (((struct conn *)events[i].data.ptr)->fd >= 0)
			load_run(load, events[i].data.ptr);
	}
	open_more(load);
}

static int run(struct load *load)
{
	bool was_up = false;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0)
		die("stdin", "must be a pipe");
	open_more(load);
	while (!all_over(load)) {
		turn(load);
		if (!was_up && load->up == load->options.connections) {
			was_up = true;
			print_stat(load, "up");
		}
		(void)fflush(stdout);
	}
	print_stat(load, "end");
	return load->total.failed > 0 ? 1 : 0;
}

static SSL_CTX *make_tls(const char *ca, const char *cert, const char *key)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL || SSL_CTX_load_verify_file(ctx, ca) != 1)
		die("cannot read", ca);
	if (cert != NULL && (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
			     SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1))
		die("cannot read", cert);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

static void set_address(struct options *o, char *text)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	char *port = strrchr(text, ':');
	if (port == NULL)
		die("--connect wants HOST:PORT, not", text);
	*port = '\0';
	if (text[0] == '[') {
		text++;
		port[-1] = '\0';
	}
	if (getaddrinfo(text, port + 1, &hints, &found) != 0)
		die("no address", text);
	memcpy(&o->address, found->ai_addr, found->ai_addrlen);
	o->address_len = found->ai_addrlen;
	freeaddrinfo(found);
}

static void parse(int argc, char **argv, struct options *o)
{
	enum {
		CONNECT = 1,
		CONNECTIONS,
		TLS,
		CERT,
		KEY,
		NAME,
		SIZE,
		REQUESTS,
		CHURN,
		OPENING,
		DIGEST
	};
	static const struct option flags[] = {
	    {"connect", 1, NULL, CONNECT}, {"connections", 1, NULL, CONNECTIONS},
	    {"tls", 1, NULL, TLS},         {"cert", 1, NULL, CERT},
	    {"key", 1, NULL, KEY},         {"name", 1, NULL, NAME},
	    {"size", 1, NULL, SIZE},       {"requests", 1, NULL, REQUESTS},
	    {"churn", 0, NULL, CHURN},     {"opening", 1, NULL, OPENING},
	    {"digest", 0, NULL, DIGEST},   {NULL, 0, NULL, 0},
	};
	const char *ca = NULL, *cert = NULL, *key = NULL;
	for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
		switch (flag) {
		case CONNECT: set_address(o, optarg); break;
		case CONNECTIONS: o->connections = (unsigned)strtoul(optarg, NULL, 10); break;
		case TLS: ca = optarg; break;
		case CERT: cert = optarg; break;
		case KEY: key = optarg; break;
		case NAME: o->name = optarg; break;
		case SIZE: o->size = strtoull(optarg, NULL, 10); break;
		case REQUESTS: o->requests = strtoull(optarg, NULL, 10); break;
		case CHURN: o->churn = true; break;
		case DIGEST: o->digest = true; break;
		case OPENING: o->opening = (unsigned)strtoul(optarg, NULL, 10); break;
		default: die("usage", "see the head of tests/interop/tools/load.c");
		}
	}
	if (o->address_len == 0 || o->connections == 0 || o->size == 0 || o->opening == 0)
		die("usage", "--connect and --connections are needed, and nothing may be 0");
	if (ca != NULL)
		o->tls = make_tls(ca, cert, key);
}

int main(int argc, char **argv)
{
	static struct load load = {.options = {.size = 1024, .opening = 32, .name = "localhost"}};
	struct rlimit limit;
	(void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	parse(argc, argv, &load.options);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.conns = calloc(load.options.connections, sizeof *load.conns);
	if (load.epoll < 0 || load.conns == NULL)
		die("start", strerror(errno));
	for (unsigned i = 0; i < load.options.connections; i++) {
		load.conns[i].fd = -1;
		load.conns[i].seed = (i + 1) * UINT64_C(0xd1342543de82ef95);
	}
	const int status = run(&load);
	SSL_CTX_free(load.options.tls);
	free(load.conns);
	return status;
}
