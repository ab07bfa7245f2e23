/* SPDX-License-Identifier: Apache-2.0
 * Connections that go wrong: what is still delivered, which alert goes out, who is told what, and
 * that nothing stays behind. */
#include "relay_rig.h"

#include <errno.h>

static struct rig rig;

static void start(bool kernel)
{
	rig_open(&rig, KILN_SERVER);
	rig_relay(&rig, kernel, NULL);
}

static void finish(enum kiln_code code, uint8_t alert_sent)
{
	if (rig.conn != NULL && rig.conn->phase == KILN_PHASE_LINGER) {
		rig_peer_ends(&rig, 0); /* it read the alert and closed */
		rig_turn(&rig);
	}
	assert_true(rig_gone(&rig));
	assert_int_equal(rig_ended.count, 1);
	assert_int_equal(rig_ended.code, code);
	assert_int_equal(rig_ended.alert_sent, alert_sent);
	rig_close(&rig);
}

static void test_tampered_record(void **state)
{
	(void)state;
	for (size_t at = 5; at < 5 + 9 + 17; at++) {
		start(false);
		rig_peer_seals(&rig, KILN_RECORD_DATA, "tampered!", 9);
		rig.from_peer.data[at] ^= 0x20;
		rig_peer_gives(&rig, SIZE_MAX);
		rig_turn(&rig);
		assert_int_equal(rig_direct_alert(&rig), KILN_ALERT_BAD_RECORD_MAC);
		assert_int_equal(rig.plain_got.len, 0);
		finish(KILN_E_TLS_DECRYPT, KILN_ALERT_BAD_RECORD_MAC);
	}
}

static void bad_header(const uint8_t *bytes, size_t len, uint8_t alert)
{
	start(false);
	script_give(&rig.io, &rig.conn->tls_in, bytes, len, 0);
	rig_turn(&rig);
	assert_int_equal(rig_direct_alert(&rig), alert);
	finish(KILN_E_TLS_RECORD, alert);
}

static void test_no_records(void **state)
{
	(void)state;
	bad_header((const uint8_t *)"GET / HTTP/1.1\r\n", 16, KILN_ALERT_UNEXPECTED_MESSAGE);
	bad_header((const uint8_t *)"G", 1, KILN_ALERT_UNEXPECTED_MESSAGE);
	bad_header((const uint8_t[]){23, 3, 3, 0x41, 1}, 5, KILN_ALERT_RECORD_OVERFLOW);
	bad_header((const uint8_t[]){23, 3, 3, 0, 16}, 5, KILN_ALERT_BAD_RECORD_MAC);
	bad_header((const uint8_t[]){20, 3, 3, 0, 1, 1}, 6, KILN_ALERT_UNEXPECTED_MESSAGE);
}

/* The peer's own alert is logged as received, and none goes back. */
static void test_fatal_alert(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig_peer_says(&rig, KILN_RECORD_ALERT, (const uint8_t[]){2, 48}, 2);
		rig_flush(&rig);
		assert_int_equal(rig_direct_alert(&rig), 0);
		assert_true(rig.io.reset[1]);
		assert_int_equal(rig_ended.alert_received, 48);
		finish(KILN_E_TLS_ALERT, 0);
	}
}

static void test_useless_records(void **state)
{
	static const struct {
		uint8_t type, len, data[5];
	} kinds[] = {
	    {KILN_RECORD_ALERT, 2, {1, 90}},              /* user_canceled */
	    {KILN_RECORD_HANDSHAKE, 5, {24, 0, 0, 1, 0}}, /* KeyUpdate */
	    {KILN_RECORD_HANDSHAKE, 4, {4, 0, 0, 0}},     /* NewSessionTicket */
	};
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++)
		for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
			start(kernel);
			rig.conn->rx.takes_tickets = true; /* as from a server */
			unsigned n = 0;
			for (; rig.conn->phase == KILN_PHASE_RELAY && n < 100; n++) {
				memset(&rig_sys, 0, sizeof rig_sys);
				rig_peer_says(&rig, kinds[k].type, kinds[k].data, kinds[k].len);
				if (kinds[k].data[0] == 24)
					assert_int_equal(kiln_traffic_update(&rig.peer_tx, NULL),
							 KILN_OK);
				rig_turn(&rig);
			}
			assert_int_equal(n, 33);
			assert_int_equal(rig_direct_alert(&rig), KILN_ALERT_UNEXPECTED_MESSAGE);
			finish(KILN_E_TLS_MESSAGE, KILN_ALERT_UNEXPECTED_MESSAGE);
		}
}

