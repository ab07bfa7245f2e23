/* SPDX-License-Identifier: Apache-2.0
 * Works on a key server's store, for tests and measurements:
 *
 *	keys_store_tool write STORE KEY BASE SEED   writes batches until it is killed. Users have
 *	    numbers from BASE on. "try" and what the batch makes of its users, before the commit;
 *	    "ok" behind it, or "fail" and the end.
 *	keys_store_tool dump STORE KEY BASE COUNT   checks everything, then says what those users
 *are keys_store_tool fill STORE KEY COUNT        users, as if they had logged in once
 *	keys_store_tool measure STORE KEY COUNT SECONDS BATCH
 *	    what the store does for a login, of random users of COUNT; and how long the check takes
 *
 * KEY is a file, or two with a comma between them: while there is a rotation.
 * A user is "NUMBER generation keys deleted lines", or "NUMBER absent". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "keys/store/open.h"

#define CALL  (&kiln_store_calls)
#define USERS 4096u
#define FILL  500u /* users to a batch: two lines each wait for its end */

static struct kiln_store *store;
static struct kiln_error err;

static void need(enum kiln_store_result result, const char *what)
{
	if (result == KILN_STORE_OK)
		return;
	(void)fprintf(stderr, "%s: %d %s\n", what, (int)result, err.message);
	exit(1);
}

static void say(void *ctx, const char *what, int percent)
{
	(void)ctx;
	(void)fprintf(stderr, "%s %d ...\n", what, percent);
}

static struct kiln_store_key *key, *other;

static struct kiln_store_key *read_key(const char *file)
{
	const struct kiln_store_key_source source = {.file = file, .fd = -1};
	struct kiln_store_key *k = kiln_store_key_read(&source, &err);
	need(k != NULL ? KILN_STORE_OK : KILN_STORE_FAILED, file);
	return k;
}

static void open_store(const char *where, char *key_files, bool unchecked)
{
	char *second = strchr(key_files, ',');
	if (second != NULL) {
		*second = '\0';
		other = read_key(second + 1);
	}
	key = read_key(key_files);
	const struct kiln_store_options options = {.where = where,
						   .key = key,
						   .other_key = other,
						   .unchecked = unchecked,
						   .progress = say};
	if (kiln_store_open(&options, &store, &err) != KILN_OK) {
		(void)fprintf(stderr, "%s\n", err.message);
		exit(3);
	}
}

/* ---- what is written */

static void make_id(unsigned n, uint8_t *id, size_t len)
{
	uint64_t x = n * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		id[i] = (uint8_t)(x >> 32);
	}
}

static void make_user(unsigned n, struct kiln_keys_user *user)
{
	memset(user, 0, sizeof *user);
	make_id(n, user->user_id, sizeof user->user_id);
	user->name_len =
	    (uint8_t)snprintf((char *)user->name, sizeof user->name, "user%u@example.org", n);
	memset(user->record, (int)(n & 0xff), sizeof user->record);
	memset(user->wrapped, (int)(n >> 3 & 0xff), sizeof user->wrapped);
	user->generation = 1;
	user->created_ms = 1;
}

static void make_key(unsigned n, unsigned number, struct kiln_keys_key *k)
{
	memset(k, 0, sizeof *k);
	make_id(n, k->owner, sizeof k->owner);
	make_id(n * 1000 + number + 500000000, k->key_id, sizeof k->key_id);
	k->kind = KILN_KEYS_HELD;
	k->context = KILN_KEYS_IMPORTED;
	k->data_len = (uint16_t)(1 + number % 200);
	memset(k->data, (int)(number & 0xff), k->data_len);
	k->created_ms = 1;
}

static void append(const struct kiln_keys_user *user)
{
	const struct kiln_keys_audit line = {
	    .time_ms = 5, .action = KILN_KEYS_DID_LOGIN, .actor = KILN_KEYS_BY_USER};
	need(CALL->audit_append(store, user->user_id, &line, &err), "audit_append");
}

/* The setup that the first start of a server makes. */
static void make_setup(void)
{
	struct kiln_opaque_setup setup;
	memset(&setup, 7, sizeof setup);
	need(CALL->begin(store, &err), "begin");
	const enum kiln_store_result result = CALL->setup_put(store, &setup, &err);
	need(result == KILN_STORE_TAKEN ? KILN_STORE_OK : result, "setup_put");
	need(CALL->commit(store, &err), "commit");
}

/* ---- write */

struct is {
	unsigned generation, keys, deleted, lines; /* keys: ever made */
	bool changed;
};

static struct is now[USERS], then[USERS];
static unsigned count, then_count;

