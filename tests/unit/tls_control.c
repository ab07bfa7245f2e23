/* SPDX-License-Identifier: Apache-2.0
 * Records that are not data: every rule of RFC 8446 4.6, 5.1 and 6 about them, in every cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <kiln/tls.h>

#define ALERT     KILN_RECORD_ALERT
#define HANDSHAKE KILN_RECORD_HANDSHAKE

static struct kiln_traffic traffic;
static struct kiln_control control;
static struct kiln_error err;

/* The content in memory of just its size. */
static enum kiln_code take(uint8_t type, const void *data, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	assert_non_null(copy);
	memcpy(copy, data, len);
	memset(&err, 0, sizeof err);
	traffic.useless = 0; /* this limit has a test of its own */
	const enum kiln_code rc = kiln_traffic_control(&traffic, type, copy, len, &control, &err);
	free(copy);
	return rc;
}

#define TAKE(type, ...)                                                                            \
	take((type), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void start(void)
{
	memset(&traffic, 0, sizeof traffic);
	traffic.takes_tickets = true;
}

static void assert_refused(enum kiln_code rc, enum kiln_code code, uint8_t alert)
{
	assert_int_equal(rc, code);
	assert_int_equal(err.code, code);
	assert_int_equal(err.alert, alert);
	assert_false(err.alert_received);
}

static void assert_nothing(void)
{
	static const struct kiln_control none;
	assert_memory_equal(&control, &none, sizeof none);
}

static void test_close_notify(void **state)
{
	(void)state;
	for (int level = 0; level < 4; level++) { /* the level means nothing */
		start();
		assert_int_equal(TAKE(ALERT, (uint8_t)level, 0), KILN_OK);
		assert_true(control.close_notify);
	}
	assert_int_equal(TAKE(ALERT, 1, 90), KILN_OK); /* user_canceled */
	assert_nothing();
}

static void test_fatal_alerts(void **state)
{
	(void)state;
	for (unsigned description = 1; description < 256; description++) {
		if (description == 90)
			continue;
		start();
		assert_int_equal(TAKE(ALERT, 1, (uint8_t)description), KILN_E_TLS_ALERT);
		assert_int_equal(err.alert, description);
		assert_true(err.alert_received);
		assert_nothing();
	}
	assert_int_equal(TAKE(ALERT, 2, 48), KILN_E_TLS_ALERT);
	assert_non_null(strstr(err.message, "unknown_ca"));
}

static void test_alert_lengths(void **state)
{
	(void)state;
	start();
	assert_refused(take(ALERT, "", 0), KILN_E_TLS_RECORD, KILN_ALERT_DECODE_ERROR);
	assert_refused(TAKE(ALERT, 1), KILN_E_TLS_RECORD, KILN_ALERT_DECODE_ERROR);
	assert_refused(TAKE(ALERT, 1, 0, 1), KILN_E_TLS_RECORD, KILN_ALERT_DECODE_ERROR);
	assert_refused(TAKE(ALERT, 1, 0, 1, 0), KILN_E_TLS_RECORD, KILN_ALERT_DECODE_ERROR);
}

static void test_other_types(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 256; type++)
		if (type != ALERT && type != HANDSHAKE) {
			start();
			assert_refused(TAKE((uint8_t)type, 1), KILN_E_TLS_RECORD,
				       KILN_ALERT_UNEXPECTED_MESSAGE);
		}
}

static void test_key_update(void **state)
{
	(void)state;
	for (uint8_t request = 0; request < 2; request++) {
		uint8_t message[KILN_KEY_UPDATE_LEN];
		kiln_key_update_message(message, request == 1);
		start();
		assert_int_equal(take(HANDSHAKE, message, sizeof message), KILN_OK);
		assert_true(control.key_update);
		assert_int_equal(control.update_requested, request == 1);
		assert_int_equal(control.tickets, 0);
		assert_int_equal(traffic.message_have, 0);
	}
}

static void test_key_update_in_parts(void **state)
{
	static const uint8_t message[] = {24, 0, 0, 1, 1};
	(void)state;
	for (unsigned cuts = 0; cuts < 16; cuts++) { /* a bit per place to cut at */
		start();
		size_t from = 0;
		for (size_t i = 1; i <= 5; i++) {
			if (i < 5 && (cuts & (1u << (i - 1))) == 0)
				continue;
			assert_int_equal(take(HANDSHAKE, message + from, i - from), KILN_OK);
			assert_int_equal(control.key_update, i == 5);
			from = i;
		}
		assert_true(control.update_requested);
	}
}

