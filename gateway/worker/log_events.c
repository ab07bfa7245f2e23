/* SPDX-License-Identifier: Apache-2.0
 * A worker's log lines: one per connection when it ends, and what concerns all of them. */
#include "worker/log_events.h"

#include <errno.h>
#include <string.h>

#include "log/log.h"
#include "worker/path.h"
#include "worker/worker.h"

#define WARNING_INTERVAL_MS 1000u

const char *kiln_path_name(enum kiln_path_reason reason)
{
	switch (reason) {
	case KILN_PATH_KTLS: return "ktls";
	case KILN_PATH_OFF: return "switched_off";
	case KILN_PATH_NO_KERNEL: return "no_kernel_support";
	case KILN_PATH_NO_CIPHER: return "cipher_not_in_kernel";
	case KILN_PATH_REFUSED: return "refused_by_kernel";
	case KILN_PATH_HALF_CLOSED: return "peer_half_closed";
	case KILN_PATH_UNIX: return "unix_socket";
	case KILN_PATH_UNDECIDED: /* never told */
	case KILN_PATH_REASONS: break;
	}
	return "unknown";
}

void kiln_log_accept_error(const struct kiln_worker *worker, int failed)
{
	static struct kiln_log_limit limit;
	uint64_t suppressed;
	if (!kiln_log_limit_pass(&limit, worker->now, WARNING_INTERVAL_MS, &suppressed))
		return;
	struct kiln_log_line line;
	kiln_log_begin(&line, KILN_LOG_WARNING, "accept_failed");
	kiln_log_str(&line, "error", strerror(failed));
	kiln_log_u64(&line, "suppressed", suppressed);
	kiln_log_u64(&line, "connections", worker->conn_count);
	kiln_log_str(&line, "hint", "raise the limit of open files (ulimit -n, LimitNOFILE=)");
	kiln_log_end(&line);
}

void kiln_log_connection_limit(const struct kiln_worker *worker)
{
	static struct kiln_log_limit limit;
	uint64_t suppressed;
	if (!kiln_log_limit_pass(&limit, worker->now, WARNING_INTERVAL_MS, &suppressed))
		return;
	struct kiln_log_line line;
	kiln_log_begin(&line, KILN_LOG_WARNING, "connection_limit");
	kiln_log_u64(&line, "connections", worker->conn_count);
	kiln_log_u64(&line, "suppressed", suppressed);
	kiln_log_str(&line, "hint", "new connections wait; see --max-connections and ulimit -n");
	kiln_log_end(&line);
}

static void log_addresses(struct kiln_log_line *line, const struct kiln_link *conn)
{
	char text[KILN_ADDRESS_TEXT];
	struct sockaddr_storage address;
	memset(&address, 0, sizeof address);
	memcpy(&address, &conn->peer_address, sizeof conn->peer_address);
	kiln_log_str(line, "peer", kiln_address_format(&address, sizeof conn->peer_address, text));
	if (conn->proxied != NULL)
		kiln_log_str(line, "client",
			     kiln_address_format(&conn->proxied[0], sizeof conn->proxied[0], text));
}

static void log_path(struct kiln_log_line *line, const struct kiln_link *conn)
{
	const enum kiln_path_reason path = (enum kiln_path_reason)conn->path;
	if (conn->suite == 0)
		return;
	kiln_log_str(line, "cipher", kiln_suite_name(conn->suite));
	if (path != KILN_PATH_UNDECIDED)
		kiln_log_str(line, "path", path == KILN_PATH_KTLS ? "ktls" : "userspace");
	if (path != KILN_PATH_UNDECIDED && path != KILN_PATH_KTLS)
		kiln_log_str(line, "path_reason", kiln_path_name(path));
	kiln_log_ms(line, "handshake_ms", conn->handshake_us);
}

static const char *close_name(const struct kiln_link *conn)
{
	if (conn->code != KILN_OK)
		return kiln_code_name(conn->code);
	return conn->unanswered ? "ok_no_close_notify" : "ok";
}

void kiln_log_handoff_channel(const struct kiln_worker *worker, const char *event, int why)
{
	const bool lost = strcmp(event, "handoff_connected") != 0;
	struct kiln_log_line line;
	kiln_log_begin(&line, lost ? KILN_LOG_WARNING : KILN_LOG_INFO, event);
	kiln_log_str(&line, "application", worker->settings.target_name);
	if (why == KILN_HANDOFF_STRANGER)
		kiln_log_str(&line, "error", "another user listens there (--handoff-user)");
	else if (why != 0)
		kiln_log_str(&line, "error", strerror(why));
	if (lost)
		kiln_log_str(&line, "hint",
			     "connections wait for it, for as long as --connect-timeout says");
	kiln_log_end(&line);
}

void kiln_log_handoff_late(const struct kiln_worker *worker)
{
	struct kiln_log_line line;
	kiln_log_begin(&line, KILN_LOG_WARNING, "handoff_late");
	kiln_log_str(&line, "application", worker->settings.target_name);
	kiln_log_str(
	    &line, "hint",
	    "it took a connection twice, or one that had ended, as by --connect-timeout; it "
	    "finds it shut down");
	kiln_log_end(&line);
}

void kiln_link_log_handoff(const struct kiln_link *conn, const struct kiln_error *err)
{
	struct kiln_log_line line;
	kiln_log_begin(&line, err != NULL ? KILN_LOG_WARNING : KILN_LOG_INFO, "handoff");
	kiln_log_u64(&line, "id", conn->id);
	log_addresses(&line, conn);
	kiln_log_str(&line, "identity", conn->peer_name);
	log_path(&line, conn);
	kiln_log_ms(&line, "waited_ms",
		    kiln_worker_micros() - conn->started_us - conn->handshake_us);
	kiln_log_str(&line, "outcome", err != NULL ? kiln_code_name(err->code) : "taken");
	if (err != NULL)
		kiln_log_str(&line, "error", err->message);
	kiln_log_end(&line);
}

void kiln_link_log(const struct kiln_link *conn)
{
	if (conn->handed_off) /* its line is written, and what it does now is not seen here */
		return;
	struct kiln_log_line line;
	const bool failed = conn->code != KILN_OK;
	const enum kiln_role role = conn->worker->settings.role;
	kiln_log_begin(&line, failed ? KILN_LOG_WARNING : KILN_LOG_INFO, "conn");
	kiln_log_u64(&line, "id", conn->id);
	log_addresses(&line, conn);
	kiln_log_str(&line, "identity", conn->peer_name);
	log_path(&line, conn);
	kiln_log_u64(&line, "bytes_up", kiln_link_bytes_up(conn, role));
	kiln_log_u64(&line, "bytes_down", kiln_link_bytes_down(conn, role));
	kiln_log_ms(&line, "duration_ms", (conn->worker->now - conn->started_at) * 1000);
	kiln_log_str(&line, "close", close_name(conn));
	kiln_log_str(&line, "error", conn->why);
	if (conn->alert_sent != 0)
		kiln_log_str(&line, "alert_sent", kiln_alert_name(conn->alert_sent));
	if (conn->alert_received != 0)
		kiln_log_str(&line, "alert_received", kiln_alert_name(conn->alert_received));
	kiln_log_end(&line);
}
