/* SPDX-License-Identifier: Apache-2.0
 * The server's state, sealed: it opens for its owner, in time, and for what it is bound to. */
#include "opaque_rig.h"

static const uint8_t key[KILN_OPAQUE_SEAL_KEY_SIZE] = {7};

#define NOW    UINT64_C(1790000000000)
#define MINUTE UINT64_C(60000)

struct sealed {
	struct kiln_opaque_server_state state, opened;
	struct kiln_opaque_sealed_state sealed;
	struct kiln_error err;
};

static void seal(struct sealed *s, struct kiln_opaque_bytes bound)
{
	memset(s, 0, sizeof *s);
	for (size_t i = 0; i < sizeof s->state; i++)
		((uint8_t *)&s->state)[i] = (uint8_t)i;
	rig_ok(kiln_opaque_state_seal(key, bound, NOW, &s->state, NULL, &s->sealed, &s->err),
	       &s->err);
}

static enum kiln_code open_at(struct sealed *s, struct kiln_opaque_bytes bound, uint64_t now)
{
	memset(&s->opened, 0xaa, sizeof s->opened);
	const enum kiln_code rc =
	    kiln_opaque_state_open(key, bound, now, MINUTE, &s->sealed, &s->opened, &s->err);
	if (rc == KILN_OK)
		assert_memory_equal(&s->opened, &s->state, sizeof s->state);
	else
		assert_true(rig_zero(&s->opened, sizeof s->opened));
	return rc;
}

static void test_round_trip(void **state)
{
	(void)state;
	static char most[KILN_OPAQUE_BOUND_MAX];
	const struct kiln_opaque_bytes bounds[] = {{NULL, 0}, {"x", 1}, {most, sizeof most}};
	struct sealed s, again;
	for (size_t i = 0; i < 3; i++) {
		seal(&s, bounds[i]);
		assert_int_equal(open_at(&s, bounds[i], NOW), KILN_OK);
		seal(&again, bounds[i]);
		assert_memory_not_equal(&again.sealed.nonce, &s.sealed.nonce,
					sizeof s.sealed.nonce);
		assert_memory_not_equal(&again.sealed.sealed, &s.sealed.sealed, 64);
	}
}

static void test_time(void **state)
{
	(void)state;
	struct sealed s;
	const struct kiln_opaque_bytes bound = BYTES("session 1");
	seal(&s, bound);
	assert_int_equal(open_at(&s, bound, NOW + MINUTE), KILN_OK);
	assert_int_equal(open_at(&s, bound, NOW - MINUTE), KILN_OK);
	assert_int_equal(open_at(&s, bound, NOW + MINUTE + 1), KILN_E_TIMEOUT);
	assert_int_equal(s.err.code, KILN_E_TIMEOUT);
	assert_int_equal(open_at(&s, bound, NOW - MINUTE - 1), KILN_E_TIMEOUT);
	assert_non_null(strstr(s.err.message, "too old, or from the future"));
	assert_int_equal(open_at(&s, bound, 0), KILN_E_TIMEOUT);
	assert_int_equal(open_at(&s, bound, UINT64_MAX), KILN_E_TIMEOUT);
}

static void test_bound(void **state)
{
	(void)state;
	struct sealed s;
	seal(&s, BYTES("session 1"));
	assert_int_equal(open_at(&s, BYTES("session 2"), NOW), KILN_E_OPAQUE_STATE);
	assert_int_equal(open_at(&s, BYTES("session 1 "), NOW), KILN_E_OPAQUE_STATE);
	assert_int_equal(open_at(&s, BYTES("session "), NOW), KILN_E_OPAQUE_STATE);
	assert_int_equal(open_at(&s, BYTES(""), NOW), KILN_E_OPAQUE_STATE);
	uint8_t other[sizeof key] = {8};
	assert_int_equal(kiln_opaque_state_open(other, BYTES("session 1"), NOW, MINUTE, &s.sealed,
						&s.opened, &s.err),
			 KILN_E_OPAQUE_STATE);
}

static void test_every_byte(void **state)
{
	(void)state;
	struct sealed s;
	const struct kiln_opaque_bytes bound = BYTES("session 1");
	uint8_t *bytes = (uint8_t *)&s.sealed;
	seal(&s, bound);
	assert_int_equal(sizeof s.sealed, KILN_OPAQUE_SEALED_STATE_SIZE);
	for (size_t i = 0; i < sizeof s.sealed; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1u << bit);
			assert_int_equal(open_at(&s, bound, NOW), KILN_E_OPAQUE_STATE);
			bytes[i] ^= (uint8_t)(1u << bit);
		}
	}
	assert_int_equal(open_at(&s, bound, NOW), KILN_OK);
}

static void test_usage(void **state)
{
	(void)state;
	static char more[KILN_OPAQUE_BOUND_MAX + 1];
	struct sealed s;
	seal(&s, BYTES(""));
	const struct kiln_opaque_bytes bad[] = {{more, sizeof more}, {NULL, 1}};
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(open_at(&s, bad[i], NOW), KILN_E_USAGE);
		struct kiln_opaque_sealed_state sealed;
		assert_int_equal(
		    kiln_opaque_state_seal(key, bad[i], NOW, &s.state, NULL, &sealed, &s.err),
		    KILN_E_USAGE);
		assert_true(rig_zero(&sealed, sizeof sealed));
	}
}

/* Through a login, as it is meant. */
static void test_in_a_login(void **state)
{
	(void)state;
	struct rig rig;
	struct kiln_opaque_sealed_state sealed;
	rig_init(&rig);
	rig_ok(rig_register(&rig), &rig.err);
	rig_ok(rig_ke1(&rig), &rig.err);
	rig_ok(rig_ke2(&rig), &rig.err);
	rig_ok(kiln_opaque_state_seal(key, rig.credential, NOW, &rig.server_state, NULL, &sealed,
				      &rig.err),
	       &rig.err);
	kiln_opaque_wipe(&rig.server_state, sizeof rig.server_state);
	assert_true(rig_zero(&rig.server_state, sizeof rig.server_state));
	kiln_opaque_wipe(NULL, 0);
	rig_ok(rig_ke3(&rig), &rig.err);
	rig_ok(kiln_opaque_state_open(key, rig.credential, NOW + 1, MINUTE, &sealed,
				      &rig.server_state, &rig.err),
	       &rig.err);
	rig_ok(rig_finish(&rig), &rig.err);
	assert_memory_equal(rig.session_key, rig.login.session_key, sizeof rig.session_key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip), cmocka_unit_test(test_time),
	    cmocka_unit_test(test_bound),      cmocka_unit_test(test_every_byte),
	    cmocka_unit_test(test_usage),      cmocka_unit_test(test_in_a_login),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
