/* SPDX-License-Identifier: Apache-2.0
 * Opening a store in a SQLite file, and copying one; see db.h. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys/store/sqlite.h"
#include "keys/store/wal.h"

#define APPLICATION 1265200238 /* "Kiln": SQLite's application_id */
#define STRING_(x)  #x
#define STRING(x)   STRING_(x)

/* ---- the file */

/* SQLite takes a log beside a new file for what a crash has left, and removes it. */
static enum kiln_code refuse_leftover(const char *path, const char *end, struct kiln_error *err)
{
	char name[PATH_MAX + 16];
	struct stat st;
	(void)snprintf(name, sizeof name, "%s%s", path, end);
	if (lstat(name, &st) != 0 && errno == ENOENT)
		return KILN_OK;
	return kiln_fail(err, KILN_E_CONFIG,
			 "%.150s is there already: what the store of that name wrote last is in "
			 "it. Move it away together with that store",
			 name);
}

static enum kiln_code create_file(const char *path, struct kiln_error *err)
{
	struct stat st;
	if (lstat(path, &st) != 0 && (refuse_leftover(path, "-wal", err) != KILN_OK ||
				      refuse_leftover(path, "-journal", err) != KILN_OK))
		return err->code;
	const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return kiln_fail(err, KILN_E_CONFIG,
				 "%.150s is there already, and nothing is overwritten: move it "
				 "away, or take another name",
				 path);
	if (fd < 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, errno, "%.150s cannot be made", path);
	(void)close(fd);
	return KILN_OK;
}

static const char *user_name(uid_t uid, char out[64])
{
	const struct passwd *user = getpwuid(uid);
	if (user != NULL)
		(void)snprintf(out, 64, "%.40s (%u)", user->pw_name, (unsigned)uid);
	else
		(void)snprintf(out, 64, "%u", (unsigned)uid);
	return out;
}

/* Whose file is it that we may not open? Most often root made the store. */
static enum kiln_code cannot_open(const char *path, int error, struct kiln_error *err)
{
	struct stat st;
	char owner[64], self[64];
	if ((error != EACCES && error != EPERM) || stat(path, &st) != 0 || st.st_uid == geteuid())
		return kiln_fail_errno(err, KILN_E_CONFIG, error, "%.150s cannot be opened", path);
	return kiln_fail(err, KILN_E_CONFIG,
			 "%.100s belongs to user %s, and this process runs as user %s: chown the "
			 "store's files to that user",
			 path, user_name(st.st_uid, owner), user_name(geteuid(), self));
}

static enum kiln_code check_file(const char *path, struct kiln_error *err)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, errno, "the store %.150s", path);
	if (!S_ISREG(st.st_mode))
		return kiln_fail(err, KILN_E_CONFIG, "the store %.150s is no file", path);
	if ((st.st_mode & 077) != 0)
		return kiln_fail(err, KILN_E_CONFIG,
				 "the store %.100s can be opened by others (mode %03o): chmod 600",
				 path, (unsigned)(st.st_mode & 0777));
	return KILN_OK;
}

/* The lock is on a file of its own: a program that opens and closes the database's file would lose
 * SQLite's locks on it. Taken: the holder's process id is in it. */
static enum kiln_code take_lock(struct kiln_sqlite *s, bool wanted, struct kiln_error *err)
{
	char name[PATH_MAX + 8], holder[16] = "";
	(void)snprintf(name, sizeof name, "%s.lock", s->path);
	s->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock < 0)
		return cannot_open(name, errno, err);
	if (flock(s->lock, LOCK_EX | LOCK_NB) == 0) {
		const int n = snprintf(holder, sizeof holder, "%d\n", (int)getpid());
		if (wanted &&
		    (ftruncate(s->lock, 0) != 0 || pwrite(s->lock, holder, (size_t)n, 0) != n))
			return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "%.150s", name);
		return KILN_OK;
	}
	const ssize_t n = pread(s->lock, holder, sizeof holder - 1, 0);
	holder[n > 0 ? strcspn(holder, "\n") : 0] = '\0';
	(void)close(s->lock);
	s->lock = -1;
	return kiln_fail(err, KILN_E_LIMIT,
			 "the store %.100s is in use by process %s: one process at a time writes a "
			 "SQLite store (several key servers share one on PostgreSQL)",
			 s->path, holder[0] != '\0' ? holder : "(unknown)");
}

