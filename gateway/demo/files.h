/* SPDX-License-Identifier: Apache-2.0
 *
 * Files with secrets in them, written whole or not at all, and a private directory for them.
 */
#ifndef KILN_DEMO_FILES_H
#define KILN_DEMO_FILES_H

#include <limits.h>

#include <kiln/error.h>

/* Writes name in the directory dir_fd, mode 0600 for secrets and 0644 otherwise. With replace, a
 * reader of an existing file sees the old content or the new one; without, a name that exists is
 * KILN_E_CONFIG. */
enum kiln_code kiln_file_write(int dir_fd, const char *name, const void *data, size_t len,
			       bool secret, bool replace, struct kiln_error *err) KILN_NODISCARD;

/* A directory of our own under $TMPDIR or /tmp, mode 0700. */
struct kiln_temp_dir {
	int fd; /* -1 when there is none */
	char path[PATH_MAX];
};

enum kiln_code kiln_temp_dir_make(struct kiln_temp_dir *dir, struct kiln_error *err) KILN_NODISCARD;

/* Writes dir->path and name as a path into out. */
enum kiln_code kiln_temp_dir_path(const struct kiln_temp_dir *dir, const char *name,
				  char out[PATH_MAX], struct kiln_error *err) KILN_NODISCARD;

/* Removes the files in it, and it. Directories in it were not made by us: then it stays. */
enum kiln_code kiln_temp_dir_remove(struct kiln_temp_dir *dir,
				    struct kiln_error *err) KILN_NODISCARD;

#endif
