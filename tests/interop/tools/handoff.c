/* SPDX-License-Identifier: Apache-2.0
 * An application that connections are handed to. It serves them with plain read() and write(), and
 * asks libkiln only where those stop.
 *
 *   interop_handoff PATH [--mode echo|sink|bye|close|leave|die] [--user NAME] [--file-mode OCTAL]
 *
 *   echo  what comes goes back, until the client ends
 *   sink  reads until the client ends; then its bytes and their digest go back
 *   bye   says "bye" and ends its stream at once, and reads on
 *   close says "bye" at the first bytes and closes, as HTTP/1.0 does
 *   leave stops itself (SIGSTOP) when the client's end is there; then the same, and it exits
 *   die   exits at the first byte, as after a kill
 *
 * Lines of JSON come out: "listening"; "taken" for each connection, with all that is known of it;
 * "end" for each, with what it read and wrote and how it ended. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <kiln/handoff.h>

#define CHUNK  16384u
#define END_MS 30000

enum mode { ECHO, SINK, BYE, CLOSE, LEAVE, DIE };

struct stream {
	EVP_MD_CTX *digest;
	uint64_t bytes;
};

struct client {
	struct kiln_conn *conn;
	int fd;
	struct stream in, out;
	uint8_t waiting[CHUNK]; /* read and not written */
	size_t waiting_at, waiting_len;
	bool ended, answered;
};

static enum mode mode;

static void die(const char *what)
{
	(void)fprintf(stderr, "interop_handoff: %s\n", what);
	exit(2);
}

static void count(struct stream *stream, const void *data, size_t len)
{
	stream->bytes += len;
	if (EVP_DigestUpdate(stream->digest, data, len) != 1)
		die("no digest");
}

static EVP_MD_CTX *new_digest(void)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	if (digest == NULL || EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1)
		die("no digest");
	return digest;
}

static void to_hex(const uint8_t *data, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++)
		(void)sprintf(out + 2 * i, "%02x", data[i]);
	out[2 * len] = '\0';
}

static void finish_digest(struct stream *stream, char hex[65])
{
	uint8_t value[32];
	if (EVP_DigestFinal_ex(stream->digest, value, NULL) != 1)
		die("no digest");
	to_hex(value, sizeof value, hex);
}

/* ---- what comes out ------------------------------------------------------------------------ */

static void print_text(const char *name, const char *text)
{
	(void)printf(",\"%s\":\"", name);
	for (; *text != '\0'; text++)
		(void)printf(*text == '"' || *text == '\\' || (uint8_t)*text < ' ' ? "\\u%04x"
										   : "%c",
			     (unsigned char)*text);
	(void)printf("\"");
}

static void print_address(const char *name, const struct sockaddr_storage *address)
{
	char text[INET6_ADDRSTRLEN] = "", all[96] = "";
	if (address->ss_family == AF_INET) {
		struct sockaddr_in four;
		memcpy(&four, address, sizeof four);
		(void)inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
		(void)snprintf(all, sizeof all, "%s:%u", text, ntohs(four.sin_port));
	} else if (address->ss_family == AF_INET6) {
		struct sockaddr_in6 six;
		memcpy(&six, address, sizeof six);
		(void)inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
		(void)snprintf(all, sizeof all, "[%s]:%u", text, ntohs(six.sin6_port));
	}
	print_text(name, all);
}

