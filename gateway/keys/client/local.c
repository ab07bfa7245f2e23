/* SPDX-License-Identifier: Apache-2.0
 * --local FILE; see local.h. */
#include "keys/client/local.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "driver/file.h"
#include "keys/client/terminal.h"
#include "keys/local.h"

static struct kiln_opaque_bytes bytes_of(const struct kiln_keycli_secret *password)
{
	return (struct kiln_opaque_bytes){password->data, password->len};
}

/* *local is NULL with KILN_OK when there is no such file. */
static enum kiln_code load(const char *path, const struct kiln_keycli_secret *password,
			   struct kiln_keys_local **local, struct kiln_error *err)
{
	struct kiln_file file;
	*local = NULL;
	const int failed = kiln_file_read_some(path, KILN_KEYS_LOCAL_FILE_MAX, &file);
	if (failed == ENOENT)
		return KILN_OK;
	if (failed != 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, failed, "--local %.160s", path);
	kiln_keycli_progress_begin("opening the local file (Argon2id)");
	*local = kiln_keys_local_open(file.data, file.len, bytes_of(password), err);
	kiln_keycli_progress_end();
	kiln_file_clear(&file);
	return *local != NULL ? KILN_OK : err->code;
}

/* Whole or not at all: a new file beside it takes its place. */
static enum kiln_code replace(const char *path, const uint8_t *data, size_t len,
			      struct kiln_error *err)
{
	char fresh[PATH_MAX];
	uint64_t number;
	if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number ||
	    snprintf(fresh, sizeof fresh, "%s.%016llx", path, (unsigned long long)number) >=
		(int)sizeof fresh)
		return kiln_fail(err, KILN_E_CONFIG, "--local: the path is too long");
	const enum kiln_code rc = kiln_keycli_write(fresh, data, len, err);
	if (rc != KILN_OK || rename(fresh, path) == 0)
		return rc;
	const int failed = errno;
	(void)unlink(fresh);
	return kiln_fail_errno(err, KILN_E_SYSTEM, failed, "--local %.160s", path);
}

static enum kiln_code save(const char *path, const struct kiln_keys_local *local,
			   struct kiln_error *err)
{
	uint8_t *file;
	size_t len;
	enum kiln_code rc = kiln_keys_local_write(local, NULL, &file, &len, err);
	if (rc == KILN_OK)
		rc = replace(path, file, len, err);
	free(file);
	return rc;
}

static enum kiln_code put(struct kiln_keys_local *local, const struct kiln_keys_answer *answer,
			  struct kiln_error *err)
{
	struct kiln_keys_local_entry entry = {
	    .kind = answer->kind,
	    .context = answer->context,
	    .secret_len = (uint8_t)answer->secret_len,
	};
	memcpy(entry.key_id, answer->key_id, sizeof entry.key_id);
	memcpy(entry.user_id, answer->user_id, sizeof entry.user_id);
	memcpy(entry.secret, answer->secret, answer->secret_len);
	const enum kiln_code rc = kiln_keys_local_put(local, &entry, err);
	kiln_wipe(&entry, sizeof entry);
	return rc;
}

/* One at a time: two commands that add at once must both be in it. -1: it cannot be had. */
static int lock(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	const int len = slash == NULL ? 0 : (int)(slash - path + 1);
	if (snprintf(folder, sizeof folder, "%.*s.", len, path) >= (int)sizeof folder)
		return -1;
	const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

enum kiln_code kiln_keycli_local_add(const struct kiln_keycli_options *o,
				     const struct kiln_keycli_secret *password,
				     const struct kiln_keys_answer *answer, struct kiln_error *err)
{
	struct kiln_keys_local *local = NULL;
	const int locked = lock(o->local);
	if (locked < 0)
		return kiln_fail(err, KILN_E_CONFIG, "--local %.160s: its folder cannot be opened",
				 o->local);
	enum kiln_code rc = load(o->local, password, &local, err);
	if (rc == KILN_OK && local == NULL) {
		kiln_keycli_progress_begin("making the local file (Argon2id)");
		local = kiln_keys_local_new(bytes_of(password), NULL, err);
		kiln_keycli_progress_end();
		rc = local != NULL ? KILN_OK : err->code;
	}
	if (rc == KILN_OK)
		rc = put(local, answer, err);
	if (rc == KILN_OK)
		rc = save(o->local, local, err);
	kiln_keys_local_free(local);
	(void)close(locked);
	return rc;
}

enum kiln_code kiln_keycli_local_get(const struct kiln_keycli_options *o,
				     const struct kiln_keycli_secret *password,
				     const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
				     struct kiln_keys_answer *answer, struct kiln_error *err)
{
	struct kiln_keys_local *local;
	enum kiln_code rc = load(o->local, password, &local, err);
	if (rc == KILN_OK && local == NULL)
		return kiln_fail(err, KILN_E_CONFIG, "--local %.160s: there is no such file",
				 o->local);
	if (rc != KILN_OK)
		return rc;
	const struct kiln_keys_local_entry *entry = kiln_keys_local_find(local, key_id);
	if (entry == NULL) {
		rc = kiln_fail(err, KILN_E_KEYS_KEY, "the local file has no such key");
	} else {
		memcpy(answer->key_id, entry->key_id, sizeof answer->key_id);
		memcpy(answer->user_id, entry->user_id, sizeof answer->user_id);
		memcpy(answer->secret, entry->secret, entry->secret_len);
		answer->secret_len = entry->secret_len;
		answer->kind = entry->kind;
		answer->context = entry->context;
	}
	kiln_keys_local_free(local);
	return rc;
}

enum kiln_code kiln_keycli_local_check(const struct kiln_keycli_options *o,
				       const struct kiln_keycli_secret *password,
				       struct kiln_error *err)
{
	struct kiln_keys_local *local;
	const int locked = lock(o->local);
	if (locked < 0)
		return kiln_fail(err, KILN_E_CONFIG, "--local %.160s: its folder cannot be opened",
				 o->local);
	(void)close(locked);
	const enum kiln_code rc = load(o->local, password, &local, err);
	kiln_keys_local_free(local);
	return rc;
}
