/* SPDX-License-Identifier: Apache-2.0
 * From the handshake to the record path: what came glued to Finished is neither lost nor reordered,
 * the kernel starts at the right record, and every way for it to say no. The kernel is played. */
#include "life_rig.h"

#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/bytes.h"
#include "tls/secret.h"

static struct life life;

static void start(void)
{
	life_open(&life, KILN_SERVER, NULL);
	life.rig.worker.settings.ktls = KILN_KTLS_AUTO;
	life_accept(&life, true);
}

/* Handshake up to the client's Finished, which stays in from_peer. */
static void up_to_finished(void)
{
	struct rig *rig = &life.rig;
	life_peer_thinks(&life);
	rig_peer_gives(rig, SIZE_MAX);
	rig_turn(rig);
	tls_peer_put(&life.peer, rig->conn->tls_out.data, rig->conn->tls_out.len);
	script_result(&rig->io, &rig->conn->tls_out, (int)rig->conn->tls_out.len);
	rig_turn(rig);
	life_peer_thinks(&life);
	assert_true(life.peer_done);
}

static void peer_adds(const char *text)
{
	if (text != NULL)
		tls_peer_write(&life.peer, text, strlen(text));
	else
		assert_int_equal(SSL_shutdown(life.peer.ssl), 0);
	life_peer_thinks(&life);
}

static void end(enum kiln_code code)
{
	struct rig *rig = &life.rig;
	if (rig->conn != NULL) {
		kiln_link_fail(rig->conn,
			       &(struct kiln_error){.code = KILN_E_SYSTEM, .message = "the test"});
		rig_turn(rig);
	}
	assert_true(rig_gone(rig));
	assert_int_equal(rig_ended.code, code);
	life_close(&life);
}

/* The n-th setsockopt gave the kernel this direction, starting at this record. */
static void assert_key(unsigned n, int name, uint64_t sequence)
{
	const struct tls12_crypto_info_aes_gcm_256 *info;
	assert_true(n < rig_sys.sets);
	assert_int_equal(rig_sys.set_name[n], name);
	info = (const void *)rig_sys.set_value[n];
	assert_int_equal(info->info.version, TLS_1_3_VERSION);
	assert_int_equal(info->info.cipher_type, TLS_CIPHER_AES_GCM_256);
	uint64_t got = 0;
	for (size_t i = 0; i < 8; i++)
		got = got << 8 | info->rec_seq[i];
	assert_int_equal(got, sequence);
}

static void assert_kernel(uint64_t received)
{
	assert_int_equal(life.rig.conn->path, KILN_PATH_KTLS);
	assert_int_equal(rig_sys.sets, 3);
	assert_int_equal(rig_sys.set_name[0], TCP_ULP);
	assert_key(1, TLS_TX, 0);
	assert_key(2, TLS_RX, received);
	assert_null(life.rig.conn->partial);
	assert_int_equal(life.rig.counters.path[KILN_PATH_KTLS], 1);
}

static void flush_up(void)
{
	struct rig *rig = &life.rig;
	while (rig->conn->plain_out.armed && rig->conn->plain_out.kind == KILN_OP_SEND) {
		rig_plain_takes(rig, SIZE_MAX);
		rig_turn(rig);
	}
}

static void test_nothing_glued(void **state)
{
	(void)state;
	start();
	life_exchange(&life, SIZE_MAX);
	assert_kernel(0);
	life_connected(&life);
	assert_int_equal(life.rig.conn->tls_in.kind, KILN_OP_RECV_RECORDS);
	end(KILN_E_SYSTEM);
}

static void test_data_glued_to_finished(void **state)
{
	(void)state;
	start();
	up_to_finished();
	peer_adds("one ");
	peer_adds("two ");
	rig_peer_gives(&life.rig, SIZE_MAX);
	rig_turn(&life.rig);
	assert_kernel(2);
	life_connected(&life);
	script_give(&life.rig.io, &life.rig.conn->tls_in, "three", 5, KILN_RECORD_DATA);
	rig_turn(&life.rig);
	flush_up();
	assert_wire(life.rig.plain_got, "one two three");
	end(KILN_E_SYSTEM);
}