static void print_taken(const struct kiln_conn *conn)
{
	static const char *const proofs[] = {"none", "pki", "roast"};
	const struct kiln_handoff_info *info = kiln_conn_handoff(conn);
	const struct kiln_roast_peer *role = kiln_conn_role(conn);
	char hex[2 * KILN_EXPORTER_MAX + 1], arn[KILN_AWS_ROLE_ARN_MAX];
	size_t len;
	const uint8_t *exporter = kiln_conn_exporter(conn, &len);
	(void)printf("{\"event\":\"taken\",\"id\":%llu,\"pending\":%zu",
		     (unsigned long long)info->id, kiln_conn_pending(conn));
	print_text("proof", proofs[info->proof]);
	print_text("path", kiln_conn_path(conn));
	print_text("path_reason", kiln_conn_path_reason(conn));
	print_text("subject", kiln_conn_peer(conn)->subject);
	print_text("name", kiln_conn_peer(conn)->name);
	to_hex(kiln_conn_peer(conn)->spki, KILN_SPKI_HASH, hex);
	print_text("spki", hex);
	if (role != NULL) {
		kiln_aws_role_format(&role->role, arn);
		print_text("role", arn);
		print_text("account", role->role.account);
		print_text("bound", role->bound ? "yes" : "no");
	}
	print_text("alpn", kiln_conn_alpn(conn));
	print_text("server_name", kiln_conn_server_name(conn));
	print_text("cipher", kiln_conn_cipher(conn));
	print_address("peer", &info->peer);
	print_address("local", &info->local);
	print_address("client", &info->client);
	print_address("destination", &info->destination);
	print_text("label", info->exporter_label);
	to_hex(exporter, len, hex);
	print_text("exporter", hex);
	(void)printf("}\n");
	(void)fflush(stdout);
}

static void end_client(struct client *client, const char *how, uint8_t alert)
{
	char in[65], out[65];
	finish_digest(&client->in, in);
	finish_digest(&client->out, out);
	(void)printf("{\"event\":\"end\",\"id\":%llu,\"bytes_in\":%llu,\"bytes_out\":%llu",
		     (unsigned long long)kiln_conn_handoff(client->conn)->id,
		     (unsigned long long)client->in.bytes, (unsigned long long)client->out.bytes);
	print_address("peer", &kiln_conn_handoff(client->conn)->peer);
	print_text("sha256_in", in);
	print_text("sha256_out", out);
	print_text("end", how);
	print_text("alert", alert != 0 ? kiln_alert_name(alert) : "");
	(void)printf("}\n");
	(void)fflush(stdout);
	EVP_MD_CTX_free(client->in.digest);
	EVP_MD_CTX_free(client->out.digest);
	kiln_conn_close(client->conn);
	free(client);
}

/* ---- serving ------------------------------------------------------------------------------- */

/* True when all of it is out. A failure shows when reading. */
static bool write_more(struct client *client)
{
	while (client->waiting_len > 0) {
		const uint8_t *data = client->waiting + client->waiting_at;
		const ssize_t n = write(client->fd, data, client->waiting_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			client->waiting_len = 0;
		if (n <= 0)
			return client->waiting_len == 0;
		count(&client->out, data, (size_t)n);
		client->waiting_at += (size_t)n;
		client->waiting_len -= (size_t)n;
	}
	return true;
}

static void say(struct client *client, const void *data, size_t len)
{
	memcpy(client->waiting, data, len);
	client->waiting_at = 0;
	client->waiting_len = len;
	(void)write_more(client);
}

static void took(struct client *client, const void *data, size_t len)
{
	count(&client->in, data, len);
	if (mode == DIE)
		_exit(3);
	if (mode == ECHO)
		say(client, data, len);
}

/* The client has ended its stream: what there is to say, and then our own end. */
static void answer(struct client *client)
{
	char line[128], hex[65];
	if (client->answered)
		return;
	client->answered = true;
	if (mode == SINK) {
		EVP_MD_CTX *so_far = new_digest();
		struct stream copy = {.digest = so_far};
		if (EVP_MD_CTX_copy_ex(so_far, client->in.digest) != 1)
			die("no digest");
		finish_digest(&copy, hex);
		EVP_MD_CTX_free(so_far);
		(void)snprintf(line, sizeof line, "%llu %s\n", (unsigned long long)client->in.bytes,
			       hex);
		say(client, line, strlen(line));
	}
}

/* False: the client is gone. */
static bool read_more(struct client *client)
{
	struct kiln_error err = {0};
	uint8_t data[CHUNK];
	ssize_t n = -1;
	errno = EIO;
	if (kiln_conn_pending(client->conn) == 0)
		n = read(client->fd, data, sizeof data);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0) /* an end, a truncation, a KeyUpdate: or bytes that came with the handshake */
		n = kiln_conn_read(client->conn, data, sizeof data, &err);
	if (n > 0) {
		took(client, data, (size_t)n);
		return true;
	}
	if (n == 0) {
		client->ended = true;
		answer(client);
		return true;
	}
	if (err.code == KILN_E_AGAIN)
		return true;
	end_client(client, kiln_code_name(err.code), err.alert_received ? err.alert : 0);
	return false;
}

