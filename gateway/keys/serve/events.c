/* SPDX-License-Identifier: Apache-2.0
 * The key server's log lines. Never a secret; who a user is, by user id; account names nowhere but
 * with --log-accounts. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "keys/serve/keyd.h"
#include "net/address.h"

#define WARNING_INTERVAL_MS 1000u
#define ACCEPT_INTERVAL_MS  60000u

void kiln_keyd_source_text(const uint8_t source[KILN_KEYS_SOURCE_LEN], char *out, size_t size)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const bool v4 = memcmp(source, mapped, sizeof mapped) == 0;
	out[0] = '\0';
	(void)inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? source + 12 : source, out, (socklen_t)size);
}

/* ---- sessions ------------------------------------------------------------------------------- */

static const char *operation_name(uint8_t operation)
{
	static const char *const names[KILN_KEYS_OPERATION_END] = {
	    [KILN_KEYS_COMPLETE] = "complete_registration",
	    [KILN_KEYS_NOTHING] = "nothing",
	    [KILN_KEYS_GENERATE] = "generate",
	    [KILN_KEYS_GENERATE_SERVER] = "generate_server",
	    [KILN_KEYS_IMPORT] = "import",
	    [KILN_KEYS_IMPORT_SERVER] = "import_server",
	    [KILN_KEYS_RETRIEVE] = "retrieve",
	    [KILN_KEYS_DELETE] = "delete",
	    [KILN_KEYS_AUDIT] = "audit",
	    [KILN_KEYS_GENERATE_SIGNING] = "generate_signing",
	    [KILN_KEYS_IMPORT_SIGNING] = "import_signing",
	    [KILN_KEYS_SIGN] = "sign",
	    [KILN_KEYS_PUBLIC_KEY] = "public_key",
	    [KILN_KEYS_CHANGE_PASSWORD] = "change_password",
	};
	return operation < KILN_KEYS_OPERATION_END ? names[operation] : NULL;
}

static const char *what_name(const struct kiln_keys_event *event)
{
	switch (event->what) {
	case KILN_KEYS_EVENT_REGISTER: return "register";
	case KILN_KEYS_EVENT_LOGIN: return "login";
	case KILN_KEYS_EVENT_REQUEST: return "request";
	case KILN_KEYS_EVENT_REFUSED: return "frame";
	case KILN_KEYS_EVENT_RESUMED: return "resume";
	case KILN_KEYS_EVENT_STORE: return "store";
	case KILN_KEYS_EVENT_NO_MEMORY: return "memory";
	}
	return "unknown";
}

static void count(struct kiln_keyd_counters *c, const struct kiln_keys_event *event)
{
	const bool good = event->outcome == KILN_KEYS_SUCCESS;
	switch (event->what) {
	case KILN_KEYS_EVENT_REGISTER: c->registrations += good; break;
	case KILN_KEYS_EVENT_LOGIN: *(good ? &c->logins : &c->failed_logins) += 1; break;
	case KILN_KEYS_EVENT_REQUEST: *(good ? &c->requests : &c->failed_requests) += 1; break;
	case KILN_KEYS_EVENT_REFUSED: c->refused_frames++; break;
	case KILN_KEYS_EVENT_RESUMED: c->resumed++; break;
	case KILN_KEYS_EVENT_STORE:
	case KILN_KEYS_EVENT_NO_MEMORY: break;
	}
}

/* What strangers can cause without end is told now and then. */
static bool worth_a_line(struct kiln_keyd *keyd, const struct kiln_keys_event *event,
			 uint64_t *suppressed)
{
	static struct kiln_log_limit limits[3];
	const uint64_t now = keyd->now.steady_ms;
	*suppressed = 0;
	if (event->what == KILN_KEYS_EVENT_REFUSED)
		return kiln_log_limit_pass(&limits[0], now, WARNING_INTERVAL_MS, suppressed);
	if (event->what == KILN_KEYS_EVENT_STORE || event->what == KILN_KEYS_EVENT_NO_MEMORY)
		return kiln_log_limit_pass(&limits[1], now, WARNING_INTERVAL_MS, suppressed);
	if (event->outcome == KILN_KEYS_LIMITED || event->outcome == KILN_KEYS_BUSY)
		return kiln_log_limit_pass(&limits[2], now, WARNING_INTERVAL_MS, suppressed);
	return true;
}

static enum kiln_log_level level_of(const struct kiln_keys_event *event)
{
	if (event->what == KILN_KEYS_EVENT_STORE || event->what == KILN_KEYS_EVENT_NO_MEMORY)
		return KILN_LOG_ERROR;
	return event->outcome == KILN_KEYS_SUCCESS ? KILN_LOG_INFO : KILN_LOG_WARNING;
}

