/* SPDX-License-Identifier: Apache-2.0
 * Opening and making a store; see open.h. */
#include "keys/store/open.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "driver/file.h"
#include "keys/store/internal.h"

#define SETTINGS_MAX 4096u
#define PROGRESS_MS  2000u

uint64_t kiln_store_monotonic_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void kiln_store_say_progress(void *ctx, const char *what, int percent)
{
	struct kiln_store *store = ctx;
	const uint64_t now = kiln_store_monotonic_ms();
	if (now < store->progress_due_ms || store->options->progress == NULL)
		return;
	store->progress_due_ms = now + PROGRESS_MS;
	store->options->progress(store->options->progress_ctx, what, percent);
}

/* ---- the database */

static enum kiln_code read_settings(const char *path, char settings[SETTINGS_MAX],
				    struct kiln_error *err)
{
	struct kiln_file file;
	settings[0] = '\0';
	if (path[0] == '\0')
		return KILN_OK;
	const int failed = kiln_file_read_some(path, SETTINGS_MAX - 1, &file);
	if (failed != 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, failed,
				       "the file with PostgreSQL's connection string, %.120s",
				       path);
	memcpy(settings, file.data, file.len);
	settings[file.len] = '\0';
	settings[strcspn(settings, "\r\n")] = '\0';
	kiln_file_clear(&file);
	return KILN_OK;
}

static enum kiln_code open_db(const char *where, enum kiln_db_use use, struct kiln_db **db,
			      struct kiln_error *err)
{
	static const char sqlite[] = "sqlite:", postgres[] = "postgresql:";
	char settings[SETTINGS_MAX];
	if (strncmp(where, postgres, sizeof postgres - 1) != 0)
		return kiln_sqlite_open(strncmp(where, sqlite, sizeof sqlite - 1) == 0
					    ? where + sizeof sqlite - 1
					    : where,
					use, db, err);
	if (strchr(where, '@') != NULL || strncmp(where, "postgresql://", 13) == 0)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--store postgresql: wants the name of a file with the connection "
				 "string in it: a command line can be read by everybody");
	enum kiln_code code = read_settings(where + sizeof postgres - 1, settings, err);
	if (code == KILN_OK)
		code = kiln_postgres_open(settings, use, db, err);
	kiln_wipe(settings, sizeof settings);
	return code;
}

/* PostgreSQL's is PostgreSQL's to set. */
static enum kiln_store_result set_cache(struct kiln_store *store, struct kiln_error *err)
{
	char text[64];
	const uint32_t mib = store->options->cache_mib;
	if (!store->db->driver->one_file)
		return KILN_STORE_OK;
	(void)snprintf(text, sizeof text, "PRAGMA cache_size=-%llu",
		       (unsigned long long)(mib != 0 ? mib : KILN_STORE_CACHE_MIB) * 1024);
	return store->db->driver->exec(store->db, text, err);
}

/* ---- the store in it */

static enum kiln_code refuse_damage(const struct kiln_store_report *report, struct kiln_error *err)
{
	const struct kiln_store_finding *first = &report->findings[0];
	if (report->found == 0)
		return KILN_OK;
	return kiln_fail(err, KILN_E_STORE,
			 "the store is damaged: %s%s%.70s: %.90s (%llu in all; `kiln keys check` "
			 "lists them); restore a backup",
			 first->table, first->row[0] != '\0' ? ", row " : "", first->row,
			 first->what, (unsigned long long)report->found);
}

/* Tables that are damaged are not moved: what the database finds in them would be lost with them.
 */
static enum kiln_code bring_up_to_date(struct kiln_store *store, struct kiln_error *err)
{
	struct kiln_store_report report;
	enum kiln_code code = kiln_store_look(store, &report, err);
	if (code == KILN_OK)
		code = refuse_damage(&report, err);
	return code == KILN_OK ? kiln_store_code(kiln_store_migrate(store, err), err) : code;
}

static enum kiln_code load(struct kiln_store *store, enum kiln_db_use use, struct kiln_error *err)
{
	bool there = false;
	enum kiln_store_result result = store->db->driver->exists(store->db, &there, err);
	if (result == KILN_STORE_OK && !there)
		return kiln_fail(err, KILN_E_CONFIG,
				 "there is no store in %.150s; `kiln keys init` makes one",
				 store->options->where);
	if (result == KILN_STORE_OK)
		result = kiln_store_meta_load(store, err);
	if (result == KILN_STORE_OK && use != KILN_DB_READ && store->schema != KILN_STORE_SCHEMA)
		return bring_up_to_date(store, err);
	return kiln_store_code(result, err);
}

