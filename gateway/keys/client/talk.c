/* SPDX-License-Identifier: Apache-2.0
 * The way to a key server; see talk.h. */
#include "keys/client/talk.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "keys/client/device.h"
#include "keys/client/terminal.h"

static uint64_t now_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* That the certificate has to prove. */
static const char *server_name(const struct kiln_keycli_talk *talk)
{
	return talk->options->server_name != NULL ? talk->options->server_name : talk->address.host;
}

static enum kiln_code prepare(struct kiln_keycli_talk *talk, struct kiln_error *err)
{
	const struct kiln_keycli_options *o = talk->options;
	const enum kiln_code rc = kiln_address_parse("--server", o->server, &talk->address, err);
	if (rc != KILN_OK)
		return rc;
	if (talk->address.is_unix || talk->address.host[0] == '\0' || talk->address.port == 0)
		return kiln_fail(err, KILN_E_CONFIG, "--server %.80s: write HOST:PORT", o->server);
	(void)snprintf(talk->port, sizeof talk->port, "%u", talk->address.port);
	const char *name = server_name(talk);
	const struct kiln_tls_files files = {.ca = o->cacert};
	const struct kiln_tls_options options = {
	    .role = KILN_CLIENT,
	    .peer_auth = KILN_PEER_REQUIRED,
	    .server_name = name,
	    .verify_name = name,
	    .alpn = KILN_KEYS_ALPN,
	};
	talk->config = kiln_tls_config_load(&options, &files, err);
	return talk->config != NULL ? KILN_OK : err->code;
}

/* ---- --timeout: a timer ends the connection, however the peer's bytes drip in. */

static volatile sig_atomic_t watched = -1, late; /* a descriptor; is the time over? */

static void on_deadline(int number)
{
	const int failed = errno;
	(void)number;
	late = 1;
	if (watched >= 0)
		(void)shutdown((int)watched, SHUT_RDWR);
	errno = failed;
}

static enum kiln_code start_deadline(struct kiln_keycli_talk *talk, struct kiln_error *err)
{
	const uint64_t ms = talk->options->timeout_ms;
	const struct itimerspec at = {
	    .it_value = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
	struct sigaction action = {.sa_handler = on_deadline, .sa_flags = SA_RESTART};
	(void)sigemptyset(&action.sa_mask);
	talk->end_ms = now_ms() + ms;
	if (sigaction(SIGRTMIN, &action, NULL) != 0 ||
	    timer_create(CLOCK_MONOTONIC, &event, &talk->deadline) != 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "no timer for --timeout");
	talk->has_deadline = true;
	(void)timer_settime(talk->deadline, 0, &at, NULL);
	return KILN_OK;
}

static void watch(int fd)
{
	watched = fd;
	if (late && fd >= 0)
		(void)shutdown(fd, SHUT_RDWR);
}

enum kiln_code kiln_keycli_in_time(const struct kiln_keycli_talk *talk, enum kiln_code rc,
				   struct kiln_error *err)
{
	if (!late || talk->options == NULL)
		return rc;
	switch (rc) {
	case KILN_E_KEYS_OUTCOME:
		return kiln_fail(err, rc,
				 "the server did not answer in time (--timeout): whether it was "
				 "done is not known");
	case KILN_E_TLS_TRUNCATED:
	case KILN_E_TIMEOUT:
	case KILN_E_SYSTEM:
		return kiln_fail(err, KILN_E_TIMEOUT,
				 "the server did not answer in time (--timeout)");
	default: return rc;
	}
}

/* ---- connections */

static enum kiln_code connect_now(struct kiln_keycli_talk *talk, struct kiln_error *err)
{
	const uint64_t now = now_ms(), left = now < talk->end_ms ? talk->end_ms - now : 0;
	const struct kiln_conn_options options = {
	    .timeout_ms = (uint32_t)left,
	    .exporter_label = KILN_KEYS_EXPORTER_LABEL,
	    .exporter_len = KILN_KEYS_EXPORTER_SIZE,
	};
	watch(-1);
	kiln_conn_close(talk->conn);
	talk->conn = NULL;
	if (left == 0)
		return kiln_fail(err, KILN_E_TIMEOUT, "the time is over (--timeout)");
	if (kiln_tls_connect(talk->config, talk->address.host, talk->port, &options, &talk->conn,
			     err) < 0)
		return err->code;
	watch(kiln_conn_fd(talk->conn));
	if (strcmp(kiln_conn_alpn(talk->conn), KILN_KEYS_ALPN) == 0)
		return KILN_OK;
	return kiln_fail(err, KILN_E_KEYS_SERVER,
			 "what listens there is no key server: it does not speak " KILN_KEYS_ALPN
			 " (its gateway needs --alpn " KILN_KEYS_ALPN ")");
}

static struct kiln_conn *reconnect(void *arg, struct kiln_error *err)
{
	struct kiln_keycli_talk *talk = arg;
	talk->reconnects++;
	return connect_now(talk, err) == KILN_OK ? talk->conn : NULL;
}

static void on_progress(void *arg, enum kiln_keys_progress what)
{
	(void)arg;
	if (what == KILN_KEYS_STRETCHING)
		kiln_keycli_progress_begin("stretching the password (Argon2id)");
	else
		kiln_keycli_progress_end();
}

/* NULL, and the user hears of it: there is none. */
static const uint8_t *find_device(struct kiln_keycli_talk *talk)
{
	struct kiln_error err = {0};
	if (kiln_keycli_device(talk->options, talk->device, &err))
		return talk->device;
	(void)fprintf(
	    stderr,
	    "kiln keys: %s; the server will not know this device again, and strangers who "
	    "guess at the account can make it wait\n",
	    err.message);
	return NULL;
}

enum kiln_code kiln_keycli_open(struct kiln_keycli_talk *talk, const struct kiln_keycli_options *o,
				const struct kiln_keycli_secret *password, struct kiln_error *err)
{
	talk->options = o;
	enum kiln_code rc = start_deadline(talk, err);
	if (rc == KILN_OK)
		rc = prepare(talk, err);
	if (rc != KILN_OK)
		return rc;
	const struct kiln_keys_options options = {
	    .server_identity = o->server_identity,
	    .server_key = o->pinned ? o->server_key : NULL,
	    .ksf = kiln_keycli_stretching(o),
	    .progress = on_progress,
	    .device = find_device(talk),
	    .device_server = server_name(talk),
	    .reconnect = reconnect,
	    .arg = talk,
	};
	rc = connect_now(talk, err);
	if (rc == KILN_OK)
		rc = kiln_keys_open(talk->conn, o->account, password->data, password->len, &options,
				    &talk->keys, err);
	return rc;
}

void kiln_keycli_close(struct kiln_keycli_talk *talk)
{
	if (talk->has_deadline)
		(void)timer_delete(talk->deadline);
	talk->has_deadline = false;
	watch(-1);
	kiln_keys_close(talk->keys);
	kiln_conn_close(talk->conn);
	kiln_tls_config_unref(talk->config);
	talk->keys = NULL;
	talk->conn = NULL;
	talk->config = NULL;
}

struct kiln_opaque_ksf kiln_keycli_stretching(const struct kiln_keycli_options *o)
{
	return (struct kiln_opaque_ksf){.profile = (enum kiln_opaque_ksf_profile)o->stretch};
}