void kiln_keyd_on_event(void *arg, const struct kiln_keys_event *event)
{
	struct kiln_keyd *keyd = arg;
	struct kiln_log_line line;
	char source[INET6_ADDRSTRLEN];
	uint64_t suppressed;
	count(&keyd->counters, event);
	if (event->what == KILN_KEYS_EVENT_REFUSED && keyd->feeding != NULL)
		keyd->feeding->refused++;
	if (event->outcome == KILN_KEYS_LIMITED && keyd->feeding != NULL)
		keyd->feeding->limited++;
	if (!worth_a_line(keyd, event, &suppressed))
		return;
	kiln_log_begin(&line, level_of(event), "keys_session");
	if (keyd->feeding != NULL)
		kiln_log_u64(&line, "conn", keyd->feeding->id);
	kiln_log_str(&line, "what", what_name(event));
	kiln_log_str(&line, "operation", operation_name(event->operation));
	if (event->what != KILN_KEYS_EVENT_NO_MEMORY) /* which has none */
		kiln_log_str(&line, "outcome", kiln_keys_error_name(event->outcome));
	if (event->user_id != NULL)
		kiln_log_hex(&line, "user", event->user_id, KILN_KEYS_USER_ID_LEN);
	if (event->account != NULL && keyd->options->log_accounts)
		kiln_log_bytes(&line, "account", event->account, event->account_len);
	if (event->source != NULL) {
		kiln_keyd_source_text(event->source, source, sizeof source);
		kiln_log_str(&line, "source", source);
	}
	if (event->error != NULL)
		kiln_log_error(&line, event->error);
	if (suppressed > 0)
		kiln_log_u64(&line, "suppressed", suppressed);
	kiln_log_end(&line);
}

/* ---- connections ---------------------------------------------------------------------------- */

static void log_identity(struct kiln_log_line *line, const struct kiln_conn *tls)
{
	const struct kiln_handoff_info *info = kiln_conn_handoff(tls);
	const struct kiln_roast_peer *peer = kiln_conn_role(tls);
	char arn[KILN_AWS_ROLE_ARN_MAX];
	kiln_log_str(line, "proof",
		     info->proof == KILN_PROOF_ROAST ? "roast"
		     : info->proof == KILN_PROOF_PKI ? "pki"
						     : "none");
	if (info->proof == KILN_PROOF_ROAST && peer != NULL) {
		kiln_aws_role_format(&peer->role, arn);
		kiln_log_str(line, "identity", arn);
	} else if (info->proof == KILN_PROOF_PKI) {
		kiln_log_str(line, "identity", kiln_conn_peer(tls)->name);
	}
}

static void log_address(struct kiln_log_line *line, const char *key,
			const struct sockaddr_storage *address)
{
	char text[KILN_ADDRESS_TEXT];
	if (address->ss_family != AF_UNSPEC)
		kiln_log_str(line, key, kiln_address_format(address, sizeof *address, text));
}

void kiln_keyd_log_conn(const struct kiln_keyd_conn *conn)
{
	struct kiln_log_line line;
	const struct kiln_handoff_info *info = kiln_conn_handoff(conn->tls);
	const bool failed = conn->err.code != KILN_OK;
	kiln_log_begin(&line, failed ? KILN_LOG_WARNING : KILN_LOG_INFO, "keys_conn");
	kiln_log_u64(&line, "id", conn->id);
	log_address(&line, "peer", &info->peer);
	log_address(&line, "client", &info->client);
	log_identity(&line, conn->tls);
	kiln_log_str(&line, "path", kiln_conn_path(conn->tls));
	kiln_log_u64(&line, "bytes_in", conn->bytes_in);
	kiln_log_u64(&line, "bytes_out", conn->bytes_out);
	kiln_log_ms(&line, "duration_ms", (conn->keyd->now.steady_ms - conn->started_ms) * 1000);
	kiln_log_str(&line, "close", conn->close != NULL ? conn->close : "ok");
	if (failed)
		kiln_log_error(&line, &conn->err);
	kiln_log_end(&line);
}

void kiln_keyd_log_error(const char *event, const struct kiln_error *err)
{
	struct kiln_log_line line;
	kiln_log_begin(&line, KILN_LOG_ERROR, event);
	kiln_log_error(&line, err);
	kiln_log_end(&line);
}

