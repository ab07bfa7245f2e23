/* SPDX-License-Identifier: Apache-2.0
 * A store in memory; see keys_store.h. */
#include "keys_store.h"

#include <stdlib.h>
#include <string.h>

#include "keys/audit.h"
#include "keys/crypto.h"

static enum kiln_store_result fault(struct memory_store *m, struct kiln_error *err)
{
	if (++m->calls != m->fail_call)
		return KILN_STORE_OK;
	(void)kiln_fail(err, KILN_E_SYSTEM, "a fault to order");
	return KILN_STORE_FAILED;
}

#define ENTER(m, ctx)                                                                              \
	struct memory_store *m = (ctx);                                                            \
	if (!m->in_batch)                                                                          \
		abort();                                                                           \
	if (fault(m, err) != KILN_STORE_OK)                                                        \
	return KILN_STORE_FAILED

static enum kiln_store_result memory_begin(void *ctx, struct kiln_error *err)
{
	struct memory_store *m = ctx;
	if (m->in_batch)
		abort();
	if (fault(m, err) != KILN_STORE_OK)
		return KILN_STORE_FAILED;
	m->at_begin = m->now;
	m->in_batch = true;
	return KILN_STORE_OK;
}

static void memory_rollback(void *ctx)
{
	struct memory_store *m = ctx;
	m->now = m->at_begin;
	m->in_batch = m->in_savepoint = false;
}

static enum kiln_store_result memory_commit(void *ctx, struct kiln_error *err)
{
	struct memory_store *m = ctx;
	if (!m->in_batch || m->in_savepoint)
		abort();
	if (m->fail_commit || fault(m, err) != KILN_STORE_OK) {
		(void)kiln_fail(err, KILN_E_SYSTEM, "the commit failed, to order");
		memory_rollback(m);
		return KILN_STORE_FAILED;
	}
	m->in_batch = false;
	m->commits++;
	if (m->lose_commit)
		(void)kiln_fail(err, KILN_E_STORE, "lost, to order");
	return m->lose_commit ? KILN_STORE_UNKNOWN : KILN_STORE_OK;
}

static enum kiln_store_result memory_savepoint(void *ctx, struct kiln_error *err)
{
	ENTER(m, ctx);
	if (m->in_savepoint)
		abort();
	m->at_savepoint = m->now;
	m->in_savepoint = true;
	return KILN_STORE_OK;
}

static enum kiln_store_result memory_release(void *ctx, struct kiln_error *err)
{
	ENTER(m, ctx);
	m->in_savepoint = false;
	return KILN_STORE_OK;
}

static enum kiln_store_result memory_undo(void *ctx, struct kiln_error *err)
{
	struct memory_store *m = ctx;
	if (!m->in_savepoint)
		abort();
	if (fault(m, err) != KILN_STORE_OK) {
		memory_rollback(m);
		return KILN_STORE_FAILED;
	}
	m->now = m->at_savepoint;
	m->in_savepoint = false;
	return KILN_STORE_OK;
}

static enum kiln_store_result setup_get(void *ctx, struct kiln_opaque_setup *setup,
					struct kiln_error *err)
{
	ENTER(m, ctx);
	*setup = m->now.setup;
	return m->now.has_setup ? KILN_STORE_OK : KILN_STORE_ABSENT;
}

static enum kiln_store_result setup_put(void *ctx, const struct kiln_opaque_setup *setup,
					struct kiln_error *err)
{
	ENTER(m, ctx);
	if (m->now.has_setup)
		return KILN_STORE_TAKEN;
	m->now.setup = *setup;
	m->now.has_setup = true;
	return KILN_STORE_OK;
}

/* ---- users */

static struct kiln_keys_user *find_name(struct memory_store *m, const uint8_t *name, size_t len)
{
	for (size_t i = 0; i < m->now.user_count; i++)
		if (m->now.users[i].name_len == len && memcmp(m->now.users[i].name, name, len) == 0)
			return &m->now.users[i];
	return NULL;
}

