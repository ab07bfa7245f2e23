/* SPDX-License-Identifier: Apache-2.0
 * Looking at everything in a store: what the database itself can find, that every row opens, and
 * that a user's rows agree with his head. The four large tables are walked side by side in the
 * order of user ids, so memory does not grow with the store. */
#include <string.h>

#include "base/bytes.h"
#include "base/hex.h"
#include "keys/audit.h"
#include "keys/store/scan.h"

struct look {
	struct kiln_store *store;
	struct kiln_store_report *report;
	struct kiln_scan users, heads, keys, audit;
	uint64_t total; /* users, as kiln_meta says */
};

static void find(struct kiln_store_report *report, const char *table, const struct kiln_row *row,
		 const char *what)
{
	if (report->found++ >= KILN_STORE_FINDINGS_MAX)
		return;
	struct kiln_store_finding *f = &report->findings[report->found - 1];
	f->table = table;
	if (row != NULL && 2 * (size_t)row->len < sizeof f->row)
		kiln_hex_encode(row->id, row->len, f->row);
	size_t len = strnlen(what, sizeof f->what - 1);
	memcpy(f->what, what, len);
	f->what[len] = '\0';
}

static void find_in(struct look *l, const struct kiln_row *row, const char *what)
{
	find(l->report, kiln_store_table_name(row->table), row, what);
}

static bool open_row(struct look *l, const struct kiln_scan *scan, const struct kiln_scan_row *row,
		     uint8_t plain[KILN_ROW_MAX], size_t *len)
{
	const struct kiln_db_value *sealed = kiln_scan_sealed(scan, row);
	l->report->bytes_opened += sealed->len;
	if (kiln_unseal(l->store->sealer, &row->row, sealed->data, sealed->len, plain, KILN_ROW_MAX,
			len))
		return true;
	find_in(l, &row->row, "its seal does not open");
	return false;
}

/* ---- one user */

static void check_user(struct look *l, const struct kiln_scan_row *row,
		       const struct kiln_store_head *head)
{
	struct kiln_keys_user user;
	uint8_t plain[KILN_ROW_MAX], hash[KILN_STORE_HASH_LEN];
	size_t len;
	if (!open_row(l, &l->users, row, plain, &len))
		return;
	if (!kiln_row_read_user(plain, len, &user)) {
		find_in(l, &row->row, "what is sealed in it is no user");
	} else {
		kiln_store_name_hash(l->store, user.name, user.name_len, hash);
		if (row->columns[1].len != sizeof hash ||
		    memcmp(row->columns[1].data, hash, sizeof hash) != 0)
			find_in(l, &row->row, "it is not found under its name");
		else if (head != NULL && user.generation != head->generation)
			find_in(l, &row->row, "it is of another password than its head says");
	}
	kiln_wipe(&user, sizeof user);
	kiln_wipe(plain, sizeof plain);
}

static void check_key(struct look *l, const struct kiln_scan_row *row, uint32_t *live,
		      uint32_t *deleted)
{
	struct kiln_keys_key key;
	uint64_t deleted_ms;
	uint8_t plain[KILN_ROW_MAX];
	size_t len;
	if (!open_row(l, &l->keys, row, plain, &len))
		return;
	if (!kiln_row_read_key(plain, len, &key, &deleted_ms))
		find_in(l, &row->row, "what is sealed in it is no key");
	else if (deleted_ms != 0)
		++*deleted;
	else
		++*live;
	kiln_wipe(&key, sizeof key);
	kiln_wipe(plain, sizeof plain);
}

/* -1: the row is of a user before; 0: of this one; 1: of one behind, or there is none. */
static int whose(const struct kiln_scan_row *row, const uint8_t *user_id)
{
	if (row == NULL)
		return 1;
	const int order = memcmp(row->row.id, user_id, KILN_KEYS_USER_ID_LEN);
	return order < 0 ? -1 : order > 0;
}

