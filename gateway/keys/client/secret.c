/* SPDX-License-Identifier: Apache-2.0
 * Passwords and secrets on their way in and out; see secret.h. */
#include "keys/client/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "driver/file.h"
#include "keys/client/terminal.h"

/* ---- in ------------------------------------------------------------------------------------- */

/* To the end of fd; more than max bytes are EFBIG. */
static int read_all(int fd, uint8_t *out, size_t max, size_t *len)
{
	uint8_t beyond;
	*len = 0;
	for (;;) {
		const bool full = *len == max;
		const ssize_t n = read(fd, full ? &beyond : out + *len, full ? 1 : max - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? 0 : errno;
		if (full)
			return EFBIG;
		*len += (size_t)n;
	}
}

/* What is read, for messages. */
struct what {
	const char *name, *flag, *advice;
	bool confirm;
	size_t max;
};

static void strip_newline(struct kiln_keycli_secret *secret)
{
	if (secret->len > 0 && secret->data[secret->len - 1] == '\n')
		secret->len--;
}

static enum kiln_code check_file(const struct what *what, int fd, const char *path,
				 struct kiln_error *err)
{
	struct stat file;
	if (fstat(fd, &file) != 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, errno, "%.160s", path);
	if (!S_ISREG(file.st_mode))
		return kiln_fail(err, KILN_E_CONFIG,
				 "%.160s is no regular file; a pipe goes with --%s-fd", path,
				 what->flag);
	if (file.st_uid != geteuid() && file.st_uid != 0)
		return kiln_fail(err, KILN_E_CONFIG, "%.160s belongs to somebody else", path);
	if ((file.st_mode & 077) != 0)
		return kiln_fail(
		    err, KILN_E_CONFIG,
		    "%.160s can be read by others (mode %04o): chmod 600 it, and think "
		    "about %s",
		    path, (unsigned)(file.st_mode & 07777), what->advice);
	return KILN_OK;
}

static enum kiln_code from_file(const struct what *what, const char *path,
				struct kiln_keycli_secret *secret, struct kiln_error *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, errno, "%.160s", path);
	enum kiln_code rc = check_file(what, fd, path, err);
	const int failed =
	    rc == KILN_OK ? read_all(fd, secret->data, sizeof secret->data, &secret->len) : 0;
	if (failed != 0)
		rc = kiln_fail_errno(err, KILN_E_CONFIG, failed, "%.160s", path);
	(void)close(fd);
	strip_newline(secret);
	return rc;
}

static enum kiln_code from_fd(int fd, struct kiln_keycli_secret *secret, struct kiln_error *err)
{
	const int failed = read_all(fd, secret->data, sizeof secret->data, &secret->len);
	if (failed != 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, failed, "descriptor %d", fd);
	if (fd > STDERR_FILENO) /* or the next socket would be where answers are written */
		(void)close(fd);
	strip_newline(secret);
	return KILN_OK;
}

static enum kiln_code from_terminal(const struct what *what, const char *prompt,
				    struct kiln_keycli_secret *secret, struct kiln_error *err)
{
	struct kiln_keycli_secret again;
	enum kiln_code rc =
	    kiln_keycli_terminal_read(prompt, secret->data, sizeof secret->data, &secret->len, err);
	if (rc == KILN_E_UNSUPPORTED)
		return kiln_fail(err, KILN_E_CONFIG,
				 "there is no terminal to ask for the %s at: --%s-file FILE or "
				 "--%s-fd N",
				 what->name, what->flag, what->flag);
	if (rc != KILN_OK || !what->confirm)
		return rc;
	rc = kiln_keycli_terminal_read("Once more: ", again.data, sizeof again.data, &again.len,
				       err);
	if (rc == KILN_OK &&
	    (again.len != secret->len || memcmp(again.data, secret->data, again.len) != 0))
		rc = kiln_fail(err, KILN_E_CONFIG, "the two are not the same; nothing was done");
	kiln_wipe(&again, sizeof again);
	return rc;
}

static enum kiln_code read_one(const struct what *what, const struct kiln_keycli_source *source,
			       const char *prompt, struct kiln_keycli_secret *secret,
			       struct kiln_error *err)
{
	enum kiln_code rc;
	memset(secret, 0, sizeof *secret);
	if (source->file != NULL)
		rc = from_file(what, source->file, secret, err);
	else if (source->fd != KILN_KEYCLI_NO_FD)
		rc = from_fd((int)source->fd, secret, err);
	else
		rc = from_terminal(what, prompt, secret, err);
	if (rc == KILN_OK && secret->len == 0)
		rc = kiln_fail(err, KILN_E_CONFIG, "an empty %s is none", what->name);
	if (rc == KILN_OK && secret->len > what->max)
		rc = kiln_fail(err, KILN_E_CONFIG, "a %s has at most %zu bytes", what->name,
			       what->max);
	if (rc != KILN_OK)
		kiln_wipe(secret, sizeof *secret);
	return rc;
}

