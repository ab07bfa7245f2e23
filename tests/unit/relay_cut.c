/* SPDX-License-Identifier: Apache-2.0
 * A KeyUpdate that the kernel cannot follow: what came before it, the alert, and what comes after.
 */
#include "relay_rig.h"

#include <errno.h>

static struct rig rig;

static void start(void)
{
	rig_open(&rig, KILN_SERVER);
	rig_relay(&rig, true, NULL);
	rig.worker.settings.kernel.rekey = false;
}

static void peer_updates(void)
{
	rig_peer_says(&rig, KILN_RECORD_HANDSHAKE, (const uint8_t[]){24, 0, 0, 1, 0}, 5);
}

/* The access line, and the target's reset. */
static void ends_with(enum kiln_code code, uint8_t alert)
{
	assert_int_equal(rig.conn->phase, KILN_PHASE_LINGER);
	assert_int_equal(rig_sys.sends, 1);
	rig_peer_ends(&rig, 0);
	rig_turn(&rig);
	assert_true(rig_gone(&rig));
	assert_int_equal(rig_ended.code, code);
	assert_int_equal(rig_ended.alert_sent, alert);
	assert_true(rig.io.reset[1]);
	rig_close(&rig);
}

/* What came before is good: the peer gets its alert at once, the target all of that and then its
 * reset. What comes under the next key is not even an error, and nothing follows the alert. */
static void test_data_before_the_update(void **state)
{
	(void)state;
	for (int refused = 0; refused <= 1; refused++) {
		start();
		rig.worker.settings.kernel.rekey = refused;
		rig_sys.set_errno[0] = EBUSY;
		rig_peer_says(&rig, KILN_RECORD_DATA, "one", 3);
		rig_turn(&rig);
		rig_peer_says(&rig, KILN_RECORD_DATA, "two", 3);
		peer_updates();
		rig_plain_says(&rig, "an answer", 9);
		rig_turn(&rig);
		assert_int_equal(rig_direct_alert(&rig), KILN_ALERT_INTERNAL_ERROR);
		assert_true(rig_peer_sees_fin(&rig));
		assert_false(rig.conn->tls_out.armed);
		rig_advance(&rig, 900);
		rig_plain_takes(&rig, 2);
		rig_advance(&rig, 900);
		rig_plain_takes(&rig, SIZE_MAX);
		rig_turn(&rig);
		assert_int_equal(rig.conn->phase, KILN_PHASE_RELAY);
		rig_plain_takes(&rig, SIZE_MAX);
		rig_turn(&rig);
		assert_wire(rig.plain_got, "onetwo");
		assert_int_equal(rig.peer_got.len, 0);
		assert_int_equal(rig.counters.key_update_impossible, 1);
		assert_int_equal(rig.counters.truncated, 0);
		ends_with(KILN_E_TLS_KEY_UPDATE, KILN_ALERT_INTERNAL_ERROR);
	}
}

/* The error of a record under the next key that was received along with the update. */
static void test_error_behind_the_update(void **state)
{
	(void)state;
	start();
	rig.io.late_cancel = true;
	rig_peer_says(&rig, KILN_RECORD_DATA, "one", 3);
	peer_updates();
	rig_peer_ends(&rig, -EBADMSG);
	rig_turn(&rig);
	rig_plain_takes(&rig, SIZE_MAX);
	script_cancelled(&rig.io, &rig.conn->plain_in);
	rig_turn(&rig);
	assert_wire(rig.plain_got, "one");
	ends_with(KILN_E_TLS_KEY_UPDATE, KILN_ALERT_INTERNAL_ERROR);
}

/* The alert waits for the record that is on its way, and so does not come into its middle. */
static void test_update_during_a_send(void **state)
{
	(void)state;
	start();
	rig_peer_says(&rig, KILN_RECORD_DATA, "one", 3);
	rig_plain_says(&rig, "an answer", 9);
	rig_turn(&rig);
	rig_plain_says(&rig, "never sent", 10);
	peer_updates();
	rig_turn(&rig);
	assert_int_equal(rig_sys.sends, 0);
	rig_peer_takes(&rig, 2);
	rig_turn(&rig);
	assert_int_equal(rig_sys.sends, 0);
	rig_peer_takes(&rig, SIZE_MAX);
	rig_turn(&rig);
	assert_int_equal(rig_direct_alert(&rig), KILN_ALERT_INTERNAL_ERROR);
	rig_plain_takes(&rig, SIZE_MAX);
	rig_turn(&rig);
	assert_wire(rig.plain_got, "one");
	assert_wire(rig.peer_got, "an answer");
	ends_with(KILN_E_TLS_KEY_UPDATE, KILN_ALERT_INTERNAL_ERROR);
}

/* A target that does not take what came before has the send timeout for it. */
static void test_update_behind_a_stuck_target(void **state)
{
	(void)state;
	start();
	rig_peer_says(&rig, KILN_RECORD_DATA, "one", 3);
	peer_updates();
	rig_turn(&rig);
	assert_int_equal(rig.conn->phase, KILN_PHASE_RELAY);
	for (int i = 0; i < 12; i++)
		rig_advance(&rig, 100);
	ends_with(KILN_E_TLS_KEY_UPDATE, KILN_ALERT_INTERNAL_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_data_before_the_update),
	    cmocka_unit_test(test_error_behind_the_update),
	    cmocka_unit_test(test_update_during_a_send),
	    cmocka_unit_test(test_update_behind_a_stuck_target),
	};
	return cmocka_run_group_tests_name("relay: cut", tests, NULL, NULL);
}