static struct kiln_keys_user *find_user(struct memory_store *m, const uint8_t *user_id)
{
	for (size_t i = 0; i < m->now.user_count; i++)
		if (memcmp(m->now.users[i].user_id, user_id, KILN_KEYS_USER_ID_LEN) == 0)
			return &m->now.users[i];
	return NULL;
}

static enum kiln_store_result give_user(const struct kiln_keys_user *found,
					struct kiln_keys_user *user)
{
	if (found == NULL)
		return KILN_STORE_ABSENT;
	*user = *found;
	return KILN_STORE_OK;
}

static enum kiln_store_result user_by_name(void *ctx, const uint8_t *name, size_t len,
					   struct kiln_keys_user *user, struct kiln_error *err)
{
	ENTER(m, ctx);
	return give_user(find_name(m, name, len), user);
}

static enum kiln_store_result user_by_id(void *ctx, const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
					 struct kiln_keys_user *user, struct kiln_error *err)
{
	ENTER(m, ctx);
	return give_user(find_user(m, user_id), user);
}

static enum kiln_store_result user_generation(void *ctx,
					      const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
					      uint64_t *generation, struct kiln_error *err)
{
	ENTER(m, ctx);
	const struct kiln_keys_user *found = find_user(m, user_id);
	if (found == NULL)
		return KILN_STORE_ABSENT;
	*generation = found->generation;
	return KILN_STORE_OK;
}

static enum kiln_store_result user_create(void *ctx, const struct kiln_keys_user *user,
					  struct kiln_error *err)
{
	ENTER(m, ctx);
	if (find_name(m, user->name, user->name_len) != NULL || find_user(m, user->user_id) != NULL)
		return KILN_STORE_TAKEN;
	if (m->now.user_count == MEMORY_USERS)
		abort();
	m->now.users[m->now.user_count++] = *user;
	return KILN_STORE_OK;
}

static enum kiln_store_result user_change(void *ctx, const struct kiln_keys_user *user,
					  struct kiln_error *err)
{
	ENTER(m, ctx);
	struct kiln_keys_user *row = find_user(m, user->user_id);
	if (row == NULL)
		return KILN_STORE_ABSENT;
	if (row->generation != user->generation)
		return KILN_STORE_STALE;
	memcpy(row->record, user->record, sizeof row->record);
	memcpy(row->wrapped, user->wrapped, sizeof row->wrapped);
	row->generation++;
	return KILN_STORE_OK;
}

/* ---- keys */

static size_t find_key(struct memory_store *m, const uint8_t *key_id)
{
	size_t i = 0;
	while (i < m->now.key_count &&
	       memcmp(m->now.keys[i].key_id, key_id, KILN_KEYS_KEY_ID_LEN) != 0)
		i++;
	return i;
}

static struct kiln_keys_key *own_key(struct memory_store *m, const uint8_t *key_id,
				     const uint8_t *owner)
{
	const size_t i = find_key(m, key_id);
	if (i == m->now.key_count || m->now.key_gone[i] ||
	    memcmp(m->now.keys[i].owner, owner, KILN_KEYS_USER_ID_LEN) != 0)
		return NULL;
	return &m->now.keys[i];
}

static enum kiln_store_result key_create(void *ctx, const struct kiln_keys_key *key,
					 struct kiln_error *err)
{
	ENTER(m, ctx);
	if (find_key(m, key->key_id) < m->now.key_count)
		return KILN_STORE_TAKEN;
	if (m->keys_max > 0 && m->now.key_count >= m->keys_max)
		return KILN_STORE_FULL;
	if (m->now.key_count == MEMORY_KEYS)
		abort();
	m->now.keys[m->now.key_count++] = *key;
	return KILN_STORE_OK;
}

