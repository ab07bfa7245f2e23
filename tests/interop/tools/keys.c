/* SPDX-License-Identifier: Apache-2.0
 * A client of the key server that does what `kiln keys` does not: it stretches no password, has
 * many sessions at once, and breaks the rules.
 *
 *   interop_keys [--stretch] PORT CA ACCOUNT PASSWORD COMMAND [ARGUMENT]...
 *                        CA: or the role of a server that speaks Roast
 *     register           opens the account
 *     race               opens an account for each line of standard input; prints what came of it
 *     store COUNT        one session after the other; prints each key id when it is acknowledged
 *     have               reads key ids from standard input, and retrieves each
 *     many COUNT CONNS   so many sessions at the same time on so many connections
 *     twice              a second request in one session, for a new key; prints the answer's code
 *     resume             loses the connection behind its request, and goes on on another one
 *     wait               opens a session, prints "open", and makes its request at a line's end
 *     think              the same before the password is stretched; prints "thinking" */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kiln/keys.h>
#include <kiln/roast.h>

#include "base/bytes.h"
#include "base/hex.h"
#include "keys/client_inner.h"

#define CONNS_MAX 64

static const char *port, *account, *password;
static struct kiln_tls_config *config; /* NULL: Roast */
static struct kiln_aws_role role;
static struct kiln_opaque_ksf ksf = {.profile = KILN_OPAQUE_KSF_NONE}; /* --stretch: as kiln keys */

static void die(const char *what, const struct kiln_error *err)
{
	(void)fprintf(stderr, "interop_keys: %s: %s\n", what, err != NULL ? err->message : "");
	exit(1);
}

static struct kiln_conn *dial_roast(void)
{
	struct kiln_error err = {0};
	const struct kiln_aws_options who = {.development_sts = true};
	static struct kiln_aws *aws;
	struct kiln_conn *conn = NULL;
	if (aws == NULL)
		aws = kiln_aws_open(&who, &err);
	const struct kiln_roast_conn_options options = {
	    .aws = aws,
	    .require_binding = true,
	    .exporter_label = KILN_KEYS_EXPORTER_LABEL,
	    .exporter_len = KILN_KEYS_EXPORTER_SIZE,
	};
	if (aws == NULL ||
	    kiln_roast_connect("127.0.0.1", port, &role, 1, &options, &conn, &err) < 0)
		die("roast", &err);
	return conn;
}

static struct kiln_conn *dial(void)
{
	if (config == NULL)
		return dial_roast();
	struct kiln_error err = {0};
	const struct kiln_conn_options options = {
	    .timeout_ms = 60000,
	    .exporter_label = KILN_KEYS_EXPORTER_LABEL,
	    .exporter_len = KILN_KEYS_EXPORTER_SIZE,
	};
	struct kiln_conn *conn;
	if (kiln_tls_connect(config, "127.0.0.1", port, &options, &conn, &err) < 0)
		die("connect", &err);
	return conn;
}

static struct kiln_keys_client *begin(struct kiln_conn *conn)
{
	struct kiln_error err = {0};
	size_t len;
	const struct kiln_keys_client_options options = {
	    .account = {account, strlen(account)},
	    .password = {password, strlen(password)},
	    .exporter = kiln_conn_exporter(conn, &len),
	    .ksf = ksf,
	};
	struct kiln_keys_client *client = kiln_keys_client_new(&options, &err);
	if (client == NULL)
		die("session", &err);
	return client;
}

/* ---- one session, step by step -------------------------------------------------------------- */

static void push(struct kiln_conn *conn, struct kiln_keys_client *client)
{
	struct kiln_error err = {0};
	const uint8_t *data;
	size_t len;
	while ((data = kiln_keys_client_output(client, &len)) != NULL && len > 0) {
		const ssize_t n = kiln_conn_write(conn, data, len, &err);
		if (n < 0)
			die("write", &err);
		kiln_keys_client_sent(client, (size_t)n);
	}
}

static void read_exactly(struct kiln_conn *conn, uint8_t *out, size_t len)
{
	struct kiln_error err = {0};
	while (len > 0) {
		const ssize_t n = kiln_conn_read(conn, out, len, &err);
		if (n <= 0)
			die("read", &err);
		out += n;
		len -= (size_t)n;
	}
}

