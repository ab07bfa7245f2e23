/* SPDX-License-Identifier: Apache-2.0
 * The handshake as a worker drives it: both roles, any cut of the bytes, every way to fail, and
 * what the peer, the counters and the access line are told. */
#include "life_rig.h"

#include <errno.h>

static struct life life;

static const struct kiln_access_rule allow_client = {KILN_ACCESS_CN, "client"};
static const struct kiln_access_rule allow_other = {KILN_ACCESS_CN, "other"};

static void echo(void)
{
	struct rig *rig = &life.rig;
	tls_peer_write(&life.peer, "ping", 4);
	life_exchange(&life, SIZE_MAX);
	assert_true(rig->conn->plain_out.armed);
	rig_plain_takes(rig, SIZE_MAX);
	rig_plain_says(rig, "pong", 4);
	life_exchange(&life, SIZE_MAX);
	assert_wire(rig->plain_got, "ping");
	assert_wire(life.heard, "pong");
}

static void end_cleanly(void)
{
	assert_int_equal(SSL_shutdown(life.peer.ssl), 0);
	life_exchange(&life, SIZE_MAX);
	rig_plain_ends(&life.rig, 0);
	life_exchange(&life, SIZE_MAX);
	assert_true(life.peer_closed);
	assert_true(rig_gone(&life.rig));
	assert_int_equal(rig_ended.code, KILN_OK);
	assert_int_equal(life.rig.counters.handshakes_ok, 1);
	assert_int_equal(life.rig.counters.handshakes_failed, 0);
	life_close(&life);
}

static void test_both_roles(void **state)
{
	(void)state;
	for (int role = KILN_CLIENT; role <= KILN_SERVER; role++) {
		life_open(&life, (enum kiln_role)role, NULL);
		life_up_to_relay(&life, false);
		echo();
		end_cleanly();
	}
}

static void test_byte_by_byte(void **state)
{
	(void)state;
	for (size_t cut = 1; cut <= 7; cut += 3) {
		life_open(&life, KILN_SERVER, &allow_client);
		life_accept(&life, false);
		life_exchange(&life, cut);
		life_connected(&life);
		assert_string_equal(life.rig.conn->peer_name, "spiffe://example/client");
		echo();
		end_cleanly();
	}
}

static void expect_failure(enum kiln_code code, uint8_t alert)
{
	struct rig *rig = &life.rig;
	life_exchange(&life, SIZE_MAX);
	assert_int_equal(life_peer_alert(), alert);
	if (rig->conn != NULL && rig->conn->phase == KILN_PHASE_LINGER) {
		rig_peer_ends(rig, 0);
		rig_turn(rig);
	}
	rig_turn(rig);
	assert_true(rig_gone(rig));
	if (rig_ended.code != code)
		print_error("%s\n", rig_ended.why);
	assert_int_equal(rig_ended.code, code);
	assert_int_equal(rig_ended.alert_sent, alert);
	assert_int_equal(rig->counters.handshakes_failed, 1);
	life_close(&life);
}

static void test_access_denied(void **state)
{
	(void)state;
	life_open(&life, KILN_SERVER, &allow_other);
	life_accept(&life, false);
	life_exchange(&life, SIZE_MAX);
	assert_int_equal(life.rig.counters.access_denied, 1);
	expect_failure(KILN_E_ACCESS_DENIED, KILN_ALERT_ACCESS_DENIED);
}

static void test_no_certificate(void **state)
{
	(void)state;
	life_open(&life, KILN_SERVER, &allow_client);
	tls_peer_close(&life.peer);
	tls_peer_open(&life.peer, &(struct tls_peer_options){.ca = life_ca});
	life_accept(&life, false);
	expect_failure(KILN_E_CERT_REQUIRED, 116); /* certificate_required */
}

static void test_tls_1_2_only(void **state)
{
	(void)state;
	life_open(&life, KILN_SERVER, NULL);
	tls_peer_close(&life.peer);
	tls_peer_open(&life.peer, &(struct tls_peer_options){.min_version = TLS1_2_VERSION,
							     .max_version = TLS1_2_VERSION});
	life_accept(&life, false);
	expect_failure(KILN_E_TLS_VERSION, 70); /* protocol_version */
}

static void test_not_tls(void **state)
{
	static const char *const says[] = {"GET / HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n", "\n",
					   "\x80\x2e"};
	(void)state;
	for (int i = 0; i < 4; i++) {
		life_open(&life, KILN_SERVER, NULL);
		life_accept(&life, false);
		script_give(&life.rig.io, &life.rig.conn->tls_in, says[i], strlen(says[i]), 0);
		rig_turn(&life.rig);
		assert_true(rig_gone(&life.rig)); /* no alert is owed */
		assert_int_equal(rig_ended.code, KILN_E_NOT_TLS);
		assert_int_equal(rig_ended.alert_sent, 0);
		life_close(&life);
	}
}

