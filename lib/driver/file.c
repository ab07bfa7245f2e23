/* SPDX-License-Identifier: Apache-2.0
 * Reading a file whole; see file.h. */
#include "driver/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"

/* 0, or the errno of the failure; EIO for a file that got shorter meanwhile. */
static int read_whole(int fd, const struct kiln_file *file)
{
	size_t done = 0;
	while (done < file->len) {
		const ssize_t n = read(fd, file->data + done, file->len - done);
		if (n == 0)
			return EIO;
		if (n < 0 && errno != EINTR)
			return errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static enum kiln_code read_open(int fd, const char *what, const char *path, struct kiln_file *file,
				struct kiln_error *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
	    st.st_size > (off_t)KILN_FILE_MAX)
		return kiln_fail(err, KILN_E_CONFIG, "%s %.150s is no file of 1 byte to 4 MiB",
				 what, path);
	file->len = (size_t)st.st_size;
	file->data = malloc(file->len);
	if (file->data == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for %s %.150s", what, path);
	const int failed = read_whole(fd, file);
	if (failed != 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, failed, "%s %.150s cannot be read", what,
				       path);
	return KILN_OK;
}

enum kiln_code kiln_file_read(const char *what, const char *path, struct kiln_file *file,
			      struct kiln_error *err)
{
	memset(file, 0, sizeof *file);
	if (path == NULL)
		return KILN_OK;
	/* O_NONBLOCK: a FIFO by that name must not hold us up. */
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, errno, "%s %.150s cannot be opened",
				       what, path);
	const enum kiln_code rc = read_open(fd, what, path, file, err);
	(void)close(fd);
	if (rc != KILN_OK)
		kiln_file_clear(file);
	return rc;
}

static int read_up_to(int fd, size_t max, struct kiln_file *file)
{
	while (file->len <= max) {
		const ssize_t n = read(fd, file->data + file->len, max + 1 - file->len);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return errno;
		file->len += n > 0 ? (size_t)n : 0;
	}
	return EFBIG;
}

int kiln_file_read_some(const char *path, size_t max, struct kiln_file *file)
{
	memset(file, 0, sizeof *file);
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno;
	file->data = malloc(max + 1);
	const int failed = file->data != NULL ? read_up_to(fd, max, file) : ENOMEM;
	(void)close(fd);
	if (failed != 0)
		kiln_file_clear(file);
	return failed;
}

int kiln_file_name(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return errno;
	/* A filesystem that cannot do it has links, as a rule. */
	if (link(from, to) != 0)
		return errno;
	(void)unlink(from);
	return 0;
}

void kiln_file_clear(struct kiln_file *file)
{
	if (file->data != NULL)
		kiln_wipe(file->data, file->len);
	free(file->data);
	memset(file, 0, sizeof *file);
}
