/* SPDX-License-Identifier: Apache-2.0
 * A buffer pool at its end: connections wait for a buffer, none is ended for the want of one, and
 * what waits goes on as soon as buffers come back. */
#include "relay_rig.h"

static struct rig rig;
static struct kiln_buffer *hoard;
static unsigned hoarded;

static void take_all(void)
{
	for (struct kiln_buffer *b; (b = kiln_pool_take(&rig.worker.pool)) != NULL; hoarded++) {
		b->next = hoard;
		hoard = b;
	}
}

static void give_back(unsigned count)
{
	for (; count > 0 && hoard != NULL; count--, hoarded--) {
		struct kiln_buffer *next = hoard->next;
		kiln_io_buffer_put(rig.worker.io, hoard);
		hoard = next;
	}
}

static void start(void)
{
	rig_open(&rig, KILN_SERVER);
	rig_relay(&rig, false, NULL);
}

static void end_cleanly(void)
{
	give_back(hoarded);
	rig_peer_close_notify(&rig);
	rig_plain_ends(&rig, 0);
	rig_flush(&rig);
	assert_true(rig_gone(&rig));
	assert_int_equal(rig_ended.code, KILN_OK);
	assert_true(rig.peer_close_notify);
	rig_close(&rig);
}

static void test_nothing_to_open_into(void **state)
{
	(void)state;
	start();
	rig_peer_says(&rig, KILN_RECORD_DATA, "one", 3);
	take_all();
	rig_turn(&rig);
	rig_turn(&rig);
	assert_int_equal(rig.conn->phase, KILN_PHASE_RELAY);
	assert_true(rig.conn->hungry);
	assert_false(rig.conn->plain_out.armed);
	give_back(1);
	rig_flush(&rig);
	assert_wire(rig.plain_got, "one");
	assert_false(rig.conn->hungry);
	end_cleanly();
}

static void test_nothing_to_seal_into(void **state)
{
	(void)state;
	start();
	rig_plain_says(&rig, "one", 3);
	rig_plain_says(&rig, "two", 3);
	take_all();
	rig_turn(&rig);
	rig_turn(&rig);
	assert_true(rig.conn->hungry);
	assert_false(rig.conn->tls_out.armed);
	give_back(1);
	rig_flush(&rig);
	assert_wire(rig.peer_got, "onetwo");
	end_cleanly();
}

/* close_notify and KeyUpdate are sealed as well. */
static void test_control_records_wait(void **state)
{
	(void)state;
	start();
	rig_peer_says(&rig, KILN_RECORD_HANDSHAKE, (const uint8_t[]){24, 0, 0, 1, 1}, 5);
	assert_int_equal(kiln_traffic_update(&rig.peer_tx, NULL), KILN_OK);
	rig_turn(&rig); /* opened, and the answer is on its way */
	rig_peer_takes(&rig, SIZE_MAX);
	rig_turn(&rig);
	assert_int_equal(rig.peer_key_updates, 1);
	rig.conn->key_update_wanted = true;
	rig_plain_ends(&rig, 0);
	take_all();
	rig_turn(&rig);
	assert_true(rig.conn->hungry);
	give_back(1);
	rig_flush(&rig);
	assert_int_equal(rig.peer_key_updates, 2);
	assert_true(rig.peer_close_notify);
	give_back(hoarded);
	rig_peer_close_notify(&rig);
	rig_flush(&rig);
	assert_true(rig_gone(&rig));
	rig_close(&rig);
}

/* The reserve: what was received can be worked on although receiving has taken all it may. */
static void test_receiving_leaves_a_reserve(void **state)
{
	(void)state;
	start();
	unsigned received = 0;
	struct kiln_buffer *b, *list = NULL;
	for (; (b = kiln_pool_take_to_receive(&rig.worker.pool)) != NULL; received++) {
		b->next = list;
		list = b;
	}
	assert_in_range(received, rig.worker.pool.limit / 2, rig.worker.pool.limit - 2);
	assert_true(kiln_pool_has(&rig.worker.pool));
	for (; list != NULL; list = b) {
		b = list->next;
		kiln_io_buffer_put(rig.worker.io, list);
	}
	end_cleanly();
}

/* Who waits for a buffer and ends meanwhile is forgotten. */
static void test_hungry_and_gone(void **state)
{
	(void)state;
	start();
	rig_peer_says(&rig, KILN_RECORD_DATA, "one", 3);
	take_all();
	rig_turn(&rig);
	assert_int_equal(rig.worker.hungry_count, 1);
	kiln_link_fail(rig.conn, &(struct kiln_error){.code = KILN_E_SYSTEM, .message = "test"});
	rig_turn(&rig);
	assert_true(rig_gone(&rig));
	assert_int_equal(rig.worker.hungry_count, 0);
	assert_null(rig.worker.hungry);
	give_back(hoarded);
	rig_turn(&rig);
	rig_close(&rig);
}

/* One buffer is enough for all in turn: each gives one back for the one that it takes. */
static void test_many_hungry(void **state)
{
	enum { MANY = 5 };
	struct kiln_link *conns[MANY];
	(void)state;
	start();
	rig_peer_seals(&rig, KILN_RECORD_DATA, "x", 1);
	for (int i = 0; i < MANY; i++) {
		conns[i] = i == 0 ? rig.conn : rig_another(&rig);
		script_give(&rig.io, &conns[i]->tls_in, rig.from_peer.data, rig.from_peer.len, 0);
	}
	take_all();
	rig_turn(&rig);
	assert_int_equal(rig.worker.hungry_count, MANY);
	give_back(1);
	rig_turn(&rig);
	assert_int_equal(rig.worker.hungry_count, 0);
	for (int i = 0; i < MANY; i++) {
		assert_true(conns[i]->plain_out.armed);
		script_result(&rig.io, &conns[i]->plain_out, 1);
	}
	rig_turn(&rig);
	for (int i = 1; i < MANY; i++)
		kiln_link_fail(conns[i], &(struct kiln_error){.code = KILN_E_SYSTEM});
	rig_turn(&rig);
	assert_int_equal(rig_ended.count, MANY - 1);
	wire_drop(&rig.from_peer, rig.from_peer.len);
	end_cleanly();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing_to_open_into),
	    cmocka_unit_test(test_nothing_to_seal_into),
	    cmocka_unit_test(test_control_records_wait),
	    cmocka_unit_test(test_receiving_leaves_a_reserve),
	    cmocka_unit_test(test_hungry_and_gone),
	    cmocka_unit_test(test_many_hungry),
	};
	return cmocka_run_group_tests_name("relay: starved", tests, NULL, NULL);
}
