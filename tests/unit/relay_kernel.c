/* SPDX-License-Identifier: Apache-2.0
 * Key updates and record limits, in user space and around a kernel that can or cannot rekey, and
 * the errors that a kTLS socket gives. The kernel is played: this shows the logic around it. */
#include "relay_rig.h"

#include <errno.h>
#include <linux/tls.h>

static struct rig rig;

static const uint8_t update[] = {24, 0, 0, 1, 0}, update_asking[] = {24, 0, 0, 1, 1};

static void start(bool kernel)
{
	rig_open(&rig, KILN_SERVER);
	rig_relay(&rig, kernel, NULL);
}

static void end_cleanly(void)
{
	rig_peer_close_notify(&rig);
	rig_flush(&rig);
	rig_plain_ends(&rig, 0);
	rig_flush(&rig);
	assert_true(rig_gone(&rig));
	assert_int_equal(rig_ended.code, KILN_OK);
	rig_close(&rig);
}

static void fail_with(enum kiln_code code, uint8_t alert)
{
	if (rig.conn != NULL && rig.conn->phase == KILN_PHASE_LINGER) {
		rig_peer_ends(&rig, 0);
		rig_turn(&rig);
	}
	assert_true(rig_gone(&rig));
	assert_int_equal(rig_ended.code, code);
	assert_int_equal(rig_ended.alert_sent, alert);
	rig_close(&rig);
}

static void peer_updates(const uint8_t *message)
{
	rig_peer_says(&rig, KILN_RECORD_HANDSHAKE, message, 5);
	assert_int_equal(kiln_traffic_update(&rig.peer_tx, NULL), KILN_OK);
}

static void echo(const char *text)
{
	wire_drop(&rig.plain_got, rig.plain_got.len);
	wire_drop(&rig.peer_got, rig.peer_got.len);
	rig_peer_says(&rig, KILN_RECORD_DATA, text, strlen(text));
	rig_plain_says(&rig, text, strlen(text));
	rig_flush(&rig);
	assert_wire(rig.plain_got, text);
	assert_wire(rig.peer_got, text);
}

static void test_peer_updates(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		for (unsigned i = 1; i <= 3; i++) {
			echo("before");
			peer_updates(update);
			rig_flush(&rig);
			assert_int_equal(rig.peer_key_updates, 0); /* not asked for */
			echo("after");
			if (kernel) {
				assert_int_equal(rig_sys.sets, i);
				assert_int_equal(rig_sys.set_name[i - 1], TLS_RX);
			}
		}
		assert_int_equal(rig.counters.key_updates, 3);
		end_cleanly();
	}
}

static void test_peer_asks_for_ours(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		for (unsigned i = 1; i <= 3; i++) {
			peer_updates(update_asking);
			rig_flush(&rig);
			assert_int_equal(rig.peer_key_updates, i);
			assert_false(rig.peer_asked_update); /* no ping-pong */
			echo("under new keys");
			if (kernel) {
				assert_int_equal(rig_sys.sets, 2 * i);
				assert_int_equal(rig_sys.set_name[2 * i - 1], TLS_TX);
			}
		}
		end_cleanly();
	}
}

/* While a send is under way, the answer waits for its end, and goes before the next data. */
static void test_asked_during_a_send(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig_plain_says(&rig, "first", 5);
		rig_turn(&rig);
		rig_plain_says(&rig, "second", 6);
		peer_updates(update_asking);
		peer_updates(update_asking); /* two requests, one answer */
		rig_turn(&rig);
		rig_peer_takes(&rig, 3);
		rig_turn(&rig);
		assert_int_equal(rig.conn->sending, KILN_SENDING_DATA);
		rig_peer_takes(&rig, SIZE_MAX);
		rig_turn(&rig);
		assert_int_equal(rig.conn->sending, KILN_SENDING_KEY_UPDATE);
		rig_flush(&rig);
		assert_int_equal(rig.peer_key_updates, 1);
		assert_wire(rig.peer_got, "firstsecond");
		end_cleanly();
	}
}

