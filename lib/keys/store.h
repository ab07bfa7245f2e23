/* SPDX-License-Identifier: Apache-2.0
 *
 * What the key server's sessions need from a store: a table of functions over plain structs. The
 * sessions know no SQL and no files; the store knows no protocol.
 *
 * Sealing is the store's: what comes through this table is in the clear (records, wrapped storage
 * keys, secrets in the server's hands), and nothing secret is written but sealed under the store's
 * key with the row's identity as associated data. Account names and the keys of limits and known
 * sources are looked up by a keyed hash.
 *
 * Time is given by the caller in ms since 1970. The functions are synchronous; one thread calls.
 *
 * Transactions. Everything happens between begin and commit: a batch, of many frames of many
 * sessions. No answer leaves before commit has said KILN_STORE_OK, and by then all of the batch
 * survives kill -9 and power loss. savepoint .. release or undo bracket the work of one frame: one
 * level, never nested; undo takes back everything since savepoint and leaves the batch usable.
 * What reads sees what the same batch wrote. When a function says KILN_STORE_FAILED, the caller
 * calls undo; when undo or commit fails, rollback was done by the store: the batch is gone as a
 * whole, and begin may be called again.
 *
 * Several servers may work on one store. Each function is atomic towards the others by itself:
 * names, user ids and key ids are unique, limits count all servers' attempts. A conflict that shows
 * at commit is KILN_STORE_FAILED, and nothing of the batch was done. A store that is
 * somewhere else can be lost in the middle of a commit: KILN_STORE_UNKNOWN, and the batch was kept
 * as a whole or not at all.
 *
 * Errors: *err is filled for KILN_STORE_FAILED and KILN_STORE_UNKNOWN only; its message is for the
 * operator.
 */
#ifndef KILN_KEYS_STORE_H
#define KILN_KEYS_STORE_H

#include <kiln/opaque.h>

#include "keys/limit.h"
#include "keys/types.h"

enum kiln_store_result {
	KILN_STORE_OK = 0,
	KILN_STORE_ABSENT,  /* no such row, or it is somebody else's */
	KILN_STORE_TAKEN,   /* a row with that name or id is there */
	KILN_STORE_STALE,   /* the row was changed since it was read */
	KILN_STORE_FULL,    /* the owner has as many as allowed */
	KILN_STORE_FAILED,  /* the store cannot: see *err */
	KILN_STORE_UNKNOWN, /* commit only: whether the batch was kept is not known: see *err */
};

/* A user whose registration is complete: there are no others in a store. */
struct kiln_keys_user {
	uint8_t user_id[KILN_KEYS_USER_ID_LEN];
	uint8_t name[KILN_KEYS_NAME_MAX]; /* normalised */
	uint8_t name_len;
	uint8_t record[KILN_KEYS_RECORD_LEN];
	uint8_t wrapped[KILN_KEYS_WRAPPED_LEN]; /* the storage key under the master key */
	uint64_t generation;                    /* of the password: 1, 2, 3 .. */
	uint64_t created_ms;
};

struct kiln_keys_key {
	uint8_t key_id[KILN_KEYS_KEY_ID_LEN];
	uint8_t owner[KILN_KEYS_USER_ID_LEN];
	uint8_t kind;    /* enum kiln_keys_kind */
	uint8_t context; /* enum kiln_keys_context */
	uint16_t data_len;
	uint8_t data[KILN_KEYS_SEALED_MAX]; /* what it is depends on kind */
	uint64_t created_ms;
	uint64_t retrieved_ms; /* 0: never */
};

/* Which lines of an audit log; a line must pass every test. */
struct kiln_keys_audit_filter {
	uint8_t first_action, last_action; /* inclusive */
	uint64_t after_ms, before_ms;      /* inclusive; before_ms 0: no end */
	uint64_t from_number;              /* this one or later */
	const uint8_t (*key_ids)[KILN_KEYS_KEY_ID_LEN];
	size_t key_id_count; /* 0: any line; otherwise only lines with one of these keys */
};

struct kiln_keys_known {
	const uint8_t *name; /* of the account */
	size_t name_len;
	uint8_t source[KILN_KEYS_SOURCE_LEN];
	const uint8_t
	    *device; /* KILN_KEYS_DEVICE_LEN bytes: this and no source; NULL: the source */
};

struct kiln_keys_store {
	/* ---- transactions, see above */
	enum kiln_store_result (*begin)(void *ctx, struct kiln_error *err);
	enum kiln_store_result (*commit)(void *ctx, struct kiln_error *err);
	void (*rollback)(void *ctx);
	enum kiln_store_result (*savepoint)(void *ctx, struct kiln_error *err);
	enum kiln_store_result (*release)(void *ctx, struct kiln_error *err);
	enum kiln_store_result (*undo)(void *ctx, struct kiln_error *err);

	/* ---- the server's setup, made once by the first start. get: OK, ABSENT, FAILED. put: OK;
	 * TAKEN when there is one (by another server at the same moment: get it); FAILED. */
	enum kiln_store_result (*setup_get)(void *ctx, struct kiln_opaque_setup *setup,
					    struct kiln_error *err);
	enum kiln_store_result (*setup_put)(void *ctx, const struct kiln_opaque_setup *setup,
					    struct kiln_error *err);

	/* ---- users */

	/* OK with *user filled; ABSENT, in the same time (a row of nobody's is opened instead);
	 * FAILED. The caller wipes *user. */
	enum kiln_store_result (*user_by_name)(void *ctx, const uint8_t *name, size_t len,
					       struct kiln_keys_user *user, struct kiln_error *err);
	enum kiln_store_result (*user_by_id)(void *ctx,
					     const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
					     struct kiln_keys_user *user, struct kiln_error *err);

