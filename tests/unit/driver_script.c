/* SPDX-License-Identifier: Apache-2.0
 * The driver on a kernel that is played (driver_stage.h): every refusal of every kernel comes up on
 * any machine, and the order of the calls is looked at. */
#include "driver_stage.h"

#include <errno.h>
#include <fcntl.h>

static void expect(struct kiln_conn *conn, const char *text)
{
	char data[64];
	assert_int_equal(kiln_conn_read(conn, data, sizeof data, NULL), strlen(text));
	assert_memory_equal(data, text, strlen(text));
}

/* ---- key updates ---------------------------------------------------------------------------- */

static void test_update_is_followed(void **state)
{
	const struct stage_step steps[] = {STAGE_INSTALLED,        stage_data("one"),
					   STAGE_NO_DATA,          stage_update(false),
					   stage_ok(STAGE_SET_RX), stage_data("two")};
	(void)state;
	struct kiln_conn *conn = STAGE_OPEN(steps);
	assert_true(kiln_conn_in_kernel(conn));
	expect(conn, "one");
	expect(conn, "two");
	stage_close(conn);
}

/* Asked for our own: the message under the old key first, then the new key, then data. */
static void test_update_is_answered(void **state)
{
	const struct stage_step steps[] = {
	    STAGE_INSTALLED, STAGE_NO_DATA,          stage_update(true),     stage_ok(STAGE_SET_RX),
	    stage_answer(),  stage_ok(STAGE_SET_TX), stage_data("question"), stage_sends("answer")};
	(void)state;
	struct kiln_conn *conn = STAGE_OPEN(steps);
	expect(conn, "question");
	rig_write(conn, "answer", 6);
	stage_close(conn);
}

/* The socket is full: reading goes on, and the answer comes before the next data. */
static void test_answer_is_late(void **state)
{
	const struct stage_step steps[] = {STAGE_INSTALLED,
					   STAGE_NO_DATA,
					   stage_update(true),
					   stage_ok(STAGE_SET_RX),
					   stage_fails(STAGE_SENDMSG, EAGAIN),
					   stage_data("question"),
					   stage_answer(),
					   stage_ok(STAGE_SET_TX),
					   stage_sends("answer")};
	(void)state;
	struct kiln_conn *conn = STAGE_OPEN(steps);
	assert_int_equal(fcntl(stage_rig.fd, F_SETFL, O_NONBLOCK), 0);
	expect(conn, "question");
	assert_true(kiln_conn_unsent(conn));
	assert_int_equal(kiln_conn_detach(conn), -1);
	rig_write(conn, "answer", 6);
	assert_false(kiln_conn_unsent(conn));
	stage_close(conn);
}

static void test_update_cannot_be_followed(void **state)
{
	const struct stage_step steps[] = {STAGE_INSTALLED, STAGE_NO_DATA, stage_update(false),
					   stage_fails(STAGE_SET_RX, EBUSY),
					   stage_alert(2, KILN_ALERT_INTERNAL_ERROR)};
	(void)state;
	struct kiln_conn *conn = STAGE_OPEN(steps);
	rig_expect_end(conn, KILN_E_TLS_KEY_UPDATE);
	stage_close(conn);
}

/* Whether the kernel can change keys is asked before anything is sent (EBUSY: it cannot). Then
 * writing ends, and all the rest goes on. */
static void test_record_limit_before_6_14(void **state)
{
	const struct stage_step steps[] = {STAGE_INSTALLED,
					   stage_sends("a"),
					   stage_fails(STAGE_SET_TX, EBUSY),
					   stage_data("still"),
					   stage_alert(1, KILN_ALERT_CLOSE_NOTIFY),
					   stage_data("there")};
	struct kiln_error err;
	(void)state;
	struct kiln_conn *conn = stage_open(steps, 8, 1);
	rig_write(conn, "a", 1);
	assert_int_equal(kiln_conn_write(conn, "b", 1, &err), -1);
	assert_int_equal(err.code, KILN_E_TLS_RECORD_LIMIT);
	expect(conn, "still");
	assert_int_equal(kiln_conn_shutdown_write(conn, &err), KILN_OK);
	expect(conn, "there");
	stage_close(conn);
}

/* The message is out, and the kernel keeps the old key all the same: nothing may follow. */
static void test_our_update_fails_late(void **state)
{
	const struct stage_step steps[] = {STAGE_INSTALLED, stage_sends("a"),
					   stage_fails(STAGE_SET_TX, EINVAL), stage_answer(),
					   stage_fails(STAGE_SET_TX, ENOMEM)};
	struct kiln_error err;
	(void)state;
	struct kiln_conn *conn = stage_open(steps, 7, 1);
	rig_write(conn, "a", 1);
	assert_int_equal(kiln_conn_write(conn, "b", 1, &err), -1);
	assert_int_equal(err.code, KILN_E_TLS_KEY_UPDATE);
	assert_int_equal(err.sys_errno, ENOMEM);
	rig_expect_end(conn, KILN_E_TLS_KEY_UPDATE);
	stage_close(conn);
}

/* ---- refusals ------------------------------------------------------------------------------- */

static void expect_receive_error(int failed, enum kiln_code code, uint8_t alert)
{
	const struct stage_step steps[] = {STAGE_INSTALLED, stage_fails(STAGE_RECV, EINTR),
					   stage_fails(STAGE_RECV, failed), stage_alert(2, alert)};
	struct kiln_conn *conn = stage_open(steps, alert != 0 ? 6 : 5, 0);
	rig_expect_end(conn, code);
	stage_close(conn);
}

