/* SPDX-License-Identifier: Apache-2.0
 * A store of schema 1, kept as text in keys_stores_v1.sql, is brought to the present schema.
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

static void test_migrates(void **state)
{
	(void)state;
	static const struct kiln_keys_audit_filter all = {.last_action = 255};
	struct kiln_store_report report;
	struct kiln_keys_audit lines[4];
	struct kiln_keys_user user, got;
	struct kiln_keys_key key, found;
	size_t count = 4;
	uint64_t next;
	rig_make(&rig, "sqlite");
	rig_close(&rig);
	rig_drop(&rig);
	known_key();
	load();
	/* Who only looks changes nothing. */
	assert_int_equal(kiln_store_check(&rig.options, &report, &err), KILN_E_STORE);
	assert_non_null(strstr(err.message, "schema 1"));
	rig_open(&rig);
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
	/* What is new since then. */
	OK(CALL->token_add(rig.store, (const uint8_t *)"token", 5, 1000, &err));
	OK(CALL->commit(rig.store, &err));
	rig_close(&rig);
	assert_int_equal(kiln_store_check(&rig.options, &report, &err), KILN_OK);
	assert_int_equal(report.schema, KILN_STORE_SCHEMA);
	assert_int_equal(report.found, 0);
	assert_int_equal(report.users, USERS);
	assert_int_equal(report.tokens, 1);
	rig_remove(&rig);
}

/* A schema that this program does not know yet. */
static void test_newer(void **state)
{
	(void)state;
	sqlite3 *db;
	rig_make(&rig, "sqlite");
	rig_close(&rig);
	assert_int_equal(sqlite3_open(rig.where, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				      "UPDATE kiln_meta SET value = x'0000000000000003' WHERE name "
				      "= CAST('schema' AS BLOB)",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_changes(db), 1);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(kiln_store_open(&rig.options, &rig.store, &err), KILN_E_STORE);
	assert_non_null(strstr(err.message, "newer Kiln"));
	rig_remove(&rig);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_migrates),
					   cmocka_unit_test(test_newer)};
	if (argc < 2)
		return 2;
	file = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