/* One frame, whole. */
static size_t read_frame(struct kiln_conn *conn, uint8_t frame[KILN_KEYS_FRAME_MAX + 4])
{
	read_exactly(conn, frame, KILN_KEYS_LENGTH_LEN);
	const size_t len = kiln_keys_frame_length(frame);
	if (len == 0)
		die("a frame's length", NULL);
	read_exactly(conn, frame + KILN_KEYS_LENGTH_LEN, len - KILN_KEYS_LENGTH_LEN);
	return len;
}

static void feed(struct kiln_keys_client *client, const uint8_t *frame, size_t len)
{
	size_t used = 0;
	(void)kiln_keys_client_feed(client, frame, len, &used);
	if (used != len)
		die("a frame was not taken whole", NULL);
}

/* All steps that need no input. */
static void advance(struct kiln_keys_client *client)
{
	while (kiln_keys_client_step(client) == KILN_KEYS_WANT_STRETCH)
		(void)kiln_keys_client_stretch(client);
	if (kiln_keys_client_step(client) == KILN_KEYS_BROKEN)
		die("session", kiln_keys_client_error(client, NULL));
}

static void until(struct kiln_conn *conn, struct kiln_keys_client *client, enum kiln_keys_step end)
{
	uint8_t frame[KILN_KEYS_FRAME_MAX + 4];
	for (;;) {
		advance(client);
		push(conn, client);
		if (kiln_keys_client_step(client) == end)
			return;
		const size_t len = read_frame(conn, frame);
		feed(client, frame, len);
	}
}

static void request(struct kiln_keys_client *client, enum kiln_keys_operation operation)
{
	struct kiln_error err = {0};
	const struct kiln_keys_ask ask = {.operation = operation};
	if (kiln_keys_client_request(client, &ask, &err) != KILN_OK)
		die("request", &err);
}

static void print_key(const uint8_t key_id[KILN_KEYS_KEY_ID_LEN])
{
	char text[2 * KILN_KEYS_KEY_ID_LEN + 1];
	kiln_hex_encode(key_id, KILN_KEYS_KEY_ID_LEN, text);
	(void)puts(text);
}

/* ---- commands ------------------------------------------------------------------------------- */

static struct kiln_keys *open_keys(struct kiln_conn *conn)
{
	struct kiln_error err = {0};
	const struct kiln_keys_options options = {.ksf = ksf};
	struct kiln_keys *keys;
	if (kiln_keys_open(conn, account, password, strlen(password), &options, &keys, &err) !=
	    KILN_OK)
		die("open", &err);
	return keys;
}

static enum kiln_code open_account(struct kiln_error *err)
{
	struct kiln_conn *conn = dial();
	struct kiln_keys *keys = open_keys(conn);
	const enum kiln_code code = kiln_keys_register(keys, NULL, err);
	kiln_keys_close(keys);
	kiln_conn_close(conn);
	return code;
}

static void do_register(char **arguments)
{
	struct kiln_error err = {0};
	(void)arguments;
	if (open_account(&err) != KILN_OK)
		die("register", &err);
}

static void do_race(char **arguments)
{
	char line[64];
	struct kiln_error err = {0};
	(void)arguments;
	while (fgets(line, sizeof line, stdin) != NULL) {
		account = strtok(line, "\n");
		(void)puts(kiln_code_name(open_account(&err)));
	}
}

static void do_store(char **arguments)
{
	struct kiln_error err = {0};
	struct kiln_conn *conn = dial();
	struct kiln_keys *keys = open_keys(conn);
	uint8_t key_id[KILN_KEYS_KEY_ID_LEN];
	for (long i = strtol(arguments[0], NULL, 10); i > 0; i--) {
		if (kiln_keys_store(keys, "a secret", 8, key_id, &err) != KILN_OK)
			die("store", &err);
		print_key(key_id);
	}
	kiln_keys_close(keys);
	kiln_conn_close(conn);
}

