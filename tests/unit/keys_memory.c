/* SPDX-License-Identifier: Apache-2.0
 * Memory that runs out: the n-th allocation fails, for every n until none does any more. Nothing
 * may crash or leak, what did not work must say so, and what a client was told is stored. */
#include "keys_rig.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

static bool armed;
static unsigned long countdown, failures;

static bool fails(void)
{
	if (!armed || countdown-- > 0)
		return false;
	countdown = (unsigned long)-1; /* one failure a run */
	failures++;
	return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : __real_malloc(size);
}

static void *openssl_realloc(void *old, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : __real_realloc(old, size);
}

static void openssl_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

/* A registration and a request of that kind; true when all went well. */
static bool play(enum kiln_keys_operation operation, bool registered, unsigned long fail_at)
{
	struct rig rig;
	struct rig_link link;
	struct kiln_keys_client_options options = rig_client_options("ada", "password");
	const struct kiln_keys_ask ask = {.operation = operation, .which = KILN_KEYS_AUDIT_ALL};
	enum kiln_keys_step step = KILN_KEYS_BROKEN;
	rig_init(&rig);
	rig_start(&rig);
	if (registered)
		rig_register(&rig, "ada", "password");
	rig.soft = true;
	options.registration = !registered;
	countdown = fail_at;
	armed = true;
	rig_connect(&link, &rig, 1, NULL);
	if (link.conn != NULL && rig_client(&link, &options)) {
		step = rig_run(&link);
		if (step == KILN_KEYS_WANT_REQUEST &&
		    kiln_keys_client_request(link.client, &ask, NULL) == KILN_OK)
			step = rig_run(&link);
	}
	armed = false;
	if (step == KILN_KEYS_BROKEN && link.client != NULL) {
		const enum kiln_code code = kiln_keys_client_error(link.client, NULL)->code;
		assert_true(code == KILN_E_NO_MEMORY || code == KILN_E_KEYS_BUSY ||
			    code == KILN_E_SYSTEM || code == KILN_E_KEYS_OUTCOME);
	}
	if (step == KILN_KEYS_DONE && !registered)
		assert_int_equal(rig.store->now.user_count, 1);
	if (step == KILN_KEYS_DONE && operation == KILN_KEYS_GENERATE_SIGNING)
		assert_int_equal(rig.store->now.key_count, 1);
	ERR_clear_error();
	rig_disconnect(&link);
	rig_end(&rig);
	return step == KILN_KEYS_DONE;
}

static void test_no_memory(void **state)
{
	static const struct {
		enum kiln_keys_operation operation;
		bool registered;
	} plays[] = {{KILN_KEYS_COMPLETE, false},
		     {KILN_KEYS_GENERATE, true},
		     {KILN_KEYS_GENERATE_SIGNING, true},
		     {KILN_KEYS_AUDIT, true}};
	(void)state;
	for (size_t i = 0; i < sizeof plays / sizeof plays[0]; i++) {
		unsigned long n = 0;
		assert_true(play(plays[i].operation, plays[i].registered, (unsigned long)-1));
		do {
			failures = 0;
			const bool ok = play(plays[i].operation, plays[i].registered, n++);
			assert_true(ok || failures > 0);
		} while (failures > 0 && n < 20000);
		assert_true(n > 10 && n < 20000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_memory)};
	if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
