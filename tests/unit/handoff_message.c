/* SPDX-License-Identifier: Apache-2.0
 * Hand-off messages: what goes in comes out, and nothing else comes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "handoff/field.h"
#include "handoff_sample.h"

static uint8_t bytes[KILN_HANDOFF_MESSAGE_MAX + 64];

static size_t encode(const struct kiln_handoff_message *m)
{
	const size_t len = kiln_handoff_encode(m, bytes, sizeof bytes);
	assert_in_range(len, KILN_HANDOFF_HEADER, KILN_HANDOFF_MESSAGE_MAX);
	return len;
}

/* In memory of just that size, so that a sanitizer sees every byte too many. */
static enum kiln_code decode(size_t len, struct kiln_handoff_message *m)
{
	struct kiln_error err = {0};
	uint8_t *copy = malloc(len > 0 ? len : 1);
	assert_non_null(copy);
	memcpy(copy, bytes, len);
	const enum kiln_code rc = kiln_handoff_decode(copy, len, m, &err);
	assert_int_equal(rc, err.code);
	m->early = NULL;
	free(copy);
	return rc;
}

static void test_round_trip(void **state)
{
	struct kiln_handoff_message in, out;
	(void)state;
	for (int in_kernel = 0; in_kernel <= 1; in_kernel++) {
		handoff_sample(&in, in_kernel);
		struct kiln_error err = {0};
		const size_t len = encode(&in);
		assert_int_equal(kiln_handoff_decode(bytes, len, &out, &err), KILN_OK);
		assert_int_equal(out.early_len, in.early_len);
		if (in.early_len > 0)
			assert_memory_equal(out.early, in.early, in.early_len);
		out.early = in.early;
		assert_memory_equal(&out, &in, sizeof in);
	}
}

static void test_answers(void **state)
{
	struct kiln_handoff_message in, out;
	(void)state;
	for (int kind = KILN_HANDOFF_TAKEN; kind <= KILN_HANDOFF_REFUSED; kind++) {
		memset(&in, 0, sizeof in);
		in.kind = (enum kiln_handoff_kind)kind;
		in.number = 77;
		if (kind == KILN_HANDOFF_REFUSED)
			memset(in.text, 't', sizeof in.text - 1);
		const size_t len = encode(&in);
		assert_true(len <= KILN_HANDOFF_SHORT_MAX);
		assert_int_equal(decode(len, &out), KILN_OK);
		assert_memory_equal(&out, &in, sizeof in);
	}
}

/* However many bytes are missing, and however little room there is. */
static void test_cut(void **state)
{
	struct kiln_handoff_message in, out;
	(void)state;
	for (int in_kernel = 0; in_kernel <= 1; in_kernel++) {
		handoff_sample(&in, in_kernel);
		in.info.proof = KILN_PROOF_NONE; /* the last fields are needed ones then */
		in.early_len = 0;
		in.rx_closed = in.update_wanted = false;
		const size_t len = encode(&in);
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(decode(cut, &out), KILN_E_HANDOFF);
		for (size_t room = 0; room < len; room++)
			assert_int_equal(kiln_handoff_encode(&in, bytes, room), 0);
	}
}

static void test_every_byte_flipped(void **state)
{
	struct kiln_handoff_message in, out;
	(void)state;
	handoff_sample(&in, true);
	const size_t len = encode(&in);
	for (size_t i = 0; i < len; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1u << bit);
			if (decode(len, &out) == KILN_OK) {
				assert_in_range(out.kind, KILN_HANDOFF_CONNECTION,
						KILN_HANDOFF_REFUSED);
				assert_true(out.early_len <= KILN_HANDOFF_EARLY_MAX);
			}
			bytes[i] ^= (uint8_t)(1u << bit);
		}
	assert_int_equal(decode(len, &out), KILN_OK);
}

static size_t append(size_t len, unsigned type, const void *data, size_t n)
{
	struct kiln_field_writer w = {.at = bytes + len, .end = bytes + sizeof bytes};
	kiln_field_put(&w, (enum kiln_handoff_field)type, data, n);
	assert_false(w.full);
	return (size_t)(w.at - bytes);
}

/* A later version may say more, and may insist on it. */
static void test_unknown_fields(void **state)
{
	struct kiln_handoff_message in, out;
	(void)state;
	handoff_sample(&in, true);
	const size_t len = encode(&in);
	assert_int_equal(decode(append(len, 1000, "new", 3), &out), KILN_OK);
	assert_int_equal(decode(append(len, 1000, "new", 0), &out), KILN_OK);
	assert_int_equal(decode(append(len, 0x8000u | 1000, "new", 3), &out), KILN_E_HANDOFF);
	bytes[5] = 2; /* another version is another format */
	assert_int_equal(decode(len, &out), KILN_E_HANDOFF);
	assert_int_equal(out.number, in.number); /* so that the answer can name it */
}

