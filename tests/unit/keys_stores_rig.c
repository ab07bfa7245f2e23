/* SPDX-License-Identifier: Apache-2.0
 * Stores to test; see keys_stores_rig.h. */
#include "keys_stores_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "keys/store/db.h"

static void say(struct kiln_error *err)
{
	if (err->code != KILN_OK)
		print_error("%s\n", err->message);
}

void rig_drop(struct rig *rig)
{
	static const char *const tables[] = {"meta",   "users", "heads",  "keys",   "audit",
					     "limits", "known", "tokens", "anchors"};
	struct kiln_error err = {0};
	if (strcmp(rig->kind, "sqlite") == 0) {
		static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
		char name[256];
		for (size_t i = 0; i < 4; i++) {
			(void)snprintf(name, sizeof name, "%s%s", rig->where, ends[i]);
			(void)unlink(name);
		}
		return;
	}
	struct kiln_db *db;
	char settings[1000] = "", text[80];
	FILE *f = fopen(strchr(rig->where, ':') + 1, "r");
	assert_non_null(f);
	assert_non_null(fgets(settings, sizeof settings, f));
	(void)fclose(f);
	const enum kiln_code code = kiln_postgres_open(settings, KILN_DB_ALONE, &db, &err);
	say(&err);
	assert_int_equal(code, KILN_OK);
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		(void)snprintf(text, sizeof text, "DROP TABLE IF EXISTS kiln_%s", tables[i]);
		assert_int_equal(db->driver->exec(db, text, &err), KILN_STORE_OK);
	}
	db->driver->close(db);
}

void rig_make(struct rig *rig, const char *kind)
{
	char path[200];
	struct kiln_error err = {0};
	memset(rig, 0, sizeof *rig);
	rig->kind = kind;
	(void)snprintf(rig->dir, sizeof rig->dir, "/tmp/kiln-store.XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	(void)snprintf(rig->where, sizeof rig->where, "%s/store", rig->dir);
	(void)snprintf(rig->anchor, sizeof rig->anchor, "%s/anchor", rig->dir);
	(void)snprintf(rig->backup, sizeof rig->backup, "%s/backup", rig->dir);
	if (strcmp(kind, "postgresql") == 0)
		(void)snprintf(rig->where, sizeof rig->where, "postgresql:%s",
			       getenv("KILN_TEST_POSTGRESQL"));
	(void)snprintf(path, sizeof path, "%s/key", rig->dir);
	rig->key = kiln_store_key_make(path, &err);
	assert_non_null(rig->key);
	rig->options = (struct kiln_store_options){.where = rig->where, .key = rig->key};
	rig_drop(rig);
	const enum kiln_code code = kiln_store_create(&rig->options, &err);
	say(&err);
	assert_int_equal(code, KILN_OK);
	rig_open(rig);
	rig_put_setup(rig);
}

/* As the first start of a server does. */
void rig_put_setup(struct rig *rig)
{
	struct kiln_error err = {0};
	struct kiln_opaque_setup setup;
	memset(&setup, 7, sizeof setup);
	assert_int_equal(CALL->begin(rig->store, &err), KILN_STORE_OK);
	assert_int_equal(CALL->setup_put(rig->store, &setup, &err), KILN_STORE_OK);
	assert_int_equal(CALL->commit(rig->store, &err), KILN_STORE_OK);
}

void rig_open(struct rig *rig)
{
	struct kiln_error err = {0};
	const enum kiln_code code = kiln_store_open(&rig->options, &rig->store, &err);
	say(&err);
	assert_int_equal(code, KILN_OK);
}

void rig_close(struct rig *rig)
{
	kiln_store_close(rig->store);
	rig->store = NULL;
}

void rig_remove(struct rig *rig)
{
	char command[100];
	rig_close(rig);
	rig_drop(rig);
	kiln_store_key_free(rig->key);
	(void)snprintf(command, sizeof command, "rm -r %s", rig->dir);
	assert_int_equal(system(command), 0);
}

struct kiln_store *rig_second(struct rig *rig)
{
	struct kiln_store *store;
	struct kiln_error err = {0};
	const enum kiln_code code = kiln_store_open(&rig->options, &store, &err);
	say(&err);
	assert_int_equal(code, KILN_OK);
	return store;
}

void rig_user(struct kiln_keys_user *user, unsigned n)
{
	memset(user, 0, sizeof *user);
	for (unsigned i = 0; i < sizeof user->user_id; i++)
		user->user_id[i] = (uint8_t)(1 + n * 37 + i * (n + 1));
	memcpy(user->user_id + 8, &n, sizeof n);
	user->name_len =
	    (uint8_t)snprintf((char *)user->name, sizeof user->name, "user%u@example.org", n);
	memset(user->record, (int)(n & 0xff), sizeof user->record);
	memset(user->wrapped, (int)(~n & 0xff), sizeof user->wrapped);
	user->generation = 1;
	user->created_ms = 1000 + n;
}

void rig_key(struct kiln_keys_key *key, const struct kiln_keys_user *owner, unsigned n)
{
	memset(key, 0, sizeof *key);
	memcpy(key->owner, owner->user_id, sizeof key->owner);
	memcpy(key->key_id, owner->user_id, 8);
	memcpy(key->key_id + 8, &n, sizeof n);
	key->kind = KILN_KEYS_HELD;
	key->context = KILN_KEYS_IMPORTED;
	key->data_len = 32;
	memset(key->data, 'S', 32);
	key->created_ms = 77;
}

void rig_line(struct kiln_keys_audit *line, uint8_t action, uint64_t time_ms)
{
	*line = (struct kiln_keys_audit){
	    .time_ms = time_ms, .action = action, .actor = KILN_KEYS_BY_USER};
}

void rig_add_user(struct rig *rig, unsigned n)
{
	struct kiln_error err = {0};
	struct kiln_keys_user user;
	struct kiln_keys_audit line;
	rig_user(&user, n);
	rig_line(&line, KILN_KEYS_DID_REGISTER, n);
	assert_int_equal(CALL->begin(rig->store, &err), KILN_STORE_OK);
	assert_int_equal(CALL->user_create(rig->store, &user, &err), KILN_STORE_OK);
	assert_int_equal(CALL->audit_append(rig->store, user.user_id, &line, &err), KILN_STORE_OK);
	assert_int_equal(CALL->commit(rig->store, &err), KILN_STORE_OK);
}
