/* SPDX-License-Identifier: Apache-2.0
 * Who may try, and what strangers learn. */
#include "keys_rig.h"

#include "base/bytes.h"
#include "keys/client_inner.h"
#include "keys/crypto.h"

#define NAME "ada"
#define PASS "correct horse"

/* Runs it to its end. */
static enum kiln_code finish(struct rig_link *link, enum kiln_keys_step good, uint32_t *wait)
{
	const enum kiln_code rc =
	    rig_run(link) == good ? KILN_OK : kiln_keys_client_error(link->client, wait)->code;
	rig_disconnect(link);
	return rc;
}

static enum kiln_code try_login(struct rig *rig, const char *name, const char *password,
				uint8_t source, uint32_t *wait)
{
	struct rig_link link;
	const struct kiln_keys_client_options options = rig_client_options(name, password);
	rig_connect(&link, rig, source, NULL);
	(void)rig_client(&link, &options);
	return finish(&link, KILN_KEYS_WANT_REQUEST, wait);
}

static void init(struct rig *rig)
{
	rig_init(rig);
	rig_start(rig);
	rig_register(rig, NAME, PASS); /* from source 1 */
}

/* A stranger who hammers an account from many addresses waits longer and longer; its owner, from
 * where he was before, does not notice; and it ends. */
