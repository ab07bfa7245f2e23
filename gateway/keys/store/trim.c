/* SPDX-License-Identifier: Apache-2.0
 * Logs are kept as long as the operator says (open.h: audit_days). A log loses lines at its old end
 * alone and only by their age, so that nobody washes away what he did by doing more of it. The head
 * keeps the hash of the last line that went: what is left hangs on it. */
#include <string.h>

#include "base/bytes.h"
#include "keys/store/scan.h"

#define DAY_MS (UINT64_C(24) * 3600 * 1000)

struct old_lines {
	const struct kiln_store *store;
	const uint8_t *user_id;
	struct kiln_store_head *head;
	uint64_t before_ms;
	bool younger; /* one that stays was seen */
};

static struct kiln_row row_of(const uint8_t *user_id, uint64_t number)
{
	uint8_t n[8];
	kiln_store_be64(n, number);
	return kiln_row_of2(KILN_TABLE_AUDIT, user_id, KILN_KEYS_USER_ID_LEN, n, sizeof n);
}

static enum kiln_store_result take_old(void *ctx, const struct kiln_db_value *columns,
				       struct kiln_error *err)
{
	struct old_lines *l = ctx;
	struct kiln_keys_audit entry;
	uint8_t hash[KILN_KEYS_HASH_LEN];
	const uint64_t next = l->head->first;
	const struct kiln_row row = row_of(l->user_id, next);
	if (l->younger)
		return KILN_STORE_OK;
	if (columns[0].number < 0 || (uint64_t)columns[0].number != next)
		return kiln_store_damaged(&row, "it is missing", err);
	if (!kiln_store_open_audit(l->store, l->user_id, next, columns[1].data, columns[1].len,
				   &entry, hash))
		return kiln_store_damaged(&row, "its seal does not open", err);
	l->younger = entry.time_ms >= l->before_ms;
	if (l->younger)
		return KILN_STORE_OK;
	memcpy(l->head->base, hash, sizeof hash);
	l->head->first = next + 1;
	return KILN_STORE_OK;
}

enum kiln_store_result kiln_store_trim_log(struct kiln_store *store, const uint8_t *user_id,
					   uint64_t before_ms, struct kiln_store_head *head,
					   struct kiln_error *err)
{
	const uint64_t first = head->first;
	struct old_lines l = {store, user_id, head, before_ms, false};
	const struct kiln_db_value from[] = {KILN_DB_BYTES(user_id, KILN_KEYS_USER_ID_LEN),
					     KILN_DB_NUMBER(first)};
	enum kiln_store_result result =
	    kiln_store_run(store, KILN_SQL_AUDIT_OLDEST, from, take_old, &l, NULL, err);
	if (result != KILN_STORE_OK || head->first == first)
		return result;
	const struct kiln_db_value before[] = {from[0], KILN_DB_NUMBER(head->first)};
	return kiln_store_run(store, KILN_SQL_AUDIT_DROP, before, NULL, NULL, NULL, err);
}

/* ---- all logs of a store */

static enum kiln_store_result trim_one(struct kiln_store *store, const struct kiln_scan_row *row,
				       uint64_t before_ms, struct kiln_store_trimmed *trimmed,
				       struct kiln_error *err)
{
	struct kiln_store_head head;
	const uint8_t *user_id = row->columns[0].data;
	enum kiln_store_result result = kiln_store_head_get(store, user_id, true, &head, err);
	const uint64_t before = head.first;
	for (uint64_t first = 0; result == KILN_STORE_OK && head.first != first;) {
		first = head.first;
		result = kiln_store_trim_log(store, user_id, before_ms, &head, err);
	}
	if (result != KILN_STORE_OK)
		return result;
	trimmed->kept += head.count + 1 - head.first;
	if (head.first == before)
		return KILN_STORE_OK;
	trimmed->lines += head.first - before;
	trimmed->logs++;
	return kiln_store_head_set(store, user_id, &head, false, err);
}

/* A page of logs to a transaction. */
static enum kiln_store_result trim_page(struct kiln_store *store, struct kiln_scan *scan,
					uint64_t before_ms, bool *more,
					struct kiln_store_trimmed *trimmed, struct kiln_error *err)
{
	const struct kiln_scan_row *row;
	enum kiln_store_result result = store->db->driver->begin(store->db, err);
	if (result != KILN_STORE_OK)
		return result;
	result = kiln_scan_peek(scan, &row, err);
	*more = row != NULL;
	while (result == KILN_STORE_OK && scan->at < scan->count) {
		result = trim_one(store, &scan->rows[scan->at], before_ms, trimmed, err);
		kiln_scan_take(scan);
	}
	if (result == KILN_STORE_OK)
		return store->db->driver->commit(store->db, true, err);
	store->db->driver->rollback(store->db);
	return result;
}

static enum kiln_store_result trim_all(struct kiln_store *store, uint64_t before_ms,
				       struct kiln_store_trimmed *trimmed, struct kiln_error *err)
{
	struct kiln_scan scan;
	bool more = true;
	enum kiln_store_result result = KILN_STORE_OK;
	if (kiln_scan_start(&scan, store, KILN_TABLE_HEADS, err) != KILN_OK)
		return KILN_STORE_FAILED;
	while (result == KILN_STORE_OK && more) {
		result = trim_page(store, &scan, before_ms, &more, trimmed, err);
		kiln_store_say_progress(store, "logs", -1);
	}
	kiln_scan_end(&scan);
	return result;
}

uint64_t kiln_store_audit_before(uint32_t days, uint64_t now_ms)
{
	const uint64_t kept = days * DAY_MS;
	return days != 0 && now_ms > kept ? now_ms - kept : 0;
}

enum kiln_code kiln_store_trim(const struct kiln_store_options *options, uint64_t now_ms,
			       struct kiln_store_trimmed *trimmed, struct kiln_error *err)
{
	struct kiln_store *store;
	struct kiln_store_report report;
	memset(trimmed, 0, sizeof *trimmed);
	enum kiln_code code = kiln_store_connect(options, KILN_DB_ALONE, &store, err);
	if (code != KILN_OK)
		return code;
	code = kiln_store_look(store, &report, err);
	if (code == KILN_OK && report.found > 0)
		code = kiln_fail(err, KILN_E_STORE,
				 "the store is damaged (`kiln keys check` says where): nothing is "
				 "removed from it");
	if (code == KILN_OK)
		code = kiln_store_code(
		    trim_all(store, kiln_store_audit_before(options->audit_days, now_ms), trimmed,
			     err),
		    err);
	kiln_store_close(store);
	return code;
}
