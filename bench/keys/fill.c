/* SPDX-License-Identifier: Apache-2.0
 * Fills a store that `kiln keys init` made with users of user.h, as if each had registered and
 * logged in once, long ago, from where load.c comes from. */
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "keys/store/open.h"
#include "parts.h"

#define CALL  (&kiln_store_calls)
#define BATCH 500u /* users: two lines of each wait for its end */

static struct kiln_error err;

static void need(enum kiln_store_result result, const char *what)
{
	if (result != KILN_STORE_OK)
		bench_die(what, &err);
}

static struct kiln_store *open_store(const char *where, const char *key_file)
{
	const struct kiln_store_key_source source = {.file = key_file, .fd = -1};
	struct kiln_store_key *key = kiln_store_key_read(&source, &err);
	const struct kiln_store_options options = {.where = where, .key = key, .unchecked = true};
	struct kiln_store *store;
	if (key == NULL || kiln_store_open(&options, &store, &err) != KILN_OK)
		bench_die("store", &err);
	kiln_store_key_free(key);
	return store;
}

static void put_setup(struct kiln_store *store)
{
	struct kiln_opaque_setup setup;
	if (kiln_opaque_setup_generate(NULL, &setup, &err) != KILN_OK)
		bench_die("setup", &err);
	need(CALL->begin(store, &err), "begin");
	need(CALL->setup_put(store, &setup, &err), "setup_put");
	need(CALL->commit(store, &err), "commit");
}

static void add(struct kiln_store *store, const struct bench_user *bench, unsigned long long n)
{
	static const uint8_t actions[] = {KILN_KEYS_DID_REGISTER, KILN_KEYS_DID_LOGIN};
	struct kiln_keys_user user = {.generation = 1, .created_ms = 1};
	char name[BENCH_NAME_SIZE];
	user.name_len = (uint8_t)bench_user_name(n, BENCH_FILLED, name);
	memcpy(user.name, name, user.name_len);
	randombytes_buf(user.user_id, sizeof user.user_id);
	memcpy(user.record, &bench->record, sizeof user.record);
	memset(user.wrapped, 'w', sizeof user.wrapped);
	need(CALL->user_create(store, &user, &err), "user_create");
	for (size_t i = 0; i < sizeof actions; i++) {
		const struct kiln_keys_audit line = {
		    .time_ms = 1 + i, .action = actions[i], .actor = KILN_KEYS_BY_USER};
		need(CALL->audit_append(store, user.user_id, &line, &err), "audit_append");
	}
	static const uint8_t loopback[KILN_KEYS_SOURCE_LEN] = {[10] = 0xff, 0xff, 127, 0, 0, 1};
	struct kiln_keys_known known = {.name = user.name, .name_len = user.name_len};
	kiln_keys_source_prefix(loopback, known.source);
	need(CALL->known_put(store, &known, 1, &err), "known_put");
}

int bench_fill(char **arguments)
{
	struct bench_user bench;
	const unsigned long long users = bench_number(arguments[2]);
	struct kiln_store *store = open_store(arguments[0], arguments[1]);
	if (!bench_user_init(&bench))
		bench_die("user", NULL);
	put_setup(store);
	for (unsigned long long n = 0; n < users; n++) {
		if (n % BATCH == 0)
			need(CALL->begin(store, &err), "begin");
		add(store, &bench, n);
		if (n % BATCH == BATCH - 1 || n + 1 == users)
			need(CALL->commit(store, &err), "commit");
	}
	kiln_store_close(store);
	return 0;
}