enum kiln_code kiln_store_connect(const struct kiln_store_options *options, enum kiln_db_use use,
				  struct kiln_store **out, struct kiln_error *err)
{
	*out = NULL;
	struct kiln_store *store = calloc(1, sizeof *store);
	if (store == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for the store");
	store->options = options;
	store->keys_max = options->keys_max != 0 ? options->keys_max : KILN_STORE_KEYS_MAX;
	store->audit_days = options->audit_days;
	store->progress_due_ms = kiln_store_monotonic_ms() + PROGRESS_MS;
	enum kiln_code code = open_db(options->where, use, &store->db, err);
	if (code == KILN_OK && store->db != NULL)
		code = kiln_store_code(set_cache(store, err), err);
	if (code == KILN_OK && use != KILN_DB_CREATE && store->db != NULL)
		code = load(store, use, err);
	if (code != KILN_OK || store->db == NULL) {
		kiln_store_close(store);
		return code;
	}
	*out = store;
	return KILN_OK;
}

enum kiln_code kiln_store_open(const struct kiln_store_options *options, struct kiln_store **out,
			       struct kiln_error *err)
{
	struct kiln_store *store;
	struct kiln_store_report report;
	*out = NULL;
	enum kiln_code code = kiln_store_connect(options, KILN_DB_SERVE, &store, err);
	if (code != KILN_OK || store == NULL)
		return code;
	if (!options->unchecked) {
		code = kiln_store_look(store, &report, err);
		if (code == KILN_OK)
			code = refuse_damage(&report, err);
	}
	if (code == KILN_OK && options->anchor != NULL)
		code = kiln_anchor_open(store, options->anchor, err);
	if (code != KILN_OK) {
		kiln_store_close(store);
		return code;
	}
	store->options = NULL; /* the caller's */
	*out = store;
	return KILN_OK;
}

void kiln_store_close(struct kiln_store *store)
{
	if (store == NULL)
		return;
	kiln_anchor_close(store);
	kiln_sealer_free(store->sealer);
	if (store->db != NULL)
		store->db->driver->close(store->db);
	kiln_wipe(store, sizeof *store);
	free(store);
}

enum kiln_code kiln_store_check(const struct kiln_store_options *options,
				struct kiln_store_report *report, struct kiln_error *err)
{
	struct kiln_store *store;
	memset(report, 0, sizeof *report);
	enum kiln_code code = kiln_store_connect(options, KILN_DB_READ, &store, err);
	if (code == KILN_OK)
		code = kiln_store_look(store, report, err);
	if (code == KILN_OK && options->anchor != NULL)
		code = kiln_anchor_open(store, options->anchor, err);
	kiln_store_close(store);
	return code;
}

/* ---- making one */

enum kiln_code kiln_store_create(const struct kiln_store_options *options, struct kiln_error *err)
{
	struct kiln_store *store;
	bool there = false;
	enum kiln_code code = kiln_store_connect(options, KILN_DB_CREATE, &store, err);
	if (code != KILN_OK || store == NULL)
		return code;
	const struct kiln_db_driver *driver = store->db->driver;
	enum kiln_store_result result = driver->exists(store->db, &there, err);
	if (result == KILN_STORE_OK && there)
		code = kiln_fail(err, KILN_E_CONFIG, "there is a store in %.150s already",
				 options->where);
	if (result == KILN_STORE_OK && !there)
		result = driver->begin(store->db, err);
	if (result == KILN_STORE_OK && !there)
		result = kiln_store_meta_create(store, err);
	if (result == KILN_STORE_OK && !there)
		result = driver->commit(store->db, true, err);
	if (code == KILN_OK)
		code = kiln_store_code(result, err);
	if (code == KILN_OK && options->anchor != NULL)
		code = kiln_anchor_create(store, options->anchor, err);
	if (code != KILN_OK && !there)
		driver->discard(store->db);
	kiln_store_close(store);
	return code;
}

enum kiln_code kiln_store_anchor(const struct kiln_store_options *options, struct kiln_error *err)
{
	struct kiln_store *store;
	struct kiln_store_report report;
	enum kiln_code code = kiln_store_connect(options, KILN_DB_SERVE, &store, err);
	if (code == KILN_OK)
		code = kiln_store_look(store, &report, err);
	if (code == KILN_OK)
		code = refuse_damage(&report, err);
	if (code == KILN_OK)
		code = kiln_anchor_create(store, options->anchor, err);
	kiln_store_close(store);
	return code;
}