/* The next row of the user; rows of users that are not there are found on the way. */
static enum kiln_store_result next_of(struct look *l, struct kiln_scan *scan,
				      const uint8_t *user_id, const struct kiln_scan_row **row,
				      struct kiln_error *err)
{
	for (;;) {
		const enum kiln_store_result result = kiln_scan_peek(scan, row, err);
		if (result != KILN_STORE_OK)
			return result;
		const int of = whose(*row, user_id);
		if (of > 0)
			*row = NULL;
		if (of >= 0)
			return KILN_STORE_OK;
		find_in(l, &(*row)->row, "the head of its user is missing");
		kiln_scan_take(scan);
	}
}

static enum kiln_store_result check_keys(struct look *l, const uint8_t *user_id,
					 const struct kiln_row *head_row,
					 const struct kiln_store_head *head, struct kiln_error *err)
{
	uint32_t live = 0, deleted = 0;
	const uint64_t found = l->report->found;
	for (;;) {
		const struct kiln_scan_row *row;
		const enum kiln_store_result result = next_of(l, &l->keys, user_id, &row, err);
		if (result != KILN_STORE_OK)
			return result;
		if (row == NULL)
			break;
		check_key(l, row, &live, &deleted);
		kiln_scan_take(&l->keys);
	}
	l->report->keys += live;
	l->report->deleted_keys += deleted;
	if (head != NULL && found == l->report->found &&
	    (live != head->keys || deleted != head->deleted))
		find_in(l, head_row, "the user has not as many keys as it says");
	return KILN_STORE_OK;
}

/* Follows the chain from its base to the head. */
struct chain {
	uint64_t next;
	uint8_t hash[KILN_KEYS_HASH_LEN];
	bool broken;
};

static void check_line(struct look *l, const struct kiln_scan_row *row, const uint8_t *user_id,
		       struct chain *chain)
{
	struct kiln_keys_audit entry;
	uint8_t hash[KILN_KEYS_HASH_LEN], stored[KILN_KEYS_HASH_LEN];
	const struct kiln_db_value *sealed = kiln_scan_sealed(&l->audit, row);
	const uint64_t number = (uint64_t)row->columns[1].number;
	const char *what = NULL;
	l->report->bytes_opened += sealed->len;
	if (!kiln_store_open_audit(l->store, user_id, number, sealed->data, sealed->len, &entry,
				   stored))
		what = "its seal does not open";
	else if (number != chain->next)
		what = "lines before it are missing";
	else if (!kiln_keys_audit_hash(chain->hash, user_id, &entry, hash) ||
		 memcmp(hash, stored, sizeof hash) != 0)
		what = "it does not follow the line before it";
	if (what != NULL && !chain->broken)
		find_in(l, &row->row, what);
	chain->broken = chain->broken || what != NULL;
	chain->next = number + 1;
	memcpy(chain->hash, stored, sizeof stored);
	l->report->audit_lines++;
}

static enum kiln_store_result check_log(struct look *l, const uint8_t *user_id,
					const struct kiln_row *head_row,
					const struct kiln_store_head *head, struct kiln_error *err)
{
	struct chain chain = {.broken = head == NULL};
	if (head != NULL) {
		chain.next = head->first;
		memcpy(chain.hash, head->base, sizeof chain.hash);
	}
	for (;;) {
		const struct kiln_scan_row *row;
		const enum kiln_store_result result = next_of(l, &l->audit, user_id, &row, err);
		if (result != KILN_STORE_OK)
			return result;
		if (row == NULL)
			break;
		check_line(l, row, user_id, &chain);
		kiln_scan_take(&l->audit);
	}
	if (!chain.broken && (chain.next != head->count + 1 ||
			      memcmp(chain.hash, head->hash, sizeof chain.hash) != 0))
		find_in(l, head_row, "the user's log does not end where it says");
	return KILN_STORE_OK;
}