static void do_have(char **arguments)
{
	struct kiln_error err = {0};
	struct kiln_conn *conn = dial();
	struct kiln_keys *keys = open_keys(conn);
	struct kiln_keys_secret secret;
	char line[64];
	unsigned found = 0;
	(void)arguments;
	while (fgets(line, sizeof line, stdin) != NULL) {
		uint8_t key_id[KILN_KEYS_KEY_ID_LEN];
		if (!kiln_hex_decode(line, 2 * sizeof key_id, key_id) ||
		    kiln_keys_retrieve(keys, key_id, KILN_KEYS_ANY_KIND, KILN_KEYS_FOR_NOTHING,
				       &secret, &err) != KILN_OK ||
		    secret.len != 8 || memcmp(secret.data, "a secret", 8) != 0)
			die(line, &err);
		found++;
	}
	(void)printf("%u\n", found);
	kiln_keys_close(keys);
	kiln_conn_close(conn);
}

struct many {
	struct kiln_conn *conn;
	struct kiln_keys_client **clients;
	unsigned count, done;
};

static void dispatch(struct many *m, const uint8_t *frame, size_t len)
{
	const uint8_t *id = frame + KILN_KEYS_LENGTH_LEN + 1;
	for (unsigned i = 0; i < m->count; i++) {
		struct kiln_keys_client *client = m->clients[i];
		if (memcmp(client->id, id, sizeof client->id) != 0)
			continue;
		feed(client, frame, len);
		advance(client);
		if (kiln_keys_client_step(client) == KILN_KEYS_WANT_REQUEST)
			request(client, KILN_KEYS_NOTHING);
		m->done += kiln_keys_client_step(client) == KILN_KEYS_DONE;
		push(m->conn, client);
		return;
	}
	die("a frame of no session", NULL);
}

/* All are under way before the first of them is answered. */
static void do_many(char **arguments)
{
	const unsigned count = (unsigned)strtoul(arguments[0], NULL, 10);
	const unsigned conns = (unsigned)strtoul(arguments[1], NULL, 10);
	static struct many many[CONNS_MAX];
	uint8_t frame[KILN_KEYS_FRAME_MAX + 4];
	unsigned done = 0;
	if (conns == 0 || conns > CONNS_MAX || count % conns != 0)
		die("COUNT is to be a multiple of CONNS", NULL);
	for (unsigned c = 0; c < conns; c++) {
		struct many *m = &many[c];
		m->conn = dial();
		m->count = count / conns;
		m->clients = calloc(m->count, sizeof(struct kiln_keys_client *));
		for (unsigned i = 0; m->clients != NULL && i < m->count; i++)
			m->clients[i] = begin(m->conn);
	}
	for (unsigned c = 0; c < conns; c++)
		for (unsigned i = 0; i < many[c].count; i++)
			push(many[c].conn, many[c].clients[i]);
	for (unsigned c = 0; c < conns; c++) {
		while (many[c].done < many[c].count) {
			const size_t len = read_frame(many[c].conn, frame);
			dispatch(&many[c], frame, len);
		}
		done += many[c].done;
		for (unsigned i = 0; i < many[c].count; i++)
			kiln_keys_client_free(many[c].clients[i]);
		free(many[c].clients);
		kiln_conn_close(many[c].conn);
	}
	(void)printf("%u\n", done);
}

static void do_twice(char **arguments)
{
	struct kiln_conn *conn = dial();
	struct kiln_keys_client *client = begin(conn);
	struct kiln_keys_message message, answer;
	struct kiln_keys_frame read;
	uint8_t frame[KILN_KEYS_FRAME_MAX + 4];
	struct kiln_error err = {0};
	(void)arguments;
	until(conn, client, KILN_KEYS_WANT_REQUEST);
	request(client, KILN_KEYS_NOTHING);
	until(conn, client, KILN_KEYS_DONE);
	memset(&message, 0, sizeof message);
	message.operation = KILN_KEYS_GENERATE_SERVER;
	memcpy(message.user_id, kiln_keys_client_answer(client)->user_id, sizeof message.user_id);
	size_t len = kiln_keys_frame_write(
	    KILN_KEYS_REQUEST, client->id, client->sent, &message,
	    kiln_keys_channel_key(&client->channel, KILN_KEYS_REQUEST), frame, sizeof frame);
	if (len == 0 || kiln_conn_write(conn, frame, len, &err) != (ssize_t)len)
		die("second request", &err);
	len = read_frame(conn, frame);
	if (!kiln_keys_frame_read(frame, len, &read) ||
	    !kiln_keys_message_read(read.type, read.body, read.body_len, &answer))
		die("second answer", NULL);
	(void)puts(kiln_keys_error_name(answer.code));
	kiln_keys_client_free(client);
	kiln_conn_close(conn);
}

