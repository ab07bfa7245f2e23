/* SPDX-License-Identifier: Apache-2.0
 *
 * A database under the store: it runs the statements of sql.h and knows nothing of what is in the
 * rows. Two of them: sqlite.c and postgres.c. Results are those of lib/keys/store.h: OK or FAILED.
 */
#ifndef KILN_KEYS_STORE_DB_H
#define KILN_KEYS_STORE_DB_H

#include "keys/store.h"
#include "keys/store/sql.h"

/* A parameter or a column; which of the two it is says the statement. */
struct kiln_db_value {
	const uint8_t *data;
	size_t len;
	int64_t number;
};

#define KILN_DB_BYTES(p, n) ((struct kiln_db_value){.data = (p), .len = (n)})
#define KILN_DB_NUMBER(n)   ((struct kiln_db_value){.number = (int64_t)(n)})

/* For each row; what it points to is valid during the call. Other results than OK end the
 * statement and become its result. */
typedef enum kiln_store_result (*kiln_db_row)(void *ctx, const struct kiln_db_value *columns,
					      struct kiln_error *err);

/* How far something long is: done in percent, or -1 where that is not known. */
typedef void (*kiln_store_progress)(void *ctx, const char *what, int done);

struct kiln_db {
	const struct kiln_db_driver *driver;
};

struct kiln_db_driver {
	const char *name;
	bool limits_apart; /* statements marked so are not in the transaction */
	bool one_file;     /* kiln_sqlite_copy can copy it */
	bool one_server;   /* nobody writes to it while we have it open */
	const char *const *migrations[KILN_STORE_SCHEMA + 1]; /* [n]: from n - 1 to n */

	/* *changed may be NULL: how many rows were. */
	enum kiln_store_result (*run)(struct kiln_db *db, enum kiln_sql sql,
				      const struct kiln_db_value *values, kiln_db_row row,
				      void *ctx, uint64_t *changed, struct kiln_error *err);
	enum kiln_store_result (*exec)(struct kiln_db *db, const char *text,
				       struct kiln_error *err);

	/* As in lib/keys/store.h. */
	enum kiln_store_result (*begin)(struct kiln_db *db, struct kiln_error *err);
	enum kiln_store_result (*commit)(struct kiln_db *db, bool wrote, struct kiln_error *err);
	void (*rollback)(struct kiln_db *db);
	enum kiln_store_result (*savepoint)(struct kiln_db *db, struct kiln_error *err);
	enum kiln_store_result (*release)(struct kiln_db *db, struct kiln_error *err);
	enum kiln_store_result (*undo)(struct kiln_db *db, struct kiln_error *err);

	/* One state of the database for all that is read until rollback. */
	enum kiln_store_result (*snapshot)(struct kiln_db *db, struct kiln_error *err);

	/* Is there a store in it? Its tables, whatever is in them. */
	enum kiln_store_result (*exists)(struct kiln_db *db, bool *yes, struct kiln_error *err);

	/* What the database itself can find to be damaged. found() gets a sentence for each. */
	enum kiln_store_result (*verify)(struct kiln_db *db,
					 void (*found)(void *ctx, const char *sentence), void *ctx,
					 struct kiln_error *err);

	/* From now on long statements call progress, as often as they like, and say what they do;
	 * NULL: no longer. */
	void (*watch)(struct kiln_db *db, const char *what, kiln_store_progress progress,
		      void *ctx);

	/* Overwrites what the database may still hold of what is no longer in its rows. */
	enum kiln_store_result (*scrub)(struct kiln_db *db, struct kiln_error *err);

	/* What CREATE made is no store: nothing of it stays. Before close. */
	void (*discard)(struct kiln_db *db);
	void (*close)(struct kiln_db *db);
};

enum kiln_db_use {
	KILN_DB_SERVE,  /* read and write */
	KILN_DB_READ,   /* while another process may write */
	KILN_DB_ALONE,  /* while no other process has it open */
	KILN_DB_CREATE, /* as ALONE; there is none yet */
};

KILN_NODISCARD enum kiln_code kiln_sqlite_open(const char *path, enum kiln_db_use use,
					       struct kiln_db **db, struct kiln_error *err);

/* settings: libpq's connection string, "" for what libpq's environment says. */
KILN_NODISCARD enum kiln_code kiln_postgres_open(const char *settings, enum kiln_db_use use,
						 struct kiln_db **db, struct kiln_error *err);

/* Copies all pages of a SQLite store, as of one moment, into a new file of mode 0600. */
KILN_NODISCARD enum kiln_code kiln_sqlite_copy(struct kiln_db *from, const char *to,
					       struct kiln_error *err);

#endif