/* The peer leaves: before its first byte, while it is sent to, and when it should answer. */
static void test_peer_leaves(void **state)
{
	static const int results[] = {0, -ECONNRESET};
	(void)state;
	for (int i = 0; i < 6; i++) {
		struct rig *rig = &life.rig;
		const int result = results[i % 2], stage = i / 2;
		life_open(&life, KILN_SERVER, &allow_client);
		life_accept(&life, false);
		if (stage > 0) {
			life_peer_thinks(&life);
			rig_peer_gives(rig, SIZE_MAX);
			rig_turn(rig);
		}
		if (stage == 2) {
			script_result(&rig->io, &rig->conn->tls_out, (int)rig->conn->tls_out.len);
			rig_turn(rig);
		}
		struct kiln_op *op = stage == 1 ? &rig->conn->tls_out : &rig->conn->tls_in;
		script_result(&rig->io, op, result);
		rig_turn(rig);
		if (rig->conn != NULL) { /* tried to send it once more, past the engine */
			rig_peer_ends(rig, result);
			rig_turn(rig);
		}
		assert_true(rig_gone(rig));
		assert_int_equal(rig_ended.code,
				 stage != 1 && result == 0 ? KILN_E_TLS_TRUNCATED : KILN_E_SYSTEM);
		assert_int_equal(rig->counters.handshakes_failed, 1);
		life_close(&life);
	}
}

static void test_handshake_timeout(void **state)
{
	(void)state;
	for (int stage = 0; stage < 3; stage++) {
		struct rig *rig = &life.rig;
		life_open(&life, KILN_SERVER, &allow_client);
		life_accept(&life, false);
		if (stage > 0) {
			life_peer_thinks(&life);
			rig_peer_gives(rig, SIZE_MAX);
			rig_turn(rig);
		}
		if (stage == 2) {
			script_result(&rig->io, &rig->conn->tls_out, (int)rig->conn->tls_out.len);
			rig_turn(rig);
		}
		rig_advance(rig, 999);
		assert_int_equal(rig->conn->phase, KILN_PHASE_HANDSHAKE);
		rig_advance(rig, 1 + KILN_WHEEL_TICK);
		rig_turn(rig);
		assert_true(rig_gone(rig));
		assert_int_equal(rig_ended.code, KILN_E_TIMEOUT);
		assert_string_equal(rig_ended.why, "timed out in the TLS handshake");
		assert_int_equal(rig->counters.timeouts, 1);
		life_close(&life);
	}
}

/* A client that finds the wrong server says so, and nothing of its own was shown. */
static void test_client_refuses_server(void **state)
{
	(void)state;
	life_open(&life, KILN_CLIENT, NULL);
	tls_peer_close(&life.peer);
	struct identity *other =
	    identity_new(&(struct cert_spec){.cn = "other", .san = "DNS:other.example"}, life_ca);
	tls_peer_open(&life.peer, &(struct tls_peer_options){.server = true, .identity = other});
	life_accept(&life, false);
	life_connected(&life);
	expect_failure(KILN_E_NAME_MISMATCH, 42); /* bad_certificate */
	identity_free(other);
}

/* A client's peer that refuses with an alert. */
static void test_server_refuses_client(void **state)
{
	(void)state;
	life_open(&life, KILN_CLIENT, NULL);
	tls_peer_close(&life.peer);
	tls_peer_open(&life.peer, &(struct tls_peer_options){.server = true,
							     .identity = life_server,
							     .min_version = TLS1_2_VERSION,
							     .max_version = TLS1_2_VERSION});
	life_accept(&life, false);
	life_connected(&life);
	life_exchange(&life, SIZE_MAX);
	assert_true(rig_gone(&life.rig));
	assert_int_equal(rig_ended.code, KILN_E_TLS_VERSION);
	assert_int_equal(rig_ended.alert_sent, 0);
	assert_int_equal(rig_ended.alert_received, 70);
	life_close(&life);
}

/* New certificates while a handshake is under way: it ends with the ones it began with. */
static void test_reconfigured_meanwhile(void **state)
{
	(void)state;
	life_open(&life, KILN_SERVER, &allow_client);
	life_accept(&life, false);
	life_peer_thinks(&life);
	rig_peer_gives(&life.rig, SIZE_MAX);
	rig_turn(&life.rig);
	struct kiln_error err = {0};
	const struct kiln_tls_options options = {
	    .role = KILN_SERVER,
	    .cert_pem = life_server->cert_pem,
	    .cert_len = life_server->cert_len,
	    .key_pem = life_server->key_pem,
	    .key_len = life_server->key_len,
	};
	kiln_worker_reconfigure(&life.rig.worker, kiln_tls_config_new(&options, &err));
	assert_non_null(life.rig.worker.config);
	life.rig.worker.settings.proxy_out = KILN_PROXY_SEND_TLS_FULL;
	life_exchange(&life, SIZE_MAX);
	life_connected(&life);
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_PROXY_SEND);
	rig_plain_takes(&life.rig, SIZE_MAX);
	rig_turn(&life.rig);
	wire_drop(&life.rig.plain_got, life.rig.plain_got.len);
	echo();
	end_cleanly();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_both_roles),
	    cmocka_unit_test(test_byte_by_byte),
	    cmocka_unit_test(test_access_denied),
	    cmocka_unit_test(test_no_certificate),
	    cmocka_unit_test(test_tls_1_2_only),
	    cmocka_unit_test(test_not_tls),
	    cmocka_unit_test(test_peer_leaves),
	    cmocka_unit_test(test_handshake_timeout),
	    cmocka_unit_test(test_client_refuses_server),
	    cmocka_unit_test(test_server_refuses_client),
	    cmocka_unit_test(test_reconfigured_meanwhile),
	};
	return cmocka_run_group_tests_name("life: handshake", tests, life_make_certificates,
					   life_free_certificates);
}