static enum kiln_store_result key_id_free(void *ctx, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					  struct kiln_error *err)
{
	ENTER(m, ctx);
	return find_key(m, key_id) < m->now.key_count ? KILN_STORE_TAKEN : KILN_STORE_OK;
}

static enum kiln_store_result key_get(void *ctx, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
				      const uint8_t owner[KILN_KEYS_USER_ID_LEN],
				      struct kiln_keys_key *key, struct kiln_error *err)
{
	ENTER(m, ctx);
	const struct kiln_keys_key *row = own_key(m, key_id, owner);
	if (row == NULL)
		return KILN_STORE_ABSENT;
	*key = *row;
	return KILN_STORE_OK;
}

static enum kiln_store_result key_retrieved(void *ctx, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					    const uint8_t owner[KILN_KEYS_USER_ID_LEN],
					    uint64_t now_ms, struct kiln_error *err)
{
	ENTER(m, ctx);
	struct kiln_keys_key *row = own_key(m, key_id, owner);
	if (row == NULL)
		return KILN_STORE_ABSENT;
	row->retrieved_ms = now_ms;
	return KILN_STORE_OK;
}

static enum kiln_store_result key_delete(void *ctx, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					 const uint8_t owner[KILN_KEYS_USER_ID_LEN],
					 uint64_t now_ms, struct kiln_error *err)
{
	ENTER(m, ctx);
	struct kiln_keys_key *row = own_key(m, key_id, owner);
	(void)now_ms;
	if (row == NULL)
		return KILN_STORE_ABSENT;
	m->now.key_gone[row - m->now.keys] = true;
	memset(row->data, 0, sizeof row->data);
	return KILN_STORE_OK;
}

/* ---- logs */

static const uint8_t nobody[KILN_KEYS_USER_ID_LEN];

static const struct memory_line *last_line(const struct memory_state *s, size_t before,
					   const uint8_t *user_id)
{
	for (size_t i = before; i-- > 0;)
		if (memcmp(s->lines[i].user_id, user_id, KILN_KEYS_USER_ID_LEN) == 0)
			return &s->lines[i];
	return NULL;
}

static bool chain(const struct memory_state *s, size_t at, struct memory_line *line)
{
	static const uint8_t zeroes[KILN_KEYS_HASH_LEN];
	const struct memory_line *before = last_line(s, at, line->user_id);
	line->entry.number = before != NULL ? before->entry.number + 1 : 1;
	return kiln_keys_audit_hash(before != NULL ? before->hash : zeroes, line->user_id,
				    &line->entry, line->hash);
}

static enum kiln_store_result audit_append(void *ctx, const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
					   const struct kiln_keys_audit *entry,
					   struct kiln_error *err)
{
	ENTER(m, ctx);
	if (memcmp(user_id, nobody, sizeof nobody) != 0 && find_user(m, user_id) == NULL)
		return KILN_STORE_ABSENT;
	if (m->now.line_count == MEMORY_LINES)
		m->now.line_count = 0; /* fuzzers write much */
	struct memory_line *line = &m->now.lines[m->now.line_count];
	memcpy(line->user_id, user_id, sizeof line->user_id);
	line->entry = *entry;
	if (!chain(&m->now, m->now.line_count, line)) {
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "no hash");
		return KILN_STORE_FAILED;
	}
	m->now.line_count++;
	return KILN_STORE_OK;
}

static bool passes(const struct kiln_keys_audit_filter *f, const struct kiln_keys_audit *e)
{
	bool key = f->key_id_count == 0;
	for (size_t i = 0; i < f->key_id_count && e->has_key; i++)
		key |= memcmp(f->key_ids[i], e->key_id, KILN_KEYS_KEY_ID_LEN) == 0;
	return key && e->action >= f->first_action && e->action <= f->last_action &&
	       e->time_ms >= f->after_ms && (f->before_ms == 0 || e->time_ms <= f->before_ms) &&
	       e->number >= f->from_number;
}