void kiln_keyd_log_full(struct kiln_keyd *keyd)
{
	static struct kiln_log_limit limit;
	struct kiln_log_line line;
	uint64_t suppressed;
	if (!kiln_log_limit_pass(&limit, keyd->now.steady_ms, WARNING_INTERVAL_MS, &suppressed))
		return;
	kiln_log_begin(&line, KILN_LOG_WARNING, "connection_limit");
	kiln_log_u64(&line, "connections", keyd->conn_count);
	kiln_log_u64(&line, "suppressed", suppressed);
	kiln_log_str(&line, "hint",
		     "new connections are refused; see --max-connections and ulimit -n");
	kiln_log_end(&line);
}

void kiln_keyd_log_crowd(struct kiln_keyd *keyd, const uint8_t address[KILN_KEYS_SOURCE_LEN])
{
	static struct kiln_log_limit limit;
	struct kiln_log_line line;
	char source[INET6_ADDRSTRLEN];
	uint64_t suppressed;
	if (!kiln_log_limit_pass(&limit, keyd->now.steady_ms, WARNING_INTERVAL_MS, &suppressed))
		return;
	kiln_keyd_source_text(address, source, sizeof source);
	kiln_log_begin(&line, KILN_LOG_WARNING, "source_limit");
	kiln_log_str(&line, "source", source);
	kiln_log_u64(&line, "connections", keyd->max_per_source);
	kiln_log_u64(&line, "suppressed", suppressed);
	kiln_log_str(&line, "hint",
		     "new connections from there are refused; see --max-connections-per-source, if "
		     "it is many users behind one address");
	kiln_log_end(&line);
}

void kiln_keyd_log_accept(struct kiln_keyd *keyd, const struct kiln_error *err)
{
	static struct kiln_log_limit limit;
	struct kiln_log_line line;
	uint64_t suppressed;
	if (!kiln_log_limit_pass(&limit, keyd->now.steady_ms, ACCEPT_INTERVAL_MS, &suppressed))
		return;
	kiln_log_begin(&line, KILN_LOG_WARNING, "accept_failed");
	kiln_log_error(&line, err);
	kiln_log_u64(&line, "suppressed", suppressed);
	kiln_log_u64(&line, "connections", keyd->conn_count);
	kiln_log_str(&line, "hint",
		     "those that are here go on; new ones wait until one of them ends. Raise the "
		     "limit of open files (ulimit -n, systemd's LimitNOFILE=)");
	kiln_log_end(&line);
}

void kiln_keyd_log_unbound(struct kiln_keyd *keyd, const char *label)
{
	static struct kiln_log_limit limit;
	struct kiln_log_line line;
	uint64_t suppressed;
	if (!kiln_log_limit_pass(&limit, keyd->now.steady_ms, UINT64_C(60000), &suppressed))
		return;
	kiln_log_begin(&line, KILN_LOG_WARNING, "no_binding");
	kiln_log_str(&line, "exporter", label);
	kiln_log_str(&line, "hint",
		     "start the gateway with --handoff-exporter " KILN_KEYS_EXPORTER_LABEL
		     ", so that sessions are bound to their TLS connection");
	kiln_log_end(&line);
}

void kiln_keyd_log_counters(const struct kiln_keyd *keyd)
{
	const struct kiln_keyd_counters *c = &keyd->counters;
	const struct kiln_keys_server_count now = kiln_keys_server_count(keyd->server);
	struct kiln_log_line line;
	kiln_log_begin(&line, KILN_LOG_INFO, "counters");
	kiln_log_u64(&line, "connections", keyd->conn_count);
	kiln_log_u64(&line, "sessions", now.sessions);
	kiln_log_u64(&line, "starting", now.starting);
	kiln_log_u64(&line, "open", now.open);
	kiln_log_u64(&line, "detached", now.detached);
	kiln_log_u64(&line, "connections_total", c->connections);
	kiln_log_u64(&line, "connections_refused", c->refused_connections);
	kiln_log_u64(&line, "registrations", c->registrations);
	kiln_log_u64(&line, "logins", c->logins);
	kiln_log_u64(&line, "logins_failed", c->failed_logins);
	kiln_log_u64(&line, "requests", c->requests);
	kiln_log_u64(&line, "requests_failed", c->failed_requests);
	kiln_log_u64(&line, "resumed", c->resumed);
	kiln_log_u64(&line, "frames_refused", c->refused_frames);
	kiln_log_u64(&line, "store_failures", c->store_failures);
	kiln_log_u64(&line, "turns", c->batches);
	kiln_log_end(&line);
}
