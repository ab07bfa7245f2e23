/* SPDX-License-Identifier: Apache-2.0
 * A store of schema 1, kept as text in keys_stores_v1.sql, is brought to the present schema, by who
 * opens it and by a backup of it that is restored.
 * usage: keys_stores_migrate FILE */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "driver/file.h"
#include "keys/store/sql.h"
#include "keys_stores_rig.h"

#define USERS 3u

static const char *file;
static struct rig rig;
static struct kiln_error err;

#define OK(call) assert_int_equal((call), KILN_STORE_OK)

/* Everybody's key: the stored text is of nobody. */
static void known_key(void)
{
	memset(rig.key->bytes, 0x4b, sizeof rig.key->bytes);
}

static void load(void)
{
	struct kiln_file text;
	sqlite3 *db;
	assert_int_equal(kiln_file_read("schema 1", file, &text, &err), KILN_OK);
	text.data = realloc(text.data, text.len + 1);
	assert_non_null(text.data);
	text.data[text.len] = '\0';
	assert_int_equal(sqlite3_open(rig.where, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, (const char *)text.data, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(chmod(rig.where, 0600), 0);
	kiln_file_clear(&text);
}

static void put_old_store(void)
{
	rig_make(&rig, "sqlite");
	rig_close(&rig);
	rig_drop(&rig);
	known_key();
	load();
}

static void is_whole(const char *where, int schema, unsigned tokens)
{
	struct kiln_store_report report;
	struct kiln_store_options options = rig.options;
	options.where = where;
	assert_int_equal(kiln_store_check(&options, &report, &err), KILN_OK);
	assert_int_equal(report.found, 0);
	assert_int_equal(report.schema, schema);
	assert_int_equal(report.users, USERS);
	assert_int_equal(report.tokens, tokens);
}

/* Every user, key and line, and what is new since then. */
static void use(void)
{
	static const struct kiln_keys_audit_filter all = {.last_action = 255};
	struct kiln_keys_audit lines[4];
	struct kiln_keys_user user, got;
	struct kiln_keys_key key, found;
	size_t count = 4;
	uint64_t next;
	OK(CALL->begin(rig.store, &err));
	for (unsigned n = 1; n <= USERS; n++) {
		rig_user(&user, n);
		rig_key(&key, &user, n);
		OK(CALL->user_by_name(rig.store, user.name, user.name_len, &got, &err));
		assert_memory_equal(&got, &user, sizeof user);
		OK(CALL->key_get(rig.store, key.key_id, user.user_id, &found, &err));
		assert_memory_equal(&found, &key, sizeof key);
	}
	OK(CALL->audit_list(rig.store, user.user_id, &all, lines, &count, &next, &err));
	assert_int_equal(count, 1);
	OK(CALL->token_add(rig.store, (const uint8_t *)"token", 5, 1000, &err));
	OK(CALL->commit(rig.store, &err));
}

static void test_migrates(void **state)
{
	(void)state;
	put_old_store();
	is_whole(rig.where, 1, 0); /* who only looks changes nothing */
	rig_open(&rig);
	use();
	rig_close(&rig);
	is_whole(rig.where, KILN_STORE_SCHEMA, 1);
	rig_remove(&rig);
}

/* A backup keeps its schema; what is restored from it has the present one. */
static void test_restores(void **state)
{
	(void)state;
	char backup[220];
	put_old_store();
	(void)snprintf(backup, sizeof backup, "%s.backup", rig.where);
	assert_int_equal(kiln_store_backup(&rig.options, backup, &err), KILN_OK);
	is_whole(backup, 1, 0);
	rig_drop(&rig);
	assert_int_equal(kiln_store_restore(&rig.options, backup, &err), KILN_OK);
	is_whole(backup, 1, 0);
	is_whole(rig.where, KILN_STORE_SCHEMA, 0);
	rig_open(&rig);
	use();
	rig_close(&rig);
	is_whole(rig.where, KILN_STORE_SCHEMA, 1);
	assert_int_equal(unlink(backup), 0);
	rig_remove(&rig);
}

/* A damaged one is refused as it is. */
static void test_damaged(void **state)
{
	(void)state;
	sqlite3 *db;
	struct kiln_store_report report;
	put_old_store();
	assert_int_equal(sqlite3_open(rig.where, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE kiln_keys SET sealed = zeroblob(length(sealed))",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(kiln_store_open(&rig.options, &rig.store, &err), KILN_E_STORE);
	assert_non_null(strstr(err.message, "kiln_keys"));
	assert_int_equal(kiln_store_check(&rig.options, &report, &err), KILN_OK);
	assert_int_equal(report.schema, 1);
	assert_true(report.found > 0);
	rig_remove(&rig);
}

/* A schema that this program does not know yet. */
static void test_newer(void **state)
{
	(void)state;
	sqlite3 *db;
	char change[128];
	rig_make(&rig, "sqlite");
	rig_close(&rig);
	(void)snprintf(change, sizeof change,
		       "UPDATE kiln_meta SET value = x'%016x' WHERE name = CAST('schema' AS BLOB)",
		       KILN_STORE_SCHEMA + 1);
	assert_int_equal(sqlite3_open(rig.where, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, change, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_changes(db), 1);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(kiln_store_open(&rig.options, &rig.store, &err), KILN_E_STORE);
	assert_non_null(strstr(err.message, "newer Kiln"));
	rig_remove(&rig);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_migrates), cmocka_unit_test(test_restores),
	    cmocka_unit_test(test_damaged), cmocka_unit_test(test_newer)};
	if (argc < 2)
		return 2;
	file = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
