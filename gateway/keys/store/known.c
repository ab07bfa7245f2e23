/* SPDX-License-Identifier: Apache-2.0
 * From where and with what somebody logged in to an account before, and tokens: lib/keys/store.h.
 */
#include <string.h>

#include "base/bytes.h"
#include "keys/store/internal.h"

/* A time that is this much newer is worth a write. */
#define REFRESH_MS 3600000u

struct place {
	uint8_t account[KILN_STORE_HASH_LEN], source[KILN_STORE_HASH_LEN];
	struct kiln_row row;
};

static void hash_account(const struct kiln_store *store, const struct kiln_keys_known *known,
			 struct place *p)
{
	/* An account's devices are rows beside those of its sources: each has its own bound. */
	static const char devices[] = "devices";
	const bool device = known->device != NULL;
	kiln_sealer_hash(store->sealer, KILN_TABLE_KNOWN, known->name, known->name_len,
			 device ? devices : NULL, device ? sizeof devices : 0, p->account);
	kiln_sealer_hash(store->sealer, KILN_TABLE_KNOWN, known->name, known->name_len,
			 device ? known->device : known->source,
			 device ? KILN_KEYS_DEVICE_LEN : sizeof known->source, p->source);
	p->row = kiln_row_of2(KILN_TABLE_KNOWN, p->account, sizeof p->account, p->source,
			      sizeof p->source);
}

static struct kiln_store_seen *seen_of(struct kiln_store *store, const uint8_t *source)
{
	return &store->seen[kiln_load_be16(source) % KILN_STORE_SEEN];
}

/* A login asks when it begins, and again when it was good. */
static const struct kiln_store_seen *seen(struct kiln_store *store, const struct place *p)
{
	const struct kiln_store_seen *s = seen_of(store, p->source);
	return s->used && memcmp(s->source, p->source, sizeof s->source) == 0 ? s : NULL;
}

static void remember(struct kiln_store *store, const struct place *p, bool there, uint64_t when_ms)
{
	struct kiln_store_seen *s = seen_of(store, p->source);
	if (!store->in_batch || !store->db->driver->one_server)
		return;
	s->used = true;
	s->there = there;
	s->when_ms = when_ms;
	memcpy(s->source, p->source, sizeof s->source);
}

/* When it was last there. OK, ABSENT, FAILED. */
static enum kiln_store_result get(struct kiln_store *store, const struct place *p,
				  uint64_t *when_ms, struct kiln_error *err)
{
	uint8_t plain[8];
	struct kiln_store_cell cell;
	const struct kiln_db_value values[] = {KILN_DB_BYTES(p->account, sizeof p->account),
					       KILN_DB_BYTES(p->source, sizeof p->source)};
	const struct kiln_store_seen *s = seen(store, p);
	if (s != NULL) {
		*when_ms = s->when_ms;
		return s->there ? KILN_STORE_OK : KILN_STORE_ABSENT;
	}
	const enum kiln_store_result result =
	    kiln_store_get(store, KILN_SQL_KNOWN_GET, values, &cell, err);
	if (result == KILN_STORE_ABSENT)
		remember(store, p, false, 0);
	if (result != KILN_STORE_OK)
		return result;
	if (!kiln_unseal_exactly(store->sealer, &p->row, cell.bytes, cell.len, plain, sizeof plain))
		return kiln_store_damaged(&p->row, "its seal does not open", err);
	*when_ms = kiln_row_number(plain);
	remember(store, p, true, *when_ms);
	return KILN_STORE_OK;
}

enum kiln_store_result kiln_store_known_get(void *ctx, const struct kiln_keys_known *known,
					    struct kiln_error *err)
{
	struct place p;
	uint64_t when_ms;
	hash_account(ctx, known, &p);
	return get(ctx, &p, &when_ms, err);
}

struct oldest {
	const struct kiln_store *store;
	const struct place *place;
	size_t count;
	uint64_t when_ms;
	uint8_t source[KILN_STORE_HASH_LEN];
};

static enum kiln_store_result take_one(void *ctx, const struct kiln_db_value *columns,
				       struct kiln_error *err)
{
	struct oldest *o = ctx;
	uint8_t plain[8];
	const struct kiln_row row =
	    kiln_row_of2(KILN_TABLE_KNOWN, o->place->account, sizeof o->place->account,
			 columns[0].data, columns[0].len);
	if (columns[0].len != sizeof o->source ||
	    !kiln_unseal_exactly(o->store->sealer, &row, columns[1].data, columns[1].len, plain,
				 sizeof plain))
		return kiln_store_damaged(&row, "its seal does not open", err);
	const uint64_t when_ms = kiln_row_number(plain);
	if (o->count++ == 0 || when_ms < o->when_ms) {
		o->when_ms = when_ms;
		memcpy(o->source, columns[0].data, sizeof o->source);
	}
	return KILN_STORE_OK;
}

/* Makes room for one. */
static enum kiln_store_result drop_oldest(struct kiln_store *store, const struct place *p,
					  struct kiln_error *err)
{
	struct oldest o = {.store = store, .place = p};
	const struct kiln_db_value account[] = {KILN_DB_BYTES(p->account, sizeof p->account)};
	const enum kiln_store_result result =
	    kiln_store_run(store, KILN_SQL_KNOWN_ALL, account, take_one, &o, NULL, err);
	if (result != KILN_STORE_OK || o.count < KILN_KEYS_KNOWN_MAX)
		return result;
	seen_of(store, o.source)->used = false;
	const struct kiln_db_value drop[] = {account[0], KILN_DB_BYTES(o.source, sizeof o.source)};
	return kiln_store_run(store, KILN_SQL_KNOWN_DROP, drop, NULL, NULL, NULL, err);
}

