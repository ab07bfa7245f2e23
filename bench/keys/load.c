/* SPDX-License-Identifier: Apache-2.0
 * Clients of a key server: some connections with some sessions each, every session followed by the
 * next (a closed loop). Logins are of random users of those that fill made; registrations are of
 * new ones. Prints one JSON object. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "../load/cpu.h"
#include "../load/samples.h"
#include "parts.h"

enum { CONNS_MAX = 64, DEPTH_MAX = 64, BUFFER = 1 << 18 };

struct link {
	struct kiln_conn *conn;
	const uint8_t *exporter;
	struct bench_session sessions[DEPTH_MAX];
	uint8_t in[BUFFER], out[BUFFER];
	size_t in_len, out_len;
	unsigned active;
};

static struct {
	const char *connect, *ca, *mode, *prefix;
	unsigned long long users, conns, depth, warmup, count, milliseconds;
	struct cpu_group groups[CPU_MAX_GROUPS];
	size_t group_count;
} options = {.users = 1, .conns = 4, .depth = 16, .prefix = "new", .mode = "login"};

static struct bench_user user;
static struct link links[CONNS_MAX];
static struct samples latency;
static unsigned long long begun, done;
static bool ending;

/* ---- connections ---------------------------------------------------------------------------- */

static struct kiln_tls_config *load_config(void)
{
	struct kiln_error err = {0};
	const struct kiln_tls_options how = {
	    .role = KILN_CLIENT,
	    .peer_auth = KILN_PEER_REQUIRED,
	    .server_name = "localhost",
	    .verify_name = "localhost",
	    .alpn = KILN_KEYS_ALPN,
	};
	const struct kiln_tls_files files = {.ca = options.ca};
	struct kiln_tls_config *config = kiln_tls_config_load(&how, &files, &err);
	if (config == NULL)
		bench_die("TLS", &err);
	return config;
}

static void open_link(struct link *link, struct kiln_tls_config *config)
{
	struct kiln_error err = {0};
	char host[64];
	size_t len;
	const struct kiln_conn_options how = {
	    .timeout_ms = 60000,
	    .exporter_label = KILN_KEYS_EXPORTER_LABEL,
	    .exporter_len = KILN_KEYS_EXPORTER_SIZE,
	};
	const char *colon = strrchr(options.connect, ':');
	if (colon == NULL || (size_t)(colon - options.connect) >= sizeof host)
		bench_die("--connect wants HOST:PORT", NULL);
	(void)snprintf(host, sizeof host, "%.*s", (int)(colon - options.connect), options.connect);
	const int fd = kiln_tls_connect(config, host, colon + 1, &how, &link->conn, &err);
	if (fd < 0)
		bench_die("connect", &err);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		bench_die("O_NONBLOCK", NULL);
	link->exporter = kiln_conn_exporter(link->conn, &len);
}

static void flush(struct link *link)
{
	struct kiln_error err = {0};
	size_t sent = 0;
	while (sent < link->out_len) {
		const ssize_t n =
		    kiln_conn_write(link->conn, link->out + sent, link->out_len - sent, &err);
		if (n < 0 && err.code == KILN_E_AGAIN)
			break;
		if (n < 0)
			bench_die("write", &err);
		sent += (size_t)n;
	}
	memmove(link->out, link->out + sent, link->out_len - sent);
	link->out_len -= sent;
}

/* ---- sessions ------------------------------------------------------------------------------- */

static void queue(struct link *link, const uint8_t *data, size_t len)
{
	if (len > BUFFER - link->out_len)
		bench_die("the server does not read", NULL);
	memcpy(link->out + link->out_len, data, len);
	link->out_len += len;
}

/* The first byte of its id says which of the connection's sessions it is. */
static void begin(struct link *link, unsigned index)
{
	struct bench_session *s = &link->sessions[index];
	uint8_t out[BENCH_OUT_MAX];
	s->registration = strcmp(options.mode, "registration") == 0;
	s->name_len = s->registration
			  ? bench_user_name(begun, options.prefix, s->name)
			  : bench_user_name(randombytes_uniform((uint32_t)options.users),
					    BENCH_FILLED, s->name);
	begun++;
	randombytes_buf(s->id, sizeof s->id);
	s->id[0] = (uint8_t)index;
	s->started_ns = cpu_now_ns();
	link->active++;
	queue(link, out, bench_session_begin(s, &user, out));
}

static void take(struct link *link, const uint8_t *frame, size_t len)
{
	uint8_t out[BENCH_OUT_MAX];
	const uint8_t *id = frame + KILN_KEYS_LENGTH_LEN + 1;
	struct bench_session *s = &link->sessions[id[0] % DEPTH_MAX];
	if (memcmp(s->id, id, sizeof s->id) != 0)
		bench_die("a frame of no session", NULL);
	const size_t answer = bench_session_take(s, &user, link->exporter, frame, len, out);
	queue(link, out, answer);
	if (answer > 0)
		return;
	samples_add(&latency, cpu_now_ns() - s->started_ns);
	done++;
	link->active--;
	if (!ending)
		begin(link, id[0]);
}

static size_t take_frames(struct link *link)
{
	size_t at = 0;
	while (link->in_len - at >= KILN_KEYS_LENGTH_LEN) {
		const size_t len = kiln_keys_frame_length(link->in + at);
		if (len == 0)
			bench_die("a frame's length", NULL);
		if (link->in_len - at < len)
			break;
		take(link, link->in + at, len);
		at += len;
	}
	return at;
}

