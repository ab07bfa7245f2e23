/* SPDX-License-Identifier: Apache-2.0
 * What comes to the key server's listener, and whether there is room for it; see keyd.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "keys/frame.h"
#include "keys/serve/keyd.h"

#define ACCEPT_MAX 64 /* connections in one turn */
#define BUSY_MS    5000u

/* Of a connection that a gateway relays; one that is on kernel TLS has one. */
#define FDS_OF_ONE UINT64_C(2)
/* The store, its journals, the log, channels of gateways. */
#define FDS_OF_OTHERS UINT64_C(64)

/* One source has a quarter, but so many at least. */
#define PER_SOURCE_LEAST 16u

/* ---- how many ------------------------------------------------------------------------------- */

/* The limit of open files; as high as we may have it. */
static uint64_t raise_descriptors(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return FDS_OF_OTHERS;
	const rlim_t was = limit.rlim_cur;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		return was;
	return limit.rlim_cur;
}

enum kiln_code kiln_keyd_plan(struct kiln_keyd *keyd, struct kiln_error *err)
{
	const struct kiln_keys_serve_options *o = keyd->options;
	const uint64_t files = raise_descriptors();
	const uint64_t room = files > FDS_OF_OTHERS ? (files - FDS_OF_OTHERS) / FDS_OF_ONE : 0;
	const uint64_t wanted =
	    o->max_connections != 0 ? o->max_connections : KILN_KEYD_CONNECTIONS;
	const unsigned long long needed = wanted * FDS_OF_ONE + FDS_OF_OTHERS;
	if (room == 0 || (o->max_connections != 0 && wanted > room))
		return kiln_fail(err, KILN_E_CONFIG,
				 "--max-connections %llu needs %llu open files, and this process "
				 "may have %llu: raise that (ulimit -Hn, systemd's LimitNOFILE=)",
				 (unsigned long long)wanted, needed, (unsigned long long)files);
	keyd->max_connections = wanted < room ? wanted : room;
	keyd->max_per_source = o->max_per_source;
	if (keyd->max_per_source == 0)
		keyd->max_per_source = keyd->max_connections / 4 > PER_SOURCE_LEAST
					   ? keyd->max_connections / 4
					   : PER_SOURCE_LEAST;
	return kiln_keyd_sources_open(keyd, err);
}

/* ---- a new one ------------------------------------------------------------------------------ */

/* The exporter's value, if it is the one of our protocol. */
static const uint8_t *find_exporter(struct kiln_keyd *keyd, const struct kiln_conn *tls)
{
	const struct kiln_handoff_info *info = kiln_conn_handoff(tls);
	size_t len = 0;
	const uint8_t *exporter = kiln_conn_exporter(tls, &len);
	if (strcmp(info->exporter_label, KILN_KEYS_EXPORTER_LABEL) == 0 &&
	    len == KILN_KEYS_EXPORTER_LEN)
		return exporter;
	kiln_keyd_log_unbound(keyd, info->exporter_label);
	return NULL;
}

/* Roast has no ALPN: who comes to that address says by it what he wants. */
static bool speaks_keys(const struct kiln_conn *tls)
{
	const char *alpn = kiln_conn_alpn(tls);
	return strcmp(alpn, KILN_KEYS_PROTOCOL) == 0 ||
	       (alpn[0] == '\0' && kiln_conn_handoff(tls)->proof == KILN_PROOF_ROAST);
}

static enum kiln_code begin(struct kiln_keyd_conn *conn, const uint8_t *source,
			    struct kiln_error *err)
{
	struct kiln_keyd *keyd = conn->keyd;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
	if (!speaks_keys(conn->tls))
		return kiln_fail(
		    err, KILN_E_CONFIG,
		    "its ALPN is not " KILN_KEYS_PROTOCOL
		    ": the client is another one, or the gateway lacks --alpn " KILN_KEYS_PROTOCOL);
	conn->keys = kiln_keys_conn_new(keyd->server, source, find_exporter(keyd, conn->tls), conn);
	if (conn->keys == NULL ||
	    epoll_ctl(keyd->epoll, EPOLL_CTL_ADD, kiln_conn_fd(conn->tls), &event) != 0)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a connection");
	conn->watched = EPOLLIN;
	return KILN_OK;
}

