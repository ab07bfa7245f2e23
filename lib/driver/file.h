/* SPDX-License-Identifier: Apache-2.0
 *
 * Files with certificates and keys, read whole. The one place that opens them, for libkiln's own
 * loader and for the gateway.
 */
#ifndef KILN_DRIVER_FILE_H
#define KILN_DRIVER_FILE_H

#include <kiln/error.h>

#define KILN_FILE_MAX (4u << 20) /* bytes */

struct kiln_file {
	uint8_t *data; /* owned; wiped when it is cleared */
	size_t len;
};

/* Reads a regular file of 1 byte to KILN_FILE_MAX, and waits for nobody: a FIFO or a device by that
 * name is refused. what is "key file" or "--key", for the message. A path of NULL is an empty file.
 * On failure *file is empty. */
enum kiln_code kiln_file_read(const char *what, const char *path, struct kiln_file *file,
			      struct kiln_error *err) KILN_NODISCARD;

/* Reads at most max bytes of anything by that name, and waits for nobody either. 0, or errno: EFBIG
 * for a longer one; then *file is empty. */
int kiln_file_read_some(const char *path, size_t max, struct kiln_file *file) KILN_NODISCARD;

/* A file that is complete gets the name that it is to have, in the same folder, unless there is one
 * of that name. 0, or errno: EEXIST; from is then still there. */
int kiln_file_name(const char *from, const char *to) KILN_NODISCARD;

void kiln_file_clear(struct kiln_file *file);

#endif
