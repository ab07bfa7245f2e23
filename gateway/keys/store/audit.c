/* SPDX-License-Identifier: Apache-2.0
 * Audit logs: lib/keys/store.h. Lines wait until the commit and are then written in the order of
 * their users: servers that share a database lock users' heads in one order and for a moment only,
 * so strangers who try many names at two servers cannot make these wait for each other. */
#include "keys/audit.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "keys/store/internal.h"

static struct kiln_row row_of(const uint8_t *user_id, uint64_t number)
{
	uint8_t n[8];
	kiln_store_be64(n, number);
	return kiln_row_of2(KILN_TABLE_AUDIT, user_id, KILN_KEYS_USER_ID_LEN, n, sizeof n);
}

bool kiln_store_open_audit(const struct kiln_store *store, const uint8_t *user_id, uint64_t number,
			   const uint8_t *sealed, size_t len, struct kiln_keys_audit *entry,
			   uint8_t hash[KILN_KEYS_HASH_LEN])
{
	uint8_t plain[KILN_ROW_AUDIT_LEN];
	const struct kiln_row row = row_of(user_id, number);
	if (!kiln_unseal_exactly(store->sealer, &row, sealed, len, plain, sizeof plain))
		return false;
	kiln_keys_audit_read(plain, entry);
	memcpy(hash, plain + KILN_KEYS_AUDIT_LEN, KILN_KEYS_HASH_LEN);
	return entry->number == number;
}

/* ---- writing */

static enum kiln_store_result put(struct kiln_store *store, const uint8_t *user_id,
				  const struct kiln_keys_audit *entry, const uint8_t *hash,
				  struct kiln_error *err)
{
	uint8_t plain[KILN_ROW_AUDIT_LEN], sealed[KILN_ROW_AUDIT_LEN + KILN_STORE_SEAL_OVERHEAD];
	const struct kiln_row row = row_of(user_id, entry->number);
	kiln_keys_audit_write(entry, plain);
	memcpy(plain + KILN_KEYS_AUDIT_LEN, hash, KILN_KEYS_HASH_LEN);
	kiln_seal(store->sealer, &row, plain, sizeof plain, sealed);
	const struct kiln_db_value values[] = {
	    KILN_DB_BYTES(user_id, KILN_KEYS_USER_ID_LEN),
	    KILN_DB_NUMBER(entry->number),
	    KILN_DB_BYTES(sealed, sizeof sealed),
	};
	const enum kiln_store_result result =
	    kiln_store_put(store, KILN_SQL_AUDIT_ADD, values, KILN_STORE_TAKEN, err);
	return result != KILN_STORE_TAKEN
		   ? result
		   : kiln_store_damaged(&row, "there is a line behind the log's last one", err);
}

static enum kiln_store_result drop_oldest(struct kiln_store *store, struct kiln_store_head *head,
					  struct kiln_error *err)
{
	struct kiln_store_cell cell;
	struct kiln_keys_audit entry;
	const uint64_t first = head->count - KILN_STORE_NOBODY_LINES + KILN_STORE_NOBODY_DROP;
	const struct kiln_db_value last[] = {
	    KILN_DB_BYTES(kiln_store_nobody, KILN_KEYS_USER_ID_LEN), KILN_DB_NUMBER(first - 1)};
	const struct kiln_db_value before[] = {last[0], KILN_DB_NUMBER(first)};
	enum kiln_store_result result = kiln_store_get(store, KILN_SQL_AUDIT_GET, last, &cell, err);
	if (result == KILN_STORE_OK &&
	    !kiln_store_open_audit(store, kiln_store_nobody, first - 1, cell.bytes, cell.len,
				   &entry, head->base))
		result = KILN_STORE_ABSENT;
	if (result == KILN_STORE_ABSENT) {
		const struct kiln_row row = row_of(kiln_store_nobody, first - 1);
		return kiln_store_damaged(&row, "it is missing, or does not open", err);
	}
	if (result == KILN_STORE_OK)
		result = kiln_store_run(store, KILN_SQL_AUDIT_DROP, before, NULL, NULL, NULL, err);
	head->first = first;
	return result;
}

static enum kiln_store_result append(struct kiln_store *store, struct kiln_store_head *head,
				     const struct kiln_store_pending *pending,
				     struct kiln_error *err)
{
	struct kiln_keys_audit entry = pending->entry;
	entry.number = ++head->count;
	if (!kiln_keys_audit_hash(head->hash, pending->user_id, &entry, head->hash)) {
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "a line of a log cannot be hashed");
		return KILN_STORE_FAILED;
	}
	return put(store, pending->user_id, &entry, head->hash, err);
}

