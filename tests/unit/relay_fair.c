/* SPDX-License-Identifier: Apache-2.0
 * One connection that is slow must not hold the buffers of the others: how many a direction
 * receives at once, and what it does when they are scarce. */
#include "relay_rig.h"

static struct rig rig;

static void end_cleanly(void)
{
	rig_flush(&rig);
	rig_peer_close_notify(&rig);
	rig_plain_ends(&rig, 0);
	rig_flush(&rig);
	assert_true(rig_gone(&rig));
	assert_int_equal(rig_ended.code, KILN_OK);
	assert_int_equal(rig.worker.bursting, 0);
	rig_close(&rig);
}

static uint8_t repeating(bool kernel)
{
	return kernel ? KILN_OP_RECV_RECORDS : KILN_OP_RECV;
}

static uint8_t single(bool kernel)
{
	return kernel ? KILN_OP_RECV_RECORDS_ONCE : KILN_OP_RECV_ONCE;
}

static void expect_kinds(uint8_t tls_in, uint8_t plain_in)
{
	assert_true(rig.conn->tls_in.armed && rig.conn->plain_in.armed);
	assert_int_equal(rig.conn->tls_in.kind, tls_in);
	assert_int_equal(rig.conn->plain_in.kind, plain_in);
}

/* Who had to pause once takes one at a time from then on; the other direction is not concerned. */
static void test_single_after_a_pause(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		rig_open(&rig, KILN_SERVER);
		rig_relay(&rig, kernel, NULL);
		expect_kinds(repeating(kernel), KILN_OP_RECV);
		for (int i = 0; i < 3; i++)
			rig_plain_says(&rig, "down", 4);
		rig_turn(&rig);
		rig_flush(&rig);
		expect_kinds(repeating(kernel), KILN_OP_RECV_ONCE);
		for (int i = 0; i < 3; i++)
			rig_peer_says(&rig, KILN_RECORD_DATA, "up", 2);
		rig_turn(&rig);
		rig_flush(&rig);
		expect_kinds(single(kernel), KILN_OP_RECV_ONCE);
		assert_int_equal(rig.worker.bursting, 0);
		assert_wire(rig.plain_got, "upupup");
		assert_wire(rig.peer_got, "downdowndown");
		end_cleanly();
	}
}

/* From then on a sink that takes nothing costs two buffers. */
static void test_single_holds_two(void **state)
{
	(void)state;
	rig_open(&rig, KILN_SERVER);
	rig_relay(&rig, true, NULL);
	for (int i = 0; i < 3; i++)
		rig_plain_says(&rig, "x", 1);
	rig_flush(&rig);
	unsigned received = 0;
	for (; received < 50 && rig.conn->plain_in.armed; received++) {
		rig_plain_says(&rig, "y", 1);
		rig_turn(&rig);
	}
	assert_int_equal(received, 2);
	assert_int_equal(rig.worker.pool.in_use, 2);
	rig_flush(&rig);
	assert_wire(rig.peer_got, "xxxyy");
	end_cleanly();
}

/* All bursts together may fill a quarter of the pool: 256 buffers, two flows. */
static void test_few_may_burst(void **state)
{
	(void)state;
	rig_open(&rig, KILN_SERVER);
	rig_relay(&rig, false, NULL);
	assert_int_equal(rig.worker.bursting, 2);
	struct kiln_link *other = rig_another(&rig);
	assert_int_equal(other->tls_in.kind, KILN_OP_RECV_ONCE);
	assert_int_equal(other->plain_in.kind, KILN_OP_RECV_ONCE);
	/* The right is passed on when its owner ends. */
	kiln_link_fail(rig.conn, &(struct kiln_error){.code = KILN_E_SYSTEM});
	rig_turn(&rig);
	assert_int_equal(rig.worker.bursting, 0);
	script_give(&rig.io, &other->plain_in, "x", 1, 0);
	rig_turn(&rig);
	assert_int_equal(other->plain_in.kind, KILN_OP_RECV);
	kiln_link_fail(other, &(struct kiln_error){.code = KILN_E_SYSTEM});
	rig_turn(&rig);
	assert_true(rig_gone(&rig));
	rig_close(&rig);
}

/* With more than half of the pool in use a direction holds what it sends, and no more. */
static void test_modest_when_scarce(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		rig_open(&rig, KILN_SERVER);
		rig_relay(&rig, kernel, NULL);
		for (int i = 0; i < 3; i++) {
			rig_plain_says(&rig, "x", 1);
			rig_peer_says(&rig, KILN_RECORD_DATA, "x", 1);
		}
		rig_flush(&rig);
		expect_kinds(single(kernel), KILN_OP_RECV_ONCE);
		struct kiln_buffer *hoard = NULL;
		while (!kiln_pool_is_tight(&rig.worker.pool)) {
			struct kiln_buffer *b = kiln_pool_take(&rig.worker.pool);
			b->next = hoard;
			hoard = b;
		}
		rig_plain_says(&rig, "y", 1);
		rig_peer_says(&rig, KILN_RECORD_DATA, "y", 1);
		rig_turn(&rig);
		assert_false(rig.conn->plain_in.armed);
		assert_false(rig.conn->tls_in.armed);
		rig_flush(&rig); /* sent: it listens again, scarce or not */
		expect_kinds(single(kernel), KILN_OP_RECV_ONCE);
		for (struct kiln_buffer *next; hoard != NULL; hoard = next) {
			next = hoard->next;
			kiln_io_buffer_put(rig.worker.io, hoard);
		}
		assert_wire(rig.plain_got, "xxxy");
		assert_wire(rig.peer_got, "xxxy");
		end_cleanly();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_single_after_a_pause),
	    cmocka_unit_test(test_single_holds_two),
	    cmocka_unit_test(test_few_may_burst),
	    cmocka_unit_test(test_modest_when_scarce),
	};
	return cmocka_run_group_tests_name("relay: fair", tests, NULL, NULL);
}
