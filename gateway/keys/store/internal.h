/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a store among themselves. Functions of the table of lib/keys/store.h have the
 * table's names behind kiln_store_; batch.c puts them together.
 */
#ifndef KILN_KEYS_STORE_INTERNAL_H
#define KILN_KEYS_STORE_INTERNAL_H

#include "keys/store/db.h"
#include "keys/store/open.h"
#include "keys/store/rows.h"

#define KILN_STORE_PENDING_MAX 1024u

/* A line of a log that waits for the commit. */
struct kiln_store_pending {
	uint8_t user_id[KILN_KEYS_USER_ID_LEN];
	struct kiln_keys_audit entry;
	uint32_t order;
};

/* A bucket of a limit that is kept in memory: of the database where nobody else writes. */
struct kiln_store_kept_state {
	struct kiln_keys_bucket bucket;
	uint64_t stale_ms;
	bool fresh; /* it needs no row */
	bool waits; /* for the commit, to be written */
};
#define KILN_STORE_KEPT 512u
struct kiln_store_kept {
	uint8_t id[KILN_STORE_HASH_LEN];
	bool used;
	bool there;     /* it may have a row */
	uint64_t frame; /* that changed it last; then "before" is what an undo makes of it */
	struct kiln_store_kept_state now, before;
};

/* When somebody logged in to an account from somewhere, as it was read: of that database too. */
#define KILN_STORE_SEEN 512u
struct kiln_store_seen {
	uint8_t source[KILN_STORE_HASH_LEN];
	bool used;
	bool there; /* otherwise there is no such row */
	uint64_t when_ms;
};

/* A user's head as it was read or written last: of that database too. A login needs it four
 * times. */
#define KILN_STORE_HEADS 512u
struct kiln_store_head_seen {
	uint8_t user_id[KILN_KEYS_USER_ID_LEN];
	bool used;
	struct kiln_store_head head;
};

struct kiln_anchor;

struct kiln_store {
	struct kiln_db *db;
	struct kiln_sealer *sealer;
	uint8_t store_id[KILN_STORE_ID_LEN];
	int schema;
	bool rotating;
	bool sealed_by_other; /* options->other_key is the one that seals */
	uint32_t keys_max;
	uint32_t audit_days;
	bool in_batch, in_frame;
	bool wrote;     /* in this batch */
	bool scrub_due; /* something was deleted */
	/* Lines that wait: [0, written) are in the database, but an undo may take them back. */
	struct kiln_store_pending pending[KILN_STORE_PENDING_MAX];
	size_t pending_count, pending_written;
	size_t frame_count, frame_written; /* at the savepoint */
	uint64_t users_added, frame_users; /* in this batch; at the savepoint */
	uint64_t frame;                    /* number of the savepoint, from 1 */
	unsigned limit_turns;
	struct kiln_store_kept kept[KILN_STORE_KEPT];
	struct kiln_store_seen seen[KILN_STORE_SEEN];
	struct kiln_store_head_seen heads[KILN_STORE_HEADS];
	struct kiln_anchor *anchor;
	uint8_t decoy[KILN_ROW_MAX]; /* the row of nobody, sealed */
	size_t decoy_len;
	const struct kiln_store_options *options; /* while it is opened */
	uint64_t progress_due_ms;
};

extern const uint8_t kiln_store_nobody[KILN_KEYS_USER_ID_LEN];

/* Runs a statement and notes that it wrote. */
enum kiln_store_result kiln_store_run(struct kiln_store *store, enum kiln_sql sql,
				      const struct kiln_db_value *values, kiln_db_row row,
				      void *ctx, uint64_t *changed, struct kiln_error *err);

/* A column of bytes, of at most one row. OK, ABSENT, FAILED. */
struct kiln_store_cell {
	uint8_t bytes[KILN_ROW_MAX];
	size_t len;
	int64_t number; /* of the column before it, if that is a number */
	bool there;
};
enum kiln_store_result kiln_store_get(struct kiln_store *store, enum kiln_sql sql,
				      const struct kiln_db_value *values,
				      struct kiln_store_cell *cell, struct kiln_error *err);

/* OK when a row was written, and otherwise none. */
enum kiln_store_result kiln_store_put(struct kiln_store *store, enum kiln_sql sql,
				      const struct kiln_db_value *values,
				      enum kiln_store_result none, struct kiln_error *err);

/* "the store is damaged: table, row: what; restore a backup" */
enum kiln_store_result kiln_store_damaged(const struct kiln_row *row, const char *what,
					  struct kiln_error *err);
const char *kiln_store_table_name(uint8_t table);

