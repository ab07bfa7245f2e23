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
#include <sys/stat.h>
#include <unistd.h>

#include "driver/file.h"
#include "keys/client/terminal.h"

static enum kiln_code open_bytes(const uint8_t *file, size_t len,
				 const struct kiln_keycli_secret *password,
				 struct kiln_keys_local **local, struct kiln_error *err)
{
	kiln_keycli_progress_begin("opening the local file (Argon2id)");
	const enum kiln_code rc =
	    kiln_keys_local_open(file, len, password->data, password->len, NULL, local, err);
	kiln_keycli_progress_end();
	return rc;
}

/* *local is NULL with KILN_OK when there is no such file. */
static enum kiln_code load(const char *path, const struct kiln_keycli_secret *password,
			   struct kiln_keys_local **local, struct kiln_error *err)
{
	struct kiln_file file;
	*local = NULL;
	const int failed = kiln_file_read_some(path, KILN_KEYS_LOCAL_SIZE_MAX, &file);
	if (failed == ENOENT)
		return KILN_OK;
	if (failed != 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, failed, "--local %.160s", path);
	const enum kiln_code rc =
	    file.len == 0 ? kiln_fail(err, KILN_E_KEYS_STORED, "--local %.160s is empty", path)
			  : open_bytes(file.data, file.len, password, local, err);
	kiln_file_clear(&file);
	return rc;
}

static enum kiln_code save(const char *path, struct kiln_keys_local *local, struct kiln_error *err)
{
	uint8_t *file = NULL;
	size_t len;
	enum kiln_code rc = kiln_keys_local_seal(local, &file, &len, err);
	if (rc == KILN_OK)
		rc = kiln_keycli_replace(path, file, len, err);
	free(file);
	return rc;
}

/* What a link leads to is replaced, and not the link. */
static const char *follow(const char *path, char real[PATH_MAX])
{
	return realpath(path, real) != NULL ? real : path;
}

/* One at a time: two commands that add at once must both be in it. The lock is on a file of ours,
 * which nobody else can hold; it stays. -1: it cannot be had. */
static int lock(const char *path, struct kiln_error *err)
{
	char name[PATH_MAX];
	int fd = -1;
	errno = ENAMETOOLONG;
	if (snprintf(name, sizeof name, "%s.lock", path) < (int)sizeof name)
		fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX) == 0)
		return fd;
	(void)kiln_fail_errno(err, KILN_E_CONFIG, errno, "the lock %.160s.lock of --local", path);
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

enum kiln_code kiln_keycli_local_add(const struct kiln_keycli_options *o,
				     const struct kiln_keycli_secret *password,
				     const struct kiln_keys_secret *secret, struct kiln_error *err)
{
	struct kiln_keys_local *local = NULL;
	char real[PATH_MAX];
	const char *path = follow(o->local, real);
	const int locked = lock(path, err);
	if (locked < 0)
		return err->code;
	enum kiln_code rc = load(path, password, &local, err);
	if (rc == KILN_OK && local == NULL)
		rc = open_bytes(NULL, 0, password, &local, err);
	if (rc == KILN_OK)
		rc = kiln_keys_local_put(local, secret, err);
	if (rc == KILN_OK)
		rc = save(path, local, err);
	kiln_keys_local_free(local);
	(void)close(locked);
	return rc;
}

enum kiln_code kiln_keycli_local_get(const struct kiln_keycli_options *o,
				     const struct kiln_keycli_secret *password,
				     const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
				     struct kiln_keys_secret *secret, struct kiln_error *err)
{
	struct kiln_keys_local *local;
	enum kiln_code rc = load(o->local, password, &local, err);
	if (rc == KILN_OK && local == NULL)
		return kiln_fail(err, KILN_E_CONFIG, "--local %.160s: there is no such file",
				 o->local);
	if (rc != KILN_OK)
		return rc;
	const struct kiln_keys_secret *found = kiln_keys_local_find(local, key_id);
	if (found != NULL)
		*secret = *found;
	else
		rc = kiln_fail(err, KILN_E_KEYS_KEY, "the local file has no such key");
	kiln_keys_local_free(local);
	return rc;
}

enum kiln_code kiln_keycli_local_check(const struct kiln_keycli_options *o,
				       const struct kiln_keycli_secret *password,
				       struct kiln_error *err)
{
	struct kiln_keys_local *local = NULL;
	char real[PATH_MAX];
	const char *path = follow(o->local, real);
	enum kiln_code rc = kiln_keycli_writable(path, true, err);
	if (rc == KILN_OK)
		rc = load(path, password, &local, err);
	kiln_keys_local_free(local);
	return rc;
}