static void receive(struct link *link)
{
	struct kiln_error err = {0};
	do {
		const ssize_t n = kiln_conn_read(link->conn, link->in + link->in_len,
						 BUFFER - link->in_len, &err);
		if (n < 0 && err.code == KILN_E_AGAIN)
			break;
		if (n <= 0)
			bench_die("the server closed", n < 0 ? &err : NULL);
		link->in_len += (size_t)n;
		const size_t used = take_frames(link);
		memmove(link->in, link->in + used, link->in_len - used);
		link->in_len -= used;
	} while (kiln_conn_pending(link->conn) > 0);
	flush(link);
}

static void turn(void)
{
	struct pollfd fds[CONNS_MAX];
	for (unsigned i = 0; i < options.conns; i++)
		fds[i] = (struct pollfd){
		    .fd = kiln_conn_fd(links[i].conn),
		    .events = (short)(POLLIN | (links[i].out_len > 0 ? POLLOUT : 0))};
	if (poll(fds, (nfds_t)options.conns, 30000) <= 0)
		bench_die("no answer for 30 seconds", NULL);
	for (unsigned i = 0; i < options.conns; i++) {
		if ((fds[i].revents & POLLOUT) != 0)
			flush(&links[i]);
		if ((fds[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
			receive(&links[i]);
	}
}

/* ---- the run -------------------------------------------------------------------------------- */

static unsigned active(void)
{
	unsigned sum = 0;
	for (unsigned i = 0; i < options.conns; i++)
		sum += links[i].active;
	return sum;
}

static bool is_over(const struct cpu_sample *before, unsigned long long from)
{
	if (options.count > 0)
		return done - from >= options.count;
	return cpu_now_ns() - before->wall_ns >= options.milliseconds * 1000000;
}

static void report(const struct cpu_sample *before, const struct cpu_sample *after,
		   unsigned long long count)
{
	samples_sort(&latency);
	(void)printf("{\"ok\": true, \"count\": %llu, \"wall_ns\": %llu, \"cpu_ns\": {\"client\": "
		     "%llu",
		     count, (unsigned long long)(after->wall_ns - before->wall_ns),
		     (unsigned long long)(after->self_ns - before->self_ns));
	for (size_t i = 0; i < options.group_count; i++)
		(void)printf(", \"%s\": %llu", options.groups[i].name,
			     (unsigned long long)(after->groups_ns[i] - before->groups_ns[i]));
	(void)printf("}, \"latency_ns\": {\"p50\": %llu, \"p99\": %llu}}\n",
		     (unsigned long long)samples_quantile(&latency, 0.5),
		     (unsigned long long)samples_quantile(&latency, 0.99));
}

static int run(void)
{
	struct cpu_sample before, after;
	struct kiln_tls_config *config = load_config();
	if (!bench_user_init(&user))
		bench_die("user", NULL);
	for (unsigned i = 0; i < options.conns; i++)
		open_link(&links[i], config);
	for (unsigned i = 0; i < options.conns; i++) {
		for (unsigned n = 0; n < options.depth; n++)
			begin(&links[i], n);
		flush(&links[i]);
	}
	while (done < options.warmup)
		turn();
	latency.count = 0;
	const unsigned long long from = done;
	if (!cpu_sample_start(options.groups, options.group_count, &before))
		return 1;
	while (!is_over(&before, from))
		turn();
	if (!cpu_sample_end(options.groups, options.group_count, &after))
		return 1;
	report(&before, &after, done - from);
	/* Nothing is left open at the server. */
	ending = true;
	while (active() > 0)
		turn();
	for (unsigned i = 0; i < options.conns; i++)
		kiln_conn_close(links[i].conn);
	samples_free(&latency);
	kiln_tls_config_unref(config);
	return 0;
}

static bool take_option(const char *name, const char *value)
{
	const struct {
		const char *name;
		const char **text;
		unsigned long long *number;
	} known[] = {
	    {"--connect", &options.connect, NULL}, {"--cacert", &options.ca, NULL},
	    {"--mode", &options.mode, NULL},       {"--prefix", &options.prefix, NULL},
	    {"--users", NULL, &options.users},     {"--conns", NULL, &options.conns},
	    {"--depth", NULL, &options.depth},     {"--warmup", NULL, &options.warmup},
	    {"--count", NULL, &options.count},     {"--milliseconds", NULL, &options.milliseconds},
	};
	if (strcmp(name, "--cpu") == 0)
		return options.group_count < CPU_MAX_GROUPS &&
		       cpu_parse_group(value, &options.groups[options.group_count++]);
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strcmp(name, known[i].name) != 0)
			continue;
		if (known[i].text != NULL)
			*known[i].text = value;
		else
			*known[i].number = bench_number(value);
		return true;
	}
	return false;
}

int bench_load(int count, char **arguments)
{
	for (int i = 0; i < count; i += 2)
		if (i + 1 == count || !take_option(arguments[i], arguments[i + 1]))
			bench_die(arguments[i], NULL);
	if (options.connect == NULL || options.ca == NULL || options.users == 0 ||
	    options.conns == 0 || options.conns > CONNS_MAX || options.depth == 0 ||
	    options.depth > DEPTH_MAX || (options.count == 0) == (options.milliseconds == 0))
		bench_die("run: an option is missing, or out of its bounds", NULL);
	return run();
}