/* Cut anywhere in Finished and the two records behind it: the rest of a record is received by
 * itself, and never a byte more. */
static void test_every_cut(void **state)
{
	size_t total = 2; /* known after the first round */
	(void)state;
	for (size_t cut = 1; cut < total; cut++) {
		struct rig *rig = &life.rig;
		start();
		up_to_finished();
		peer_adds("one ");
		peer_adds("two ");
		total = rig->from_peer.len;
		rig_peer_gives(rig, cut);
		rig_turn(rig);
		while (rig->conn->phase != KILN_PHASE_CONNECT) {
			assert_int_equal(rig->conn->tls_in.kind, KILN_OP_RECV_ONCE);
			rig_peer_gives(rig, rig->conn->tls_in.len);
			rig_turn(rig);
		}
		/* What is left starts at a record, and is the kernel's. */
		const size_t left = rig->from_peer.len;
		assert_true(left == 0 || left == 4 + KILN_RECORD_OVERHEAD ||
			    left == 2 * (4 + KILN_RECORD_OVERHEAD));
		assert_kernel(2 - left / (4 + KILN_RECORD_OVERHEAD));
		life_connected(&life);
		flush_up();
		assert_int_equal(rig->plain_got.len, 8 - 4 * left / (4 + KILN_RECORD_OVERHEAD));
		assert_memory_equal(rig->plain_got.data, "one two ", rig->plain_got.len);
		wire_drop(&rig->from_peer, left);
		end(KILN_E_SYSTEM);
	}
	assert_true(total > 80);
}

/* The rest of a record in single bytes. */
static void test_rest_byte_by_byte(void **state)
{
	(void)state;
	struct rig *rig = &life.rig;
	start();
	up_to_finished();
	peer_adds("one ");
	rig_peer_gives(rig, rig->from_peer.len - 25); /* into the header */
	rig_turn(rig);
	while (rig->conn->phase == KILN_PHASE_INSTALL) {
		rig_peer_gives(rig, 1);
		rig_turn(rig);
	}
	assert_int_equal(rig->from_peer.len, 0);
	assert_kernel(1);
	life_connected(&life);
	flush_up();
	assert_wire(rig->plain_got, "one ");
	end(KILN_E_SYSTEM);
}

static void test_close_notify_glued(void **state)
{
	(void)state;
	start();
	up_to_finished();
	peer_adds("one");
	peer_adds(NULL);
	/* Behind close_notify nothing counts, whole record or not. */
	const uint8_t junk[] = {23, 3, 3, 0, 20, 1, 2, 3};
	wire_add(&life.rig.from_peer, junk, sizeof junk);
	rig_peer_gives(&life.rig, SIZE_MAX);
	rig_turn(&life.rig);
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_CONNECT);
	life_connected(&life);
	flush_up();
	assert_wire(life.rig.plain_got, "one");
	assert_true(rig_plain_sees_fin(&life.rig));
	life.rig.kernel = true;
	rig_plain_ends(&life.rig, 0);
	rig_flush(&life.rig);
	assert_true(life.rig.peer_close_notify);
	end(KILN_OK);
}

