/* SPDX-License-Identifier: Apache-2.0
 * Key servers on one store, for tests:
 *
 *	keys_store_peers race STORE KEY COUNT   two processes register COUNT names, each name at
 *	    once: "NUMBER first second winner" for each: what the two were told (0 OK, 2 TAKEN,
 *	    otherwise another result), and whose user id is in the store
 *	keys_store_peers keep STORE KEY BASE    registers names from BASE on, one to a batch, until
 *	    it is killed, and goes on when the store fails: "NUMBER ok 0" or "NUMBER fail MS why"
 *	keys_store_peers names STORE KEY BASE COUNT   the numbers of those that are registered */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keys/store/open.h"

#define CALL       (&kiln_store_calls)
#define ROUNDS_MAX 1000u

static struct kiln_store *store;
static struct kiln_error err;

static void need(bool good, const char *what)
{
	if (good)
		return;
	(void)fprintf(stderr, "%s: %s\n", what, err.message);
	exit(1);
}

static struct kiln_store *open_store(const char *where, const char *key_file)
{
	const struct kiln_store_key_source source = {.file = key_file, .fd = -1};
	struct kiln_store_key *key = kiln_store_key_read(&source, &err);
	struct kiln_store *opened = NULL;
	need(key != NULL, "the key");
	const struct kiln_store_options options = {.where = where, .key = key};
	need(kiln_store_open(&options, &opened, &err) == KILN_OK, "the store");
	kiln_store_key_free(key);
	return opened;
}

static void make_user(unsigned n, uint8_t who, struct kiln_keys_user *user)
{
	memset(user, 0, sizeof *user);
	memset(user->user_id, who + 1, sizeof user->user_id);
	memcpy(user->user_id, &n, sizeof n);
	user->name_len =
	    (uint8_t)snprintf((char *)user->name, sizeof user->name, "peer%u@example.org", n);
	user->generation = 1;
	user->created_ms = 1;
}

/* A frame of a batch of its own; OK when it is committed. */
static enum kiln_store_result register_one(unsigned n, uint8_t who)
{
	struct kiln_keys_user user;
	make_user(n, who, &user);
	enum kiln_store_result result = CALL->savepoint(store, &err);
	if (result == KILN_STORE_OK)
		result = CALL->user_create(store, &user, &err);
	if (result == KILN_STORE_OK)
		result = CALL->release(store, &err);
	if (result == KILN_STORE_OK)
		return CALL->commit(store, &err);
	CALL->rollback(store);
	return result;
}

/* The setup that the first start of a server makes. */
static void make_setup(void)
{
	struct kiln_opaque_setup setup;
	memset(&setup, 7, sizeof setup);
	need(CALL->begin(store, &err) == KILN_STORE_OK, "begin");
	const enum kiln_store_result result = CALL->setup_put(store, &setup, &err);
	need(result == KILN_STORE_OK || result == KILN_STORE_TAKEN, "setup_put");
	need(CALL->commit(store, &err) == KILN_STORE_OK, "commit");
}

/* ---- race */

struct shared {
	atomic_uint arrived;
	atomic_bool failed;
	int told[ROUNDS_MAX][2];
};

/* Both are here, for the nth time. */
static void barrier(struct shared *s, unsigned n)
{
	(void)atomic_fetch_add(&s->arrived, 1);
	while (atomic_load(&s->arrived) < 2 * n)
		if (atomic_load(&s->failed))
			exit(1);
		else
			(void)sched_yield();
}

static void run_race(struct shared *s, uint8_t who, unsigned rounds)
{
	for (unsigned n = 0; n < rounds; n++) {
		const bool begun = CALL->begin(store, &err) == KILN_STORE_OK;
		if (!begun)
			atomic_store(&s->failed, true);
		need(begun, "begin");
		barrier(s, n + 1);
		s->told[n][who] = (int)register_one(n, who);
	}
}

static int winner(unsigned n)
{
	struct kiln_keys_user user, got;
	make_user(n, 0, &user);
	if (CALL->user_by_name(store, user.name, user.name_len, &got, &err) != KILN_STORE_OK)
		return -1;
	for (uint8_t who = 0; who < 2; who++) {
		make_user(n, who, &user);
		if (memcmp(got.user_id, user.user_id, sizeof user.user_id) == 0)
			return who;
	}
	return -1;
}

static int race(const char *where, const char *key_file, unsigned rounds)
{
	struct shared *s =
	    mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	need(s != MAP_FAILED && rounds <= ROUNDS_MAX, "memory for the race");
	(void)fflush(stdout);
	const pid_t child = fork();
	need(child >= 0, "fork");
	store = open_store(where, key_file);
	make_setup();
	run_race(s, child == 0, rounds);
	if (child == 0) {
		kiln_store_close(store);
		exit(0);
	}
	need(waitpid(child, &status, 0) == child && status == 0, "the other process");
	need(CALL->begin(store, &err) == KILN_STORE_OK, "begin");
	for (unsigned n = 0; n < rounds; n++)
		(void)printf("%u %d %d %d\n", n, s->told[n][0], s->told[n][1], winner(n));
	CALL->rollback(store);
	return 0;
}

/* ---- keep, names */

static long long now_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void keep(unsigned base)
{
	static const struct timespec pause = {.tv_nsec = 20000000}; /* between two clients, say */
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned n = base;; n++) {
		const long long begun = now_ms();
		enum kiln_store_result result = CALL->begin(store, &err);
		if (result == KILN_STORE_OK)
			result = register_one(n, 0);
		(void)printf("%u %s %lld %s\n", n, result == KILN_STORE_OK ? "ok" : "fail",
			     now_ms() - begun, result == KILN_STORE_OK ? "" : err.message);
		(void)nanosleep(&pause, NULL);
	}
}

static int names(unsigned base, unsigned count)
{
	need(CALL->begin(store, &err) == KILN_STORE_OK, "begin");
	for (unsigned n = base; n < base + count; n++)
		if (winner(n) >= 0)
			(void)printf("%u\n", n);
	CALL->rollback(store);
	return 0;
}

int main(int argc, char **argv)
{
	int status = 2;
	if (argc < 5)
		return status;
	const unsigned first = (unsigned)strtoul(argv[4], NULL, 10);
	if (strcmp(argv[1], "race") == 0) {
		status = race(argv[2], argv[3], first);
	} else {
		store = open_store(argv[2], argv[3]);
		if (strcmp(argv[1], "keep") == 0) {
			make_setup();
			keep(first);
		} else if (argc > 5)
			status = names(first, (unsigned)strtoul(argv[5], NULL, 10));
	}
	kiln_store_close(store);
	return status;
}