/* Now and then: to look for old lines costs as much as to write one. */
static enum kiln_store_result trim(struct kiln_store *store, const struct kiln_store_pending *last,
				   size_t taken, struct kiln_store_head *head,
				   struct kiln_error *err)
{
	const uint64_t turn = head->count / KILN_STORE_TRIM_EVERY;
	if (store->audit_days == 0 || (head->count - taken) / KILN_STORE_TRIM_EVERY == turn)
		return KILN_STORE_OK;
	return kiln_store_trim_log(store, last->user_id,
				   kiln_store_audit_before(store->audit_days, last->entry.time_ms),
				   head, err);
}

static bool same_user(const struct kiln_store_pending *a, const struct kiln_store_pending *b)
{
	return memcmp(a->user_id, b->user_id, sizeof a->user_id) == 0;
}

/* All lines of one user, from the first of them on; *taken gets how many. */
static enum kiln_store_result append_run(struct kiln_store *store,
					 const struct kiln_store_pending *run, size_t count,
					 size_t *taken, struct kiln_error *err)
{
	struct kiln_store_head head;
	enum kiln_store_result result = kiln_store_head_get(store, run->user_id, true, &head, err);
	if (result == KILN_STORE_ABSENT) {
		const struct kiln_row row =
		    kiln_row_of(KILN_TABLE_HEADS, run->user_id, KILN_KEYS_USER_ID_LEN);
		return kiln_store_damaged(&row, "it is missing", err);
	}
	for (*taken = 0; result == KILN_STORE_OK && *taken < count && same_user(run, run + *taken);
	     ++*taken)
		result = append(store, &head, run + *taken, err);
	if (result == KILN_STORE_OK && head.count - head.first >= KILN_STORE_NOBODY_LINES &&
	    memcmp(run->user_id, kiln_store_nobody, sizeof run->user_id) == 0)
		result = drop_oldest(store, &head, err);
	if (result == KILN_STORE_OK)
		result = trim(store, run + *taken - 1, *taken, &head, err);
	if (result == KILN_STORE_OK)
		result = kiln_store_head_set(store, run->user_id, &head, false, err);
	return result;
}

static int by_user(const void *a, const void *b)
{
	const struct kiln_store_pending *x = a, *y = b;
	const int order = memcmp(x->user_id, y->user_id, sizeof x->user_id);
	return order != 0 ? order : x->order < y->order ? -1 : x->order > y->order;
}

enum kiln_store_result kiln_store_audit_flush(struct kiln_store *store, struct kiln_error *err)
{
	struct kiln_store_pending *sorted = store->pending + store->pending_written;
	const size_t count = store->pending_count - store->pending_written;
	enum kiln_store_result result = KILN_STORE_OK;
	for (size_t i = 0; i < count; i++)
		sorted[i].order = (uint32_t)i;
	/* Within a frame an undo takes back its lines alone: those before keep their place. */
	const size_t before = store->in_frame && store->frame_count > store->pending_written
				  ? store->frame_count - store->pending_written
				  : 0;
	qsort(sorted, before, sizeof *sorted, by_user);
	qsort(sorted + before, count - before, sizeof *sorted, by_user);
	for (size_t i = 0, taken = 0; i < count && result == KILN_STORE_OK; i += taken)
		result = append_run(store, sorted + i, count - i, &taken, err);
	if (result == KILN_STORE_OK)
		store->pending_written = store->pending_count;
	return result;
}

enum kiln_store_result kiln_store_audit_append(void *ctx,
					       const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
					       const struct kiln_keys_audit *entry,
					       struct kiln_error *err)
{
	struct kiln_store *store = ctx;
	struct kiln_store_head head;
	enum kiln_store_result result = kiln_store_head_get(store, user_id, false, &head, err);
	if (result != KILN_STORE_OK)
		return result;
	if (store->pending_count == KILN_STORE_PENDING_MAX) {
		result = kiln_store_audit_flush(store, err);
		if (result != KILN_STORE_OK)
			return result;
		if (store->in_frame && store->frame_count > 0) {
			(void)kiln_fail(err, KILN_E_LIMIT,
					"more than %u lines of logs in one batch",
					KILN_STORE_PENDING_MAX);
			return KILN_STORE_FAILED;
		}
		store->pending_count = store->pending_written = 0;
	}
	struct kiln_store_pending *pending = &store->pending[store->pending_count++];
	memcpy(pending->user_id, user_id, sizeof pending->user_id);
	pending->entry = *entry;
	return KILN_STORE_OK;
}