/* ---- heads */
void kiln_store_head_remember(struct kiln_store *store, const uint8_t *user_id,
			      const struct kiln_store_head *head);
enum kiln_store_result kiln_store_head_open(const struct kiln_store *store, const uint8_t *user_id,
					    const uint8_t *sealed, size_t len,
					    struct kiln_store_head *head, struct kiln_error *err);
enum kiln_store_result kiln_store_head_get(struct kiln_store *store, const uint8_t *user_id,
					   bool lock, struct kiln_store_head *head,
					   struct kiln_error *err);
enum kiln_store_result kiln_store_head_set(struct kiln_store *store, const uint8_t *user_id,
					   const struct kiln_store_head *head, bool add,
					   struct kiln_error *err);

/* ---- audit */
enum kiln_store_result kiln_store_audit_flush(struct kiln_store *store, struct kiln_error *err);
bool kiln_store_open_audit(const struct kiln_store *store, const uint8_t *user_id, uint64_t number,
			   const uint8_t *sealed, size_t len, struct kiln_keys_audit *entry,
			   uint8_t hash[KILN_KEYS_HASH_LEN]) KILN_NODISCARD;
#define KILN_STORE_NOBODY_LINES 20000u /* of nobody's log, at most */
#define KILN_STORE_NOBODY_DROP  2000u  /* at once */

/* ---- trim.c */
/* The time before which lines go; 0: none do. */
uint64_t kiln_store_audit_before(uint32_t days, uint64_t now_ms);
/* Removes some of the log's first lines, when they are older; the caller writes the head. */
enum kiln_store_result kiln_store_trim_log(struct kiln_store *store, const uint8_t *user_id,
					   uint64_t before_ms, struct kiln_store_head *head,
					   struct kiln_error *err);
#define KILN_STORE_TRIM_EVERY 16u /* lines of a log; no more than 64 go at once */

/* ---- kept.c: buckets in memory */
struct kiln_store_kept *kiln_store_kept_find(struct kiln_store *store, const uint8_t *id);
/* As it was read, or a fresh one. NULL: this one is not kept. */
struct kiln_store_kept *kiln_store_kept_add(struct kiln_store *store, const uint8_t *id,
					    const struct kiln_keys_bucket *bucket, bool there);
void kiln_store_kept_set(struct kiln_store *store, struct kiln_store_kept *slot,
			 const struct kiln_keys_bucket *bucket, bool fresh, uint64_t stale_ms);
enum kiln_store_result kiln_store_kept_flush(struct kiln_store *store, struct kiln_error *err);
/* What the frame changed; all: what is in the database counts. Both forget what was seen, and
 * heads. */
void kiln_store_kept_undo(struct kiln_store *store);
void kiln_store_kept_drop(struct kiln_store *store);

/* ---- users */
void kiln_store_name_hash(const struct kiln_store *store, const uint8_t *name, size_t len,
			  uint8_t hash[KILN_STORE_HASH_LEN]);
void kiln_store_make_decoy(struct kiln_store *store);

/* ---- meta.c: what the store knows of itself */
enum kiln_store_result kiln_store_meta_create(struct kiln_store *store, struct kiln_error *err);
enum kiln_store_result kiln_store_meta_load(struct kiln_store *store, struct kiln_error *err);
enum kiln_store_result kiln_store_meta_get(struct kiln_store *store, const char *name, bool lock,
					   void *plain, size_t len, struct kiln_error *err);
enum kiln_store_result kiln_store_meta_set(struct kiln_store *store, const char *name, bool add,
					   const void *plain, size_t len, struct kiln_error *err);
enum kiln_store_result kiln_store_meta_add_key(struct kiln_store *store, uint8_t epoch,
					       struct kiln_error *err);
enum kiln_store_result kiln_store_meta_drop_key(struct kiln_store *store, uint8_t epoch,
						struct kiln_error *err);
enum kiln_store_result kiln_store_users_total(struct kiln_store *store, uint64_t *users,
					      struct kiln_error *err);
enum kiln_store_result kiln_store_users_count(struct kiln_store *store, struct kiln_error *err);
enum kiln_store_result kiln_store_migrate(struct kiln_store *store, struct kiln_error *err);
/* Of rows that came from another store: the schema is ours. */
enum kiln_store_result kiln_store_meta_renew(struct kiln_store *store, struct kiln_error *err);

/* ---- check.c */
enum kiln_code kiln_store_look(struct kiln_store *store, struct kiln_store_report *report,
			       struct kiln_error *err) KILN_NODISCARD;
/* A kiln_store_progress, of a store: says no more than one a second. */
void kiln_store_say_progress(void *store, const char *what, int percent);
uint64_t kiln_store_monotonic_ms(void);