/* Before Linux 6.14 the kernel cannot follow: a clean end with a reason of its own. */
static void test_kernel_cannot_rekey(void **state)
{
	(void)state;
	start(true);
	rig.worker.settings.kernel.rekey = false;
	peer_updates(update);
	rig_flush(&rig);
	assert_int_equal(rig_sys.sets, 0);
	assert_int_equal(rig_direct_alert(&rig), KILN_ALERT_INTERNAL_ERROR);
	assert_int_equal(rig.counters.key_update_impossible, 1);
	fail_with(KILN_E_TLS_KEY_UPDATE, KILN_ALERT_INTERNAL_ERROR);
}

static void test_kernel_refuses_receiving_key(void **state)
{
	(void)state;
	start(true);
	rig_sys.set_errno[0] = EBUSY;
	peer_updates(update);
	rig_flush(&rig);
	assert_int_equal(rig_direct_alert(&rig), KILN_ALERT_INTERNAL_ERROR);
	assert_int_equal(rig.counters.key_update_impossible, 1);
	fail_with(KILN_E_TLS_KEY_UPDATE, KILN_ALERT_INTERNAL_ERROR);
}

/* Our KeyUpdate is out already: nothing sent now could be read. */
static void test_kernel_refuses_sending_key(void **state)
{
	(void)state;
	start(true);
	rig_sys.set_errno[1] = EBUSY;
	peer_updates(update_asking);
	rig_flush(&rig);
	assert_int_equal(rig_direct_alert(&rig), 0);
	assert_int_equal(rig.counters.key_update_impossible, 1);
	fail_with(KILN_E_TLS_KEY_UPDATE, 0);
}

/* --rekey-after-records: our key changes, the data does not. */
static void test_rekey_records(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig.conn->tx.limit = 2;
		for (int i = 0; i < 9; i++)
			echo("one record");
		assert_in_range(rig.peer_key_updates, 3, 4);
		assert_false(rig.peer_asked_update);
		end_cleanly();
	}
}

/* RFC 8446 5.5 for the peer's key: it is asked to change it, once. */
static void test_peer_key_used_up(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig.conn->rx.records = rig.conn->rx.limit;
		echo("over the limit");
		echo("still");
		assert_int_equal(rig.peer_key_updates, 1);
		assert_true(rig.peer_asked_update);
		peer_updates(update);
		rig_flush(&rig);
		echo("and on");
		assert_int_equal(rig.peer_key_updates, 1);
		end_cleanly();
	}
}

/* The request also goes out when the target says nothing. */
static void test_peer_key_used_up_one_way(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig.conn->rx.records = rig.conn->rx.limit;
		rig_peer_says(&rig, KILN_RECORD_DATA, "upload", 6);
		rig_flush(&rig);
		assert_true(rig.peer_asked_update);
		peer_updates(update);
		rig_flush(&rig);
		end_cleanly();
	}
}

static void test_limit_without_rekey(void **state)
{
	(void)state;
	start(true);
	rig.worker.settings.kernel.rekey = false;
	rig.conn->tx.limit = 1;
	rig_peer_says(&rig, KILN_RECORD_DATA, "before", 6);
	rig_plain_says(&rig, "last", 4);
	rig_turn(&rig);
	rig_peer_takes(&rig, SIZE_MAX);
	rig_turn(&rig);
	assert_wire(rig.peer_got, "last");
	assert_int_equal(rig_direct_alert(&rig), KILN_ALERT_INTERNAL_ERROR);
	assert_int_equal(rig.counters.record_limit, 1);
	rig_plain_takes(&rig, SIZE_MAX);
	rig_turn(&rig);
	assert_wire(rig.plain_got, "before");
	fail_with(KILN_E_TLS_RECORD_LIMIT, KILN_ALERT_INTERNAL_ERROR);
}