static void test_bad_key_updates(void **state)
{
	(void)state;
	for (unsigned request = 2; request < 256; request++) {
		start();
		assert_refused(TAKE(HANDSHAKE, 24, 0, 0, 1, (uint8_t)request), KILN_E_TLS_MESSAGE,
			       KILN_ALERT_ILLEGAL_PARAMETER);
		assert_false(control.key_update);
	}
	static const uint8_t lengths[][3] = {{0, 0, 0}, {0, 0, 2}, {0, 1, 1}, {1, 0, 1}};
	for (int i = 0; i < 4; i++) {
		start();
		assert_refused(TAKE(HANDSHAKE, 24, lengths[i][0], lengths[i][1], lengths[i][2], 0),
			       KILN_E_TLS_MESSAGE, KILN_ALERT_DECODE_ERROR);
	}
}

/* RFC 8446 5.1: a key change is at the end of its record. */
static void test_bytes_behind_key_update(void **state)
{
	(void)state;
	start();
	assert_refused(TAKE(HANDSHAKE, 24, 0, 0, 1, 0, 24), KILN_E_TLS_MESSAGE,
		       KILN_ALERT_UNEXPECTED_MESSAGE);
	start();
	assert_refused(TAKE(HANDSHAKE, 24, 0, 0, 1, 0, 4, 0, 0, 0), KILN_E_TLS_MESSAGE,
		       KILN_ALERT_UNEXPECTED_MESSAGE);
	start();
	assert_int_equal(TAKE(HANDSHAKE, 4, 0, 0, 0, 24, 0, 0, 1, 1),
			 KILN_OK); /* in front is fine */
	assert_true(control.key_update);
	assert_int_equal(control.tickets, 1);
}

static size_t make_ticket(uint8_t *out, size_t body)
{
	out[0] = 4;
	out[1] = (uint8_t)(body >> 16);
	out[2] = (uint8_t)(body >> 8);
	out[3] = (uint8_t)body;
	memset(out + 4, 24, body); /* looks like KeyUpdates: nobody should look */
	return 4 + body;
}

static void test_tickets_byte_by_byte(void **state)
{
	uint8_t tickets[1000];
	size_t len = make_ticket(tickets, 200);
	len += make_ticket(tickets + len, 0);
	len += make_ticket(tickets + len, 300);
	(void)state;
	for (size_t piece = 1; piece < len; piece++) {
		unsigned seen = 0;
		start();
		for (size_t at = 0; at < len; at += piece) {
			const size_t n = len - at < piece ? len - at : piece;
			assert_int_equal(take(HANDSHAKE, tickets + at, n), KILN_OK);
			assert_false(control.key_update);
			seen += control.tickets;
		}
		assert_int_equal(seen, 3);
		assert_int_equal(traffic.message_have, 0);
	}
}

static void test_long_ticket(void **state)
{
	static uint8_t ticket[140000];
	(void)state;
	const size_t most = 4 + 4 + 256 + 2 + 65535 + 2 + 65534;
	size_t len = make_ticket(ticket, most);
	start();
	for (size_t at = 0; at < len; at += 16384)
		assert_int_equal(take(HANDSHAKE, ticket + at, len - at < 16384 ? len - at : 16384),
				 KILN_OK);
	assert_int_equal(control.tickets, 1);
	start();
	(void)make_ticket(ticket, most + 1);
	assert_refused(take(HANDSHAKE, ticket, 4), KILN_E_TLS_MESSAGE, KILN_ALERT_DECODE_ERROR);
}

/* RFC 8446 4.6.1: only servers send them. Judged by the header, before the rest comes. */
static void test_ticket_from_a_client(void **state)
{
	uint8_t ticket[100];
	(void)state;
	for (size_t body = 0; body < 90; body++) {
		const size_t len = make_ticket(ticket, body);
		start();
		traffic.takes_tickets = false;
		assert_refused(take(HANDSHAKE, ticket, len), KILN_E_TLS_MESSAGE,
			       KILN_ALERT_UNEXPECTED_MESSAGE);
		start();
		traffic.takes_tickets = false;
		assert_int_equal(take(HANDSHAKE, ticket, 3), KILN_OK);
		assert_refused(take(HANDSHAKE, ticket + 3, 1), KILN_E_TLS_MESSAGE,
			       KILN_ALERT_UNEXPECTED_MESSAGE);
	}
}