static void do_resume(char **arguments)
{
	struct kiln_conn *conn = dial();
	struct kiln_keys_client *client = begin(conn);
	struct kiln_error err = {0};
	(void)arguments;
	until(conn, client, KILN_KEYS_WANT_REQUEST);
	request(client, KILN_KEYS_GENERATE_SERVER);
	push(conn, client);
	/* It is answered before the connection goes; the answer is lost all the same. */
	struct pollfd readable = {.fd = kiln_conn_fd(conn), .events = POLLIN};
	(void)poll(&readable, 1, 60000);
	kiln_conn_close(conn);
	conn = dial();
	size_t len;
	if (kiln_keys_client_resume(client, kiln_conn_exporter(conn, &len), &err) != KILN_OK)
		die("resume", &err);
	until(conn, client, KILN_KEYS_DONE);
	print_key(kiln_keys_client_answer(client)->key_id);
	kiln_keys_client_free(client);
	kiln_conn_close(conn);
}

/* Says where it is, until it may go on. */
static void wait_at(const char *where)
{
	(void)puts(where);
	(void)fflush(stdout);
	while (getchar() != '\n' && !feof(stdin))
		continue;
}

static void do_think(char **arguments)
{
	struct kiln_conn *conn = dial();
	struct kiln_keys_client *client = begin(conn);
	uint8_t frame[KILN_KEYS_FRAME_MAX + 4];
	(void)arguments;
	push(conn, client);
	const size_t len = read_frame(conn, frame);
	feed(client, frame, len);
	wait_at("thinking");
	until(conn, client, KILN_KEYS_WANT_REQUEST);
	request(client, KILN_KEYS_GENERATE_SERVER);
	until(conn, client, KILN_KEYS_DONE);
	print_key(kiln_keys_client_answer(client)->key_id);
	kiln_keys_client_free(client);
	kiln_conn_close(conn);
}

static void do_wait(char **arguments)
{
	struct kiln_conn *conn = dial();
	struct kiln_keys_client *client = begin(conn);
	(void)arguments;
	until(conn, client, KILN_KEYS_WANT_REQUEST);
	wait_at("open");
	request(client, KILN_KEYS_GENERATE_SERVER);
	until(conn, client, KILN_KEYS_DONE);
	print_key(kiln_keys_client_answer(client)->key_id);
	kiln_keys_client_free(client);
	kiln_conn_close(conn);
}

static const struct {
	const char *name;
	int arguments;
	void (*run)(char **arguments);
} commands[] = {
    {"register", 0, do_register}, {"store", 1, do_store}, {"have", 0, do_have},
    {"many", 2, do_many},         {"twice", 0, do_twice}, {"resume", 0, do_resume},
    {"wait", 0, do_wait},         {"race", 0, do_race},   {"think", 0, do_think},
};

int main(int argc, char **argv)
{
	struct kiln_error err = {0};
	const struct kiln_tls_options options = {
	    .role = KILN_CLIENT,
	    .peer_auth = KILN_PEER_REQUIRED,
	    .server_name = "localhost",
	    .verify_name = "localhost",
	    .alpn = KILN_KEYS_ALPN,
	};
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && strcmp(argv[1], "--stretch") == 0) {
		ksf.profile = KILN_OPAQUE_KSF_DEFAULT;
		argc--;
		argv++;
	}
	if (argc < 6)
		return 2;
	const struct kiln_tls_files files = {.ca = argv[2]};
	port = argv[1];
	account = argv[3];
	password = argv[4];
	if (kiln_aws_role_parse(argv[2], &role, NULL) != KILN_OK)
		config = kiln_tls_config_load(&options, &files, &err);
	if (config == NULL && role.name[0] == '\0')
		die("config", &err);
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(argv[5], commands[i].name) != 0 || argc != 6 + commands[i].arguments)
			continue;
		commands[i].run(argv + 6);
		kiln_tls_config_unref(config);
		return 0;
	}
	return 2;
}
