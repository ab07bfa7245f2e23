/* SPDX-License-Identifier: Apache-2.0
 * Key stretching: known answers that libargon2, OpenSSL and (for one lane) libsodium agree on, the
 * bounds, and memory that cannot be had. */
#include "opaque_ksf.h"

#include <argon2.h>
#include <errno.h>
#include <pthread.h>

#include <sodium.h>

/* In the place of the C library's, for libargon2 too: whoever starts a thread is found out. */
static bool thread_asked_for;

__attribute__((visibility("default"))) int pthread_create(pthread_t *thread,
							  const pthread_attr_t *attributes,
							  void *(*start)(void *), void *argument)
{
	(void)thread, (void)attributes, (void)start, (void)argument;
	thread_asked_for = true;
	return EAGAIN;
}

#define CUSTOM(m, t, p) (&(struct kiln_opaque_ksf){KILN_OPAQUE_KSF_CUSTOM, (m), (t), (p)})

static void test_known_answers(void **state)
{
	(void)state;
	ksf_check(CUSTOM(1024, 2, 1),
		  "15bb348a45f210edae6ca44ea102fa40a65c2a7d9ecbb12b08d668c44b9f6e95"
		  "66b46b63d3c39ecc3b9ecbfc19d334b48bfd7424faaad1fbecc258684a797805");
	ksf_check(CUSTOM(1024, 2, 4),
		  "aea704c8792de208e3a99ae6f53416626a6f19e72360aba14413de11670930ba"
		  "833e7fc9f13c24ea44bdaa162cbdf600e0c239f75891741b06a7d3a5bde1d7f8");
	ksf_check(CUSTOM(65536, 3, 1),
		  "97076ac1d2e29b8f16f2af338d9f0e63a0d078c2b3cce12024bc7ecdd3cbc2d4"
		  "b4dcb53de561c257004dc2d756cd8abcac4efc7b764b385fd8f624d7aa447a22");
}

static void test_default(void **state)
{
	(void)state;
	static const char answer[] =
	    "763c05e205e6d06f9d49921578c5fc314590d8016bd8ccc98049f3da265fad5d"
	    "4a27e85aaac6ac1de7cf2aeda7b8c767de0ff4e5db3ff8421d9bb3e8effb279b";
	ksf_check(NULL, answer);
	ksf_check(&(struct kiln_opaque_ksf){0}, answer);
	ksf_check(CUSTOM(65536, 3, 4), answer);
}

static int lend(uint8_t **memory, size_t length)
{
	static uint8_t lent[65536] __attribute__((aligned(16)));
	assert_true(length <= sizeof lent);
	*memory = lent;
	return ARGON2_OK;
}

static void take_back(uint8_t *memory, size_t length)
{
	(void)memory, (void)length;
}

static void test_no_threads(void **state)
{
	(void)state;
	ksf_check(CUSTOM(1024, 2, 4),
		  "aea704c8792de208e3a99ae6f53416626a6f19e72360aba14413de11670930ba"
		  "833e7fc9f13c24ea44bdaa162cbdf600e0c239f75891741b06a7d3a5bde1d7f8");
	assert_false(thread_asked_for);

	/* libargon2's own call would have been seen. It does not give its memory back then. */
	uint8_t out[64], in[64] = {0}, salt[16] = {0};
	argon2_context context = {.out = out,
				  .outlen = sizeof out,
				  .pwd = in,
				  .pwdlen = sizeof in,
				  .salt = salt,
				  .saltlen = sizeof salt,
				  .t_cost = 1,
				  .m_cost = 64,
				  .lanes = 4,
				  .threads = 4,
				  .version = ARGON2_VERSION_13,
				  .allocate_cbk = lend,
				  .free_cbk = take_back};
	assert_int_equal(argon2id_ctx(&context), ARGON2_THREAD_FAIL);
	assert_true(thread_asked_for);
}

/* The profile for libsodium is what libsodium computes. */
static void test_single(void **state)
{
	(void)state;
	uint8_t input[64], out[64];
	char hex[129];
	const uint8_t salt[crypto_pwhash_SALTBYTES] = {0};
	for (unsigned i = 0; i < sizeof input; i++)
		input[i] = (uint8_t)i;
	assert_int_equal(crypto_pwhash(out, sizeof out, (const char *)input, sizeof input, salt,
				       crypto_pwhash_OPSLIMIT_INTERACTIVE,
				       crypto_pwhash_MEMLIMIT_INTERACTIVE,
				       crypto_pwhash_ALG_ARGON2ID13),
			 0);
	kiln_hex_encode(out, sizeof out, hex);
	ksf_check(&(struct kiln_opaque_ksf){.profile = KILN_OPAQUE_KSF_SINGLE}, hex);
}