static void test_other_messages(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 256; type++)
		if (type != 4 && type != 24) {
			start();
			assert_refused(TAKE(HANDSHAKE, (uint8_t)type, 0, 0, 0), KILN_E_TLS_MESSAGE,
				       KILN_ALERT_UNEXPECTED_MESSAGE);
		}
	start();
	assert_refused(take(HANDSHAKE, "", 0), KILN_E_TLS_RECORD, KILN_ALERT_UNEXPECTED_MESSAGE);
}

/* RFC 8446 5.1: nothing comes between the pieces of a message. */
static void test_interleaved(void **state)
{
	(void)state;
	for (size_t have = 1; have < 5; have++)
		for (unsigned type = 20; type <= 24; type++) {
			if (type == HANDSHAKE)
				continue;
			start();
			assert_int_equal(take(HANDSHAKE, "\x18\0\0\1\0", have), KILN_OK);
			assert_refused(TAKE((uint8_t)type, 1, 0), KILN_E_TLS_MESSAGE,
				       KILN_ALERT_UNEXPECTED_MESSAGE);
		}
}

/* Records without data: 32 in a row, and with data in between for ever. */
static void test_useless_records(void **state)
{
	static const uint8_t canceled[] = {1, 90};
	(void)state;
	start();
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(kiln_traffic_control(&traffic, ALERT, canceled, 2, &control, &err),
				 KILN_OK);
		assert_int_equal(kiln_traffic_data(&traffic, 0, &err), KILN_OK);
		assert_int_equal(traffic.useless, 2);
		assert_int_equal(kiln_traffic_data(&traffic, 1, &err), KILN_OK);
	}
	for (unsigned i = 0; i < KILN_USELESS_MAX; i += 2) {
		assert_int_equal(kiln_traffic_control(&traffic, ALERT, canceled, 2, &control, &err),
				 KILN_OK);
		assert_int_equal(kiln_traffic_data(&traffic, 0, &err), KILN_OK);
	}
	struct kiln_traffic full = traffic;
	assert_refused(kiln_traffic_data(&traffic, 0, &err), KILN_E_TLS_MESSAGE,
		       KILN_ALERT_UNEXPECTED_MESSAGE);
	assert_refused(kiln_traffic_control(&full, ALERT, canceled, 2, &control, &err),
		       KILN_E_TLS_MESSAGE, KILN_ALERT_UNEXPECTED_MESSAGE);
}

static void test_data_inside_a_message(void **state)
{
	(void)state;
	for (size_t have = 1; have < 5; have++)
		for (size_t len = 0; len < 2; len++) {
			start();
			assert_int_equal(take(HANDSHAKE, "\x18\0\0\1\0", have), KILN_OK);
			assert_refused(kiln_traffic_data(&traffic, len, &err), KILN_E_TLS_MESSAGE,
				       KILN_ALERT_UNEXPECTED_MESSAGE);
		}
}

/* NULL for the error is allowed everywhere. */
static void test_without_error(void **state)
{
	(void)state;
	start();
	assert_int_equal(
	    kiln_traffic_control(&traffic, 99, (const uint8_t *)"x", 1, &control, NULL),
	    KILN_E_TLS_RECORD);
	assert_int_equal(
	    kiln_traffic_control(&traffic, ALERT, (const uint8_t *)"\2\50", 2, &control, NULL),
	    KILN_E_TLS_ALERT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_close_notify),
	    cmocka_unit_test(test_fatal_alerts),
	    cmocka_unit_test(test_alert_lengths),
	    cmocka_unit_test(test_other_types),
	    cmocka_unit_test(test_key_update),
	    cmocka_unit_test(test_key_update_in_parts),
	    cmocka_unit_test(test_bad_key_updates),
	    cmocka_unit_test(test_bytes_behind_key_update),
	    cmocka_unit_test(test_tickets_byte_by_byte),
	    cmocka_unit_test(test_long_ticket),
	    cmocka_unit_test(test_ticket_from_a_client),
	    cmocka_unit_test(test_other_messages),
	    cmocka_unit_test(test_interleaved),
	    cmocka_unit_test(test_useless_records),
	    cmocka_unit_test(test_data_inside_a_message),
	    cmocka_unit_test(test_without_error),
	};
	return cmocka_run_group_tests_name("tls: control records", tests, NULL, NULL);
}
