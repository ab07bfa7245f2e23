/* SPDX-License-Identifier: Apache-2.0
 * The vectors of RFC 9807 appendix C for ristretto255, the fake one among them
 * (opaque_rfc9807.json), and some of what they leave open. */
#include "opaque_known.h"

#include "opaque/group.h"

static json_t *vectors;

static int load(void **state)
{
	json_error_t error;
	(void)state;
	vectors = json_load_file(KILN_OPAQUE_VECTORS, 0, &error);
	return json_array_size(vectors) == 3 ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	json_decref(vectors);
	return 0;
}

static void test_without_identities(void **state)
{
	(void)state;
	known_run(json_array_get(vectors, 0));
}

static void test_with_identities(void **state)
{
	(void)state;
	known_run(json_array_get(vectors, 1));
}

static void test_unknown_user(void **state)
{
	(void)state;
	known_run(json_array_get(vectors, 2));
}

/* A server's key pair comes from a seed as any other does. */
static void test_setup(void **state)
{
	(void)state;
	struct rig_script script;
	struct kiln_opaque_setup setup;
	struct kiln_error err = {0};
	uint8_t seed[64], public_key[KILN_OPAQUE_ELEMENT_SIZE];
	for (unsigned i = 0; i < sizeof seed; i++)
		seed[i] = (uint8_t)i;
	rig_script_start(&script);
	rig_script_add(&script, seed, 64);
	rig_script_add(&script, seed, 32);
	rig_ok(kiln_opaque_setup_generate(&script.random, &setup, &err), &err);
	rig_script_done(&script);
	assert_memory_equal(setup.oprf_seed, seed, 64);
	uint8_t private_key[KILN_OPAQUE_SCALAR_SIZE];
	assert_true(kiln_opaque_derive_key_pair(seed, private_key, public_key));
	assert_memory_equal(setup.server_private_key, private_key, sizeof private_key);
	assert_memory_equal(setup.server_public_key, public_key, sizeof public_key);
	memset(public_key, 0, sizeof public_key);
	rig_ok(kiln_opaque_public_key(private_key, public_key, &err), &err);
	assert_memory_equal(setup.server_public_key, public_key, sizeof public_key);
}

/* The record of nobody is the same wherever the setup is, and other where that is. */
static void test_nobody_is_the_same_everywhere(void **state)
{
	(void)state;
	struct rig rig, other;
	struct kiln_opaque_server again;
	rig_init(&rig);
	rig_init(&other);
	rig_ok(kiln_opaque_server_init(&rig.server.setup, &again, &rig.err), &rig.err);
	assert_memory_equal(&rig.server, &again, sizeof again);
	assert_memory_not_equal(&rig.server.unknown, &other.server.unknown,
				sizeof other.server.unknown);
	rig_ok(kiln_opaque_check_record(&rig.server.unknown, &rig.err), &rig.err);
	assert_true(rig_zero(&rig.server.unknown.envelope, sizeof rig.server.unknown.envelope));
	assert_false(rig_zero(rig.server.unknown.masking_key, 64));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_without_identities),
	    cmocka_unit_test(test_with_identities),
	    cmocka_unit_test(test_unknown_user),
	    cmocka_unit_test(test_setup),
	    cmocka_unit_test(test_nobody_is_the_same_everywhere),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