/* The user's row, or none for nobody; users without a head are found on the way. */
static enum kiln_store_result check_row_of(struct look *l, const uint8_t *user_id,
					   const struct kiln_row *head_row,
					   const struct kiln_store_head *head,
					   struct kiln_error *err)
{
	const struct kiln_scan_row *row;
	const enum kiln_store_result result = next_of(l, &l->users, user_id, &row, err);
	const bool nobody = memcmp(user_id, kiln_store_nobody, KILN_KEYS_USER_ID_LEN) == 0;
	if (result != KILN_STORE_OK)
		return result;
	if (row == NULL && !nobody)
		find_in(l, head_row, "its user is missing");
	if (row == NULL)
		return KILN_STORE_OK;
	check_user(l, row, head);
	l->report->users++;
	kiln_scan_take(&l->users);
	return KILN_STORE_OK;
}

static enum kiln_store_result check_head(struct look *l, const struct kiln_scan_row *row,
					 struct kiln_error *err)
{
	struct kiln_store_head head, *known = NULL;
	uint8_t plain[KILN_ROW_MAX], user_id[KILN_KEYS_USER_ID_LEN] = {0};
	size_t len;
	memcpy(user_id, row->row.id, row->row.len < sizeof user_id ? row->row.len : sizeof user_id);
	if (open_row(l, &l->heads, row, plain, &len)) {
		if (len == KILN_ROW_HEAD_LEN) {
			kiln_row_read_head(plain, &head);
			known = &head;
		} else {
			find_in(l, &row->row, "what is sealed in it is no head");
		}
	}
	enum kiln_store_result result = check_row_of(l, user_id, &row->row, known, err);
	if (result == KILN_STORE_OK)
		result = check_keys(l, user_id, &row->row, known, err);
	if (result == KILN_STORE_OK)
		result = check_log(l, user_id, &row->row, known, err);
	return result;
}

/* ---- all of them */

static enum kiln_store_result find_rest(struct look *l, struct kiln_scan *scan,
					struct kiln_error *err)
{
	for (;;) {
		const struct kiln_scan_row *row;
		const enum kiln_store_result result = kiln_scan_peek(scan, &row, err);
		if (result != KILN_STORE_OK || row == NULL)
			return result;
		find_in(l, &row->row, "the head of its user is missing");
		kiln_scan_take(scan);
	}
}

static enum kiln_store_result walk_users(struct look *l, struct kiln_error *err)
{
	bool nobody = false;
	for (uint64_t n = 0;; n++) {
		const struct kiln_scan_row *row;
		enum kiln_store_result result = kiln_scan_peek(&l->heads, &row, err);
		if (result != KILN_STORE_OK)
			return result;
		if (row == NULL)
			break;
		nobody =
		    nobody || memcmp(row->row.id, kiln_store_nobody, KILN_KEYS_USER_ID_LEN) == 0;
		result = check_head(l, row, err);
		if (result != KILN_STORE_OK)
			return result;
		kiln_scan_take(&l->heads);
		if (n % 256 == 0)
			kiln_store_say_progress(l->store, "users",
						l->total > 0 ? (int)(n * 100 / l->total) : 0);
	}
	if (!nobody)
		find(l->report, "kiln_heads", NULL, "the head of nobody's log is missing");
	if (l->report->users != l->total)
		find(l->report, "kiln_users", NULL, "there are not as many as kiln_meta says");
	enum kiln_store_result result = find_rest(l, &l->users, err);
	if (result == KILN_STORE_OK)
		result = find_rest(l, &l->keys, err);
	return result == KILN_STORE_OK ? find_rest(l, &l->audit, err) : result;
}