static void test_receive_errors(void **state)
{
	(void)state;
	expect_receive_error(EBADMSG, KILN_E_TLS_DECRYPT, KILN_ALERT_BAD_RECORD_MAC);
	expect_receive_error(EMSGSIZE, KILN_E_TLS_RECORD, KILN_ALERT_RECORD_OVERFLOW);
	expect_receive_error(EINVAL, KILN_E_TLS_RECORD, KILN_ALERT_UNEXPECTED_MESSAGE);
	expect_receive_error(EPROTO, KILN_E_TLS_RECORD, KILN_ALERT_UNEXPECTED_MESSAGE);
	expect_receive_error(ECONNRESET, KILN_E_TLS_TRUNCATED, 0);
	expect_receive_error(ETIMEDOUT, KILN_E_TLS_TRUNCATED, 0);
	expect_receive_error(ENOMEM, KILN_E_SYSTEM, 0);
}

/* A KeyUpdate cut in two: Linux takes its first byte for the whole, and waits for a key. */
static void test_key_expired(void **state)
{
	struct stage_step steps[6 + KILN_USELESS_MAX] = {
	    STAGE_INSTALLED, STAGE_NO_DATA, stage_control(KILN_RECORD_HANDSHAKE, "\x18", 1)};
	size_t count = 5;
	(void)state;
	while (count < 5 + KILN_USELESS_MAX)
		steps[count++] = stage_fails(STAGE_RECV, EKEYEXPIRED);
	steps[count++] = stage_alert(2, KILN_ALERT_UNEXPECTED_MESSAGE);
	struct kiln_conn *conn = STAGE_OPEN(steps);
	rig_expect_end(conn, KILN_E_TLS_MESSAGE);
	stage_close(conn);
}

/* RFC 8446 4.6.1: only servers send tickets, and this is one. */
static void test_ticket_from_a_client(void **state)
{
	const struct stage_step steps[] = {STAGE_INSTALLED, STAGE_NO_DATA,
					   stage_control(KILN_RECORD_HANDSHAKE, "\4\0\0\0", 4),
					   stage_alert(2, KILN_ALERT_UNEXPECTED_MESSAGE)};
	(void)state;
	struct kiln_conn *conn = STAGE_OPEN(steps);
	rig_expect_end(conn, KILN_E_TLS_MESSAGE);
	stage_close(conn);
}

/* EIO without a record that explains it is an error like any other. */
static void test_eio_is_eio(void **state)
{
	const struct stage_step steps[] = {STAGE_INSTALLED, STAGE_NO_DATA,
					   stage_fails(STAGE_RECVMSG, EIO)};
	(void)state;
	struct kiln_conn *conn = STAGE_OPEN(steps);
	rig_expect_end(conn, KILN_E_SYSTEM);
	stage_close(conn);
}

static void test_key_refused(void **state)
{
	const struct stage_step steps[] = {stage_ok(STAGE_SET_ULP),
					   stage_fails(STAGE_SET_TX, ENOENT),
					   stage_fails(STAGE_SEND, EPIPE)};
	struct kiln_error err;
	(void)state;
	struct kiln_conn *conn = STAGE_OPEN(steps);
	assert_false(kiln_conn_in_kernel(conn));
	assert_non_null(strstr(kiln_conn_path_reason(conn), "TLS_TX TLS_AES_256_GCM_SHA384"));
	/* The record layer is ours now. A record is taken, cannot go out, and the next call tells.
	 */
	assert_int_equal(kiln_conn_write(conn, "x", 1, &err), 1);
	assert_int_equal(kiln_conn_write(conn, "x", 1, &err), -1);
	assert_int_equal(err.code, KILN_E_TLS_TRUNCATED);
	stage_close(conn);
}

/* One direction is in the kernel, the other is not: of no use to anybody. */
static void test_half_installed(void **state)
{
	const struct stage_step steps[] = {stage_ok(STAGE_SET_ULP), stage_ok(STAGE_SET_TX),
					   stage_fails(STAGE_SET_RX, EINVAL)};
	struct kiln_conn *conn;
	struct kiln_error err;
	(void)state;
	assert_int_equal(stage_accept(steps, 3, 0, &conn, &err), -1);
	assert_int_equal(err.code, KILN_E_SYSTEM);
	assert_null(conn);
	stage_close_fd();
}

/* ---- sending -------------------------------------------------------------------------------- */

static void test_short_writes(void **state)
{
	const struct stage_step steps[] = {STAGE_INSTALLED,
					   stage_sends("he"),
					   stage_fails(STAGE_SEND, EINTR),
					   stage_sends("ll"),
					   stage_fails(STAGE_SEND, EAGAIN),
					   stage_fails(STAGE_SEND, EAGAIN),
					   stage_sends("o")};
	struct kiln_error err;
	(void)state;
	struct kiln_conn *conn = STAGE_OPEN(steps);
	assert_int_equal(kiln_conn_write(conn, "hello", 5, &err), 4);
	assert_int_equal(kiln_conn_write(conn, "o", 1, &err), -1);
	assert_int_equal(err.code, KILN_E_AGAIN);
	assert_int_equal(kiln_conn_write(conn, "o", 1, &err), 1);
	stage_close(conn);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_update_is_followed),
	    cmocka_unit_test(test_update_is_answered),
	    cmocka_unit_test(test_answer_is_late),
	    cmocka_unit_test(test_update_cannot_be_followed),
	    cmocka_unit_test(test_record_limit_before_6_14),
	    cmocka_unit_test(test_our_update_fails_late),
	    cmocka_unit_test(test_receive_errors),
	    cmocka_unit_test(test_key_expired),
	    cmocka_unit_test(test_ticket_from_a_client),
	    cmocka_unit_test(test_eio_is_eio),
	    cmocka_unit_test(test_key_refused),
	    cmocka_unit_test(test_half_installed),
	    cmocka_unit_test(test_short_writes),
	};
	return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}
