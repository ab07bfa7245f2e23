/* SPDX-License-Identifier: Apache-2.0
 * From accept to close; see life_rig.h. */
#include "life_rig.h"

#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

struct identity *life_ca, *life_server, *life_client;
static uint8_t peer_alert;

time_t __wrap_time(time_t *out);

time_t __wrap_time(time_t *out)
{
	if (out != NULL)
		*out = (time_t)CERT_NOW;
	return (time_t)CERT_NOW;
}

int life_make_certificates(void **state)
{
	(void)state;
	life_ca = identity_new(&(struct cert_spec){.cn = "Test CA", .ca = true}, NULL);
	life_server =
	    identity_new(&(struct cert_spec){.cn = "server", .san = "DNS:server.example"}, life_ca);
	life_client = identity_new(
	    &(struct cert_spec){.cn = "client", .san = "URI:spiffe://example/client"}, life_ca);
	return 0;
}

int life_free_certificates(void **state)
{
	(void)state;
	identity_free(life_ca);
	identity_free(life_server);
	identity_free(life_client);
	return 0;
}

void life_open(struct life *life, enum kiln_role role, const struct kiln_access_rule *rule)
{
	memset(life, 0, sizeof *life);
	peer_alert = 0;
	struct rig *rig = &life->rig;
	const bool server = role == KILN_SERVER;
	const struct identity *own = server ? life_server : life_client;
	rig_open(rig, role);
	const struct kiln_tls_options options = {
	    .role = role,
	    .peer_auth = server && rule == NULL ? KILN_PEER_NONE : KILN_PEER_REQUIRED,
	    .cert_pem = own->cert_pem,
	    .cert_len = own->cert_len,
	    .key_pem = own->key_pem,
	    .key_len = own->key_len,
	    .ca_pem = life_ca->cert_pem,
	    .ca_len = life_ca->cert_len,
	    .rules = rule,
	    .rule_count = rule != NULL,
	    .server_name = server ? NULL : "server.example",
	    .verify_name = server ? NULL : "server.example",
	};
	struct kiln_error err = {0};
	rig->worker.config = kiln_tls_config_new(&options, &err);
	if (rig->worker.config == NULL)
		fail_msg("%s", err.message);
	rig->worker.settings.ktls = KILN_KTLS_OFF;
	struct kiln_endpoint *target = &rig->worker.targets.at[0];
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
	memcpy(&target->addr, &address, sizeof address);
	target->len = sizeof address;
	rig->worker.targets.count = 1;
	const struct tls_peer_options peer = {
	    .server = !server,
	    .identity = server ? life_client : life_server,
	    .ca = life_ca,
	};
	tls_peer_open(&life->peer, &peer);
}

void life_close(struct life *life)
{
	tls_peer_close(&life->peer);
	wire_free(&life->heard);
	rig_close(&life->rig);
}

static void tcp_pair(int *near, int *far)
{
	const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;
	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	*far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Closed by a reset, so that thousands of tests leave no sockets waiting. */
	const struct linger none = {.l_onoff = 1};
	assert_int_equal(setsockopt(*far, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
	assert_int_equal(connect(*far, (struct sockaddr *)&address, len), 0);
	*near = accept(listener, NULL, NULL);
	assert_true(*near >= 0);
	(void)close(listener);
}

void life_accept(struct life *life, bool tcp)
{
	struct rig *rig = &life->rig;
	int near, fds[2];
	int *far = rig->worker.settings.role == KILN_SERVER ? &rig->tls_far : &rig->plain_far;
	if (tcp) {
		tcp_pair(&near, far);
	} else {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		near = fds[0];
		*far = fds[1];
	}
	kiln_link_start(&rig->worker, near);
	rig->conn = rig->worker.conns;
}

void life_connected(struct life *life)
{
	struct rig *rig = &life->rig;
	const bool server = rig->worker.settings.role == KILN_SERVER;
	struct kiln_op *op = server ? &rig->conn->plain_out : &rig->conn->tls_out;
	assert_true(op->armed);
	assert_int_equal(op->kind, KILN_OP_CONNECT);
	/* The descriptor becomes one end of a pair, so that the other end sees what happens to it.
	 */
	int fds[2], *far = server ? &rig->plain_far : &rig->tls_far;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(dup2(fds[0], op->fd), op->fd);
	(void)close(fds[0]);
	if (*far >= 0)
		(void)close(*far);
	*far = fds[1];
	script_result(&rig->io, op, 0);
	rig_turn(rig);
}

static void note_alert(const SSL *ssl, int where, int value)
{
	(void)ssl;
	if ((where & SSL_CB_ALERT) && (where & SSL_CB_READ))
		peer_alert = (uint8_t)value;
}

uint8_t life_peer_alert(void)
{
	return peer_alert;
}

void life_peer_thinks(struct life *life)
{
	SSL_set_info_callback(life->peer.ssl, note_alert);
	if (!life->peer_done)
		life->peer_done = tls_peer_step(&life->peer) == 1;
	if (life->peer_done) {
		static uint8_t data[300000];
		wire_add(&life->heard, data,
			 tls_peer_read(&life->peer, data, sizeof data, &life->peer_closed));
	}
	size_t len;
	uint8_t *said = tls_peer_take(&life->peer, &len);
	wire_add(&life->rig.from_peer, said, len);
	free(said);
}

/* The worker's bytes for the peer: through the engine, and those sent past it. */
static bool carry_to_peer(struct life *life, size_t cut)
{
	struct rig *rig = &life->rig;
	struct kiln_op *op = rig->conn != NULL ? &rig->conn->tls_out : NULL;
	uint8_t direct[512];
	const ssize_t n =
	    rig->tls_far < 0 ? 0 : recv(rig->tls_far, direct, sizeof direct, MSG_DONTWAIT);
	if (n > 0) {
		tls_peer_put(&life->peer, direct, (size_t)n);
		return true;
	}
	if (op == NULL || !op->armed || op->cancelling || op->kind != KILN_OP_SEND)
		return false;
	const size_t some = op->len < cut ? op->len : cut;
	tls_peer_put(&life->peer, op->data, some);
	script_result(&rig->io, op, (int)some);
	return true;
}

static bool carry_from_peer(struct life *life, size_t cut)
{
	struct rig *rig = &life->rig;
	struct kiln_op *op = rig->conn != NULL ? &rig->conn->tls_in : NULL;
	if (rig->from_peer.len == 0 || op == NULL || !op->armed || op->cancelling)
		return false;
	size_t n = rig->from_peer.len < cut ? rig->from_peer.len : cut;
	n = n < op->len ? n : op->len;
	rig_peer_gives(rig, n);
	return true;
}

void life_exchange(struct life *life, size_t cut)
{
	bool moved;
	do {
		life_peer_thinks(life);
		moved = carry_to_peer(life, cut);
		moved |= carry_from_peer(life, cut);
		moved |= life->rig.io.event_count > 0;
		rig_turn(&life->rig);
	} while (moved);
}

void life_up_to_relay(struct life *life, bool tcp)
{
	life_accept(life, tcp);
	const bool server = life->rig.worker.settings.role == KILN_SERVER;
	if (!server)
		life_connected(life);
	life_exchange(life, SIZE_MAX);
	if (server)
		life_connected(life);
	assert_true(life->peer_done);
	assert_int_equal(life->rig.conn->phase, KILN_PHASE_RELAY);
}