static enum kiln_store_result change(unsigned base, unsigned i, unsigned what)
{
	struct kiln_keys_user user;
	struct kiln_keys_key k;
	struct is *u = &then[i];
	make_user(base + i, &user);
	u->changed = true;
	switch (what) {
	case 0: user.generation = u->generation++; return CALL->user_change(store, &user, &err);
	case 1: make_key(base + i, u->keys++, &k); return CALL->key_create(store, &k, &err);
	case 2:
		if (u->deleted < u->keys) {
			make_key(base + i, u->deleted++, &k);
			return CALL->key_delete(store, k.key_id, k.owner, 9, &err);
		}
		/* fall through */
	default: {
		const struct kiln_keys_audit line = {
		    .time_ms = 5, .action = KILN_KEYS_DID_LOGIN, .actor = KILN_KEYS_BY_USER};
		u->lines++;
		return CALL->audit_append(store, user.user_id, &line, &err);
	}
	}
}

static enum kiln_store_result frame(unsigned base)
{
	struct kiln_keys_user user;
	if (then_count > 0 && random() % 4 != 0)
		return change(base, (unsigned)random() % then_count, (unsigned)random() % 4);
	if (then_count == USERS)
		return KILN_STORE_OK;
	make_user(base + then_count, &user);
	then[then_count++] = (struct is){.generation = 1, .changed = true};
	return CALL->user_create(store, &user, &err);
}

/* In one write: a reader sees all of it or nothing. */
static void tell(unsigned base, const char *end)
{
	static char text[USERS * 8];
	int len = snprintf(text, sizeof text, "try\n");
	if (end == NULL)
		for (unsigned i = 0; i < then_count; i++)
			if (then[i].changed)
				len += snprintf(text + len, sizeof text - (size_t)len,
						"%u %u %u %u %u\n", base + i, then[i].generation,
						then[i].keys - then[i].deleted, then[i].deleted,
						then[i].lines);
	if (end != NULL)
		len = snprintf(text, sizeof text, "%s\n", end);
	if (write(STDOUT_FILENO, text, (size_t)len) != len)
		exit(1);
}

static bool batch(unsigned base)
{
	memcpy(then, now, sizeof now);
	then_count = count;
	if (CALL->begin(store, &err) != KILN_STORE_OK)
		return false;
	for (long frames = 1 + random() % 6; frames > 0; frames--) {
		static struct is before[USERS];
		const unsigned before_count = then_count;
		memcpy(before, then, sizeof then);
		if (CALL->savepoint(store, &err) != KILN_STORE_OK || frame(base) != KILN_STORE_OK) {
			CALL->rollback(store);
			return false;
		}
		if (random() % 5 != 0) {
			if (CALL->release(store, &err) != KILN_STORE_OK)
				return false;
			continue;
		}
		if (CALL->undo(store, &err) != KILN_STORE_OK)
			return false;
		memcpy(then, before, sizeof then);
		then_count = before_count;
	}
	tell(base, NULL);
	if (CALL->commit(store, &err) != KILN_STORE_OK)
		return false;
	tell(base, "ok");
	for (unsigned i = 0; i < then_count; i++)
		then[i].changed = false;
	memcpy(now, then, sizeof now);
	count = then_count;
	return true;
}

static int write_batches(unsigned base, unsigned seed)
{
	srandom(seed);
	while (batch(base))
		;
	(void)fprintf(stderr, "%s\n", err.message);
	tell(base, "fail");
	return 0;
}

/* ---- dump */

static void dump_user(unsigned n)
{
	static const struct kiln_keys_audit_filter all = {.last_action = 255};
	struct kiln_keys_user user, got;
	struct kiln_keys_key k, found;
	static struct kiln_keys_audit lines[4096];
	size_t line_count = sizeof lines / sizeof lines[0];
	unsigned live = 0, deleted = 0;
	uint64_t next;
	make_user(n, &user);
	const enum kiln_store_result result =
	    CALL->user_by_name(store, user.name, user.name_len, &got, &err);
	if (result == KILN_STORE_ABSENT) {
		(void)printf("%u absent\n", n);
		return;
	}
	need(result, "user_by_name");
	if (memcmp(got.record, user.record, sizeof got.record) != 0) {
		(void)fprintf(stderr, "user %u has another record\n", n);
		exit(1);
	}
	for (unsigned i = 0;; i++) {
		make_key(n, i, &k);
		const enum kiln_store_result there =
		    CALL->key_get(store, k.key_id, k.owner, &found, &err);
		if (there == KILN_STORE_OK && memcmp(&found, &k, sizeof k) == 0)
			live++;
		else if (there == KILN_STORE_ABSENT &&
			 CALL->key_id_free(store, k.key_id, &err) == KILN_STORE_TAKEN)
			deleted++;
		else if (there == KILN_STORE_ABSENT)
			break;
		else
			need(KILN_STORE_FAILED, "key_get");
	}
	need(CALL->audit_list(store, user.user_id, &all, lines, &line_count, &next, &err),
	     "audit_list");
	(void)printf("%u %u %u %u %zu\n", n, (unsigned)got.generation, live, deleted, line_count);
}

