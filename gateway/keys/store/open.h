/* SPDX-License-Identifier: Apache-2.0
 *
 * The key server's store (lib/keys/store.h) in SQLite or PostgreSQL: opening, making, checking.
 *
 * A store is named by a text: "postgresql:FILE", a file with libpq's connection string;
 * "postgresql:", where libpq's own environment says it (PGHOST, PGDATABASE, PGSERVICE, PGPASSFILE);
 * or the path of a SQLite file, perhaps behind "sqlite:".
 */
#ifndef KILN_KEYS_STORE_OPEN_H
#define KILN_KEYS_STORE_OPEN_H

#include <stdio.h>

#include "keys/store.h"
#include "keys/store/key.h"

struct kiln_store;

struct kiln_store_options {
	const char *where;
	const struct kiln_store_key *key;
	const struct kiln_store_key *other_key; /* NULL; the second one while a rotation of keys
						   is not finished */
	const char *anchor;                     /* path, or NULL */
	uint32_t keys_max;                      /* of one user; 0: KILN_STORE_KEYS_MAX */
	uint32_t cache_mib;  /* for pages of a SQLite store; 0: KILN_STORE_CACHE_MIB */
	uint32_t audit_days; /* how long lines of logs are kept; 0: for ever. The server removes
				older ones as their log grows, kiln_store_trim all of them */
	bool unchecked;      /* do not look at every row; for who checks next, or just did */
	/* After 2 s of checking, and every 2 s from then on; may be NULL. */
	void (*progress)(void *ctx, const char *what, int percent);
	void *progress_ctx;
};
#define KILN_STORE_KEYS_MAX       10000u
#define KILN_STORE_CACHE_MIB      128u
#define KILN_STORE_AUDIT_DAYS_MAX 36500u

/* Makes an empty store; refuses where there is one. With an anchor, that too. */
KILN_NODISCARD enum kiln_code kiln_store_create(const struct kiln_store_options *options,
						struct kiln_error *err);

/* For a key server. Brings an older schema to the present one. Refuses a store that is damaged:
 * KILN_E_STORE, and the message says what is, and where. */
KILN_NODISCARD enum kiln_code kiln_store_open(const struct kiln_store_options *options,
					      struct kiln_store **store, struct kiln_error *err);
void kiln_store_close(struct kiln_store *store);

/* The table of functions; its ctx is the struct kiln_store. */
extern const struct kiln_keys_store kiln_store_calls;

/* ---- checking */

#define KILN_STORE_FINDINGS_MAX 20u

struct kiln_store_finding {
	const char *table; /* "kiln_users" .., or the database's own name */
	char row[100];     /* its key in hex, or "" */
	char what[160];
};

struct kiln_store_report {
	uint64_t users, keys, deleted_keys, audit_lines, tokens, bytes_opened;
	uint64_t found; /* how many are damaged; the first of them are: */
	struct kiln_store_finding findings[KILN_STORE_FINDINGS_MAX];
	int schema;
	uint8_t store_id[KILN_STORE_ID_LEN];
	const char *database; /* "sqlite", "postgresql" */
	bool rotating;        /* a rotation of keys is not finished */
};

/* Also of a store that a server has open. KILN_OK when the search could be done, whatever it found;
 * otherwise the store is damaged so that it cannot, or is not to be had. */
KILN_NODISCARD enum kiln_code kiln_store_check(const struct kiln_store_options *options,
					       struct kiln_store_report *report,
					       struct kiln_error *err);

/* ---- copies. A backup is a SQLite store of its own, whatever the store is in; it opens with the
 * same key. */

/* Of one moment, while servers work. Refuses to overwrite. */
KILN_NODISCARD enum kiln_code kiln_store_backup(const struct kiln_store_options *options,
						const char *to, struct kiln_error *err);

/* options are of the store to be made. Refuses where there is one, and a damaged backup. */
KILN_NODISCARD enum kiln_code kiln_store_restore(const struct kiln_store_options *options,
						 const char *from, struct kiln_error *err);

/* A new anchor, options->anchor, for a store that is there. */
KILN_NODISCARD enum kiln_code kiln_store_anchor(const struct kiln_store_options *options,
						struct kiln_error *err);

/* ---- logs: removes what is older than options->audit_days. Refuses while a server has the store
 * open. */
struct kiln_store_trimmed {
	uint64_t lines; /* that were removed, */
	uint64_t logs;  /* from so many logs */
	uint64_t kept;  /* lines of all logs */
};
KILN_NODISCARD enum kiln_code kiln_store_trim(const struct kiln_store_options *options,
					      uint64_t now_ms, struct kiln_store_trimmed *trimmed,
					      struct kiln_error *err);

/* ---- a new key: options->key is the present one. Everything is sealed anew under fresh, in many
 * steps; when it is interrupted the store opens with both keys (key and other_key), and the same
 * call goes on. Refuses while a server has the store open. */
KILN_NODISCARD enum kiln_code kiln_store_rotate(const struct kiln_store_options *options,
						const struct kiln_store_key *fresh,
						uint64_t *sealed, struct kiln_error *err);

#endif