enum kiln_store_result kiln_store_known_put(void *ctx, const struct kiln_keys_known *known,
					    uint64_t now_ms, struct kiln_error *err)
{
	struct kiln_store *store = ctx;
	struct place p;
	uint64_t when_ms = 0;
	uint8_t plain[8], sealed[8 + KILN_STORE_SEAL_OVERHEAD];
	hash_account(store, known, &p);
	enum kiln_store_result result = get(store, &p, &when_ms, err);
	const bool there = result == KILN_STORE_OK;
	if (there && now_ms < when_ms + REFRESH_MS)
		return KILN_STORE_OK;
	if (result == KILN_STORE_ABSENT)
		result = drop_oldest(store, &p, err);
	if (result != KILN_STORE_OK)
		return result;
	seen_of(store, p.source)->used = false;
	kiln_store_be64(plain, now_ms);
	kiln_seal(store->sealer, &p.row, plain, sizeof plain, sealed);
	const struct kiln_db_value values[] = {KILN_DB_BYTES(p.account, sizeof p.account),
					       KILN_DB_BYTES(p.source, sizeof p.source),
					       KILN_DB_BYTES(sealed, sizeof sealed)};
	/* None written: another server was faster with the same. */
	return kiln_store_put(store, there ? KILN_SQL_KNOWN_SET : KILN_SQL_KNOWN_ADD, values,
			      KILN_STORE_OK, err);
}

/* ---- tokens */

static void hash_token(const struct kiln_store *store, const uint8_t *token, size_t len,
		       uint8_t id[KILN_STORE_HASH_LEN])
{
	kiln_sealer_hash(store->sealer, KILN_TABLE_TOKENS, token, len, NULL, 0, id);
}

static enum kiln_store_result token_good(struct kiln_store *store, const uint8_t *id,
					 uint64_t now_ms, struct kiln_error *err)
{
	uint8_t plain[8];
	struct kiln_store_cell cell;
	const struct kiln_db_value values[] = {KILN_DB_BYTES(id, KILN_STORE_HASH_LEN)};
	const struct kiln_row row = kiln_row_of(KILN_TABLE_TOKENS, id, KILN_STORE_HASH_LEN);
	const enum kiln_store_result result =
	    kiln_store_get(store, KILN_SQL_TOKENS_GET, values, &cell, err);
	if (result != KILN_STORE_OK)
		return result;
	if (!kiln_unseal_exactly(store->sealer, &row, cell.bytes, cell.len, plain, sizeof plain))
		return kiln_store_damaged(&row, "its seal does not open", err);
	return kiln_row_number(plain) > now_ms ? KILN_STORE_OK : KILN_STORE_ABSENT;
}

enum kiln_store_result kiln_store_token_get(void *ctx, const uint8_t *token, size_t len,
					    uint64_t now_ms, struct kiln_error *err)
{
	uint8_t id[KILN_STORE_HASH_LEN];
	hash_token(ctx, token, len, id);
	return token_good(ctx, id, now_ms, err);
}

static enum kiln_store_result put_token(struct kiln_store *store,
					const uint8_t id[KILN_STORE_HASH_LEN], uint64_t expires_ms,
					struct kiln_error *err)
{
	uint8_t plain[8], sealed[8 + KILN_STORE_SEAL_OVERHEAD];
	const struct kiln_row row = kiln_row_of(KILN_TABLE_TOKENS, id, KILN_STORE_HASH_LEN);
	kiln_store_be64(plain, expires_ms);
	kiln_seal(store->sealer, &row, plain, sizeof plain, sealed);
	const struct kiln_db_value values[] = {KILN_DB_BYTES(id, KILN_STORE_HASH_LEN),
					       KILN_DB_BYTES(sealed, sizeof sealed)};
	return kiln_store_put(store, KILN_SQL_TOKENS_ADD, values, KILN_STORE_TAKEN, err);
}

/* A row that was never good takes its place, so that the same token is not added again. */
enum kiln_store_result kiln_store_token_spend(void *ctx, const uint8_t *token, size_t len,
					      uint64_t now_ms, struct kiln_error *err)
{
	uint8_t id[KILN_STORE_HASH_LEN];
	hash_token(ctx, token, len, id);
	const struct kiln_db_value values[] = {KILN_DB_BYTES(id, sizeof id)};
	enum kiln_store_result result = token_good(ctx, id, now_ms, err);
	if (result == KILN_STORE_OK)
		result = kiln_store_put(ctx, KILN_SQL_TOKENS_DROP, values, KILN_STORE_ABSENT, err);
	return result == KILN_STORE_OK ? put_token(ctx, id, 0, err) : result;
}

enum kiln_store_result kiln_store_token_add(void *ctx, const uint8_t *token, size_t len,
					    uint64_t expires_ms, struct kiln_error *err)
{
	uint8_t id[KILN_STORE_HASH_LEN];
	hash_token(ctx, token, len, id);
	return put_token(ctx, id, expires_ms, err);
}