/* ---- anchor.c: NULL is no anchor */
enum kiln_code kiln_anchor_create(struct kiln_store *store, const char *path,
				  struct kiln_error *err) KILN_NODISCARD;
enum kiln_code kiln_anchor_open(struct kiln_store *store, const char *path,
				struct kiln_error *err) KILN_NODISCARD;
enum kiln_store_result kiln_anchor_count(struct kiln_store *store, struct kiln_error *err);
void kiln_anchor_write(struct kiln_store *store); /* after a commit */
void kiln_anchor_close(struct kiln_store *store);

/* ---- opening in parts, for copies and rotation */
enum kiln_code kiln_store_connect(const struct kiln_store_options *options, enum kiln_db_use use,
				  struct kiln_store **store, struct kiln_error *err) KILN_NODISCARD;
enum kiln_code kiln_store_code(enum kiln_store_result result, struct kiln_error *err);

/* ---- the calls that are not in batch.c */
enum kiln_store_result kiln_store_setup_get(void *ctx, struct kiln_opaque_setup *setup,
					    struct kiln_error *err);
enum kiln_store_result kiln_store_setup_put(void *ctx, const struct kiln_opaque_setup *setup,
					    struct kiln_error *err);
enum kiln_store_result kiln_store_user_by_name(void *ctx, const uint8_t *name, size_t len,
					       struct kiln_keys_user *user, struct kiln_error *err);
enum kiln_store_result kiln_store_user_by_id(void *ctx,
					     const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
					     struct kiln_keys_user *user, struct kiln_error *err);
enum kiln_store_result kiln_store_user_generation(void *ctx,
						  const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
						  uint64_t *generation, struct kiln_error *err);
enum kiln_store_result kiln_store_user_create(void *ctx, const struct kiln_keys_user *user,
					      struct kiln_error *err);
enum kiln_store_result kiln_store_user_change(void *ctx, const struct kiln_keys_user *user,
					      struct kiln_error *err);
enum kiln_store_result kiln_store_key_create(void *ctx, const struct kiln_keys_key *key,
					     struct kiln_error *err);
enum kiln_store_result kiln_store_key_id_free(void *ctx, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					      struct kiln_error *err);
enum kiln_store_result kiln_store_key_get(void *ctx, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					  const uint8_t owner[KILN_KEYS_USER_ID_LEN],
					  struct kiln_keys_key *key, struct kiln_error *err);
enum kiln_store_result kiln_store_key_retrieved(void *ctx,
						const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
						const uint8_t owner[KILN_KEYS_USER_ID_LEN],
						uint64_t now_ms, struct kiln_error *err);
enum kiln_store_result kiln_store_key_delete(void *ctx, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					     const uint8_t owner[KILN_KEYS_USER_ID_LEN],
					     uint64_t now_ms, struct kiln_error *err);
enum kiln_store_result kiln_store_audit_append(void *ctx,
					       const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
					       const struct kiln_keys_audit *entry,
					       struct kiln_error *err);
enum kiln_store_result kiln_store_audit_list(void *ctx,
					     const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
					     const struct kiln_keys_audit_filter *filter,
					     struct kiln_keys_audit *entries, size_t *count,
					     uint64_t *next, struct kiln_error *err);
enum kiln_store_result kiln_store_limit_take(void *ctx, enum kiln_keys_limit_kind kind,
					     const uint8_t *key, size_t len,
					     const struct kiln_keys_limit *limit, uint64_t now_ms,
					     struct kiln_keys_verdict *verdict,
					     struct kiln_error *err);
enum kiln_store_result kiln_store_limit_give(void *ctx, enum kiln_keys_limit_kind kind,
					     const uint8_t *key, size_t len,
					     const struct kiln_keys_limit *limit, uint64_t now_ms,
					     struct kiln_error *err);
enum kiln_store_result kiln_store_known_get(void *ctx, const struct kiln_keys_known *known,
					    struct kiln_error *err);
enum kiln_store_result kiln_store_known_put(void *ctx, const struct kiln_keys_known *known,
					    uint64_t now_ms, struct kiln_error *err);
enum kiln_store_result kiln_store_token_get(void *ctx, const uint8_t *token, size_t len,
					    uint64_t now_ms, struct kiln_error *err);
enum kiln_store_result kiln_store_token_spend(void *ctx, const uint8_t *token, size_t len,
					      uint64_t now_ms, struct kiln_error *err);
enum kiln_store_result kiln_store_token_add(void *ctx, const uint8_t *token, size_t len,
					    uint64_t expires_ms, struct kiln_error *err);

#endif
