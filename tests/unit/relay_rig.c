/* SPDX-License-Identifier: Apache-2.0
 * The rig's worker, clock and ends; see relay_rig.h. The peer is in relay_peer.c. */
#include "relay_rig.h"

#include <errno.h>
#include <linux/tls.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "log/log.h"

uint64_t rig_ms;
struct rig_end rig_ended;
struct rig_sys rig_sys;

/* Linked in the place of the real ones (-Wl,--wrap). */
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
void __wrap_kiln_link_log(const struct kiln_link *conn);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	(void)clock;
	ts->tv_sec = (time_t)(rig_ms / 1000);
	ts->tv_nsec = (long)(rig_ms % 1000) * 1000000;
	return 0;
}

void __wrap_kiln_link_log(const struct kiln_link *conn)
{
	rig_ended.count++;
	rig_ended.code = conn->code;
	rig_ended.alert_sent = conn->alert_sent;
	rig_ended.alert_received = conn->alert_received;
	rig_ended.path = conn->path;
	rig_ended.unanswered = conn->unanswered;
	rig_ended.bytes_up = conn->up.bytes;
	rig_ended.bytes_down = conn->down.bytes;
	(void)snprintf(rig_ended.why, sizeof rig_ended.why, "%s",
		       conn->why != NULL ? conn->why : "");
}

static int fake_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	(void)fd, (void)level;
	const unsigned n = rig_sys.sets++;
	assert_true(n < RIG_CALLS && len <= sizeof rig_sys.set_value[0]);
	rig_sys.set_name[n] = name;
	memcpy(rig_sys.set_value[n], value, len);
	if (rig_sys.set_errno[n] == 0)
		return 0;
	errno = rig_sys.set_errno[n];
	return -1;
}

static ssize_t fake_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	(void)fd, (void)flags;
	rig_sys.sends++;
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	assert_non_null(c);
	assert_int_equal(c->cmsg_type, TLS_SET_RECORD_TYPE);
	rig_sys.sent_type = *CMSG_DATA(c);
	rig_sys.sent_len = msg->msg_iov[0].iov_len;
	assert_true(rig_sys.sent_len <= sizeof rig_sys.sent);
	memcpy(rig_sys.sent, msg->msg_iov[0].iov_base, rig_sys.sent_len);
	return (ssize_t)rig_sys.sent_len;
}

static const struct kiln_sys fake_sys = {
    .setsockopt = fake_setsockopt,
    .sendmsg = fake_sendmsg,
};

void rig_open(struct rig *rig, enum kiln_role role)
{
	memset(rig, 0, sizeof *rig);
	memset(&rig_ended, 0, sizeof rig_ended);
	memset(&rig_sys, 0, sizeof rig_sys);
	rig_ms = 1000000;
	struct kiln_worker *worker = &rig->worker;
	kiln_log_configure(KILN_LOG_TEXT, KILN_LOG_ERROR, NULL, NULL);
	const struct kiln_settings settings = {
	    .role = role,
	    .handshake_timeout = 1000,
	    .connect_timeout = 1000,
	    .send_timeout = 1000,
	    .close_timeout = 1000,
	    .max_connections = 8,
	    .kernel = {.suite = {true, true, true}, .rekey = true},
	    .target_name = "target.example",
	};
	kiln_worker_prepare(worker, &settings, 0, &rig->counters);
	worker->sys = &fake_sys;
	/* Enough for one connection to receive in bursts; rig_another's do not. */
	assert_int_equal(kiln_pool_init(&worker->pool, RIG_POOL, NULL), KILN_OK);
	script_open(&rig->io, &worker->pool);
	worker->io = &rig->io.io;
	rig->tls_far = rig->plain_far = -1;
}

static void socket_pair(int *near, int *far)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*near = fds[0];
	*far = fds[1];
}

