/* SPDX-License-Identifier: Apache-2.0
 * Bytes through the relay: in order, complete, at every boundary of short sends and receives, and
 * with no more memory than agreed. */
#include "relay_rig.h"

#include <errno.h>

#include "proxy/proxy_v2.h"

static struct rig rig;

static uint8_t big[4 * KILN_RECORD_PLAIN_MAX];

static void fill_big(void)
{
	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (uint8_t)(i * 31 + i / 251);
}

static void end_cleanly(void)
{
	rig_peer_close_notify(&rig);
	rig_flush(&rig);
	rig_plain_ends(&rig, 0);
	rig_flush(&rig);
	assert_int_equal(rig_ended.count, 1);
	assert_int_equal(rig_ended.code, KILN_OK);
	assert_true(rig.peer_close_notify);
	rig_close(&rig);
}

static void test_both_ways(void **state)
{
	for (int kernel = 0; kernel <= 1; kernel++) {
		(void)state;
		rig_open(&rig, KILN_SERVER);
		rig_relay(&rig, kernel, NULL);
		rig_peer_says(&rig, KILN_RECORD_DATA, "ping", 4);
		rig_plain_says(&rig, "pong", 4);
		rig_flush(&rig);
		assert_wire(rig.plain_got, "ping");
		assert_wire(rig.peer_got, "pong");
		end_cleanly();
		assert_int_equal(rig_ended.bytes_up, 4);
		assert_int_equal(rig_ended.bytes_down, 4);
	}
}

/* Four records in one receive come out as one send. */
static void test_many_records_at_once(void **state)
{
	(void)state;
	rig_open(&rig, KILN_SERVER);
	rig_relay(&rig, false, NULL);
	for (int i = 0; i < 40; i++)
		rig_peer_seals(&rig, KILN_RECORD_DATA, big + i * 100, 100);
	rig_peer_gives(&rig, SIZE_MAX);
	rig_turn(&rig);
	assert_int_equal(rig.conn->plain_out.len, 4000);
	rig_flush(&rig);
	assert_int_equal(rig.plain_got.len, 4000);
	assert_memory_equal(rig.plain_got.data, big, 4000);
	end_cleanly();
}

/* One record, cut at every place into two receives. */
static void test_record_in_two_parts(void **state)
{
	(void)state;
	for (size_t cut = 1; cut < 5 + 20 + 17; cut++) {
		rig_open(&rig, KILN_SERVER);
		rig_relay(&rig, false, NULL);
		rig_peer_seals(&rig, KILN_RECORD_DATA, big, 20);
		rig_peer_seals(&rig, KILN_RECORD_DATA, big + 20, 9);
		rig_peer_gives(&rig, cut);
		rig_turn(&rig);
		assert_false(rig.conn->plain_out.armed);
		rig_peer_gives(&rig, SIZE_MAX);
		rig_flush(&rig);
		assert_int_equal(rig.plain_got.len, 29);
		assert_memory_equal(rig.plain_got.data, big, 29);
		end_cleanly();
	}
}

static void test_byte_by_byte(void **state)
{
	(void)state;
	rig_open(&rig, KILN_SERVER);
	rig_relay(&rig, false, NULL);
	rig_peer_seals(&rig, KILN_RECORD_DATA, big, 300);
	rig_peer_seals(&rig, KILN_RECORD_DATA, big + 300, 1);
	while (rig.from_peer.len > 0) {
		rig_peer_gives(&rig, 1);
		rig_flush(&rig);
	}
	assert_int_equal(rig.plain_got.len, 301);
	assert_memory_equal(rig.plain_got.data, big, 301);
	end_cleanly();
}

/* Every length of a first short send to the target. */
static void test_short_sends_up(void **state)
{
	(void)state;
	for (size_t first = 1; first < 200; first++) {
		rig_open(&rig, KILN_SERVER);
		rig_relay(&rig, first % 2 == 0, NULL);
		rig_peer_says(&rig, KILN_RECORD_DATA, big, 200);
		rig_turn(&rig);
		rig_plain_takes(&rig, first);
		rig_turn(&rig);
		assert_int_equal(rig.conn->plain_out.len, 200 - first);
		rig_flush(&rig);
		assert_int_equal(rig.plain_got.len, 200);
		assert_memory_equal(rig.plain_got.data, big, 200);
		end_cleanly();
		assert_int_equal(rig_ended.bytes_up, 200);
	}
}

/* The same to the peer, with every boundary of a sealed record. */
static void test_short_sends_down(void **state)
{
	(void)state;
	for (size_t first = 1; first < 100 + KILN_RECORD_OVERHEAD; first++) {
		rig_open(&rig, KILN_SERVER);
		rig_relay(&rig, false, NULL);
		rig_plain_says(&rig, big, 100);
		rig_turn(&rig);
		rig_peer_takes(&rig, first);
		rig_turn(&rig);
		assert_int_equal(rig.peer_got.len, 0);
		rig_flush(&rig);
		assert_int_equal(rig.peer_got.len, 100);
		assert_memory_equal(rig.peer_got.data, big, 100);
		end_cleanly();
		assert_int_equal(rig_ended.bytes_down, 100);
	}
}