/* Whoever writes a store makes it, and it stays. */
static bool has_lock_file(const struct kiln_sqlite *s)
{
	char name[PATH_MAX + 8];
	struct stat st;
	(void)snprintf(name, sizeof name, "%s.lock", s->path);
	return lstat(name, &st) == 0 || errno != ENOENT;
}

static void drop_lock(struct kiln_sqlite *s)
{
	if (s->lock >= 0)
		(void)close(s->lock);
	s->lock = -1;
}

/* ---- the database in it */

static const char settings[] = "PRAGMA trusted_schema=OFF;"
			       "PRAGMA cell_size_check=ON;"
			       "PRAGMA secure_delete=ON;"
			       "PRAGMA synchronous=FULL;"
			       "PRAGMA temp_store=MEMORY;"
			       "PRAGMA mmap_size=0;" /* a bad sector must be an error, not SIGBUS */
			       /* 32 MiB: pages that many batches write, once */
			       "PRAGMA wal_autocheckpoint=8192;";

static int take_number(void *ctx, int count, char **values, char **names)
{
	(void)names;
	if (count > 0 && values[0] != NULL)
		*(long *)ctx = strtol(values[0], NULL, 10);
	return 0;
}

/* An empty one gets our mark; any other must have it. */
static enum kiln_store_result check_mark(struct kiln_sqlite *s, bool create, struct kiln_error *err)
{
	long mark = 0;
	if (create &&
	    sqlite3_exec(s->handle,
			 "PRAGMA page_size=4096;"
			 "PRAGMA application_id=" STRING(APPLICATION) ";"
								      "PRAGMA journal_mode=WAL;",
			 NULL, NULL, NULL) != SQLITE_OK)
		return kiln_sqlite_fail(s, "making the store", err);
	if (sqlite3_exec(s->handle, "PRAGMA application_id", take_number, &mark, NULL) != SQLITE_OK)
		return kiln_sqlite_fail(s, "opening the store", err);
	if (mark != APPLICATION) {
		(void)kiln_fail(err, KILN_E_STORE,
				"%.150s is no key store, or its first page is damaged (its mark is "
				"missing)",
				s->path);
		return KILN_STORE_FAILED;
	}
	/* A backup is one file; who opens it to work on it makes it a store with a log again. */
	if (s->lock >= 0 &&
	    sqlite3_exec(s->handle, "PRAGMA journal_mode=WAL", NULL, NULL, NULL) != SQLITE_OK)
		return kiln_sqlite_fail(s, "opening the store", err);
	return KILN_STORE_OK;
}