static enum kiln_store_result audit_list(void *ctx, const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
					 const struct kiln_keys_audit_filter *filter,
					 struct kiln_keys_audit *entries, size_t *count,
					 uint64_t *next, struct kiln_error *err)
{
	ENTER(m, ctx);
	const size_t max = *count;
	const size_t scan = m->scan_max > 0 ? m->scan_max : KILN_KEYS_AUDIT_SCAN_MAX;
	size_t looked = 0;
	*count = 0;
	*next = 0;
	for (size_t i = 0; i < m->now.line_count && *next == 0; i++) {
		const struct memory_line *line = &m->now.lines[i];
		if (memcmp(line->user_id, user_id, KILN_KEYS_USER_ID_LEN) != 0 ||
		    line->entry.number < filter->from_number)
			continue;
		if (*count == max || looked++ == scan)
			*next = line->entry.number;
		else if (passes(filter, &line->entry))
			entries[(*count)++] = line->entry;
	}
	return KILN_STORE_OK;
}

size_t memory_count_lines(const struct memory_store *store, const uint8_t *user_id, uint8_t action,
			  uint16_t outcome)
{
	size_t n = 0;
	for (size_t i = 0; i < store->now.line_count; i++)
		n += memcmp(store->now.lines[i].user_id, user_id != NULL ? user_id : nobody,
			    KILN_KEYS_USER_ID_LEN) == 0 &&
		     store->now.lines[i].entry.action == action &&
		     store->now.lines[i].entry.outcome == outcome;
	return n;
}

bool memory_chains_hold(const struct memory_store *store)
{
	for (size_t i = 0; i < store->now.line_count; i++) {
		struct memory_line line = store->now.lines[i];
		if (!chain(&store->now, i, &line) ||
		    memcmp(line.hash, store->now.lines[i].hash, sizeof line.hash) != 0)
			return false;
	}
	return true;
}

/* ---- limits */

static struct kiln_keys_bucket *bucket(struct memory_store *m, enum kiln_keys_limit_kind kind,
				       const uint8_t *key, size_t len)
{
	size_t i = 0;
	while (i < m->now.bucket_count &&
	       (m->now.buckets[i].kind != kind || m->now.buckets[i].len != len ||
		memcmp(m->now.buckets[i].key, key, len) != 0))
		i++;
	if (i == m->now.bucket_count) {
		if (i == MEMORY_BUCKETS)
			i = m->now.bucket_count = 0;
		memset(&m->now.buckets[i], 0, sizeof m->now.buckets[i]);
		m->now.buckets[i].kind = kind;
		m->now.buckets[i].len = len;
		memcpy(m->now.buckets[i].key, key, len);
		m->now.bucket_count++;
	}
	return &m->now.buckets[i].bucket;
}

static enum kiln_store_result limit_take(void *ctx, enum kiln_keys_limit_kind kind,
					 const uint8_t *key, size_t len,
					 const struct kiln_keys_limit *limit, uint64_t now_ms,
					 struct kiln_keys_verdict *verdict, struct kiln_error *err)
{
	ENTER(m, ctx);
	*verdict = kiln_keys_bucket_take(bucket(m, kind, key, len), limit, now_ms);
	return KILN_STORE_OK;
}

static enum kiln_store_result limit_give(void *ctx, enum kiln_keys_limit_kind kind,
					 const uint8_t *key, size_t len,
					 const struct kiln_keys_limit *limit, uint64_t now_ms,
					 struct kiln_error *err)
{
	ENTER(m, ctx);
	kiln_keys_bucket_give(bucket(m, kind, key, len), limit, now_ms);
	return KILN_STORE_OK;
}