/* A KeyUpdate in the same flight: the kernel gets the second key, from record 0 on. */
static void test_key_update_glued(void **state)
{
	(void)state;
	start();
	up_to_finished();
	peer_adds("one ");
	assert_int_equal(SSL_key_update(life.peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
	peer_adds("two ");
	rig_peer_gives(&life.rig, SIZE_MAX);
	rig_turn(&life.rig);
	assert_kernel(1);
	assert_int_equal(life.rig.conn->rx.key_updates, 1);
	struct kiln_traffic_keys keys;
	assert_int_equal(
	    kiln_derive_keys(life.rig.conn->rx.suite, life.rig.conn->rx.secret, &keys, NULL),
	    KILN_OK);
	const struct tls12_crypto_info_aes_gcm_256 *info = (const void *)rig_sys.set_value[2];
	assert_memory_equal(info->key, keys.key, sizeof info->key);
	life_connected(&life);
	flush_up();
	assert_wire(life.rig.plain_got, "one two ");
	end(KILN_E_SYSTEM);
}

static void test_bad_record_glued(void **state)
{
	(void)state;
	start();
	up_to_finished();
	peer_adds("one");
	life.rig.from_peer.data[life.rig.from_peer.len - 1] ^= 1;
	rig_peer_gives(&life.rig, SIZE_MAX);
	rig_turn(&life.rig);
	assert_int_equal(rig_sys.sets, 0);
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_LINGER);
	assert_int_equal(life.rig.conn->alert_sent, KILN_ALERT_BAD_RECORD_MAC);
	rig_peer_ends(&life.rig, 0);
	rig_turn(&life.rig);
	assert_int_equal(rig_ended.path, KILN_PATH_UNDECIDED);
	end(KILN_E_TLS_DECRYPT);
}

static void test_cut_off_inside_a_record(void **state)
{
	static const int results[] = {0, -ECONNRESET};
	(void)state;
	for (int i = 0; i < 2; i++) {
		start();
		up_to_finished();
		peer_adds("one");
		rig_peer_gives(&life.rig, life.rig.from_peer.len - 1);
		rig_turn(&life.rig);
		rig_peer_ends(&life.rig, results[i]);
		rig_turn(&life.rig);
		wire_drop(&life.rig.from_peer, life.rig.from_peer.len);
		assert_int_equal(rig_ended.path, KILN_PATH_UNDECIDED);
		end(KILN_E_TLS_TRUNCATED);
	}
}

static void test_silent_inside_a_record(void **state)
{
	(void)state;
	start();
	up_to_finished();
	peer_adds("one");
	rig_peer_gives(&life.rig, life.rig.from_peer.len - 1);
	rig_turn(&life.rig);
	rig_advance(&life.rig, 1000 + KILN_WHEEL_TICK);
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_LINGER);
	rig_peer_ends(&life.rig, 0);
	rig_turn(&life.rig);
	end(KILN_E_TIMEOUT);
}

/* The kernel says no to the ULP, or to the sending keys: user space goes on, with what was opened
 * before it asked. */
static void test_kernel_refuses(void **state)
{
	(void)state;
	for (int call = 0; call < 2; call++) {
		struct rig *rig = &life.rig;
		start();
		rig_sys.set_errno[call] = call == 0 ? ENOENT : EINVAL;
		up_to_finished();
		peer_adds("one ");
		rig_peer_gives(rig, SIZE_MAX);
		rig_turn(rig);
		assert_int_equal(rig->conn->path, KILN_PATH_REFUSED);
		assert_int_equal(rig->counters.path[KILN_PATH_REFUSED], 1);
		life_connected(&life);
		peer_adds("two");
		rig_peer_gives(rig, SIZE_MAX);
		rig_turn(rig);
		flush_up();
		assert_wire(rig->plain_got, "one two");
		rig_plain_says(rig, "answer", 6);
		life_exchange(&life, SIZE_MAX);
		assert_wire(life.heard, "answer");
		end(KILN_E_SYSTEM);
	}
}

/* After one direction went to the kernel there is no way back, and nothing to say it with. */
static void test_kernel_refuses_half_way(void **state)
{
	(void)state;
	start();
	rig_sys.set_errno[2] = ENOMEM;
	life_exchange(&life, SIZE_MAX);
	assert_int_equal(rig_sys.sends, 0);
	uint8_t byte;
	assert_true(recv(life.rig.tls_far, &byte, 1, MSG_DONTWAIT) <= 0);
	assert_int_equal(rig_ended.path, KILN_PATH_UNDECIDED);
	for (int path = 0; path < KILN_PATH_REASONS; path++)
		assert_int_equal(life.rig.counters.path[path], 0);
	end(KILN_E_SYSTEM);
}