/* ---- reading */

struct listing {
	const struct kiln_store *store;
	const uint8_t *user_id;
	const struct kiln_keys_audit_filter *filter;
	struct kiln_keys_audit *entries;
	size_t count, max;
	size_t looked; /* at so many lines, whether they pass or not */
	uint64_t next; /* number of the line that must come */
};

static bool enough(const struct listing *l)
{
	return l->count == l->max || l->looked == KILN_KEYS_AUDIT_SCAN_MAX;
}

static bool passes(const struct kiln_keys_audit_filter *f, const struct kiln_keys_audit *e)
{
	if (e->action < f->first_action || e->action > f->last_action || e->time_ms < f->after_ms ||
	    (f->before_ms != 0 && e->time_ms > f->before_ms))
		return false;
	for (size_t i = 0; i < f->key_id_count; i++)
		if (e->has_key && memcmp(e->key_id, f->key_ids[i], sizeof e->key_id) == 0)
			return true;
	return f->key_id_count == 0;
}

static enum kiln_store_result take_line(void *ctx, const struct kiln_db_value *columns,
					struct kiln_error *err)
{
	struct listing *l = ctx;
	struct kiln_keys_audit entry;
	uint8_t hash[KILN_KEYS_HASH_LEN];
	const struct kiln_row row = row_of(l->user_id, l->next);
	if (enough(l))
		return KILN_STORE_OK;
	if (columns[0].number < 0 || (uint64_t)columns[0].number != l->next)
		return kiln_store_damaged(&row, "it is missing", err);
	if (!kiln_store_open_audit(l->store, l->user_id, l->next, columns[1].data, columns[1].len,
				   &entry, hash))
		return kiln_store_damaged(&row, "its seal does not open", err);
	l->looked++;
	l->next++;
	if (passes(l->filter, &entry))
		l->entries[l->count++] = entry;
	return KILN_STORE_OK;
}

static bool waits(const struct kiln_store *store, const uint8_t *user_id)
{
	for (size_t i = store->pending_written; i < store->pending_count; i++)
		if (memcmp(store->pending[i].user_id, user_id, KILN_KEYS_USER_ID_LEN) == 0)
			return true;
	return false;
}

/* What passes, from l->next to the log's last line or until it is enough. */
static enum kiln_store_result list(struct listing *l, struct kiln_store *store, uint64_t last,
				   struct kiln_error *err)
{
	enum kiln_store_result result = KILN_STORE_OK;
	while (result == KILN_STORE_OK && !enough(l) && l->next <= last) {
		const uint64_t from = l->next;
		const struct kiln_row row = row_of(l->user_id, from);
		const struct kiln_db_value values[] = {
		    KILN_DB_BYTES(l->user_id, KILN_KEYS_USER_ID_LEN), KILN_DB_NUMBER(from)};
		result =
		    kiln_store_run(store, KILN_SQL_AUDIT_LIST, values, take_line, l, NULL, err);
		if (result == KILN_STORE_OK && l->next == from)
			result = kiln_store_damaged(&row, "it is missing", err);
	}
	return result;
}

enum kiln_store_result kiln_store_audit_list(void *ctx,
					     const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
					     const struct kiln_keys_audit_filter *filter,
					     struct kiln_keys_audit *entries, size_t *count,
					     uint64_t *next, struct kiln_error *err)
{
	struct kiln_store *store = ctx;
	struct kiln_store_head head;
	struct listing l = {store, user_id, filter, entries, 0, *count, 0, 0};
	*count = 0;
	*next = 0;
	enum kiln_store_result result =
	    waits(store, user_id) ? kiln_store_audit_flush(store, err) : KILN_STORE_OK;
	if (result == KILN_STORE_OK)
		result = kiln_store_head_get(store, user_id, false, &head, err);
	if (result != KILN_STORE_OK)
		return result == KILN_STORE_ABSENT ? KILN_STORE_OK : result;
	l.next = filter->from_number > head.first ? filter->from_number : head.first;
	result = list(&l, store, head.count, err);
	if (result == KILN_STORE_OK) {
		*count = l.count;
		*next = l.next <= head.count ? l.next : 0;
	}
	return result;
}