static int dump(unsigned base, unsigned users)
{
	need(CALL->begin(store, &err), "begin");
	for (unsigned n = base; n < base + users; n++)
		dump_user(n);
	CALL->rollback(store);
	return 0;
}

/* ---- fill, measure */

static int fill(unsigned users)
{
	struct kiln_keys_user user;
	struct kiln_keys_key k;
	for (unsigned n = 0; n < users; n++) {
		if (n % FILL == 0)
			need(CALL->begin(store, &err), "begin");
		make_user(n, &user);
		make_key(n, 0, &k);
		need(CALL->user_create(store, &user, &err), "user_create");
		need(CALL->key_create(store, &k, &err), "key_create");
		append(&user);
		append(&user);
		if (n % FILL == FILL - 1 || n + 1 == users)
			need(CALL->commit(store, &err), "commit");
	}
	return 0;
}

static double seconds(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* What a session has the store do from LOGIN_START to OPEN. */
static void login(unsigned n, uint64_t time_ms)
{
	static const struct kiln_keys_limit limit = {
	    .free = 1000000, .first_ms = 1, .most_ms = 1, .forget_ms = 1000};
	struct kiln_keys_verdict verdict;
	struct kiln_keys_user user, got;
	make_user(n, &user);
	struct kiln_keys_known known = {.name = user.name, .name_len = user.name_len};
	memcpy(known.source, &n, 3);
	need(CALL->savepoint(store, &err), "savepoint");
	need(CALL->limit_take(store, KILN_KEYS_LIMIT_SOURCE, known.source, 16, &limit, time_ms,
			      &verdict, &err),
	     "limit_take");
	const enum kiln_store_result is_known = CALL->known_get(store, &known, &err);
	if (is_known != KILN_STORE_ABSENT)
		need(is_known, "known_get");
	need(CALL->limit_take(store, KILN_KEYS_LIMIT_STRANGER, user.name, user.name_len, &limit,
			      time_ms, &verdict, &err),
	     "limit_take");
	need(CALL->user_by_name(store, user.name, user.name_len, &got, &err), "user_by_name");
	need(CALL->release(store, &err), "release");
	need(CALL->savepoint(store, &err), "savepoint");
	need(CALL->user_generation(store, user.user_id, &got.generation, &err), "generation");
	need(CALL->limit_give(store, KILN_KEYS_LIMIT_STRANGER, user.name, user.name_len, &limit,
			      time_ms, &err),
	     "limit_give");
	need(CALL->known_put(store, &known, time_ms, &err), "known_put");
	append(&user);
	need(CALL->release(store, &err), "release");
}

static double processor(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int measure(unsigned users, double length, unsigned together)
{
	unsigned long logins = 0;
	srandom(1);
	const double start = seconds(), cpu = processor();
	while (seconds() - start < length) {
		need(CALL->begin(store, &err), "begin");
		for (unsigned i = 0; i < together; i++, logins++)
			login((unsigned)random() % users, 1000000 + logins);
		need(CALL->commit(store, &err), "commit");
	}
	const double took = seconds() - start;
	(void)printf(
	    "users=%u batch=%u logins_per_s=%.0f us_per_login=%.1f cpu_us_per_login=%.1f\n", users,
	    together, (double)logins / took, took / (double)logins * 1e6,
	    (processor() - cpu) / (double)logins * 1e6);
	return 0;
}

static unsigned number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	const bool checked = strcmp(argv[1], "dump") == 0;
	open_store(argv[2], argv[3], !checked);
	int status = 2;
	if (strcmp(argv[1], "fill") == 0) {
		make_setup();
		status = fill(number(argv[4]));
	} else if (strcmp(argv[1], "write") == 0 && argc > 5) {
		make_setup();
		status = write_batches(number(argv[4]), number(argv[5]));
	} else if (checked && argc > 5) {
		status = dump(number(argv[4]), number(argv[5]));
	} else if (strcmp(argv[1], "measure") == 0 && argc > 6) {
		status = measure(number(argv[4]), strtod(argv[5], NULL), number(argv[6]));
	}
	kiln_store_close(store);
	kiln_store_key_free(key);
	kiln_store_key_free(other);
	return status;
}
