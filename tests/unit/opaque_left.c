/* SPDX-License-Identifier: Apache-2.0
 * What is left on the stack of a thread that registered a user and let him in: no secret, and
 * nothing that was computed from one. The
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
static uint64_t drawn_next = 1;

/* Kept, to be looked for. */
static bool draw(void *user, void *out, size_t length)
{
	(void)user;
	for (size_t i = 0; i < length; i++) {
		drawn_next = drawn_next * UINT64_C(6364136223846793005) + 1442695040888963407u;
		((uint8_t *)out)[i] = (uint8_t)(drawn_next >> 56);
	}
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
	struct kiln_opaque_registration_state state = rig.registration_state;
	return kiln_opaque_finalize_registration_request(&state, rig.password, rig.ksf, NULL,
							 &rig.registration_response, &source,
							 &rig.record, rig.export_key, &rig.err);
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

/* ---- what cannot be named: libsodium's tables of multiples and what else comes of a secret. Of
 * two runs with the same secret and other randomness, and one with another secret, these are the
 * words that the first two have in common, and the third has not. */

static char typed[] = "a password"; /* in one place: where it lies is not what is looked for */

struct secret {
	char letter; /* of the password */
	const struct kiln_opaque_setup *setup;
	uint64_t seed; /* of the randomness */
};

/* All steps with these, and what one of them leaves. */
static uint8_t *run_with(const struct secret *secret, enum kiln_code (*what)(void))
{
	uint8_t *stack = NULL;
	typed[0] = secret->letter;
	rig.password = BYTES(typed);
	rig_ok(kiln_opaque_server_init(secret->setup, &rig.server, &rig.err), &rig.err);
	drawn_next = secret->seed;
	drawn_length = 0;
	for (size_t i = 0; i < STEPS; i++) {
		step = steps[i];
		uint8_t *one = run(run_step);
		rig_ok(outcome, &rig.err);
		if (steps[i] == what)
			stack = one;
		else
			assert_int_equal(munmap(one, STACK_SIZE), 0);
	}
	if (stack != NULL)
		return stack;
	step = what;
	stack = run(run_step);
	rig_ok(outcome, &rig.err);
	return stack;
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

#define WORDS (STACK_SIZE / sizeof(uint64_t))

static bool has(const uint8_t *sorted, uint64_t word)
{
	return bsearch(&word, sorted, WORDS, sizeof word, compare) != NULL;
}

/* Not a length, nor two numbers of the thread library's; and nothing that is public. */
static bool is_telling(uint64_t word, const uint8_t public_key[KILN_OPAQUE_ELEMENT_SIZE])
{
	return (uint32_t)word > UINT16_MAX && word >> 32 > UINT16_MAX &&
	       memmem(public_key, KILN_OPAQUE_ELEMENT_SIZE, &word, sizeof word) == NULL;
}

/* How many words in what this step leaves come of the secret alone. */
static size_t common(enum kiln_code (*what)(void), const struct secret runs[3])
{
	uint8_t *stacks[3];
	uint64_t word;
	size_t count = 0;
	for (size_t i = 0; i < 3; i++) {
		stacks[i] = run_with(&runs[i], what);
		qsort(stacks[i], WORDS, sizeof word, compare);
	}
	for (size_t i = 0; i < WORDS; i++) {
		memcpy(&word, stacks[0] + i * sizeof word, sizeof word);
		count += is_telling(word, runs[0].setup->server_public_key) &&
			 has(stacks[1], word) && !has(stacks[2], word);
	}
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(munmap(stacks[i], STACK_SIZE), 0);
	return count;
}

static struct kiln_opaque_setup setups[2];

static void make_setups(void)
{
	rig_init(&rig);
	setups[0] = rig.server.setup;
	rig_init(&rig);
	setups[1] = rig.server.setup;
}

static void nothing_in_common(const struct secret runs[3])
{
	for (size_t i = 0; i < STEPS; i++) {
		const size_t count = common(steps[i], runs);
		if (count > 0)
			fail_msg("step %zu leaves %zu words that come of the secret", i, count);
	}
}

static void test_nothing_of_the_password(void **state)
{
	(void)state;
	make_setups();
	const struct secret runs[3] = {{'a', setups, 1}, {'a', setups, 100}, {'b', setups, 201}};
	nothing_in_common(runs);
}

static void test_nothing_of_the_servers_keys(void **state)
{
	(void)state;
	make_setups();
	const struct secret runs[3] = {
	    {'a', setups, 1}, {'a', setups, 100}, {'a', setups + 1, 201}};
	nothing_in_common(runs);
}

/* The same multiplications, and nothing that cleans up after them. */
static enum kiln_code blind(void)
{
	uint8_t blinded[KILN_OPAQUE_ELEMENT_SIZE];
	return kiln_opaque_blind(rig.password, rig.client_state.blind, blinded) ? KILN_OK
										: KILN_E_USAGE;
}

/* Leaves one of the server's keys. */
static enum kiln_code keep(void)
{
	volatile uint8_t copies[256][KILN_OPAQUE_SCALAR_SIZE];
	for (size_t n = 0; n < sizeof copies / sizeof copies[0]; n++)
		for (size_t i = 0; i < sizeof copies[0]; i++)
			copies[n][i] = rig.server.setup.server_private_key[i];
	return KILN_OK;
}

static void test_the_comparison(void **state)
{
	(void)state;
	make_setups();
	const struct secret password[3] = {
	    {'a', setups, 1}, {'a', setups, 100}, {'b', setups, 201}};
	const struct secret keys[3] = {
	    {'a', setups, 1}, {'a', setups, 100}, {'a', setups + 1, 201}};
	const size_t of_password = common(blind, password), of_keys = common(keep, keys);
	print_message("unwiped: %zu words of the password, %zu of the server's key\n", of_password,
		      of_keys);
	assert_true(of_password > 100); /* a table of eight points has 160 */
	assert_true(of_keys > 0);
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
	    cmocka_unit_test(test_nothing_of_the_password),
	    cmocka_unit_test(test_nothing_of_the_servers_keys),
	    cmocka_unit_test(test_the_comparison),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
