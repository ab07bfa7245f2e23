/* SPDX-License-Identifier: Apache-2.0
 * One session with a key server; see talk.h. */
#include "keys/client/talk.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include <kiln/conn.h>

#include "base/bytes.h"
#include "keys/client/terminal.h"
#include "net/address.h"

#define RESUMES_MAX 3u /* connections after the first */
#define EXPORTER    "EXPORTER-kiln-keys/1"

struct line {
	struct kiln_keycli_talk *talk;
	struct kiln_tls_config *config;
	struct kiln_conn *conn;
	struct kiln_address address;
	char port[8];
	uint64_t end_ms;
};

static uint64_t now_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- the connection ------------------------------------------------------------------------- */

static enum kiln_code prepare(struct line *line, struct kiln_error *err)
{
	const struct kiln_keycli_options *o = line->talk->options;
	const enum kiln_code rc = kiln_address_parse("--server", o->server, &line->address, err);
	if (rc != KILN_OK)
		return rc;
	if (line->address.is_unix || line->address.host[0] == '\0' || line->address.port == 0)
		return kiln_fail(err, KILN_E_CONFIG, "--server %.80s: write HOST:PORT", o->server);
	(void)snprintf(line->port, sizeof line->port, "%u", line->address.port);
	const char *name = o->server_name != NULL ? o->server_name : line->address.host;
	const struct kiln_tls_files files = {.ca = o->cacert};
	const struct kiln_tls_options options = {
	    .role = KILN_CLIENT,
	    .peer_auth = KILN_PEER_REQUIRED,
	    .server_name = name,
	    .verify_name = name,
	    .alpn = KILN_KEYS_PROTOCOL,
	};
	line->config = kiln_tls_config_load(&options, &files, err);
	return line->config != NULL ? KILN_OK : err->code;
}

static uint64_t time_left(const struct line *line)
{
	const uint64_t now = now_ms();
	return now < line->end_ms ? line->end_ms - now : 0;
}

static void set_timeouts(const struct line *line)
{
	const uint64_t ms = time_left(line);
	const struct timeval wait = {.tv_sec = (time_t)(ms / 1000),
				     .tv_usec = (suseconds_t)(ms % 1000) * 1000 + 1};
	const int fd = kiln_conn_fd(line->conn);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
}

static enum kiln_code connect_now(struct line *line, struct kiln_error *err)
{
	const uint64_t left = time_left(line);
	const struct kiln_conn_options options = {
	    .timeout_ms = (uint32_t)left,
	    .exporter_label = EXPORTER,
	    .exporter_len = KILN_KEYS_EXPORTER_LEN,
	};
	kiln_conn_close(line->conn);
	line->conn = NULL;
	if (left == 0)
		return kiln_fail(err, KILN_E_TIMEOUT, "the time is over (--timeout)");
	if (kiln_tls_connect(line->config, line->address.host, line->port, &options, &line->conn,
			     err) < 0)
		return err->code;
	if (strcmp(kiln_conn_alpn(line->conn), KILN_KEYS_PROTOCOL) == 0)
		return KILN_OK;
	return kiln_fail(err, KILN_E_KEYS_SERVER,
			 "what listens there is no key server: it does not speak "
			 KILN_KEYS_PROTOCOL " (its gateway needs --alpn " KILN_KEYS_PROTOCOL ")");
}

/* ---- the session ---------------------------------------------------------------------------- */

static enum kiln_code begin(struct line *line, struct kiln_error *err)
{
	struct kiln_keycli_talk *talk = line->talk;
	const struct kiln_keycli_options *o = talk->options;
	size_t exporter_len;
	const struct kiln_keys_client_options options = {
	    .registration = talk->ask == NULL,
	    .account = {o->account, strlen(o->account)},
	    .password = {talk->password->data, talk->password->len},
	    .token = talk->token,
	    .exporter = kiln_conn_exporter(line->conn, &exporter_len),
	    .server_identity = o->server_identity,
	    .server_key = o->pinned ? o->server_key : NULL,
	    .ksf = kiln_keycli_stretching(o),
	};
	talk->client = kiln_keys_client_new(&options, err);
	return talk->client != NULL ? KILN_OK : err->code;
}

