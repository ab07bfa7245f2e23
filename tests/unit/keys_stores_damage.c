/* SPDX-License-Identifier: Apache-2.0
 * A store's files, damaged: either the store refuses, and says what is damaged, or all that it
 * answers is right. The seed is printed; KILN_TEST_SEED sets it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "driver/file.h"
#include "keys_stores_rig.h"

#define USERS 60u
#define PAGE  4096u

static struct rig rig;
static struct kiln_error err;
static struct kiln_file whole, wal; /* of a sound store; of one whose writer was killed, its log */
static struct kiln_file before;     /* the file that goes with the log */
static unsigned refused, right;

#define OK(call) assert_int_equal((call), KILN_STORE_OK)

static void put_file(const char *end, const uint8_t *data, size_t len)
{
	char name[256];
	(void)snprintf(name, sizeof name, "%s%s", rig.where, end);
	(void)unlink(name);
	if (data == NULL)
		return;
	FILE *f = fopen(name, "w");
	assert_non_null(f);
	assert_int_equal(fchmod(fileno(f), 0600), 0);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void take_file(const char *end, struct kiln_file *file)
{
	char name[256];
	(void)snprintf(name, sizeof name, "%s%s", rig.where, end);
	assert_int_equal(kiln_file_read("store", name, file, &err), KILN_OK);
}

static bool fails(enum kiln_store_result result)
{
	if (result == KILN_STORE_FAILED)
		assert_true(err.message[0] != '\0');
	return result == KILN_STORE_FAILED;
}

/* All that was put in must come out, or the call must fail: never another answer. */
static bool answers_are_right(unsigned users)
{
	static const struct kiln_keys_audit_filter all = {.last_action = 255};
	struct kiln_keys_audit lines[8];
	struct kiln_keys_user user, got;
	struct kiln_keys_key key, found;
	uint64_t next;
	for (unsigned n = 1; n <= users; n++) {
		size_t count = 8;
		rig_user(&user, n);
		rig_key(&key, &user, n);
		enum kiln_store_result r =
		    CALL->user_by_name(rig.store, user.name, user.name_len, &got, &err);
		if (fails(r))
			return false;
		OK(r);
		assert_memory_equal(&got, &user, sizeof user);
		r = CALL->key_get(rig.store, key.key_id, user.user_id, &found, &err);
		if (fails(r))
			return false;
		OK(r);
		assert_memory_equal(&found, &key, sizeof key);
		r = CALL->audit_list(rig.store, user.user_id, &all, lines, &count, &next, &err);
		if (fails(r))
			return false;
		OK(r);
		assert_int_equal(count, 3);
	}
	return true;
}

/* The files are in place. users: that must be there. */
static void try_it(unsigned users)
{
	memset(&err, 0, sizeof err);
	if (kiln_store_open(&rig.options, &rig.store, &err) != KILN_OK) {
		assert_true(err.message[0] != '\0');
		refused++;
		return;
	}
	OK(CALL->begin(rig.store, &err));
	right += answers_are_right(users);
	CALL->rollback(rig.store);
	rig_close(&rig);
}

static void try_damaged(const uint8_t *data, size_t len)
{
	put_file("-wal", NULL, 0);
	put_file("-shm", NULL, 0);
	put_file("", data, len);
	try_it(USERS);
}

static void tell(const char *what)
{
	print_message("%s: %u times refused, %u times all was right\n", what, refused, right);
	refused = right = 0;
}

static void add(unsigned n)
{
	struct kiln_keys_user user;
	struct kiln_keys_key key;
	struct kiln_keys_audit line;
	rig_add_user(&rig, n);
	rig_user(&user, n);
	rig_key(&key, &user, n);
	rig_line(&line, KILN_KEYS_DID_LOGIN, 1);
	OK(CALL->begin(rig.store, &err));
	OK(CALL->key_create(rig.store, &key, &err));
	OK(CALL->audit_append(rig.store, user.user_id, &line, &err));
	OK(CALL->audit_append(rig.store, user.user_id, &line, &err));
	OK(CALL->commit(rig.store, &err));
}

static void test_truncated(void **state)
{
	(void)state;
	for (size_t len = 0; len < whole.len; len += PAGE)
		try_damaged(whole.data, len);
	assert_int_equal(right, 0);
	tell("truncated");
}

static void test_bits(void **state)
{
	(void)state;
	for (size_t at = 0; at < whole.len; at += PAGE) {
		for (int i = 0; i < 12; i++) {
			const size_t where = at + (size_t)random() % PAGE;
			const uint8_t bit = (uint8_t)(1u << (random() % 8));
			whole.data[where] ^= bit;
			try_damaged(whole.data, whole.len);
			whole.data[where] ^= bit;
		}
	}
	assert_true(refused > 0);
	tell("a bit");
}

/* Each byte of the rows' tables would take long; of the first page and kiln_meta's, not. */
static void test_first_bytes(void **state)
{
	(void)state;
	for (size_t at = 0; at < 120; at++) {
		whole.data[at] ^= 0xff;
		try_damaged(whole.data, whole.len);
		whole.data[at] ^= 0xff;
	}
	tell("a byte of the file's header");
}

static void test_swapped(void **state)
{
	(void)state;
	uint8_t page[PAGE];
	const size_t pages = whole.len / PAGE;
	for (int i = 0; i < 150; i++) {
		uint8_t *a = whole.data + (size_t)random() % pages * PAGE;
		uint8_t *b = whole.data + (size_t)random() % pages * PAGE;
		memcpy(page, a, PAGE);
		memcpy(a, b, PAGE);
		memcpy(b, page, PAGE);
		try_damaged(whole.data, whole.len);
		memcpy(page, a, PAGE);
		memcpy(a, b, PAGE);
		memcpy(b, page, PAGE);
	}
	assert_true(refused > 0);
	tell("two pages swapped");
}

/* Sectors that were never written, or are gone. */
static void test_zeroed(void **state)
{
	(void)state;
	uint8_t sector[512];
	for (size_t at = 0; at < whole.len; at += sizeof sector) {
		memcpy(sector, whole.data + at, sizeof sector);
		memset(whole.data + at, 0, sizeof sector);
		try_damaged(whole.data, whole.len);
		memcpy(whole.data + at, sector, sizeof sector);
	}
	assert_true(refused > 0);
	tell("a sector of zeroes");
}

static void try_log(size_t len, unsigned users)
{
	put_file("-shm", NULL, 0);
	put_file("", before.data, before.len);
	put_file("-wal", wal.data, len);
	try_it(users);
}

/* A frame of an earlier transaction is damaged: what came behind it must not be lost in silence. */
static void test_log(void **state)
{
	(void)state;
	const size_t frame = PAGE + 24, frames = (wal.len - 32) / frame;
	assert_true(frames > 20);
	for (size_t i = 0; i + 12 < frames; i++) {
		for (int k = 0; k < 3; k++) {
			const size_t where = 32 + i * frame + (size_t)random() % frame;
			const uint8_t bit = (uint8_t)(1u << (random() % 8));
			wal.data[where] ^= bit;
			try_log(wal.len, USERS);
			wal.data[where] ^= bit;
		}
	}
	assert_int_equal(right, 0);
	tell("a bit of the log");
	for (size_t where = 0; where < 32; where++) {
		wal.data[where] ^= 0x10;
		try_log(wal.len, USERS);
		wal.data[where] ^= 0x10;
	}
	assert_int_equal(right, 0);
	tell("a bit of the log's header");
}

/* A log that was cut off cannot be told from one that was never longer: the anchor can tell. */
static void test_cut_log(void **state)
{
	(void)state;
	const size_t frame = PAGE + 24, frames = (wal.len - 32) / frame;
	rig.options.anchor = rig.anchor;
	for (size_t i = 0; i + 8 < frames; i += 3)
		try_log(32 + i * frame, USERS);
	assert_int_equal(right, 0);
	tell("a log that was cut off, with an anchor");
	put_file("-wal", NULL, 0);
	try_it(USERS);
	assert_int_equal(right, 0);
	try_log(wal.len, USERS); /* as it should be */
	assert_int_equal(right, 1);
	rig.options.anchor = NULL;
	right = refused = 0;
}

/* Opened again and again, a sound file must be right: or the others show nothing. */
static void test_sound(void **state)
{
	(void)state;
	try_damaged(whole.data, whole.len);
	assert_int_equal(right, 1);
	right = 0;
}

static int set_up(void **state)
{
	(void)state;
	rig_make(&rig, "sqlite");
	rig_close(&rig);
	rig_drop(&rig);
	rig.options.anchor = rig.anchor;
	assert_int_equal(kiln_store_create(&rig.options, &err), KILN_OK);
	rig_open(&rig);
	rig_put_setup(&rig);
	for (unsigned n = 1; n <= USERS; n++)
		add(n);
	take_file("", &before);
	take_file("-wal", &wal);
	rig_close(&rig);
	take_file("", &whole);
	rig.options.anchor = NULL;
	return 0;
}

static int take_down(void **state)
{
	(void)state;
	kiln_file_clear(&whole);
	kiln_file_clear(&before);
	kiln_file_clear(&wal);
	rig_remove(&rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sound),   cmocka_unit_test(test_truncated),
	    cmocka_unit_test(test_bits),    cmocka_unit_test(test_first_bytes),
	    cmocka_unit_test(test_swapped), cmocka_unit_test(test_zeroed),
	    cmocka_unit_test(test_log),     cmocka_unit_test(test_cut_log),
	};
	const char *given = getenv("KILN_TEST_SEED");
	const unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10)
					    : (unsigned)time(NULL) ^ (unsigned)getpid();
	print_message("KILN_TEST_SEED=%u\n", seed);
	srandom(seed);
	return cmocka_run_group_tests(tests, set_up, take_down);
}
