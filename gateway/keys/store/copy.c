/* SPDX-License-Identifier: Apache-2.0
 * Backup and restore; see open.h. A backup is a SQLite store: rows are sealed in the same way
 * wherever they are, so a copy is rows moved as they are, without being opened. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/file.h"
#include "keys/store/scan.h"

/* ---- rows from one database to the other, inside of a transaction of each */

struct moving_meta {
	struct kiln_store *to;
	uint8_t last[32];
	size_t last_len, count;
};

static enum kiln_store_result take_meta(void *ctx, const struct kiln_db_value *columns,
					struct kiln_error *err)
{
	struct moving_meta *m = ctx;
	m->count++;
	m->last_len = columns[0].len < sizeof m->last ? columns[0].len : sizeof m->last;
	memcpy(m->last, columns[0].data, m->last_len);
	return kiln_store_put(m->to, KILN_SQL_META_ADD, columns, KILN_STORE_TAKEN, err);
}

static enum kiln_store_result move_meta(struct kiln_store *from, struct kiln_store *to,
					struct kiln_error *err)
{
	struct moving_meta m = {.to = to};
	const struct kiln_db_value start[] = {KILN_DB_BYTES(NULL, 0)};
	const enum kiln_store_result result =
	    kiln_store_run(from, KILN_SQL_META_SCAN, start, take_meta, &m, NULL, err);
	/* The tables are of today, whatever they were where the rows come from. */
	return result == KILN_STORE_OK ? kiln_store_meta_renew(to, err) : result;
}

static enum kiln_store_result move_table(struct kiln_store *from, struct kiln_store *to,
					 const struct kiln_sql_table *table, struct kiln_error *err)
{
	struct kiln_scan scan;
	enum kiln_store_result result = KILN_STORE_FAILED;
	if (kiln_scan_start(&scan, from, table->table, err) != KILN_OK)
		return result;
	for (;;) {
		const struct kiln_scan_row *row;
		result = kiln_scan_peek(&scan, &row, err);
		if (result != KILN_STORE_OK || row == NULL)
			break;
		result = kiln_store_put(to, table->add, row->columns, KILN_STORE_TAKEN, err);
		if (result != KILN_STORE_OK)
			break;
		kiln_scan_take(&scan);
		kiln_store_say_progress(from, table->name, -1);
	}
	kiln_scan_end(&scan);
	return result;
}

static enum kiln_store_result make_tables(struct kiln_store *to, struct kiln_error *err)
{
	enum kiln_store_result result = KILN_STORE_OK;
	for (int version = 1; version <= KILN_STORE_SCHEMA; version++)
		for (const char *const *s = to->db->driver->migrations[version];
		     *s != NULL && result == KILN_STORE_OK; s++)
			result = to->db->driver->exec(to->db, *s, err);
	return result;
}

static enum kiln_store_result move_all(struct kiln_store *from, struct kiln_store *to,
				       struct kiln_error *err)
{
	enum kiln_store_result result = from->db->driver->snapshot(from->db, err);
	if (result == KILN_STORE_OK)
		result = to->db->driver->begin(to->db, err);
	if (result == KILN_STORE_OK)
		result = make_tables(to, err);
	if (result == KILN_STORE_OK)
		result = move_meta(from, to, err);
	for (size_t i = 0; i < KILN_SQL_TABLES && result == KILN_STORE_OK; i++)
		result = move_table(from, to, &kiln_sql_tables[i], err);
	if (result == KILN_STORE_OK)
		result = to->db->driver->commit(to->db, true, err);
	from->db->driver->rollback(from->db);
	return result;
}

/* to is a new SQLite file, which is left as one file. */
static enum kiln_code move_to_file(struct kiln_store *from, const char *to, struct kiln_error *err)
{
	struct kiln_store *store;
	struct kiln_store_options options = *from->options;
	char lock[PATH_MAX + sizeof ".lock"];
	options.where = to;
	enum kiln_code code = kiln_store_connect(&options, KILN_DB_CREATE, &store, err);
	if (code != KILN_OK)
		return code;
	code = kiln_store_code(move_all(from, store, err), err);
	if (code == KILN_OK)
		code = kiln_store_code(
		    store->db->driver->exec(store->db, "PRAGMA journal_mode=DELETE", err), err);
	if (code != KILN_OK)
		store->db->driver->discard(store->db);
	kiln_store_close(store);
	(void)snprintf(lock, sizeof lock, "%s.lock", to);
	(void)unlink(lock);
	return code;
}

/* ---- backup */