/* Says its word and closes; true when that is done. */
static bool leave(struct client *client)
{
	struct pollfd end = {.fd = client->fd, .events = POLLRDHUP};
	if ((mode != CLOSE && mode != LEAVE) || client->in.bytes == 0)
		return false;
	if (mode == LEAVE && poll(&end, 1, END_MS) != 1)
		die("the client's end does not come");
	if (mode == LEAVE)
		(void)raise(SIGSTOP);
	say(client, "bye", 3);
	end_client(client, "closed", 0);
	if (mode == LEAVE)
		exit(0);
	return true;
}

static void serve(struct client *client, int epoll)
{
	uint64_t before;
	do { /* level-triggered, but what is pending in front of the socket makes no event */
		before = client->in.bytes;
		if (!write_more(client))
			break;
		if (!client->ended && !read_more(client))
			return;
		if (leave(client))
			return;
	} while (client->in.bytes != before || kiln_conn_pending(client->conn) > 0);
	if (client->ended && write_more(client)) {
		end_client(client, "close_notify", 0);
		return;
	}
	struct epoll_event event = {.data.ptr = client};
	event.events = client->waiting_len > 0 ? EPOLLOUT : client->ended ? 0 : EPOLLIN;
	(void)epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event);
}

static void begin(struct kiln_conn *conn, int epoll)
{
	struct client *client = calloc(1, sizeof *client);
	if (client == NULL)
		die("no memory");
	client->conn = conn;
	client->fd = kiln_conn_fd(conn);
	client->in.digest = new_digest();
	client->out.digest = new_digest();
	print_taken(conn);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event) != 0)
		die("epoll_ctl");
	if (mode == BYE) {
		say(client, "bye", 3);
		if (kiln_conn_shutdown_write(conn, NULL) != KILN_OK)
			die("cannot end the stream");
	}
	serve(client, epoll);
}

static void take(struct kiln_handoff *listener, int epoll)
{
	struct kiln_error err = {0};
	struct kiln_conn *conn;
	while (kiln_handoff_accept(listener, 0, &conn, &err) >= 0)
		begin(conn, epoll);
	if (err.code != KILN_E_AGAIN)
		die(err.message);
}

static struct kiln_handoff *open_listener(int argc, char **argv)
{
	static const struct option flags[] = {
	    {"mode", 1, NULL, 'm'}, {"user", 1, NULL, 'u'}, {"file-mode", 1, NULL, 'f'}, {0}};
	static const char *const modes[] = {"echo", "sink", "bye", "close", "leave", "die"};
	struct kiln_handoff_options options = {.nonblocking = true};
	struct kiln_error err = {0};
	for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
		if (flag == 'm')
			while (mode < DIE && strcmp(modes[mode], optarg) != 0)
				mode++;
		else if (flag == 'u')
			options.user = optarg;
		else if (flag == 'f')
			options.mode = (unsigned)strtoul(optarg, NULL, 8);
		else
			die("usage: see the head of tests/interop/tools/handoff.c");
	}
	if (optind + 1 != argc)
		die("usage: interop_handoff PATH");
	struct kiln_handoff *listener = kiln_handoff_listen(argv[optind], &options, &err);
	if (listener == NULL)
		die(err.message);
	return listener;
}

int main(int argc, char **argv)
{
	static struct epoll_event events[256];
	struct rlimit limit;
	(void)signal(SIGPIPE, SIG_IGN); /* write() on a socket whose other end is gone */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	struct kiln_handoff *listener = open_listener(argc, argv);
	const int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, kiln_handoff_fd(listener), &event) != 0)
		die("epoll_ctl");
	(void)printf("{\"event\":\"listening\"}\n");
	(void)fflush(stdout);
	for (;;) {
		const int n = epoll_wait(epoll, events, 256, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				take(listener, epoll);
			else
				serve(events[i].data.ptr, epoll);
		}
	}
}
