/* SPDX-License-Identifier: Apache-2.0
 * Opening the target: its addresses in turn, its limits, and the PROXY v2 header in front of the
 * data, in and out. */
#include "life_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "proxy/proxy_v2.h"

static struct life life;

static void add_target(int family)
{
	struct kiln_endpoints *targets = &life.rig.worker.targets;
	struct kiln_endpoint *target = &targets->at[targets->count++];
	memset(target, 0, sizeof *target);
	target->addr.ss_family = (sa_family_t)family;
	target->len = sizeof(struct sockaddr_in);
}

static void start(void)
{
	life_open(&life, KILN_SERVER, NULL);
	life_accept(&life, true);
}

static void to_connect(void)
{
	life_exchange(&life, SIZE_MAX);
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_CONNECT);
}

static void refuse(int error)
{
	struct rig *rig = &life.rig;
	assert_int_equal(rig->conn->plain_out.kind, KILN_OP_CONNECT);
	script_result(&rig->io, &rig->conn->plain_out, -error);
	rig_turn(rig);
}

static void expect_end(enum kiln_code code, uint8_t alert)
{
	struct rig *rig = &life.rig;
	life_exchange(&life, SIZE_MAX);
	assert_int_equal(life_peer_alert(), alert);
	if (rig->conn != NULL && rig->conn->phase == KILN_PHASE_LINGER) {
		rig_peer_ends(rig, 0);
		rig_turn(rig);
	}
	assert_true(rig_gone(rig));
	assert_int_equal(rig_ended.code, code);
	life_close(&life);
}

static void stop(void)
{
	kiln_link_fail(life.rig.conn, &(struct kiln_error){.code = KILN_E_SYSTEM});
	rig_turn(&life.rig);
	assert_true(rig_gone(&life.rig));
	life_close(&life);
}

static void test_second_address(void **state)
{
	(void)state;
	start();
	add_target(AF_INET);
	add_target(AF_INET);
	to_connect();
	refuse(ECONNREFUSED);
	refuse(ENETUNREACH);
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_CONNECT);
	life_connected(&life);
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_RELAY);
	assert_int_equal(life.rig.counters.target_failed, 0);
	stop();
}

/* An address of a family that this machine does not have is no reason not to try the next. */
static void test_family_not_here(void **state)
{
	(void)state;
	start();
	life.rig.worker.targets.count = 0;
	add_target(AF_APPLETALK);
	add_target(AF_INET);
	add_target(AF_APPLETALK);
	to_connect();
	assert_int_equal(life.rig.conn->target, 1);
	refuse(ECONNREFUSED);
	assert_int_equal(life.rig.counters.target_failed, 1);
	expect_end(KILN_E_TARGET, KILN_ALERT_INTERNAL_ERROR);
}

static void test_all_refused(void **state)
{
	(void)state;
	start();
	add_target(AF_INET);
	to_connect();
	refuse(ECONNREFUSED);
	refuse(ETIMEDOUT);
	assert_int_equal(life.rig.counters.target_failed, 1);
	expect_end(KILN_E_TARGET, KILN_ALERT_INTERNAL_ERROR);
	assert_non_null(strstr(rig_ended.why, "target.example"));
}

/* A reload replaces the list while the kernel may still read the address. */
static void test_reload_while_connecting(void **state)
{
	(void)state;
	for (int shorter = 0; shorter <= 1; shorter++) {
		uint8_t address[sizeof(struct sockaddr_storage)];
		struct kiln_endpoints *targets = &life.rig.worker.targets;
		start();
		add_target(AF_INET);
		to_connect();
		const struct kiln_op *op = &life.rig.conn->plain_out;
		memcpy(address, op->data, op->len);
		memset(targets->at, 0xdb, sizeof targets->at);
		assert_memory_equal(op->data, address, op->len);
		if (!shorter) {
			life_connected(&life);
			assert_int_equal(life.rig.conn->phase, KILN_PHASE_RELAY);
			assert_null(life.rig.conn->connecting);
			stop();
			continue;
		}
		targets->count = 1;
		refuse(ECONNREFUSED);
		assert_int_equal(life.rig.counters.target_failed, 1);
		expect_end(KILN_E_TARGET, KILN_ALERT_INTERNAL_ERROR);
	}
}