/* RFC 8446 4.6.1: a client has no tickets to give. */
static void test_ticket_from_a_client(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig_peer_says(&rig, KILN_RECORD_HANDSHAKE, (const uint8_t[]){4, 0, 0, 0}, 4);
		rig_turn(&rig);
		assert_int_equal(rig_direct_alert(&rig), KILN_ALERT_UNEXPECTED_MESSAGE);
		finish(KILN_E_TLS_MESSAGE, KILN_ALERT_UNEXPECTED_MESSAGE);
	}
}

/* Records without content, many of them in one receive. */
static void test_empty_records(void **state)
{
	(void)state;
	start(false);
	for (int i = 0; i < 33; i++)
		rig_peer_seals(&rig, KILN_RECORD_DATA, "", 0);
	rig_peer_gives(&rig, SIZE_MAX);
	rig_turn(&rig);
	assert_int_equal(rig_direct_alert(&rig), KILN_ALERT_UNEXPECTED_MESSAGE);
	finish(KILN_E_TLS_MESSAGE, KILN_ALERT_UNEXPECTED_MESSAGE);
}

/* With data in between they do no harm. */
static void test_useful_in_between(void **state)
{
	(void)state;
	start(false);
	for (int i = 0; i < 200; i++) {
		rig_peer_seals(&rig, KILN_RECORD_DATA, "", 0);
		rig_peer_says(&rig, KILN_RECORD_DATA, "x", i % 10 == 9);
		rig_flush(&rig);
	}
	assert_int_equal(rig.plain_got.len, 20);
	rig_peer_close_notify(&rig);
	rig_flush(&rig);
	rig_plain_ends(&rig, 0);
	rig_flush(&rig);
	finish(KILN_OK, 0);
}

static void test_peer_reset(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig_peer_says(&rig, KILN_RECORD_DATA, "before", 6);
		rig_turn(&rig);
		rig_peer_says(&rig, KILN_RECORD_DATA, " it", 3);
		rig_peer_ends(&rig, -ECONNRESET);
		rig_flush(&rig);
		assert_wire(rig.plain_got, "before it");
		assert_true(rig.io.reset[1]);
		assert_int_equal(rig.counters.truncated, 1);
		finish(KILN_E_TLS_TRUNCATED, 0);
	}
}

/* The peer said all it had to say, with its close_notify, and takes no answer: what it said is
 * still delivered, and the target gets an orderly end of it. */
static void test_peer_takes_nothing_more(void **state)
{
	static const int errors[] = {EPIPE, ECONNRESET};
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++)
		for (int e = 0; e < 2; e++) {
			start(kernel);
			rig_peer_says(&rig, KILN_RECORD_DATA, "one", 3);
			rig_turn(&rig);
			rig_peer_says(&rig, KILN_RECORD_DATA, "two", 3);
			rig_peer_close_notify(&rig);
			rig_plain_says(&rig, "answer", 6);
			rig_turn(&rig);
			script_result(&rig.io, &rig.conn->tls_out, -errors[e]);
			rig_turn(&rig);
			assert_false(rig_gone(&rig));
			rig_plain_takes(&rig, SIZE_MAX);
			rig_turn(&rig);
			rig_plain_takes(&rig, SIZE_MAX);
			rig_turn(&rig);
			rig_turn(&rig);
			assert_wire(rig.plain_got, "onetwo");
			assert_int_equal(rig_ended.bytes_up, 6);
			assert_false(rig.io.reset[1]);
			finish(KILN_E_TLS_TRUNCATED, 0);
		}
}

/* The same peer without a close_notify: delivered, then a reset. */
static void test_peer_goes_without_a_word(void **state)
{
	(void)state;
	start(false);
	rig_peer_says(&rig, KILN_RECORD_DATA, "one", 3);
	rig_plain_says(&rig, "answer", 6);
	rig_turn(&rig);
	script_result(&rig.io, &rig.conn->tls_out, -EPIPE);
	rig_turn(&rig);
	rig_peer_ends(&rig, -ECONNRESET);
	rig_flush(&rig);
	assert_wire(rig.plain_got, "one");
	assert_true(rig.io.reset[1]);
	finish(KILN_E_TLS_TRUNCATED, 0);
}

/* The target took what it wanted and answers; the answer is delivered whole. */
static void test_target_takes_nothing_more(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig_peer_says(&rig, KILN_RECORD_DATA, "upload", 6);
		rig_turn(&rig);
		rig_peer_says(&rig, KILN_RECORD_DATA, "more", 4);
		rig_turn(&rig);
		rig_plain_takes(&rig, 2);
		rig_turn(&rig);
		script_result(&rig.io, &rig.conn->plain_out, -EPIPE);
		rig_plain_says(&rig, "413 too ", 8);
		rig_turn(&rig);
		rig_plain_says(&rig, "large", 5);
		rig_plain_ends(&rig, 0);
		rig_turn(&rig);
		while (!rig.peer_close_notify) {
			rig_peer_takes(&rig, SIZE_MAX);
			rig_turn(&rig);
		}
		assert_wire(rig.peer_got, "413 too large");
		assert_int_equal(rig_ended.alert_sent, 0);
		finish(KILN_E_TARGET, 0);
		assert_int_equal(rig_ended.bytes_up, 2);
	}
}