static void test_profiles(void **state)
{
	(void)state;
	struct kiln_opaque_ksf ksf = {.profile = KILN_OPAQUE_KSF_RFC9807}, out;
	struct kiln_error err = {0};
	rig_ok(kiln_opaque_ksf_resolve(&ksf, &out, &err), &err);
	assert_int_equal(out.memory_kib, 2097152);
	assert_int_equal(out.iterations, 1);
	assert_int_equal(out.parallelism, 4);
	for (int profile = -1; profile <= 5; profile += 6) {
		ksf.profile = (enum kiln_opaque_ksf_profile)profile;
		assert_int_equal(kiln_opaque_ksf_resolve(&ksf, &out, &err), KILN_E_USAGE);
	}
}

static void test_bounds(void **state)
{
	(void)state;
	const struct kiln_opaque_ksf good[] = {
	    {KILN_OPAQUE_KSF_CUSTOM, 8, 1, 1},
	    {KILN_OPAQUE_KSF_CUSTOM, 128, 1, 16},
	    {KILN_OPAQUE_KSF_CUSTOM, 4194304, 1024, 16},
	};
	const struct kiln_opaque_ksf bad[] = {
	    {KILN_OPAQUE_KSF_CUSTOM, 0, 0, 0},
	    {KILN_OPAQUE_KSF_CUSTOM, 7, 1, 1},
	    {KILN_OPAQUE_KSF_CUSTOM, 127, 1, 16},
	    {KILN_OPAQUE_KSF_CUSTOM, 4194305, 1, 1},
	    {KILN_OPAQUE_KSF_CUSTOM, 1024, 0, 1},
	    {KILN_OPAQUE_KSF_CUSTOM, 1024, 1025, 1},
	    {KILN_OPAQUE_KSF_CUSTOM, 1024, 1, 0},
	    {KILN_OPAQUE_KSF_CUSTOM, 1024, 1, 17},
	    {KILN_OPAQUE_KSF_CUSTOM, 1024, 1, UINT32_MAX},
	};
	struct kiln_opaque_ksf out;
	struct kiln_error err = {0};
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		rig_ok(kiln_opaque_ksf_resolve(&good[i], &out, &err), &err);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(kiln_opaque_ksf_resolve(&bad[i], &out, &err), KILN_E_USAGE);
		assert_int_equal(err.code, KILN_E_USAGE);
	}
}

/* ---- memory that is not to be had, and that is given back */

static size_t got, asked;

static void *get_none(size_t length)
{
	asked = length;
	return NULL;
}

static void *get_counted(size_t length)
{
	got += length;
	return kiln_opaque_ksf_memory_linux.get(length);
}

/* What libargon2 gives back was wiped. */
static void put_counted(void *p, size_t length)
{
	got -= length;
	assert_true(rig_zero(p, length));
	kiln_opaque_ksf_memory_linux.put(p, length);
}

static void put_none(void *p, size_t length)
{
	(void)p, (void)length;
	fail_msg("there is nothing to give back");
}

static void test_no_memory(void **state)
{
	(void)state;
	static const struct kiln_opaque_ksf_memory none = {get_none, put_none};
	static const struct kiln_opaque_ksf_memory counted = {get_counted, put_counted};
	struct rig rig;
	rig_init(&rig);
	rig.ksf = CUSTOM(1024, 1, 2);
	kiln_opaque_ksf_memory = &counted;
	rig_ok(rig_register(&rig), &rig.err);
	rig_ok(rig_login(&rig), &rig.err);
	assert_int_equal(got, 0);

	kiln_opaque_ksf_memory = &none;
	assert_int_equal(rig_finalize(&rig), KILN_E_NO_MEMORY);
	assert_true(asked >= (size_t)1024 * 1024);
	assert_true(rig_zero(&rig.record, sizeof rig.record));
	assert_true(rig_zero(rig.export_key, sizeof rig.export_key));
	assert_int_equal(rig_ke3(&rig), KILN_E_NO_MEMORY);
	assert_int_equal(rig.err.code, KILN_E_NO_MEMORY);
	assert_true(rig_zero(&rig.ke3, sizeof rig.ke3));
	assert_true(rig_zero(&rig.login, sizeof rig.login));

	/* And it can be done again. */
	kiln_opaque_ksf_memory = &kiln_opaque_ksf_memory_linux;
	rig_ok(rig_ke3(&rig), &rig.err);
	rig_ok(rig_finish(&rig), &rig.err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_known_answers), cmocka_unit_test(test_no_threads),
	    cmocka_unit_test(test_default),       cmocka_unit_test(test_single),
	    cmocka_unit_test(test_profiles),      cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
