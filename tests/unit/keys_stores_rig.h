/* SPDX-License-Identifier: Apache-2.0
 * Stores to test: the same tests run over each kind. */
#ifndef KILN_TESTS_KEYS_STORES_RIG_H
#define KILN_TESTS_KEYS_STORES_RIG_H

#include "keys/store/open.h"

struct rig {
	const char *kind; /* "sqlite", "postgresql" */
	char dir[64];
	char where[200], anchor[200], backup[200];
	struct kiln_store_key *key;
	struct kiln_store_options options;
	struct kiln_store *store; /* open, or NULL */
};

/* A directory and an empty store that is open. For PostgreSQL: in the database of the connection
 * string in the file $KILN_TEST_POSTGRESQL, whose tables are dropped first. */
void rig_make(struct rig *rig, const char *kind);
void rig_put_setup(struct rig *rig);
void rig_open(struct rig *rig);  /* must open */
void rig_close(struct rig *rig); /* the store alone */
void rig_remove(struct rig *rig);
/* Drops everything, so that a store can be made in the same place. */
void rig_drop(struct rig *rig);

/* A second server on the same store; PostgreSQL alone can have it. */
struct kiln_store *rig_second(struct rig *rig);

#define CALL (&kiln_store_calls)

void rig_user(struct kiln_keys_user *user, unsigned n);
void rig_key(struct kiln_keys_key *key, const struct kiln_keys_user *owner, unsigned n);
void rig_line(struct kiln_keys_audit *line, uint8_t action, uint64_t time_ms);

/* One user in a batch of his own. */
void rig_add_user(struct rig *rig, unsigned n);

#endif