static void test_back_off(void **state)
{
	struct rig rig;
	uint32_t wait = 0, before = 0;
	unsigned free_ones = 0;
	(void)state;
	init(&rig);
	/* The tenth is the last that is free; from then on the wait doubles. */
	while (try_login(&rig, NAME, "guess", (uint8_t)(20 + free_ones), &wait) ==
	       KILN_E_KEYS_PASSWORD)
		free_ones++;
	assert_int_equal(free_ones, 10);
	assert_int_equal(wait, 2000);
	const uint8_t *id = rig_user(&rig, NAME)->user_id;
	assert_int_equal(try_login(&rig, NAME, "guess", 50, &wait), KILN_E_KEYS_LIMITED);
	/* One line for a series of refusals. */
	assert_int_equal(memory_count_lines(rig.store, id, KILN_KEYS_DID_LOGIN, KILN_KEYS_LIMITED),
			 1);
	for (uint8_t i = 0; i < 9; i++) {
		before = wait;
		rig_pass(&rig, wait);
		assert_int_equal(try_login(&rig, NAME, "guess", (uint8_t)(60 + i), NULL),
				 KILN_E_KEYS_PASSWORD);
		assert_int_equal(try_login(&rig, NAME, "guess", (uint8_t)(80 + i), &wait),
				 KILN_E_KEYS_LIMITED);
		assert_true(wait >= before); /* time passes, and is forgiven */
	}
	assert_in_range(wait, 128000, 300000);
	/* Even the right password waits, from an unknown place; not from a known one. */
	assert_int_equal(try_login(&rig, NAME, PASS, 99, NULL), KILN_E_KEYS_LIMITED);
	assert_int_equal(try_login(&rig, NAME, PASS, 1, NULL), KILN_OK);
	rig_pass(&rig, 300000);
	assert_int_equal(try_login(&rig, NAME, PASS, 99, NULL), KILN_OK);
	/* It is known now. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(try_login(&rig, NAME, PASS, 99, NULL), KILN_OK);
	rig_end(&rig);
}

static enum kiln_code try_device(struct rig *rig, const char *name, const char *password,
				 uint8_t source, const uint8_t *device)
{
	struct rig_link link;
	struct kiln_keys_client_options options = rig_client_options(name, password);
	options.device = device;
	rig_connect(&link, rig, source, NULL);
	(void)rig_client(&link, &options);
	return finish(&link, KILN_KEYS_WANT_REQUEST, NULL);
}

/* An owner at a new address while strangers hammer the account, from everywhere and from the very
 * same address: only the device that was there before gets in. */
static void test_device(void **state)
{
	static const uint8_t mine[KILN_KEYS_DEVICE_LEN] = {1}, other[KILN_KEYS_DEVICE_LEN] = {2};
	struct rig rig;
	(void)state;
	init(&rig);
	assert_int_equal(try_device(&rig, NAME, PASS, 2, mine), KILN_OK);
	for (uint8_t i = 0; i < 12; i++)
		(void)try_device(&rig, NAME, "guess", (uint8_t)(20 + i), other);
	for (unsigned i = 0; i < 30; i++)
		(void)try_login(&rig, "somebody", "guess", 90, NULL);
	assert_int_equal(try_device(&rig, NAME, PASS, 90, NULL), KILN_E_KEYS_LIMITED);
	assert_int_equal(try_device(&rig, NAME, PASS, 91, NULL), KILN_E_KEYS_LIMITED);
	assert_int_equal(try_device(&rig, NAME, PASS, 91, other), KILN_E_KEYS_LIMITED);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(try_device(&rig, NAME, PASS, (uint8_t)(90 + i % 2), mine),
				 KILN_OK);
	/* It is counted, too: who has the device and not the password guesses no faster. */
	unsigned tries = 0;
	while (try_device(&rig, NAME, "guess", (uint8_t)(100 + tries), mine) ==
	       KILN_E_KEYS_PASSWORD)
		tries++;
	assert_int_equal(tries, 5);
	rig_end(&rig);
}

/* What the server is sent says nothing of another account of the device's. */
static void test_device_elsewhere(void **state)
{
	static const uint8_t mine[KILN_KEYS_DEVICE_LEN] = {1};
	struct rig rig;
	uint8_t sent[2][KILN_KEYS_DEVICE_LEN];
	(void)state;
	init(&rig);
	rig_register(&rig, "bob", PASS);
	assert_int_equal(try_device(&rig, "bob", PASS, 2, mine), KILN_OK);
	for (uint8_t i = 0; i < 12; i++)
		(void)try_login(&rig, NAME, "guess", (uint8_t)(20 + i), NULL);
	assert_int_equal(try_device(&rig, NAME, PASS, 2, mine), KILN_E_KEYS_LIMITED);
	kiln_keys_device(mine, "", (const uint8_t *)NAME, strlen(NAME), sent[0]);
	kiln_keys_device(mine, "", (const uint8_t *)"bob", 3, sent[1]);
	assert_memory_not_equal(sent[0], sent[1], sizeof sent[0]);
	assert_memory_not_equal(sent[0], mine, sizeof mine);
	rig_end(&rig);
}

/* Nor of another server's; and where one name ends and the other begins is part of it. The value
 * was computed by another HKDF. */
static void test_device_of_server(void **state)
{
	static const uint8_t mine[KILN_KEYS_DEVICE_LEN] = {1};
	static const uint8_t expected[KILN_KEYS_DEVICE_LEN] = {
	    0x87, 0xa4, 0x3e, 0x7a, 0x43, 0x73, 0xc1, 0x8f, 0x47, 0x9b, 0x35,
	    0xf4, 0xdc, 0x02, 0xc9, 0x4c, 0x11, 0x9f, 0x8c, 0xf3, 0xa1, 0x59,
	    0x15, 0x11, 0xda, 0xdb, 0xbf, 0x4e, 0xb8, 0x50, 0x6f, 0x0e};
	uint8_t sent[3][KILN_KEYS_DEVICE_LEN];
	struct kiln_error err = {0};
	(void)state;
	kiln_keys_device(mine, "Keys.Example.ORG", (const uint8_t *)"alice@example.org", 17,
			 sent[0]);
	assert_memory_equal(sent[0], expected, sizeof expected);
	kiln_keys_device(mine, "", (const uint8_t *)"alice@example.org", 17, sent[1]);
	kiln_keys_device(mine, "keys.example.orgalice", (const uint8_t *)"@example.org", 12,
			 sent[2]);
	assert_memory_not_equal(sent[0], sent[1], sizeof sent[0]);
	assert_memory_not_equal(sent[0], sent[2], sizeof sent[0]);
	char longest[KILN_KEYS_NAME_MAX + 2];
	memset(longest, 'a', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	struct kiln_keys_client_options options = {.account = {(const uint8_t *)"a", 1},
						   .password = {(const uint8_t *)"p", 1},
						   .device = mine,
						   .device_server = longest};
	assert_null(kiln_keys_client_new(&options, &err));
	assert_int_equal(err.code, KILN_E_USAGE);
	longest[KILN_KEYS_NAME_MAX] = '\0';
	struct kiln_keys_client *client = kiln_keys_client_new(&options, &err);
	assert_non_null(client);
	kiln_keys_client_free(client);
}

/* One source that tries many accounts, known or not. */
static void test_source(void **state)
{
	struct rig rig;
	unsigned n = 0;
	uint32_t wait = 0;
	(void)state;
	init(&rig);
	char name[16];
	enum kiln_code rc;
	do {
		(void)snprintf(name, sizeof name, "user%u", n++);
		rc = try_login(&rig, name, "guess", 5, &wait);
	} while (rc == KILN_E_KEYS_PASSWORD && n < 100);
	assert_int_equal(rc, KILN_E_KEYS_LIMITED);
	assert_int_equal(n, 21);
	assert_int_equal(try_login(&rig, NAME, PASS, 6, NULL), KILN_OK);
	/* Honest logins cost nothing. */
	for (int i = 0; i < 60; i++)
		assert_int_equal(try_login(&rig, NAME, PASS, 6, NULL), KILN_OK);
	rig_end(&rig);
}

static enum kiln_code try_register(struct rig *rig, const char *name, const char *token)
{
	struct rig_link link;
	struct kiln_keys_client_options options = rig_client_options(name, PASS);
	options.registration = true;
	options.token = (struct kiln_opaque_bytes){token, strlen(token)};
	rig_connect(&link, rig, 1, NULL);
	(void)rig_client(&link, &options);
	return finish(&link, KILN_KEYS_DONE, NULL);
}

static void test_registration(void **state)
{
	struct rig rig;
	struct kiln_error err;
	(void)state;
	rig_init(&rig);
	rig.options.registration = KILN_KEYS_REGISTRATION_CLOSED;
	rig_start(&rig);
	assert_int_equal(try_register(&rig, NAME, ""), KILN_E_KEYS_CLOSED);
	rig_end(&rig);

	rig_init(&rig);
	rig.options.registration = KILN_KEYS_REGISTRATION_TOKEN;
	rig_start(&rig);
	assert_int_equal(memory_store_calls.begin(rig.store, &err), KILN_STORE_OK);
	assert_int_equal(memory_store_calls.token_add(rig.store, (const uint8_t *)"once", 4,
						      rig.now.unix_ms + 1000, &err),
			 KILN_STORE_OK);
	assert_int_equal(memory_store_calls.commit(rig.store, &err), KILN_STORE_OK);
	assert_int_equal(try_register(&rig, NAME, ""), KILN_E_KEYS_CLOSED);
	assert_int_equal(try_register(&rig, NAME, "other"), KILN_E_KEYS_CLOSED);
	assert_int_equal(try_register(&rig, NAME, "once"), KILN_OK);
	assert_int_equal(try_register(&rig, "bob", "once"), KILN_E_KEYS_CLOSED);
	rig_end(&rig);
}

static void test_registration_limit(void **state)
{
	struct rig rig;
	(void)state;
	rig_init(&rig);
	rig.options.registration = KILN_KEYS_REGISTRATION_CLOSED;
	rig_start(&rig);
	for (int i = 0; i < 10; i++)
		assert_int_equal(try_register(&rig, NAME, ""), KILN_E_KEYS_CLOSED);
	assert_int_equal(try_register(&rig, NAME, ""), KILN_E_KEYS_LIMITED);
	rig_end(&rig);
}

/* ---- what a stranger learns ----------------------------------------------------------------- */

/* LOGIN_START and then a KE3 of noise: everything that the server says, without ids. */
static size_t probe(struct rig *rig, const char *name, const uint8_t *device, uint8_t *said,
		    unsigned long *calls)
{
	struct rig_link link;
	struct kiln_keys_client_options options = rig_client_options(name, "guess");
	struct kiln_keys_message m = {0};
	uint8_t frame[256];
	size_t len, n;
	options.device = device;
	rig_connect(&link, rig, 77, NULL);
	(void)rig_client(&link, &options);
	*calls = rig->store->calls;
	const uint8_t *out = kiln_keys_client_output(link.client, &len);
	n = rig_raw(&link, out, len, said, 1024);
	const size_t made =
	    kiln_keys_frame_write(KILN_KEYS_KE3, link.client->id, 1, &m, NULL, frame, sizeof frame);
	memset(said + 5, 0, n - 5); /* random: ids, and OPAQUE's message */
	n += rig_raw(&link, frame, made, said + n, 512);
	memset(said + n - 35 + 5, 0, 16);
	*calls = rig->store->calls - *calls;
	rig_disconnect(&link);
	return n;
}

/* An account that does not exist and a wrong password: the same frames, the same work. */
static void test_indistinguishable(void **state)
{
	struct rig rig;
	uint8_t known[2048], unknown[2048];
	unsigned long calls[2];
	(void)state;
	init(&rig);
	/* With a device of the prober's, and without. */
	const uint8_t device[KILN_KEYS_DEVICE_LEN] = {7};
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *with = i == 0 ? NULL : device;
		const size_t a = probe(&rig, NAME, with, known, &calls[0]);
		const size_t b = probe(&rig, "nobody", with, unknown, &calls[1]);
		assert_int_equal(a, b);
		assert_memory_equal(known, unknown, a);
		assert_int_equal(calls[0], calls[1]);
		assert_int_equal(rig_error_code(known + a - 35, 35), KILN_KEYS_LOGIN_FAILED);
		assert_int_equal(memory_count_lines(rig.store, NULL, KILN_KEYS_DID_LOGIN,
						    KILN_KEYS_LOGIN_FAILED),
				 i + 1);
	}
	uint32_t wait[2] = {0, 0};
	for (int i = 0; i < 12; i++) {
		(void)try_login(&rig, NAME, "guess", (uint8_t)(100 + i), &wait[0]);
		(void)try_login(&rig, "nobody", "guess", (uint8_t)(100 + i), &wait[1]);
	}
	assert_true(wait[0] > 0);
	assert_int_equal(wait[0], wait[1]);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_back_off),
	    cmocka_unit_test(test_device),
	    cmocka_unit_test(test_device_elsewhere),
	    cmocka_unit_test(test_device_of_server),
	    cmocka_unit_test(test_source),
	    cmocka_unit_test(test_registration),
	    cmocka_unit_test(test_registration_limit),
	    cmocka_unit_test(test_indistinguishable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