static enum kiln_code open_database(struct kiln_sqlite *s, bool create, struct kiln_error *err)
{
	if (sqlite3_open_v2(s->path, &s->handle,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
			    NULL) != SQLITE_OK) {
		(void)kiln_sqlite_fail(s, "opening the store", err);
		return KILN_E_STORE;
	}
	(void)sqlite3_busy_timeout(s->handle, KILN_SQLITE_BUSY_MS);
	(void)sqlite3_db_config(s->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (sqlite3_exec(s->handle, settings, NULL, NULL, NULL) != SQLITE_OK) {
		(void)kiln_sqlite_fail(s, "opening the store", err);
		return KILN_E_STORE;
	}
	return check_mark(s, create, err) == KILN_STORE_OK ? KILN_OK : KILN_E_STORE;
}

static enum kiln_code lock_and_look(struct kiln_sqlite *s, enum kiln_db_use use,
				    struct kiln_error *err)
{
	if (use == KILN_DB_READ && !has_lock_file(s)) /* a backup, say: that stays one file */
		return kiln_wal_check(s->path, err);
	enum kiln_code code = take_lock(s, use != KILN_DB_READ, err);
	if (code != KILN_OK)
		return use == KILN_DB_READ ? KILN_OK : code; /* who has it open looked */
	code = kiln_wal_check(s->path, err);
	if (use == KILN_DB_READ)
		drop_lock(s);
	return code;
}

enum kiln_code kiln_sqlite_open(const char *path, enum kiln_db_use use, struct kiln_db **db,
				struct kiln_error *err)
{
	const size_t len = strlen(path);
	*db = NULL;
	struct kiln_sqlite *s = calloc(1, sizeof *s);
	if (s == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for the store");
	s->db.driver = &kiln_sqlite_driver;
	s->lock = -1;
	enum kiln_code code = KILN_OK;
	bool made = false;
	if (len == 0 || len >= sizeof s->path - 8)
		code = kiln_fail(err, KILN_E_CONFIG, "the store needs a file's name");
	else
		memcpy(s->path, path, len + 1);
	if (code == KILN_OK && use == KILN_DB_CREATE) {
		code = create_file(path, err);
		made = code == KILN_OK;
	}
	if (code == KILN_OK)
		code = check_file(path, err);
	if (code == KILN_OK)
		code = lock_and_look(s, use, err);
	if (code == KILN_OK)
		code = open_database(s, use == KILN_DB_CREATE, err);
	if (code != KILN_OK) {
		if (made && s->lock >= 0)
			kiln_sqlite_discard(&s->db);
		else if (made) /* the rest belongs to who has the lock */
			(void)unlink(path);
		kiln_sqlite_close(&s->db);
		return code;
	}
	*db = &s->db;
	return KILN_OK;
}

void kiln_sqlite_discard(struct kiln_db *db)
{
	static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
	const struct kiln_sqlite *s = (const struct kiln_sqlite *)db;
	char name[PATH_MAX + 8];
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		(void)snprintf(name, sizeof name, "%s%s", s->path, ends[i]);
		(void)unlink(name);
	}
}

void kiln_sqlite_close(struct kiln_db *db)
{
	struct kiln_sqlite *s = (struct kiln_sqlite *)db;
	for (size_t i = 0; i < KILN_SQL_COUNT; i++)
		(void)sqlite3_finalize(s->statements[i]);
	for (size_t i = 0; i < KILN_SQLITE_CONTROLS; i++)
		(void)sqlite3_finalize(s->controls[i]);
	(void)sqlite3_close(s->handle);
	drop_lock(s);
	free(s);
}

/* ---- copying */

static enum kiln_code copy_pages(struct kiln_sqlite *from, sqlite3 *to, struct kiln_error *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from->handle, "main");
	if (backup == NULL)
		return kiln_fail(err, KILN_E_STORE, "the copy: SQLite says: %.120s",
				 sqlite3_errmsg(to));
	(void)sqlite3_backup_step(backup, -1);
	if (sqlite3_backup_finish(backup) != SQLITE_OK ||
	    sqlite3_exec(to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) != SQLITE_OK)
		return kiln_fail(err, KILN_E_STORE, "the copy: SQLite says: %.120s",
				 sqlite3_errmsg(to));
	return KILN_OK;
}

enum kiln_code kiln_sqlite_copy(struct kiln_db *from, const char *to, struct kiln_error *err)
{
	sqlite3 *copy = NULL;
	enum kiln_code code = create_file(to, err);
	if (code != KILN_OK)
		return code;
	if (sqlite3_open_v2(to, &copy, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		code = kiln_fail(err, KILN_E_STORE, "%.100s: SQLite says: %.100s", to,
				 sqlite3_errmsg(copy));
	else
		code = copy_pages((struct kiln_sqlite *)from, copy, err);
	(void)sqlite3_close(copy);
	if (code != KILN_OK)
		(void)unlink(to);
	return code;
}