static enum kiln_code send_output(struct line *line, struct kiln_error *err)
{
	struct kiln_keys_client *client = line->talk->client;
	const uint8_t *data;
	size_t len;
	set_timeouts(line);
	while ((data = kiln_keys_client_output(client, &len)) != NULL && len > 0) {
		const ssize_t n = kiln_conn_write(line->conn, data, len, err);
		if (n < 0)
			return err->code;
		kiln_keys_client_sent(client, (size_t)n);
	}
	return KILN_OK;
}

static enum kiln_code take_input(struct line *line, struct kiln_error *err)
{
	struct kiln_keys_client *client = line->talk->client;
	uint8_t data[16384];
	size_t used = 0;
	set_timeouts(line);
	const ssize_t n = kiln_conn_read(line->conn, data, sizeof data, err);
	for (size_t at = 0; n > 0 && at < (size_t)n; at += used) {
		const enum kiln_keys_step step =
		    kiln_keys_client_feed(client, data + at, (size_t)n - at, &used);
		if (step == KILN_KEYS_BROKEN || step == KILN_KEYS_DONE || used == 0)
			break;
	}
	kiln_wipe(data, sizeof data);
	if (n == 0)
		return kiln_fail(err, KILN_E_TLS_TRUNCATED, "the server ended the connection");
	return n > 0 ? KILN_OK : err->code;
}

/* The connection is lost, *err says how; the session may live on another one. */
static enum kiln_code resume(struct line *line, struct kiln_error *err)
{
	struct kiln_error why = {0};
	if (err->code == KILN_E_AGAIN || time_left(line) == 0)
		return kiln_fail(err, KILN_E_TIMEOUT, "the server did not answer in time (--timeout)");
	if (line->talk->resumed == RESUMES_MAX ||
	    kiln_keys_client_resume(line->talk->client, &why) != KILN_OK)
		return err->code;
	line->talk->resumed++;
	return connect_now(line, err);
}

static void stretch(struct line *line)
{
	kiln_keycli_progress_begin("stretching the password (Argon2id)");
	(void)kiln_keys_client_stretch(line->talk->client);
	kiln_keycli_progress_end();
}

static enum kiln_code broken(struct kiln_keycli_talk *talk, struct kiln_error *err)
{
	*err = *kiln_keys_client_error(talk->client, &talk->retry_after_ms);
	return err->code;
}

/* One step; *done when there is no other. */
static enum kiln_code step(struct line *line, bool *done, struct kiln_error *err)
{
	struct kiln_keycli_talk *talk = line->talk;
	const enum kiln_keys_step what = kiln_keys_client_step(talk->client);
	enum kiln_code rc = send_output(line, err);
	if (what == KILN_KEYS_BROKEN)
		return broken(talk, err); /* whether it heard our last word or not */
	if (rc == KILN_OK && what == KILN_KEYS_WANT_INPUT)
		rc = take_input(line, err);
	if (rc != KILN_OK)
		return resume(line, err);
	if (what == KILN_KEYS_WANT_STRETCH)
		stretch(line);
	if (what == KILN_KEYS_WANT_REQUEST)
		return kiln_keys_client_request(talk->client, talk->ask, err);
	*done = what == KILN_KEYS_DONE;
	return KILN_OK;
}

enum kiln_code kiln_keycli_talk(struct kiln_keycli_talk *talk, struct kiln_error *err)
{
	struct line line = {.talk = talk, .end_ms = now_ms() + talk->options->timeout_ms};
	bool done = false;
	enum kiln_code rc = prepare(&line, err);
	if (rc == KILN_OK)
		rc = connect_now(&line, err);
	if (rc == KILN_OK)
		rc = begin(&line, err);
	while (rc == KILN_OK && !done)
		rc = step(&line, &done, err);
	kiln_conn_close(line.conn);
	kiln_tls_config_unref(line.config);
	return rc;
}

void kiln_keycli_talk_clear(struct kiln_keycli_talk *talk)
{
	kiln_keys_client_free(talk->client);
	talk->client = NULL;
}

struct kiln_opaque_ksf kiln_keycli_stretching(const struct kiln_keycli_options *o)
{
	return (struct kiln_opaque_ksf){.profile = (enum kiln_opaque_ksf_profile)o->stretch};
}
