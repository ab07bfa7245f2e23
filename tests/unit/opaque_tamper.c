/* SPDX-License-Identifier: Apache-2.0
 * Every byte of every message, altered on its way: no login comes of it, on either side. */
#include "opaque_rig.h"

static const uint8_t flips[] = {0x01, 0x10, 0x80, 0xff};

/* Alters each byte of a message in each way and lets try() say that all was refused. */
static void each_byte(struct rig *rig, void *message, size_t length,
		      void (*try)(struct rig *rig, size_t offset))
{
	uint8_t *bytes = message;
	for (size_t i = 0; i < length; i++) {
		for (size_t f = 0; f < sizeof flips; f++) {
			bytes[i] ^= flips[f];
			try(rig, i);
			bytes[i] ^= flips[f];
		}
	}
}

static void refused(const struct rig *rig, enum kiln_code rc, size_t offset)
{
	if (rc != KILN_E_OPAQUE_AUTH && rc != KILN_E_OPAQUE_MESSAGE)
		fail_msg("byte %zu: %s", offset, kiln_code_name(rc));
	assert_int_equal(rig->err.code, rc);
}

static void registered(struct rig *rig)
{
	rig_init(rig);
	rig_ok(rig_register(rig), &rig->err);
}

/* An element that was altered and still is one makes a registration that nobody can use. */
static void try_registration_request(struct rig *rig, size_t offset)
{
	enum kiln_code rc = rig_respond(rig);
	if (rc == KILN_OK)
		rig_ok(rig_finalize(rig), &rig->err);
	else
		assert_true(
		    rig_zero(&rig->registration_response, sizeof rig->registration_response));
	if (rc == KILN_OK)
		rc = rig_login(rig);
	refused(rig, rc, offset);
}

static void test_registration_request(void **state)
{
	(void)state;
	struct rig rig;
	rig_init(&rig);
	rig_ok(rig_request(&rig), &rig.err);
	each_byte(&rig, &rig.registration_request, sizeof rig.registration_request,
		  try_registration_request);
}

static void try_registration_response(struct rig *rig, size_t offset)
{
	enum kiln_code rc = rig_finalize(rig);
	if (rc == KILN_OK)
		rc = rig_login(rig);
	else
		assert_true(rig_zero(&rig->record, sizeof rig->record));
	refused(rig, rc, offset);
}

static void test_registration_response(void **state)
{
	(void)state;
	struct rig rig;
	registered(&rig);
	each_byte(&rig, &rig.registration_response, sizeof rig.registration_response,
		  try_registration_response);
}

static void try_record(struct rig *rig, size_t offset)
{
	const enum kiln_code rc = kiln_opaque_check_record(&rig->record, &rig->err);
	refused(rig, rc == KILN_OK ? rig_login(rig) : rc, offset);
	/* Stored without having been checked it is no better. */
	if (rc != KILN_OK) {
		rig_ok(rig_ke1(rig), &rig->err);
		assert_int_equal(rig_ke2(rig), KILN_E_OPAQUE_RECORD);
		assert_true(rig_zero(&rig->ke2, sizeof rig->ke2));
		assert_true(rig_zero(&rig->server_state, sizeof rig->server_state));
	}
}

static void test_record(void **state)
{
	(void)state;
	struct rig rig;
	registered(&rig);
	each_byte(&rig, &rig.record, sizeof rig.record, try_record);
}

static void try_ke1(struct rig *rig, size_t offset)
{
	enum kiln_code rc = rig_ke2(rig);
	if (rc == KILN_OK)
		rc = rig_ke3(rig);
	else
		assert_true(rig_zero(&rig->ke2, sizeof rig->ke2));
	refused(rig, rc, offset);
}

static void test_ke1(void **state)
{
	(void)state;
	struct rig rig;
	registered(&rig);
	rig_ok(rig_ke1(&rig), &rig.err);
	each_byte(&rig, &rig.ke1, sizeof rig.ke1, try_ke1);
}

static void try_ke2(struct rig *rig, size_t offset)
{
	refused(rig, rig_ke3(rig), offset);
	assert_true(rig_zero(&rig->ke3, sizeof rig->ke3));
	assert_true(rig_zero(&rig->login, sizeof rig->login));
}

static void test_ke2(void **state)
{
	(void)state;
	struct rig rig;
	registered(&rig);
	rig_ok(rig_ke1(&rig), &rig.err);
	rig_ok(rig_ke2(&rig), &rig.err);
	each_byte(&rig, &rig.ke2, sizeof rig.ke2, try_ke2);
	rig_ok(rig_ke3(&rig), &rig.err); /* unaltered it is good */
	rig_ok(rig_finish(&rig), &rig.err);
}

static void try_ke3(struct rig *rig, size_t offset)
{
	(void)offset;
	assert_int_equal(rig_finish(rig), KILN_E_OPAQUE_AUTH);
	assert_true(rig_zero(rig->session_key, sizeof rig->session_key));
}

static void test_ke3(void **state)
{
	(void)state;
	struct rig rig;
	registered(&rig);
	rig_ok(rig_login(&rig), &rig.err);
	each_byte(&rig, &rig.ke3, sizeof rig.ke3, try_ke3);
	rig_ok(rig_finish(&rig), &rig.err);
	assert_memory_equal(rig.session_key, rig.login.session_key, sizeof rig.session_key);
}

/* Messages of another login of the same user are as bad as altered ones. */
static void test_spliced(void **state)
{
	(void)state;
	struct rig rig, other;
	registered(&rig);
	other = rig;
	rig_ok(rig_login(&other), &other.err);
	rig_ok(rig_ke1(&rig), &rig.err);
	rig_ok(rig_ke2(&rig), &rig.err);
	const struct kiln_opaque_ke2 own = rig.ke2;
	rig.ke2 = other.ke2;
	assert_int_equal(rig_ke3(&rig), KILN_E_OPAQUE_AUTH);
	memcpy(rig.ke2.server_mac, own.server_mac, sizeof own.server_mac);
	assert_int_equal(rig_ke3(&rig), KILN_E_OPAQUE_AUTH);
	rig.ke2 = own;
	rig_ok(rig_ke3(&rig), &rig.err);
	rig.ke3 = other.ke3;
	assert_int_equal(rig_finish(&rig), KILN_E_OPAQUE_AUTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_registration_request),
	    cmocka_unit_test(test_registration_response),
	    cmocka_unit_test(test_record),
	    cmocka_unit_test(test_ke1),
	    cmocka_unit_test(test_ke2),
	    cmocka_unit_test(test_ke3),
	    cmocka_unit_test(test_spliced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
