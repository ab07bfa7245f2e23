/* SPDX-License-Identifier: Apache-2.0
 * The store's key; see key.h. */
#include "keys/store/key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/file.h"

static struct kiln_store_key *allocate(struct kiln_error *err)
{
	struct kiln_store_key *key = sodium_init() >= 0 ? sodium_malloc(sizeof *key) : NULL;
	if (key == NULL)
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "no memory for the store's key");
	return key;
}

void kiln_store_key_free(struct kiln_store_key *key)
{
	sodium_free(key);
}

/* Exactly so many bytes, to the end. */
static enum kiln_code read_fd(int fd, const char *what, struct kiln_store_key *key,
			      struct kiln_error *err)
{
	size_t done = 0;
	uint8_t more;
	while (done < sizeof key->bytes) {
		const ssize_t n = read(fd, key->bytes + done, sizeof key->bytes - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return kiln_fail_errno(err, KILN_E_CONFIG, errno, "%.150s cannot be read",
					       what);
		if (n == 0)
			break;
		done += (size_t)n;
	}
	if (done != sizeof key->bytes || read(fd, &more, 1) != 0)
		return kiln_fail(
		    err, KILN_E_CONFIG,
		    "%.150s is no store key: that has %d bytes; `kiln keys init` makes "
		    "one",
		    what, KILN_STORE_KEY_LEN);
	return KILN_OK;
}

static enum kiln_code read_file(const char *path, bool private, struct kiln_store_key *key,
				struct kiln_error *err)
{
	struct stat st;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, errno, "the store's key %.150s", path);
	enum kiln_code code = KILN_OK;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		code = kiln_fail(err, KILN_E_CONFIG, "the store's key %.150s is no file", path);
	else if (private && (st.st_mode & 077) != 0)
		code =
		    kiln_fail(err, KILN_E_CONFIG,
			      "the store's key %.100s can be opened by others (mode %03o): chmod "
			      "600, and think of rotate-key",
			      path, (unsigned)(st.st_mode & 0777));
	else
		code = read_fd(fd, path, key, err);
	(void)close(fd);
	return code;
}

/* systemd has it owned by root, and readable for the service alone by an access control list. */
static enum kiln_code read_credential(const char *name, struct kiln_store_key *key,
				      struct kiln_error *err)
{
	char path[PATH_MAX];
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	if (directory == NULL || strchr(name, '/') != NULL || name[0] == '\0')
		return kiln_fail(
		    err, KILN_E_CONFIG,
		    "no credential %.80s: $CREDENTIALS_DIRECTORY is %s; systemd sets it "
		    "for LoadCredential=",
		    name, directory == NULL ? "not set" : "set, and that is no name");
	const int n = snprintf(path, sizeof path, "%s/%s", directory, name);
	if (n < 0 || (size_t)n >= sizeof path)
		return kiln_fail(err, KILN_E_CONFIG, "the credential %.80s: too long", name);
	return read_file(path, false, key, err);
}

struct kiln_store_key *kiln_store_key_read(const struct kiln_store_key_source *source,
					   struct kiln_error *err)
{
	enum kiln_code code;
	struct kiln_store_key *key = allocate(err);
	if (key == NULL)
		return NULL;
	if (source->file != NULL) {
		code = read_file(source->file, true, key, err);
	} else if (source->credential != NULL) {
		code = read_credential(source->credential, key, err);
	} else {
		code = read_fd(source->fd, "the store's key", key, err);
		if (source->fd > STDERR_FILENO) /* what is opened next must not take their place */
			(void)close(source->fd);
	}
	if (code != KILN_OK) {
		kiln_store_key_free(key);
		return NULL;
	}
	return key;
}

static bool write_key(int fd, const struct kiln_store_key *key)
{
	return write(fd, key->bytes, sizeof key->bytes) == (ssize_t)sizeof key->bytes &&
	       fsync(fd) == 0;
}

static int sync_folder(const char *file)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(file, '/');
	(void)snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - file + 1) : 1,
		       slash != NULL ? file : ".");
	const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const int result = fd >= 0 ? fsync(fd) : -1;
	const int failed = errno;
	if (fd >= 0)
		(void)close(fd);
	errno = failed;
	return result;
}

/* It gets its name when it is complete: whoever is interrupted here finds no key, or all of it, and
 * what is sealed under it later is not on the disk before it. */
static int make_file(const char *file, const struct kiln_store_key *key)
{
	char partial[PATH_MAX];
	const int n = snprintf(partial, sizeof partial, "%s.partial", file);
	if (n < 0 || (size_t)n >= sizeof partial) {
		errno = ENAMETOOLONG;
		return -1;
	}
	(void)unlink(partial); /* of who was interrupted */
	const int fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	const int failed = write_key(fd, key) ? kiln_file_name(partial, file) : errno;
	(void)close(fd);
	if (failed == 0)
		return sync_folder(file);
	(void)unlink(partial);
	errno = failed;
	return -1;
}

struct kiln_store_key *kiln_store_key_make(const char *file, struct kiln_error *err)
{
	struct kiln_store_key *key = allocate(err);
	if (key == NULL)
		return NULL;
	randombytes_buf(key->bytes, sizeof key->bytes);
	if (make_file(file, key) != 0) {
		(void)kiln_fail_errno(err, KILN_E_CONFIG, errno, "%.150s cannot be made", file);
		kiln_store_key_free(key);
		key = NULL;
	}
	return key;
}