static void test_fields_twice(void **state)
{
	struct kiln_handoff_message in, out;
	(void)state;
	handoff_sample(&in, true);
	const size_t len = encode(&in);
	assert_int_equal(decode(append(len, KILN_FIELD_ALPN, "h2", 2), &out), KILN_E_HANDOFF);
	assert_int_equal(decode(append(len, KILN_FIELD_BOUND, NULL, 0), &out), KILN_E_HANDOFF);
}

/* Each breaks one rule of one field. */
static void test_bad_fields(void **state)
{
	static const struct {
		unsigned type;
		const char *data;
		size_t len;
	} bad[] = {
	    {KILN_FIELD_TEXT, "a\0b", 3},
	    {KILN_FIELD_TEXT, "", 0},
	    {KILN_FIELD_ROLE, "arn:aws:iam::1:role/x", 21},
	    {KILN_FIELD_SUITE, "\x13\x05", 2},
	    {KILN_FIELD_SUITE, "\x13", 1},
	    {KILN_FIELD_PROOF, "\3", 1},
	    {KILN_FIELD_PATH, "\0", 1},
	    {KILN_FIELD_PATH, "\3", 1},
	    {KILN_FIELD_CONNECTION, "1234567", 7},
	    {KILN_FIELD_PEER, "", 0},
	    {KILN_FIELD_PEER, "\4\1\2\3\4\5", 6},
	    {KILN_FIELD_PEER, "\6\1\2\3\4\5\6", 7},
	    {KILN_FIELD_PEER, "\7abc", 4},
	    {KILN_FIELD_SPKI, "short", 5},
	    {KILN_FIELD_EXPORTER, "short", 5},
	    {KILN_FIELD_RX, "short", 5},
	    {KILN_FIELD_RX_CLOSED, "x", 1},
	    {KILN_FIELD_EARLY, "", 0},
	};
	struct kiln_handoff_message m = {.kind = KILN_HANDOFF_REFUSED}, out;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const size_t len = encode(&m);
		if (decode(append(len, bad[i].type, bad[i].data, bad[i].len), &out) == KILN_OK)
			fail_msg("field %u of case %zu is let through", bad[i].type, i);
	}
}

static void refused(const struct kiln_handoff_message *m)
{
	struct kiln_handoff_message out;
	assert_int_equal(decode(encode(m), &out), KILN_E_HANDOFF);
}

/* Fields that are sound by themselves and not together. */
static void test_contradictions(void **state)
{
	struct kiln_handoff_message m;
	(void)state;
	handoff_sample(&m, true);
	m.rx.secret_len = 31;
	refused(&m);
	m.rx.secret_len = 48; /* SHA-384's, of another suite */
	refused(&m);
	m.rx.secret_len = 0; /* none is fine */
	struct kiln_handoff_message out;
	assert_int_equal(decode(encode(&m), &out), KILN_OK);
	m.rx.message_have = 5;
	refused(&m);
	handoff_sample(&m, false);
	const size_t len = encode(&m);
	assert_int_equal(decode(append(len, KILN_FIELD_EARLY, "x", 1), &out), KILN_E_HANDOFF);
	m.info.proof = KILN_PROOF_PKI;
	const size_t pki = encode(&m);
	static const char arn[] = "arn:aws:iam::123456789012:role/Orders";
	assert_int_equal(decode(append(pki, KILN_FIELD_ROLE, arn, sizeof arn - 1), &out),
			 KILN_E_HANDOFF);
}

static void test_limits(void **state)
{
	static uint8_t early[KILN_HANDOFF_EARLY_MAX + 1];
	struct kiln_handoff_message m, out;
	(void)state;
	handoff_sample(&m, true);
	memset(m.peer.subject, 's', sizeof m.peer.subject - 1);
	memset(m.peer.common_name, 'c', sizeof m.peer.common_name - 1);
	memset(m.server_name, 'h', sizeof m.server_name - 1);
	memset(m.alpn, 'a', sizeof m.alpn - 1);
	memset(m.group, 'g', sizeof m.group - 1);
	memset(m.path_reason, 'r', sizeof m.path_reason - 1);
	memset(m.info.exporter_label, 'l', sizeof m.info.exporter_label - 1);
	m.early = early;
	m.early_len = KILN_HANDOFF_EARLY_MAX;
	assert_int_equal(decode(encode(&m), &out), KILN_OK); /* the largest of all */
	m.early_len++;
	assert_int_equal(kiln_handoff_encode(&m, bytes, sizeof bytes), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_every_byte_flipped),
	    cmocka_unit_test(test_unknown_fields),
	    cmocka_unit_test(test_fields_twice),
	    cmocka_unit_test(test_bad_fields),
	    cmocka_unit_test(test_contradictions),
	    cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests_name("handoff: message", tests, NULL, NULL);
}
