/* SPDX-License-Identifier: Apache-2.0
 * The parts of the SQLite database: sqlite.c runs statements, sqlite_open.c opens the file. */
#ifndef KILN_KEYS_STORE_SQLITE_H
#define KILN_KEYS_STORE_SQLITE_H

#include <limits.h>
#include <sqlite3.h>

#include "keys/store/db.h"

/* What every frame and every batch does: prepared once, as the statements of sql.h are. */
enum kiln_sqlite_control {
	KILN_SQLITE_BEGIN,
	KILN_SQLITE_COMMIT,
	KILN_SQLITE_SAVEPOINT,
	KILN_SQLITE_RELEASE,
	KILN_SQLITE_CONTROLS,
};

#define KILN_SQLITE_BUSY_MS 5000 /* for another process that has the file locked */

struct kiln_sqlite {
	struct kiln_db db;
	sqlite3 *handle;
	sqlite3_stmt *statements[KILN_SQL_COUNT];
	sqlite3_stmt *controls[KILN_SQLITE_CONTROLS];
	bool begun; /* a transaction, and not yet committed or rolled back */
	int lock;   /* of the file beside it that says who writes; -1 */
	char path[PATH_MAX];
	/* watch */
	const char *watched;
	kiln_store_progress progress;
	void *progress_ctx;
};

extern const struct kiln_db_driver kiln_sqlite_driver;

/* What SQLite says, as our failure. */
enum kiln_store_result kiln_sqlite_fail(struct kiln_sqlite *s, const char *what,
					struct kiln_error *err);

void kiln_sqlite_discard(struct kiln_db *db);
void kiln_sqlite_close(struct kiln_db *db);

#endif