	/* The user's generation and nothing else. As user_by_id. */
	enum kiln_store_result (*user_generation)(void *ctx,
						  const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
						  uint64_t *generation, struct kiln_error *err);

	/* Inserts a user, with an empty audit log. OK; TAKEN when the name or the user_id is some
	 * user's, or was a user's whose log still exists; FAILED. Of two that come at once with
	 * one name exactly one is OK, whichever servers they use. */
	enum kiln_store_result (*user_create)(void *ctx, const struct kiln_keys_user *user,
					      struct kiln_error *err);

	/* Replaces record and wrapped key together and counts generation up by one. OK; ABSENT;
	 * STALE when the user's generation is not user->generation; FAILED. */
	enum kiln_store_result (*user_change)(void *ctx, const struct kiln_keys_user *user,
					      struct kiln_error *err);

	/* ---- keys */

	/* Inserts. OK; TAKEN when the key_id is in use or ever was; FULL; FAILED. */
	enum kiln_store_result (*key_create)(void *ctx, const struct kiln_keys_key *key,
					     struct kiln_error *err);

	/* Is that key_id free? OK is yes; TAKEN; FAILED. Nothing is kept for the asker. */
	enum kiln_store_result (*key_id_free)(void *ctx, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					      struct kiln_error *err);

	/* The key if it is the owner's. OK; ABSENT for others', deleted and unknown ones alike;
	 * FAILED. The caller wipes *key. */
	enum kiln_store_result (*key_get)(void *ctx, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					  const uint8_t owner[KILN_KEYS_USER_ID_LEN],
					  struct kiln_keys_key *key, struct kiln_error *err);

	/* Notes when it was retrieved. As key_get. */
	enum kiln_store_result (*key_retrieved)(void *ctx,
						const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
						const uint8_t owner[KILN_KEYS_USER_ID_LEN],
						uint64_t now_ms, struct kiln_error *err);

	/* After commit its data cannot be read again from what the store holds; only that the
	 * key_id was used is kept. As key_get. */
	enum kiln_store_result (*key_delete)(void *ctx, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					     const uint8_t owner[KILN_KEYS_USER_ID_LEN],
					     uint64_t now_ms, struct kiln_error *err);

	/* ---- audit logs: one for each user, and one of nobody (user_id all zeroes) with the
	 * attempts on names that no user has */

	/* Appends: the store draws the number and chains the hash. entry->number is ignored. OK;
	 * ABSENT when there is no such user; FAILED. The store may drop the oldest lines of
	 * nobody's log, which strangers write; never of a user's. */
	enum kiln_store_result (*audit_append)(void *ctx,
					       const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
					       const struct kiln_keys_audit *entry,
					       struct kiln_error *err);

	/* The first *count lines, at most, that pass, in order of their numbers; *count gets how
	 * many. One call looks at KILN_KEYS_AUDIT_SCAN_MAX lines at most, whether they pass or not:
	 * *next gets the number of the line to go on from (filter->from_number of the next call),
	 * or 0 when the log was seen to its end. OK; FAILED. */
	enum kiln_store_result (*audit_list)(void *ctx,
					     const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
					     const struct kiln_keys_audit_filter *filter,
					     struct kiln_keys_audit *entries, size_t *count,
					     uint64_t *next, struct kiln_error *err);

	/* ---- limits: one bucket for each kind and key (at most KILN_KEYS_LIMIT_KEY_MAX bytes).
	 * Read, judged by the functions of limit.h, and written in one step. A bucket that is not
	 * there is a fresh one; one that equals a fresh one may be dropped. What was taken may stay
	 * taken after undo and rollback: several servers count together at once. */

	/* OK with *verdict filled, whether it allows or not; FAILED. */
	enum kiln_store_result (*limit_take)(void *ctx, enum kiln_keys_limit_kind kind,
					     const uint8_t *key, size_t len,
					     const struct kiln_keys_limit *limit, uint64_t now_ms,
					     struct kiln_keys_verdict *verdict,
					     struct kiln_error *err);

	/* What was taken turned out to be honest. OK; FAILED. */
	enum kiln_store_result (*limit_give)(void *ctx, enum kiln_keys_limit_kind kind,
					     const uint8_t *key, size_t len,
					     const struct kiln_keys_limit *limit, uint64_t now_ms,
					     struct kiln_error *err);

	/* Did somebody log in to that account from there, or with that device? OK is yes; ABSENT;
	 * FAILED. */
	enum kiln_store_result (*known_get)(void *ctx, const struct kiln_keys_known *known,
					    struct kiln_error *err);

	/* Remembers that somebody did. Of each account the latest KILN_KEYS_KNOWN_MAX sources are
	 * kept, and as many devices: neither drives the other out. */
	enum kiln_store_result (*known_put)(void *ctx, const struct kiln_keys_known *known,
					    uint64_t now_ms, struct kiln_error *err);

	/* ---- registration tokens, each good for one registration, until a time */

	/* Is it good? OK; ABSENT when unknown, used or too old; FAILED. */
	enum kiln_store_result (*token_get)(void *ctx, const uint8_t *token, size_t len,
					    uint64_t now_ms, struct kiln_error *err);

	/* Uses it up. As token_get; of two that come at once one is OK. */
	enum kiln_store_result (*token_spend)(void *ctx, const uint8_t *token, size_t len,
					      uint64_t now_ms, struct kiln_error *err);

	/* Adds one, for the operator. OK; TAKEN; FAILED. */
	enum kiln_store_result (*token_add)(void *ctx, const uint8_t *token, size_t len,
					    uint64_t expires_ms, struct kiln_error *err);
};

#define KILN_KEYS_KNOWN_MAX      16u
#define KILN_KEYS_AUDIT_SCAN_MAX 2048u

#endif
