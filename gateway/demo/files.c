/* SPDX-License-Identifier: Apache-2.0
 * Files with secrets in them. */
#include "demo/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static enum kiln_code fail_write(const char *name, int sys_errno, struct kiln_error *err)
{
	if (sys_errno == EEXIST)
		return kiln_fail(err, KILN_E_CONFIG, "%.80s exists", name);
	return kiln_fail_errno(err, KILN_E_SYSTEM, sys_errno, "cannot write %.80s", name);
}

/* Creates name, which must not exist; what was written of it goes again when that fails. */
static enum kiln_code create(int dir_fd, const char *name, const void *data, size_t len,
			     mode_t mode, struct kiln_error *err)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return fail_write(name, errno, err);
	bool ok = write_all(fd, data, len);
	int saved = errno;
	if (close(fd) != 0 && ok) {
		saved = errno;
		ok = false;
	}
	if (ok)
		return KILN_OK;
	(void)unlinkat(dir_fd, name, 0);
	return fail_write(name, saved, err);
}

enum kiln_code kiln_file_write(int dir_fd, const char *name, const void *data, size_t len,
			       bool secret, bool replace, struct kiln_error *err)
{
	mode_t mode = secret ? 0600 : 0644;
	if (!replace)
		return create(dir_fd, name, data, len, mode, err);
	char temporary[NAME_MAX + 1];
	int n = snprintf(temporary, sizeof temporary, ".%s.%d", name, (int)getpid());
	if (n < 0 || (size_t)n >= sizeof temporary)
		return kiln_fail(err, KILN_E_USAGE, "the file name %.80s is too long", name);
	enum kiln_code code = create(dir_fd, temporary, data, len, mode, err);
	if (code != KILN_OK || renameat(dir_fd, temporary, dir_fd, name) == 0)
		return code;
	int saved = errno;
	(void)unlinkat(dir_fd, temporary, 0);
	return fail_write(name, saved, err);
}

enum kiln_code kiln_temp_dir_make(struct kiln_temp_dir *dir, struct kiln_error *err)
{
	const char *base = getenv("TMPDIR");
	if (base == NULL || base[0] != '/')
		base = "/tmp";
	dir->fd = -1;
	int n = snprintf(dir->path, sizeof dir->path, "%s/kiln-XXXXXX", base);
	if (n < 0 || (size_t)n >= sizeof dir->path)
		return kiln_fail(err, KILN_E_CONFIG, "$TMPDIR is too long");
	if (mkdtemp(dir->path) == NULL)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno,
				       "cannot make a directory in %.100s", base);
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd >= 0)
		return KILN_OK;
	int saved = errno;
	(void)rmdir(dir->path);
	return kiln_fail_errno(err, KILN_E_SYSTEM, saved, "cannot open %.100s", dir->path);
}

enum kiln_code kiln_temp_dir_path(const struct kiln_temp_dir *dir, const char *name,
				  char out[PATH_MAX], struct kiln_error *err)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", dir->path, name);
	if (n < 0 || n >= PATH_MAX)
		return kiln_fail(err, KILN_E_USAGE, "the path of %.80s is too long", name);
	return KILN_OK;
}

static void remove_files(int dir_fd)
{
	DIR *stream = fdopendir(dir_fd);
	if (stream == NULL) {
		(void)close(dir_fd);
		return;
	}
	const struct dirent *entry;
	while ((entry = readdir(stream)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			(void)unlinkat(dirfd(stream), entry->d_name, 0);
	(void)closedir(stream);
}

enum kiln_code kiln_temp_dir_remove(struct kiln_temp_dir *dir, struct kiln_error *err)
{
	if (dir->fd < 0)
		return KILN_OK;
	remove_files(dir->fd);
	dir->fd = -1;
	if (rmdir(dir->path) != 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "cannot remove %.150s",
				       dir->path);
	return KILN_OK;
}