/* Tables whose rows stand alone. */
static enum kiln_store_result walk_table(struct look *l, enum kiln_store_table table,
					 uint64_t *rows, struct kiln_error *err)
{
	struct kiln_scan scan;
	enum kiln_store_result result = KILN_STORE_FAILED;
	if (kiln_scan_start(&scan, l->store, table, err) != KILN_OK)
		return result;
	for (*rows = 0;; ++*rows) {
		const struct kiln_scan_row *row;
		uint8_t plain[KILN_ROW_MAX];
		size_t len;
		result = kiln_scan_peek(&scan, &row, err);
		if (result != KILN_STORE_OK || row == NULL)
			break;
		if (open_row(l, &scan, row, plain, &len) && table == KILN_TABLE_LIMITS &&
		    (len != KILN_ROW_BUCKET_LEN ||
		     kiln_row_number(plain + KILN_ROW_BUCKET_LEN - 8) !=
			 (uint64_t)row->columns[1].number))
			find_in(l, &row->row, "it ends at another time than is sealed in it");
		kiln_scan_take(&scan);
		kiln_store_say_progress(l->store, kiln_store_table_name((uint8_t)table), -1);
	}
	kiln_scan_end(&scan);
	return result;
}

static enum kiln_store_result walk(struct look *l, struct kiln_error *err)
{
	uint64_t rows;
	struct kiln_opaque_setup setup;
	enum kiln_store_result result = kiln_store_setup_get(l->store, &setup, err);
	const bool has_setup = result == KILN_STORE_OK;
	kiln_wipe(&setup, sizeof setup);
	if (result != KILN_STORE_FAILED)
		result = kiln_store_users_total(l->store, &l->total, err);
	if (result == KILN_STORE_OK && !has_setup && l->total > 0)
		find(l->report, "kiln_meta", NULL, "the server's setup is missing");
	if (result == KILN_STORE_OK)
		result = walk_users(l, err);
	if (result == KILN_STORE_OK)
		result = walk_table(l, KILN_TABLE_LIMITS, &rows, err);
	if (result == KILN_STORE_OK)
		result = walk_table(l, KILN_TABLE_KNOWN, &rows, err);
	if (result == KILN_STORE_OK)
		result = walk_table(l, KILN_TABLE_TOKENS, &l->report->tokens, err);
	if (result == KILN_STORE_OK)
		result = walk_table(l, KILN_TABLE_ANCHORS, &rows, err);
	return result;
}

static void found_by_database(void *ctx, const char *sentence)
{
	struct look *l = ctx;
	find(l->report, l->store->db->driver->name, NULL, sentence);
}

/* Rows of a database that is not right in itself are not worth a look. */
static enum kiln_store_result look(struct look *l, struct kiln_error *err)
{
	const struct kiln_db_driver *driver = l->store->db->driver;
	enum kiln_store_result result = driver->snapshot(l->store->db, err);
	if (result != KILN_STORE_OK)
		return result;
	driver->watch(l->store->db, "the database's own check", kiln_store_say_progress, l->store);
	result = driver->verify(l->store->db, found_by_database, l, err);
	driver->watch(l->store->db, NULL, NULL, NULL);
	if (result == KILN_STORE_OK && l->report->found == 0)
		result = walk(l, err);
	driver->rollback(l->store->db);
	return result;
}

enum kiln_code kiln_store_look(struct kiln_store *store, struct kiln_store_report *report,
			       struct kiln_error *err)
{
	struct look l = {.store = store, .report = report};
	memset(report, 0, sizeof *report);
	report->schema = store->schema;
	report->database = store->db->driver->name;
	report->rotating = store->rotating;
	memcpy(report->store_id, store->store_id, sizeof report->store_id);
	enum kiln_code code = kiln_scan_start(&l.users, store, KILN_TABLE_USERS, err);
	if (code == KILN_OK)
		code = kiln_scan_start(&l.heads, store, KILN_TABLE_HEADS, err);
	if (code == KILN_OK)
		code = kiln_scan_start(&l.keys, store, KILN_TABLE_KEYS, err);
	if (code == KILN_OK)
		code = kiln_scan_start(&l.audit, store, KILN_TABLE_AUDIT, err);
	if (code == KILN_OK)
		code = kiln_store_code(look(&l, err), err);
	kiln_scan_end(&l.users);
	kiln_scan_end(&l.heads);
	kiln_scan_end(&l.keys);
	kiln_scan_end(&l.audit);
	return code;
}
