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

static enum kiln_code request(void)
{
	return kiln_opaque_create_registration_request(
	    rig.password, &source, &rig.registration_request, &rig.registration_state, &rig.err);
}

static enum kiln_code respond(void)
{
	return rig_respond(&rig);
}

static enum kiln_code finalize(void)
{
	return kiln_opaque_finalize_registration_request(
	    &rig.registration_state, rig.password, rig.ksf, NULL, &rig.registration_response,
	    &source, &rig.record, rig.export_key, &rig.err);
}

static enum kiln_code ke1(void)
{
	return kiln_opaque_generate_ke1(rig.password, &source, &rig.ke1, &rig.client_state,
					&rig.err);
}

static enum kiln_code ke2(void)
{
	return kiln_opaque_generate_ke2(&rig.server, NULL, &rig.record, rig.credential, &rig.ke1,
					&source, &rig.ke2, &rig.server_state, &rig.err);
}

static enum kiln_code ke3(void)
{
	return rig_ke3(&rig);
}

static enum kiln_code finish(void)
{
	return rig_finish(&rig);
}

static enum kiln_code seal(void)
{
	static const uint8_t key[KILN_OPAQUE_SEAL_KEY_SIZE] = {7};
	static struct kiln_opaque_sealed_state sealed;
	const enum kiln_code rc = kiln_opaque_state_seal(key, rig.credential, 1, &rig.server_state,
							 &source, &sealed, &rig.err);
	if (rc != KILN_OK)
		return rc;
	return kiln_opaque_state_open(key, rig.credential, 1, 1, &sealed, &rig.server_state,
				      &rig.err);
}

static enum kiln_code init(void)
{
	static struct kiln_opaque_server again;
	return kiln_opaque_server_init(&rig.server.setup, &again, &rig.err);
}

/* Each on a stack of its own: a later one would write over what an earlier one left. */
static enum kiln_code (*const steps[])(void) = {request, respond, finalize, ke1, ke2,
						ke3,     finish,  seal,     init};
#define STEPS (sizeof steps / sizeof steps[0])

static enum kiln_code (*step)(void);

static void *run_step(void *unused)
{
	(void)unused;
	outcome = step();
	return NULL;
}

/* Leaves a copy of a secret behind, as the library must not; deep enough for the end of the thread
 * not to write over it. */
static void *careless(void *unused)
{
	volatile uint8_t copies[256][KILN_OPAQUE_SESSION_KEY_SIZE];
	(void)unused;
	for (size_t n = 0; n < sizeof copies / sizeof copies[0]; n++)
		for (size_t i = 0; i < sizeof copies[0]; i++)
			copies[n][i] = rig.session_key[i];
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

static void nothing_in(const uint8_t *stack)
{
	struct kiln_opaque_ksf ksf;
	struct kiln_opaque_credentials credentials;
	static const struct kiln_opaque_parameters none;
	uint8_t oprf_output[KILN_OPAQUE_HASH_SIZE], randomized_password[KILN_OPAQUE_HASH_SIZE];
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
}

static void test_nothing_is_left(void **state)
{
	(void)state;
	uint8_t *stacks[STEPS];
	rig_init(&rig);
	for (size_t i = 0; i < STEPS; i++) {
		step = steps[i];
		stacks[i] = run(run_step);
		rig_ok(outcome, &rig.err);
	}
	for (size_t i = 0; i < STEPS; i++) {
		nothing_in(stacks[i]);
		assert_int_equal(munmap(stacks[i], STACK_SIZE), 0);
	}
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