static void expect_path(enum kiln_path_reason path)
{
	life_exchange(&life, SIZE_MAX);
	assert_int_equal(life.rig.conn->path, path);
	assert_int_equal(rig_sys.sets, 0);
	assert_int_equal(life.rig.counters.path[path], 1);
	end(KILN_E_SYSTEM);
}

static void test_why_not(void **state)
{
	(void)state;
	start();
	life.rig.worker.settings.ktls = KILN_KTLS_OFF;
	expect_path(KILN_PATH_OFF);
	start();
	strcpy(life.rig.worker.settings.kernel.reason, "no module");
	expect_path(KILN_PATH_NO_KERNEL);
	start();
	life.rig.worker.settings.kernel.suite[1] = false;
	expect_path(KILN_PATH_NO_CIPHER);
	life_open(&life, KILN_SERVER, NULL);
	life.rig.worker.settings.ktls = KILN_KTLS_AUTO;
	life_accept(&life, false);
	expect_path(KILN_PATH_UNIX);
}

static void test_required(void **state)
{
	(void)state;
	for (int refused = 0; refused < 2; refused++) {
		start();
		life.rig.worker.settings.ktls = KILN_KTLS_REQUIRE;
		if (refused)
			rig_sys.set_errno[0] = ENOENT;
		else
			strcpy(life.rig.worker.settings.kernel.reason, "no module");
		life_exchange(&life, SIZE_MAX);
		assert_int_equal(life_peer_alert(), KILN_ALERT_INTERNAL_ERROR);
		rig_peer_ends(&life.rig, 0);
		rig_turn(&life.rig);
		end(KILN_E_UNSUPPORTED);
	}
}

/* No buffer to open the glued records into: it waits, and goes on. */
static void test_no_buffer(void **state)
{
	(void)state;
	struct rig *rig = &life.rig;
	struct kiln_buffer *hoard = NULL, *b;
	start();
	up_to_finished();
	peer_adds("one ");
	peer_adds("two");
	rig_peer_gives(rig, rig->from_peer.len - 1);
	while ((b = kiln_pool_take(&rig->worker.pool)) != NULL) {
		b->next = hoard;
		hoard = b;
	}
	rig_turn(rig);
	rig_turn(rig);
	assert_int_equal(rig->conn->phase, KILN_PHASE_INSTALL);
	for (; hoard != NULL; hoard = b) {
		b = hoard->next;
		kiln_io_buffer_put(rig->worker.io, hoard);
	}
	rig_turn(rig);
	rig_peer_gives(rig, 1);
	rig_turn(rig);
	assert_kernel(2);
	life_connected(&life);
	flush_up();
	assert_wire(rig->plain_got, "one two");
	end(KILN_E_SYSTEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing_glued),
	    cmocka_unit_test(test_data_glued_to_finished),
	    cmocka_unit_test(test_every_cut),
	    cmocka_unit_test(test_rest_byte_by_byte),
	    cmocka_unit_test(test_close_notify_glued),
	    cmocka_unit_test(test_key_update_glued),
	    cmocka_unit_test(test_bad_record_glued),
	    cmocka_unit_test(test_cut_off_inside_a_record),
	    cmocka_unit_test(test_silent_inside_a_record),
	    cmocka_unit_test(test_kernel_refuses),
	    cmocka_unit_test(test_kernel_refuses_half_way),
	    cmocka_unit_test(test_why_not),
	    cmocka_unit_test(test_required),
	    cmocka_unit_test(test_no_buffer),
	};
	return cmocka_run_group_tests_name("life: install", tests, life_make_certificates,
					   life_free_certificates);
}