/* The kernel holds reads back until the new key is in. */
static void test_key_expired(void **state)
{
	(void)state;
	start(true);
	peer_updates(update);
	rig_peer_ends(&rig, -EKEYEXPIRED);
	rig_flush(&rig);
	assert_int_equal(rig.conn->phase, KILN_PHASE_RELAY);
	assert_true(rig.conn->tls_in.armed);
	echo("goes on");
	end_cleanly();
}

/* A kernel that waits for a key which no whole KeyUpdate ever asked for (the peer cut the message
 * in two, and the kernel took its first byte for the whole): not an endless loop. */
static void test_key_expired_for_ever(void **state)
{
	(void)state;
	start(true);
	rig_peer_says(&rig, KILN_RECORD_HANDSHAKE, update, 1);
	rig_turn(&rig);
	unsigned n = 0;
	for (; rig.conn != NULL && rig.conn->phase == KILN_PHASE_RELAY && n < 1000; n++) {
		rig_peer_ends(&rig, -EKEYEXPIRED);
		rig_turn(&rig);
	}
	assert_in_range(n, 1, 40);
	fail_with(rig_ended.code != KILN_OK ? rig_ended.code : rig.conn->code,
		  KILN_ALERT_UNEXPECTED_MESSAGE);
}

/* RFC 8446 5.1: data may not come inside a handshake message; the kernel does not look. */
static void test_data_inside_a_message(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig_peer_says(&rig, KILN_RECORD_HANDSHAKE, update, 3);
		rig_peer_says(&rig, KILN_RECORD_DATA, "x", 1);
		rig_turn(&rig);
		assert_int_equal(rig_direct_alert(&rig), KILN_ALERT_UNEXPECTED_MESSAGE);
		fail_with(KILN_E_TLS_MESSAGE, KILN_ALERT_UNEXPECTED_MESSAGE);
	}
}

static void test_kernel_errors(void **state)
{
	static const struct {
		int error;
		uint8_t alert;
		enum kiln_code code;
	} cases[] = {
	    {EBADMSG, KILN_ALERT_BAD_RECORD_MAC, KILN_E_TLS_DECRYPT},
	    {EMSGSIZE, KILN_ALERT_RECORD_OVERFLOW, KILN_E_TLS_RECORD},
	    {EINVAL, KILN_ALERT_UNEXPECTED_MESSAGE, KILN_E_TLS_RECORD},
	    {EPROTO, KILN_ALERT_UNEXPECTED_MESSAGE, KILN_E_TLS_RECORD},
	    {ECONNRESET, 0, KILN_E_TLS_TRUNCATED},
	    {ETIMEDOUT, 0, KILN_E_TLS_TRUNCATED},
	    {EIO, 0, KILN_E_SYSTEM},
	    {ENOMEM, 0, KILN_E_SYSTEM},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		start(true);
		rig_peer_ends(&rig, -cases[i].error);
		rig_flush(&rig);
		assert_int_equal(rig_direct_alert(&rig), cases[i].alert);
		assert_true(rig.conn == NULL || rig.conn->phase == KILN_PHASE_LINGER);
		fail_with(cases[i].code, cases[i].alert);
		assert_true(rig.io.reset[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_peer_updates),
	    cmocka_unit_test(test_peer_asks_for_ours),
	    cmocka_unit_test(test_asked_during_a_send),
	    cmocka_unit_test(test_kernel_cannot_rekey),
	    cmocka_unit_test(test_kernel_refuses_receiving_key),
	    cmocka_unit_test(test_kernel_refuses_sending_key),
	    cmocka_unit_test(test_rekey_records),
	    cmocka_unit_test(test_peer_key_used_up),
	    cmocka_unit_test(test_peer_key_used_up_one_way),
	    cmocka_unit_test(test_limit_without_rekey),
	    cmocka_unit_test(test_key_expired),
	    cmocka_unit_test(test_key_expired_for_ever),
	    cmocka_unit_test(test_data_inside_a_message),
	    cmocka_unit_test(test_kernel_errors),
	};
	return cmocka_run_group_tests_name("relay: keys and kernel", tests, NULL, NULL);
}