static void test_connect_timeout(void **state)
{
	(void)state;
	start();
	to_connect();
	rig_advance(&life.rig, 999);
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_CONNECT);
	rig_advance(&life.rig, 1 + KILN_WHEEL_TICK);
	assert_string_equal(life.rig.conn->why, "timed out in connecting to the target");
	expect_end(KILN_E_TIMEOUT, KILN_ALERT_INTERNAL_ERROR);
}

/* The handshake's deadline is not the connect's. */
static void test_new_deadline(void **state)
{
	(void)state;
	start();
	rig_advance(&life.rig, 900);
	to_connect();
	rig_advance(&life.rig, 900);
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_CONNECT);
	life_connected(&life);
	rig_advance(&life.rig, 10000); /* and the relay has none of either */
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_RELAY);
	stop();
}

static void test_client_connects_first(void **state)
{
	(void)state;
	life_open(&life, KILN_CLIENT, NULL);
	life_accept(&life, true);
	script_result(&life.rig.io, &life.rig.conn->tls_out, -ECONNREFUSED);
	rig_turn(&life.rig);
	assert_true(life.rig.io.reset[1]); /* the plain side is told by a reset */
	expect_end(KILN_E_TARGET, 0);
}

/* ---- PROXY v2 to the target ---------------------------------------------------------------- */

/* The header arrives whole in front of the data, whatever the sends did. */
static void test_header_out(void **state)
{
	(void)state;
	for (size_t cut = 1; cut < 200; cut += 13) {
		struct rig *rig = &life.rig;
		life_open(&life, KILN_SERVER, &(struct kiln_access_rule){KILN_ACCESS_CN, "client"});
		rig->worker.settings.proxy_out = KILN_PROXY_SEND_TLS_FULL;
		life_accept(&life, true);
		to_connect();
		life_connected(&life);
		tls_peer_write(&life.peer, "data", 4);
		life_peer_thinks(&life);
		while (rig->conn->phase == KILN_PHASE_PROXY_SEND) {
			rig_plain_takes(rig, cut);
			rig_turn(rig);
		}
		rig_peer_gives(rig, SIZE_MAX);
		rig_flush(rig);
		struct kiln_proxy_info info;
		struct kiln_error err;
		size_t count;
		assert_int_equal(kiln_proxy_v2_decode(rig->plain_got.data, rig->plain_got.len - 4,
						      &count, &info, &err),
				 KILN_PROXY_DONE);
		assert_int_equal(count, rig->plain_got.len - 4);
		assert_memory_equal(rig->plain_got.data + count, "data", 4);
		assert_int_equal(info.source.ss_family, AF_INET);
		assert_int_equal(info.ssl.cn.len, 6);
		assert_memory_equal(info.ssl.cn.data, "client", 6);
		assert_int_equal(rig->conn->up.bytes, 4);
		stop();
	}
}

static void test_header_not_taken(void **state)
{
	static const int results[] = {-EPIPE, -ECONNRESET, 0};
	(void)state;
	for (int i = 0; i < 3; i++) {
		life_open(&life, KILN_SERVER, NULL);
		life.rig.worker.settings.proxy_out = KILN_PROXY_SEND_CONN;
		life_accept(&life, true);
		to_connect();
		life_connected(&life);
		script_result(&life.rig.io, &life.rig.conn->plain_out, results[i]);
		rig_turn(&life.rig);
		expect_end(KILN_E_TARGET, KILN_ALERT_INTERNAL_ERROR);
	}
}

static void test_header_timeout(void **state)
{
	(void)state;
	life_open(&life, KILN_SERVER, NULL);
	life.rig.worker.settings.proxy_out = KILN_PROXY_SEND_CONN;
	life_accept(&life, true);
	to_connect();
	life_connected(&life);
	rig_advance(&life.rig, 1000 + KILN_WHEEL_TICK);
	rig_turn(&life.rig);
	expect_end(KILN_E_TIMEOUT, KILN_ALERT_INTERNAL_ERROR);
}

/* ---- PROXY v2 from the accepted side ------------------------------------------------------- */