static void add(struct kiln_keyd *keyd, struct kiln_conn *tls, const uint8_t *address,
		struct kiln_keyd_source *source)
{
	struct kiln_error err = {0};
	struct kiln_keyd_conn *conn = calloc(1, sizeof *conn);
	if (conn == NULL) {
		kiln_keyd_source_leave(keyd, source);
		kiln_conn_close(tls);
		return;
	}
	conn->keyd = keyd;
	conn->tls = tls;
	conn->source = source;
	conn->id = kiln_conn_handoff(tls)->id;
	conn->started_ms = keyd->now.steady_ms;
	keyd->conn_count++;
	keyd->counters.connections++;
	kiln_keyd_wait_in(conn, &keyd->fresh);
	if (begin(conn, address, &err) != KILN_OK)
		kiln_keyd_end(conn, "refused", &err);
	else
		kiln_keyd_readable(conn); /* bytes may have come with it */
}

/* Says so in our protocol, as far as the socket takes it. */
static void refuse(struct kiln_keyd *keyd, struct kiln_conn *tls)
{
	static const uint8_t no_session[KILN_KEYS_SESSION_ID_LEN];
	struct kiln_keys_message busy;
	uint8_t frame[KILN_KEYS_HEADER_LEN + 16];
	memset(&busy, 0, sizeof busy);
	busy.code = KILN_KEYS_BUSY;
	busy.retry_after_ms = BUSY_MS;
	const size_t len =
	    kiln_keys_frame_write(KILN_KEYS_ERROR, no_session, 0, &busy, NULL, frame, sizeof frame);
	/* If that does not get through, it hears nothing, which is the same to us. */
	if (len > 0 && kiln_conn_write(tls, frame, len, NULL) > 0)
		(void)kiln_conn_shutdown_write(tls, NULL);
	kiln_conn_close(tls);
	keyd->counters.refused_connections++;
}

static void take(struct kiln_keyd *keyd, struct kiln_conn *tls)
{
	uint8_t address[KILN_KEYS_SOURCE_LEN];
	struct kiln_keyd_source *source = NULL;
	if (keyd->conn_count >= keyd->max_connections) {
		refuse(keyd, tls);
		kiln_keyd_log_full(keyd);
		return;
	}
	/* Who has no address came to the gateway from its own machine. */
	const bool known = kiln_keyd_find_source(kiln_conn_handoff(tls), address);
	const enum kiln_code rc = known ? kiln_keyd_source_enter(keyd, address, &source) : KILN_OK;
	if (rc != KILN_OK) {
		refuse(keyd, tls);
		if (rc == KILN_E_LIMIT)
			kiln_keyd_log_crowd(keyd, address);
		return;
	}
	add(keyd, tls, known ? address : NULL, source);
}

/* ---- without descriptors -------------------------------------------------------------------- */

static bool listen_for(struct kiln_keyd *keyd, bool on)
{
	struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.ptr = &keyd->listener};
	return epoll_ctl(keyd->epoll, EPOLL_CTL_MOD, kiln_handoff_fd(keyd->listener), &event) == 0;
}

static bool is_shortage(const struct kiln_error *err)
{
	return err->code == KILN_E_NO_MEMORY || err->sys_errno == EMFILE ||
	       err->sys_errno == ENFILE || err->sys_errno == ENOMEM || err->sys_errno == ENOBUFS;
}

/* What waits for us would have to be refused, one after the other. Gateways hold it for a while. */
static void stop_listening(struct kiln_keyd *keyd)
{
	keyd->deaf = listen_for(keyd, false);
	keyd->deaf_until = keyd->now.steady_ms + KILN_KEYD_DEAF_MS;
}

/* Are there as many descriptors as a connection can need? */
static bool has_descriptors(const struct kiln_keyd *keyd)
{
	int fds[FDS_OF_ONE];
	bool all = true;
	for (size_t i = 0; i < FDS_OF_ONE; i++) {
		fds[i] = fcntl(keyd->epoll, F_DUPFD_CLOEXEC, 0);
		all = all && fds[i] >= 0;
	}
	for (size_t i = 0; i < FDS_OF_ONE; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	return all;
}

void kiln_keyd_listen_again(struct kiln_keyd *keyd)
{
	if (!keyd->deaf || keyd->listener == NULL)
		return;
	keyd->deaf_until = keyd->now.steady_ms + KILN_KEYD_DEAF_MS;
	if (has_descriptors(keyd) && listen_for(keyd, true))
		keyd->deaf = false;
}

void kiln_keyd_accept(struct kiln_keyd *keyd)
{
	struct kiln_error err = {0};
	struct kiln_conn *tls;
	for (int i = 0; i < ACCEPT_MAX && keyd->listener != NULL; i++) {
		if (kiln_handoff_accept(keyd->listener, 0, &tls, &err) >= 0) {
			take(keyd, tls);
			continue;
		}
		if (err.code == KILN_E_AGAIN)
			return;
		kiln_keyd_log_accept(keyd, &err);
		if (is_shortage(&err))
			stop_listening(keyd);
		return;
	}
}