static void test_target_reset(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig_plain_says(&rig, "half of ", 8);
		rig_turn(&rig);
		rig_plain_says(&rig, "it", 2);
		rig_plain_ends(&rig, -ECONNRESET);
		rig_turn(&rig);
		rig_peer_takes(&rig, SIZE_MAX);
		rig_turn(&rig);
		rig_peer_takes(&rig, SIZE_MAX);
		rig_turn(&rig);
		assert_wire(rig.peer_got, "half of it");
		assert_false(rig.peer_close_notify);
		assert_int_equal(rig_direct_alert(&rig), KILN_ALERT_INTERNAL_ERROR);
		finish(KILN_E_TARGET, KILN_ALERT_INTERNAL_ERROR);
	}
}

/* No alert into the middle of a record that is on its way. */
static void test_no_alert_inside_a_record(void **state)
{
	(void)state;
	start(false);
	rig_plain_says(&rig, "a long answer", 13);
	rig_turn(&rig);
	rig_peer_takes(&rig, 7);
	rig_turn(&rig);
	rig_peer_seals(&rig, KILN_RECORD_DATA, "x", 1);
	rig.from_peer.data[9] ^= 1;
	rig_peer_gives(&rig, SIZE_MAX);
	rig_turn(&rig);
	rig_turn(&rig);
	uint8_t byte;
	assert_int_equal(recv(rig.tls_far, &byte, 1, MSG_DONTWAIT), 0);
	finish(KILN_E_TLS_DECRYPT, 0);
}

/* The connection lives until the last cancel came back. */
static void test_cancels_come_late(void **state)
{
	(void)state;
	start(false);
	rig.io.late_cancel = true;
	rig_peer_says(&rig, KILN_RECORD_DATA, "data", 4);
	rig_plain_says(&rig, "data", 4);
	rig_turn(&rig);
	struct kiln_link *conn = rig.conn;
	kiln_link_fail(conn, &(struct kiln_error){.code = KILN_E_SYSTEM, .message = "test"});
	struct kiln_op *ops[] = {&conn->plain_in, &conn->tls_out, &conn->tls_in, &conn->plain_out};
	for (int i = 0; i < 4; i++) {
		assert_true(ops[i]->cancelling);
		assert_false(rig_gone(&rig));
		if (i == 0)
			rig_plain_says(&rig, "late", 4); /* in front of the cancel */
		if (i == 3)
			script_result(&rig.io, ops[i], 4); /* done before the cancel came */
		else
			script_cancelled(&rig.io, ops[i]);
		rig_turn(&rig);
	}
	finish(KILN_E_SYSTEM, 0);
}

/* After an alert the peer's bytes are dropped for a while: bounded in number and in time. */
static void test_linger(void **state)
{
	(void)state;
	for (int timeout = 0; timeout <= 1; timeout++) {
		start(false);
		rig_plain_ends(&rig, -ECONNRESET);
		rig_turn(&rig);
		assert_int_equal(rig.conn->phase, KILN_PHASE_LINGER);
		unsigned n = 0;
		for (; rig.conn != NULL && rig.conn->phase == KILN_PHASE_LINGER && n < 100; n++) {
			rig_peer_says(&rig, KILN_RECORD_DATA, "more", 4);
			if (timeout)
				rig_advance(&rig, 250);
			else
				rig_turn(&rig);
		}
		if (timeout)
			assert_in_range(n, 8, 9); /* two seconds */
		else
			assert_int_equal(n, 17);
		rig_turn(&rig);
		finish(KILN_E_TARGET, KILN_ALERT_INTERNAL_ERROR);
		assert_int_equal(rig.plain_got.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tampered_record),
	    cmocka_unit_test(test_no_records),
	    cmocka_unit_test(test_fatal_alert),
	    cmocka_unit_test(test_useless_records),
	    cmocka_unit_test(test_ticket_from_a_client),
	    cmocka_unit_test(test_empty_records),
	    cmocka_unit_test(test_useful_in_between),
	    cmocka_unit_test(test_peer_reset),
	    cmocka_unit_test(test_peer_takes_nothing_more),
	    cmocka_unit_test(test_peer_goes_without_a_word),
	    cmocka_unit_test(test_target_takes_nothing_more),
	    cmocka_unit_test(test_target_reset),
	    cmocka_unit_test(test_no_alert_inside_a_record),
	    cmocka_unit_test(test_cancels_come_late),
	    cmocka_unit_test(test_linger),
	};
	return cmocka_run_group_tests_name("relay: failures", tests, NULL, NULL);
}