static size_t make_header(uint8_t *out, size_t cap)
{
	struct kiln_proxy_info info = {.command = KILN_PROXY_PROXY, .checksum = true};
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(4711)};
	assert_int_equal(inet_pton(AF_INET, "192.0.2.7", &from.sin_addr), 1);
	memcpy(&info.source, &from, sizeof from);
	memcpy(&info.destination, &from, sizeof from);
	const size_t len = kiln_proxy_v2_encode(&info, out, cap);
	assert_true(len > 16);
	return len;
}

static void start_with_header(enum kiln_role role)
{
	life_open(&life, role, NULL);
	life.rig.worker.settings.proxy_in = true;
	life_accept(&life, true);
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_PROXY_HEADER);
}

static struct kiln_op *accepted_in(void)
{
	struct kiln_link *conn = life.rig.conn;
	return life.rig.worker.settings.role == KILN_SERVER ? &conn->tls_in : &conn->plain_in;
}

static void test_header_in(void **state)
{
	uint8_t header[KILN_PROXY_V2_MAX];
	const size_t len = make_header(header, sizeof header);
	(void)state;
	for (size_t cut = 1; cut <= len; cut += 5) {
		for (int role = KILN_CLIENT; role <= KILN_SERVER; role++) {
			start_with_header((enum kiln_role)role);
			for (size_t at = 0; at < len;) {
				struct kiln_op *op = accepted_in();
				size_t n = op->len < cut ? op->len : cut;
				assert_true(at + op->len <= len); /* not a byte behind it */
				script_give(&life.rig.io, op, header + at, n, 0);
				rig_turn(&life.rig);
				at += n;
			}
			assert_non_null(life.rig.conn->proxied);
			assert_int_equal(((struct sockaddr_in *)life.rig.conn->proxied)->sin_port,
					 htons(4711));
			assert_null(life.rig.conn->partial);
			if (role == KILN_CLIENT)
				life_connected(&life);
			life_exchange(&life, SIZE_MAX);
			if (role == KILN_SERVER)
				life_connected(&life);
			assert_int_equal(life.rig.conn->phase, KILN_PHASE_RELAY);
			stop();
		}
	}
}

static void test_no_header_in(void **state)
{
	(void)state;
	for (int role = KILN_CLIENT; role <= KILN_SERVER; role++) {
		start_with_header((enum kiln_role)role);
		script_give(&life.rig.io, accepted_in(), "\x16\x03\x01\x00\x50wrong", 10, 0);
		rig_turn(&life.rig);
		expect_end(KILN_E_PROXY_HEADER, 0);
	}
}

static void test_header_in_ends(void **state)
{
	static const int results[] = {0, -ECONNRESET};
	(void)state;
	for (int i = 0; i < 4; i++) {
		start_with_header(i / 2 ? KILN_SERVER : KILN_CLIENT);
		script_result(&life.rig.io, accepted_in(), results[i % 2]);
		rig_turn(&life.rig);
		expect_end(KILN_E_PROXY_HEADER, 0);
	}
}

static void test_header_in_timeout(void **state)
{
	(void)state;
	start_with_header(KILN_SERVER);
	rig_advance(&life.rig, 1000 + KILN_WHEEL_TICK);
	rig_turn(&life.rig);
	assert_string_equal(rig_ended.why, "timed out in waiting for the PROXY v2 header");
	expect_end(KILN_E_TIMEOUT, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_second_address),
	    cmocka_unit_test(test_family_not_here),
	    cmocka_unit_test(test_all_refused),
	    cmocka_unit_test(test_reload_while_connecting),
	    cmocka_unit_test(test_connect_timeout),
	    cmocka_unit_test(test_new_deadline),
	    cmocka_unit_test(test_client_connects_first),
	    cmocka_unit_test(test_header_out),
	    cmocka_unit_test(test_header_not_taken),
	    cmocka_unit_test(test_header_timeout),
	    cmocka_unit_test(test_header_in),
	    cmocka_unit_test(test_no_header_in),
	    cmocka_unit_test(test_header_in_ends),
	    cmocka_unit_test(test_header_in_timeout),
	};
	return cmocka_run_group_tests_name("life: connect", tests, life_make_certificates,
					   life_free_certificates);
}