static void set_keys(struct kiln_traffic *up, struct kiln_traffic *down)
{
	uint8_t secret[32];
	memset(secret, 0x11, sizeof secret);
	assert_int_equal(kiln_traffic_init(up, 0x1301, secret, 0, NULL), KILN_OK);
	memset(secret, 0x22, sizeof secret);
	assert_int_equal(kiln_traffic_init(down, 0x1301, secret, 0, NULL), KILN_OK);
}

static struct kiln_link *new_conn(struct kiln_worker *worker, int *tls_far, int *plain_far)
{
	struct kiln_link *conn = calloc(1, sizeof *conn);
	assert_non_null(conn);
	conn->worker = worker;
	conn->deadline.expired = kiln_link_expired;
	conn->id = ++worker->next_id;
	conn->suite = 0x1301;
	conn->next = worker->conns;
	if (worker->conns != NULL)
		worker->conns->prev = conn;
	worker->conns = conn;
	worker->conn_count++;
	socket_pair(&conn->tls_fd, tls_far);
	socket_pair(&conn->plain_fd, plain_far);
	set_keys(&conn->rx, &conn->tx);
	conn->rx.takes_tickets = worker->settings.role == KILN_CLIENT;
	return conn;
}

void rig_relay(struct rig *rig, bool kernel, struct kiln_buffer *early)
{
	struct kiln_link *conn = new_conn(&rig->worker, &rig->tls_far, &rig->plain_far);
	rig->conn = conn;
	rig->kernel = kernel;
	set_keys(&rig->peer_tx, &rig->peer_rx);
	if (kernel) {
		bool spoiled; /* the table of system calls takes the keys */
		assert_int_equal(kiln_ktls_install(rig->worker.sys, conn->tls_fd, &conn->rx,
						   &conn->tx, &spoiled, NULL),
				 KILN_OK);
		memset(&rig_sys, 0, sizeof rig_sys);
	}
	for (struct kiln_buffer *next; early != NULL; early = next) {
		next = early->next;
		kiln_flow_push(&conn->up, early);
	}
	kiln_link_relay(conn);
}

struct kiln_link *rig_another(struct rig *rig)
{
	int tls_far, plain_far;
	struct kiln_link *conn = new_conn(&rig->worker, &tls_far, &plain_far);
	(void)close(tls_far); /* no bytes pass there */
	(void)close(plain_far);
	kiln_link_relay(conn);
	return conn;
}

bool rig_gone(const struct rig *rig)
{
	return rig_ended.count > 0 && rig->worker.conn_count == 0;
}

void rig_turn(struct rig *rig)
{
	assert_int_equal(kiln_worker_turn(&rig->worker, NULL), KILN_OK);
	if (rig_gone(rig))
		rig->conn = NULL; /* it, and all others */
}

void rig_advance(struct rig *rig, uint64_t ms)
{
	rig_ms += ms;
	rig_turn(rig);
}

void rig_close(struct rig *rig)
{
	struct kiln_worker *worker = &rig->worker;
	assert_int_equal(worker->conn_count, 0);
	assert_null(worker->conns);
	assert_int_equal(worker->pool.in_use, 0);
	assert_int_equal(worker->wheel.count, 0);
	assert_int_equal(rig->io.event_count, 0);
	assert_int_equal(script_armed(&rig->io), 0);
	kiln_worker_close(worker);
	assert_true(rig->io.closed);
	kiln_traffic_clear(&rig->peer_tx);
	kiln_traffic_clear(&rig->peer_rx);
	wire_free(&rig->from_peer);
	wire_free(&rig->to_peer);
	wire_free(&rig->peer_got);
	wire_free(&rig->plain_got);
	if (rig->tls_far >= 0)
		(void)close(rig->tls_far);
	if (rig->plain_far >= 0)
		(void)close(rig->plain_far);
}

static bool sees_fin(int fd)
{
	uint8_t byte;
	return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

bool rig_peer_sees_fin(const struct rig *rig)
{
	return sees_fin(rig->tls_far);
}

bool rig_plain_sees_fin(const struct rig *rig)
{
	return sees_fin(rig->plain_far);
}