enum kiln_code kiln_keycli_password(const struct kiln_keycli_source *source, const char *prompt,
				    bool confirm, struct kiln_keycli_secret *password,
				    struct kiln_error *err)
{
	const struct what what = {
	    .name = "password",
	    .flag = "password",
	    .advice = "changing the password",
	    .confirm = confirm,
	    .max = KILN_OPAQUE_PASSWORD_MAX,
	};
	return read_one(&what, source, prompt, password, err);
}

enum kiln_code kiln_keycli_token(const struct kiln_keycli_source *source,
				 struct kiln_keycli_secret *token, struct kiln_error *err)
{
	const struct what what = {
	    .name = "registration token",
	    .flag = "token",
	    .advice = "asking for another token",
	    .max = KILN_KEYS_TOKEN_MAX,
	};
	return read_one(&what, source, "Registration token: ", token, err);
}

static enum kiln_code read_from(int fd, const char *name, size_t max, uint8_t *data, size_t *len,
				struct kiln_error *err)
{
	const int failed = read_all(fd, data, max, len);
	if (failed == EFBIG)
		return kiln_fail(err, KILN_E_CONFIG, "%.160s has more than %zu bytes", name, max);
	if (failed != 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, failed, "%.160s", name);
	return KILN_OK;
}

enum kiln_code kiln_keycli_read(const char *path, const char *prompt, size_t max, uint8_t **data,
				size_t *len, struct kiln_error *err)
{
	enum kiln_code rc;
	*data = calloc(1, max + 1);
	*len = 0;
	if (*data == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for what is to be read");
	if (path != NULL) {
		const int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			rc = kiln_fail_errno(err, KILN_E_CONFIG, errno, "%.160s", path);
		else
			rc = read_from(fd, path, max, *data, len, err);
		if (fd >= 0)
			(void)close(fd);
	} else if (isatty(STDIN_FILENO) == 1 && prompt == NULL) {
		rc = kiln_fail(err, KILN_E_CONFIG,
			       "there is nothing to read but a terminal: --in FILE, or a pipe");
	} else if (isatty(STDIN_FILENO) == 1) {
		rc = kiln_keycli_terminal_read(prompt, *data, max, len, err);
	} else {
		rc = read_from(STDIN_FILENO, "the standard input", max, *data, len, err);
	}
	if (rc == KILN_OK)
		return KILN_OK;
	kiln_wipe(*data, max);
	free(*data);
	*data = NULL;
	return rc;
}

/* ---- out ------------------------------------------------------------------------------------ */

static int write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		const ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd) == 0 ? 0 : errno;
}

/* The names in it are on the disk when it is. */
static void sync_folder(const char *path)
{
	char copy[PATH_MAX];
	if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
		return;
	const int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	(void)close(fd);
}

enum kiln_code kiln_keycli_writable(const char *path, bool replace, struct kiln_error *err)
{
	char copy[PATH_MAX];
	struct stat file;
	if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
		return kiln_fail(err, KILN_E_CONFIG, "%.160s: the path is too long", path);
	if (!replace && lstat(path, &file) == 0)
		return kiln_fail(err, KILN_E_CONFIG, "%.160s exists, and is not overwritten", path);
	if (faccessat(AT_FDCWD, dirname(copy), W_OK | X_OK, AT_EACCESS) != 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, errno,
				       "%.160s: its folder cannot be written", path);
	return KILN_OK;
}

/* Beside path, under a name that nobody has. 0, or errno, and then there is none. */
static int write_beside(const char *path, const void *data, size_t len, char fresh[PATH_MAX])
{
	uint64_t number;
	if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
		return errno;
	if (snprintf(fresh, PATH_MAX, "%s.%016llx", path, (unsigned long long)number) >= PATH_MAX)
		return ENAMETOOLONG;
	const int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno;
	int failed = fchmod(fd, 0600) == 0 ? 0 : errno;
	if (failed == 0)
		failed = write_all(fd, data, len);
	if (close(fd) != 0 && failed == 0)
		failed = errno;
	if (failed != 0)
		(void)unlink(fresh);
	return failed;
}

static enum kiln_code put(const char *path, bool replace, const void *data, size_t len,
			  struct kiln_error *err)
{
	char fresh[PATH_MAX];
	int failed = write_beside(path, data, len, fresh);
	if (failed != 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, failed, "%.160s", path);
	if (!replace)
		failed = kiln_file_name(fresh, path);
	else if (rename(fresh, path) != 0)
		failed = errno;
	if (failed == 0) {
		sync_folder(path);
		return KILN_OK;
	}
	(void)unlink(fresh);
	if (failed == EEXIST)
		return kiln_fail(err, KILN_E_CONFIG, "%.160s exists, and is not overwritten", path);
	return kiln_fail_errno(err, KILN_E_SYSTEM, failed, "%.160s", path);
}

enum kiln_code kiln_keycli_write(const char *path, const void *data, size_t len,
				 struct kiln_error *err)
{
	return put(path, false, data, len, err);
}

enum kiln_code kiln_keycli_replace(const char *path, const void *data, size_t len,
				   struct kiln_error *err)
{
	return put(path, true, data, len, err);
}
