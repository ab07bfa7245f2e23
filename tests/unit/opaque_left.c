/* SPDX-License-Identifier: Apache-2.0
 * What is left on the stack of a thread that registered a user and let him in: no secret. The
 * messages and the states are elsewhere, with their owner. */
#include "opaque_rig.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

#include "opaque/envelope.h"
#include "opaque/group.h"
#include "opaque/ksf.h"

#define STACK_SIZE (512u * 1024)

static struct rig rig;
static enum kiln_code outcome;
static uint8_t drawn[1024];
static size_t drawn_length;

/* Kept, to be looked for. */
static bool draw(void *user, void *out, size_t length)
{
	static uint8_t next = 1;
	(void)user;
	for (size_t i = 0; i < length; i++)
		((uint8_t *)out)[i] = next = (uint8_t)(next * 167 + 13);
	if (length > sizeof drawn - drawn_length)
		return false;
	memcpy(drawn + drawn_length, out, length);
	drawn_length += length;
	return true;
}

static const struct kiln_opaque_random source = {draw, NULL};

static enum kiln_code registration(void)
{
	enum kiln_code rc;
	if ((rc = kiln_opaque_create_registration_request(rig.password, &source,
							  &rig.registration_request,
							  &rig.registration_state, &rig.err)) ||
	    (rc = rig_respond(&rig)))
		return rc;
	return kiln_opaque_finalize_registration_request(
	    &rig.registration_state, rig.password, rig.ksf, NULL, &rig.registration_response,
	    &source, &rig.record, rig.export_key, &rig.err);
}

static enum kiln_code login(void)
{
	enum kiln_code rc;
	if ((rc = kiln_opaque_generate_ke1(rig.password, &source, &rig.ke1, &rig.client_state,
					   &rig.err)) ||
	    (rc = kiln_opaque_generate_ke2(&rig.server, NULL, &rig.record, rig.credential, &rig.ke1,
					   &source, &rig.ke2, &rig.server_state, &rig.err)) ||
	    (rc = rig_ke3(&rig)))
		return rc;
	return rig_finish(&rig);
}

static void *both(void *unused)
{
	struct kiln_opaque_server again;
	(void)unused;
	outcome = registration();
	if (outcome == KILN_OK)
		outcome = login();
	if (outcome == KILN_OK)
		outcome = kiln_opaque_server_init(&rig.server.setup, &again, &rig.err);
	kiln_opaque_wipe(&again, sizeof again);
	return NULL;
}

/* Leaves a copy of a secret behind, as the library must not. */
static void *careless(void *unused)
{
	volatile uint8_t copy[KILN_OPAQUE_SESSION_KEY_SIZE];
	(void)unused;
	for (size_t i = 0; i < sizeof copy; i++)
		copy[i] = rig.session_key[i];
	return NULL;
}

/* Runs on a stack that is looked at afterwards. */
static uint8_t *run(void *(*what)(void *))
{
	pthread_attr_t attributes;
	pthread_t thread;
	uint8_t *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	assert_true(stack != MAP_FAILED);
	assert_int_equal(pthread_attr_init(&attributes), 0);
	assert_int_equal(pthread_attr_setstack(&attributes, stack, STACK_SIZE), 0);
	assert_int_equal(pthread_create(&thread, &attributes, what, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(pthread_attr_destroy(&attributes), 0);
	return stack;
}

/* Any 16 bytes in a row of it. */
static bool found(const uint8_t *stack, const void *secret, size_t length)
{
	for (size_t i = 0; i + 16 <= length; i++)
		if (memmem(stack, STACK_SIZE, (const uint8_t *)secret + i, 16) != NULL)
			return true;
	return false;
}

static void absent(const uint8_t *stack, const char *name, const void *secret, size_t length)
{
	if (found(stack, secret, length))
		fail_msg("%s is left on the stack", name);
}

#define ABSENT(what) absent(stack, #what, &(what), sizeof(what))

static void test_nothing_is_left(void **state)
{
	(void)state;
	struct kiln_opaque_ksf ksf;
	struct kiln_opaque_credentials credentials;
	static const struct kiln_opaque_parameters none;
	uint8_t oprf_output[KILN_OPAQUE_HASH_SIZE], randomized_password[KILN_OPAQUE_HASH_SIZE];
	rig_init(&rig);
	uint8_t *stack = run(both);
	rig_ok(outcome, &rig.err);

	ABSENT(rig.server.setup.oprf_seed);
	ABSENT(rig.server.setup.server_private_key);
	ABSENT(rig.registration_state);
	ABSENT(rig.record.masking_key);
	ABSENT(rig.record.envelope.auth_tag);
	ABSENT(rig.export_key);
	ABSENT(rig.client_state.blind);
	ABSENT(rig.client_state.client_secret);
	ABSENT(rig.server_state);
	ABSENT(rig.session_key);
	absent(stack, "what was drawn", drawn, drawn_length);
	absent(stack, "the password", rig.password.data, rig.password.length);

	/* And what is in between. */
	rig_ok(kiln_opaque_ksf_resolve(rig.ksf, &ksf, &rig.err), &rig.err);
	assert_true(kiln_opaque_unblind(rig.password, rig.client_state.blind,
					rig.ke2.evaluated_message, oprf_output));
	rig_ok(kiln_opaque_randomize_password(&ksf, oprf_output, randomized_password, &rig.err),
	       &rig.err);
	assert_true(kiln_opaque_credentials(randomized_password, rig.record.envelope.envelope_nonce,
					    rig.server.setup.server_public_key, &none,
					    &credentials));
	ABSENT(oprf_output);
	ABSENT(randomized_password);
	ABSENT(credentials.client_private_key);
	assert_memory_equal(credentials.export_key, rig.export_key, sizeof rig.export_key);
	assert_int_equal(munmap(stack, STACK_SIZE), 0);
}

/* The search finds what is there. */
static void test_the_search(void **state)
{
	(void)state;
	uint8_t *stack = run(careless);
	assert_true(found(stack, rig.session_key, sizeof rig.session_key));
	assert_int_equal(munmap(stack, STACK_SIZE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing_is_left),
	    cmocka_unit_test(test_the_search),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