/* A whole buffer of plain bytes becomes four full records. */
static void test_full_buffer_down(void **state)
{
	(void)state;
	rig_open(&rig, KILN_SERVER);
	rig_relay(&rig, false, NULL);
	rig_plain_says(&rig, big, sizeof big);
	rig_turn(&rig);
	assert_int_equal(rig.conn->tls_out.len, sizeof big + 4 * KILN_RECORD_OVERHEAD);
	rig_flush(&rig);
	assert_int_equal(rig.peer_got.len, sizeof big);
	assert_memory_equal(rig.peer_got.data, big, sizeof big);
	end_cleanly();
}

static bool listens(const struct kiln_op *op)
{
	return op->armed && !op->cancelling;
}

/* A reader that does not read: receiving stops, and only a few buffers are held. */
static void test_backpressure(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		rig_open(&rig, KILN_SERVER);
		rig_relay(&rig, kernel, NULL);
		unsigned up = 0, down = 0;
		while (up < 50 && listens(&rig.conn->tls_in)) {
			rig_peer_says(&rig, KILN_RECORD_DATA, big + up++, 1000);
			rig_turn(&rig);
		}
		while (down < 50 && listens(&rig.conn->plain_in)) {
			rig_plain_says(&rig, big + down++, 1000);
			rig_turn(&rig);
		}
		rig_turn(&rig); /* the cancels are answered */
		assert_in_range(up, 2, 3);
		assert_in_range(down, 2, 3);
		assert_in_range(rig.worker.pool.in_use, 2, 6);
		assert_false(rig.conn->tls_in.armed);
		assert_false(rig.conn->plain_in.armed);
		rig_flush(&rig);
		assert_int_equal(rig.plain_got.len, up * 1000);
		assert_int_equal(rig.peer_got.len, down * 1000);
		assert_true(rig.conn->tls_in.armed); /* and goes on when it read */
		assert_true(rig.conn->plain_in.armed);
		end_cleanly();
	}
}

/* Bytes that a receive had taken before its cancel came through are not lost. */
static void test_late_cancel(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		rig_open(&rig, KILN_SERVER);
		rig_relay(&rig, kernel, NULL);
		rig.io.late_cancel = true;
		for (unsigned i = 0; i < 5; i++) {
			rig_peer_says(&rig, KILN_RECORD_DATA, big + i * 10, 10);
			rig_plain_says(&rig, big + i * 10, 10);
			rig_turn(&rig);
		}
		assert_true(rig.conn->tls_in.cancelling && rig.conn->plain_in.cancelling);
		script_cancelled(&rig.io, &rig.conn->tls_in);
		script_cancelled(&rig.io, &rig.conn->plain_in);
		rig.io.late_cancel = false;
		rig_flush(&rig);
		assert_int_equal(rig.plain_got.len, 50);
		assert_int_equal(rig.peer_got.len, 50);
		assert_memory_equal(rig.plain_got.data, big, 50);
		assert_memory_equal(rig.peer_got.data, big, 50);
		end_cleanly();
	}
}

/* Data that came with the handshake goes first. */
static void test_early_data(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		rig_open(&rig, KILN_SERVER);
		struct kiln_buffer *early = kiln_pool_take(&rig.worker.pool);
		memcpy(early->data, "first ", 6);
		early->len = 6;
		early->type = KILN_RECORD_DATA;
		rig_relay(&rig, kernel, early);
		rig_flush(&rig);
		rig_peer_says(&rig, KILN_RECORD_DATA, "second", 6);
		rig_flush(&rig);
		assert_wire(rig.plain_got, "first second");
		end_cleanly();
	}
}

/* A client's PROXY header comes before the first byte of its program, and nowhere else. */
static void test_client_announces(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		rig_open(&rig, KILN_CLIENT);
		rig.worker.settings.proxy_out = KILN_PROXY_SEND_CONN;
		rig_relay(&rig, kernel, NULL);
		rig_plain_says(&rig, "ping", 4);
		rig_flush(&rig);
		struct kiln_proxy_info info;
		struct kiln_error err = {0};
		size_t count = 0;
		assert_int_equal(
		    kiln_proxy_v2_decode(rig.peer_got.data, rig.peer_got.len, &count, &info, &err),
		    KILN_PROXY_DONE);
		assert_true(info.checksum);
		assert_int_equal(rig.peer_got.len, count + 4);
		assert_memory_equal(rig.peer_got.data + count, "ping", 4);
		end_cleanly();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_both_ways),
	    cmocka_unit_test(test_client_announces),
	    cmocka_unit_test(test_many_records_at_once),
	    cmocka_unit_test(test_record_in_two_parts),
	    cmocka_unit_test(test_byte_by_byte),
	    cmocka_unit_test(test_short_sends_up),
	    cmocka_unit_test(test_short_sends_down),
	    cmocka_unit_test(test_full_buffer_down),
	    cmocka_unit_test(test_backpressure),
	    cmocka_unit_test(test_late_cancel),
	    cmocka_unit_test(test_early_data),
	};
	fill_big();
	return cmocka_run_group_tests_name("relay: data", tests, NULL, NULL);
}