static void known_place(const struct kiln_keys_known *k, uint8_t place[KILN_KEYS_DEVICE_LEN])
{
	memset(place, 0, KILN_KEYS_DEVICE_LEN);
	if (k->device != NULL)
		memcpy(place, k->device, KILN_KEYS_DEVICE_LEN);
	else
		memcpy(place, k->source, sizeof k->source);
}

static size_t find_known(struct memory_store *m, const struct kiln_keys_known *k)
{
	size_t i = 0;
	uint8_t place[KILN_KEYS_DEVICE_LEN];
	known_place(k, place);
	while (i < m->now.known_count && (m->now.known[i].name_len != k->name_len ||
					  memcmp(m->now.known[i].name, k->name, k->name_len) != 0 ||
					  memcmp(m->now.known[i].place, place, sizeof place) != 0))
		i++;
	return i;
}

static enum kiln_store_result known_get(void *ctx, const struct kiln_keys_known *known,
					struct kiln_error *err)
{
	ENTER(m, ctx);
	return find_known(m, known) < m->now.known_count ? KILN_STORE_OK : KILN_STORE_ABSENT;
}

static enum kiln_store_result known_put(void *ctx, const struct kiln_keys_known *known,
					uint64_t now_ms, struct kiln_error *err)
{
	ENTER(m, ctx);
	const size_t i = find_known(m, known);
	(void)now_ms;
	if (i < m->now.known_count)
		return KILN_STORE_OK;
	if (i == sizeof m->now.known / sizeof m->now.known[0])
		abort();
	memcpy(m->now.known[i].name, known->name, known->name_len);
	m->now.known[i].name_len = known->name_len;
	known_place(known, m->now.known[i].place);
	m->now.known_count++;
	return KILN_STORE_OK;
}

/* ---- tokens */

static size_t find_token(struct memory_store *m, const uint8_t *token, size_t len, uint64_t now_ms)
{
	size_t i = 0;
	while (i < m->now.token_count &&
	       (m->now.tokens[i].len != len || m->now.tokens[i].expires_ms < now_ms ||
		memcmp(m->now.tokens[i].token, token, len) != 0))
		i++;
	return i;
}

static enum kiln_store_result token_get(void *ctx, const uint8_t *token, size_t len,
					uint64_t now_ms, struct kiln_error *err)
{
	ENTER(m, ctx);
	return find_token(m, token, len, now_ms) < m->now.token_count ? KILN_STORE_OK
								      : KILN_STORE_ABSENT;
}

static enum kiln_store_result token_spend(void *ctx, const uint8_t *token, size_t len,
					  uint64_t now_ms, struct kiln_error *err)
{
	ENTER(m, ctx);
	const size_t i = find_token(m, token, len, now_ms);
	if (i == m->now.token_count)
		return KILN_STORE_ABSENT;
	m->now.tokens[i] = m->now.tokens[--m->now.token_count];
	return KILN_STORE_OK;
}

static enum kiln_store_result token_add(void *ctx, const uint8_t *token, size_t len,
					uint64_t expires_ms, struct kiln_error *err)
{
	ENTER(m, ctx);
	if (find_token(m, token, len, 0) < m->now.token_count)
		return KILN_STORE_TAKEN;
	if (m->now.token_count == sizeof m->now.tokens / sizeof m->now.tokens[0])
		abort();
	memcpy(m->now.tokens[m->now.token_count].token, token, len);
	m->now.tokens[m->now.token_count].len = len;
	m->now.tokens[m->now.token_count++].expires_ms = expires_ms;
	return KILN_STORE_OK;
}

const struct kiln_keys_store memory_store_calls = {
    memory_begin, memory_commit, memory_rollback, memory_savepoint, memory_release,  memory_undo,
    setup_get,    setup_put,     user_by_name,    user_by_id,       user_generation, user_create,
    user_change,  key_create,    key_id_free,     key_get,          key_retrieved,   key_delete,
    audit_append, audit_list,    limit_take,      limit_give,       known_get,       known_put,
    token_get,    token_spend,   token_add,
};