static enum kiln_code to_disk(const char *path, struct kiln_error *err)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	(void)snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - path + 1) : 1,
		       slash != NULL ? path : ".");
	const char *const paths[] = {path, folder};
	for (int i = 0; i < 2; i++) {
		const int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		const int failed = fd >= 0 && fsync(fd) == 0 ? 0 : errno;
		if (fd >= 0)
			(void)close(fd);
		if (failed != 0)
			return kiln_fail_errno(err, KILN_E_SYSTEM, failed, "%.150s", paths[i]);
	}
	return KILN_OK;
}

static enum kiln_code check_copy(const struct kiln_store_options *like, const char *path,
				 struct kiln_error *err)
{
	struct kiln_store_report report;
	struct kiln_store_options options = *like;
	options.where = path;
	options.anchor = NULL;
	enum kiln_code code = kiln_store_check(&options, &report, err);
	if (code == KILN_OK && report.found > 0)
		code = kiln_fail(err, KILN_E_STORE, "%.80s is damaged: %s%s%.60s: %.80s", path,
				 report.findings[0].table,
				 report.findings[0].row[0] != '\0' ? ", row " : "",
				 report.findings[0].row, report.findings[0].what);
	return code;
}

static void remove_leftovers(const char *path)
{
	static const char *const ends[] = {"-wal", "-shm", ".lock"};
	char name[PATH_MAX];
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		const int n = snprintf(name, sizeof name, "%s%s", path, ends[i]);
		if (n > 0 && (size_t)n < sizeof name)
			(void)unlink(name);
	}
}

enum kiln_code kiln_store_backup(const struct kiln_store_options *options, const char *to,
				 struct kiln_error *err)
{
	struct kiln_store *store;
	struct stat there;
	char partial[PATH_MAX];
	const int n = snprintf(partial, sizeof partial, "%s.partial", to);
	if (n < 0 || (size_t)n >= sizeof partial - 8)
		return kiln_fail(err, KILN_E_CONFIG, "the backup's name is too long");
	if (lstat(to, &there) == 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, EEXIST, "the backup %.150s", to);
	enum kiln_code code = kiln_store_connect(options, KILN_DB_READ, &store, err);
	if (code != KILN_OK)
		return code;
	code = store->db->driver->one_file ? kiln_sqlite_copy(store->db, partial, err)
					   : move_to_file(store, partial, err);
	kiln_store_close(store);
	if (code != KILN_OK)
		return code;
	/* A backup that does not open is none. */
	code = check_copy(options, partial, err);
	remove_leftovers(partial);
	if (code == KILN_OK)
		code = to_disk(partial, err);
	const int failed = code == KILN_OK ? kiln_file_name(partial, to) : 0;
	if (failed != 0)
		code = kiln_fail_errno(err, KILN_E_CONFIG, failed, "the backup %.150s", to);
	(void)unlink(partial);
	return code == KILN_OK ? to_disk(to, err) : code;
}

/* ---- restore */

static enum kiln_code restore_into(const struct kiln_store_options *options,
				   struct kiln_store *backup, struct kiln_error *err)
{
	struct kiln_store *store;
	struct stat file;
	bool there = false;
	if (options->anchor != NULL && lstat(options->anchor, &file) == 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, EEXIST,
				       "the anchor %.120s cannot be made", options->anchor);
	enum kiln_code code = kiln_store_connect(options, KILN_DB_CREATE, &store, err);
	if (code != KILN_OK)
		return code;
	code = kiln_store_code(store->db->driver->exists(store->db, &there, err), err);
	if (code == KILN_OK && there)
		code =
		    kiln_fail(err, KILN_E_CONFIG,
			      "there is a store in %.150s: restore overwrites none; move it away "
			      "first",
			      options->where);
	if (code == KILN_OK)
		code = kiln_store_code(move_all(backup, store, err), err);
	if (code == KILN_OK && options->anchor != NULL)
		code = kiln_anchor_create(store, options->anchor, err);
	if (code != KILN_OK && !there)
		store->db->driver->discard(store->db);
	kiln_store_close(store);
	return code;
}

enum kiln_code kiln_store_restore(const struct kiln_store_options *options, const char *from,
				  struct kiln_error *err)
{
	struct kiln_store *backup;
	struct kiln_store_options source = *options;
	source.where = from;
	source.anchor = NULL;
	enum kiln_code code = check_copy(&source, from, err);
	if (code != KILN_OK)
		return code;
	code = kiln_store_connect(&source, KILN_DB_READ, &backup, err);
	if (code != KILN_OK)
		return code;
	code = restore_into(options, backup, err);
	kiln_store_close(backup);
	return code;
}
