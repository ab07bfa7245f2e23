/* SPDX-License-Identifier: Apache-2.0
 *
 * Passwords and secrets on their way in and out: terminals, files, descriptors.
 */
#ifndef KILN_KEYS_CLIENT_SECRET_H
#define KILN_KEYS_CLIENT_SECRET_H

#include "keys/client/options.h"

/* Wiped by the caller. */
struct kiln_keycli_secret {
	uint8_t data[KILN_OPAQUE_PASSWORD_MAX];
	size_t len;
};

/* From the file, which must be ours alone, the descriptor, or the terminal without echo: prompt
 * asks there, and twice if it is to be confirmed. One newline at the end is not part of it.
 * KILN_E_CONFIG with a sentence for the user; KILN_E_SYSTEM. */
enum kiln_code kiln_keycli_password(const struct kiln_keycli_source *source, const char *prompt,
				    bool confirm, struct kiln_keycli_secret *password,
				    struct kiln_error *err) KILN_NODISCARD;

/* A registration token, in the same ways: 1 to KILN_KEYS_TOKEN_MAX bytes. */
enum kiln_code kiln_keycli_token(const struct kiln_keycli_source *source,
				 struct kiln_keycli_secret *token,
				 struct kiln_error *err) KILN_NODISCARD;

/* All of path (NULL: the standard input, without echo where that is a terminal), at most max bytes.
 * The caller wipes and frees *data. */
enum kiln_code kiln_keycli_read(const char *path, size_t max, uint8_t **data, size_t *len,
				struct kiln_error *err) KILN_NODISCARD;

/* A new file of mode 0600, whole and on the disk, or none. One that exists is KILN_E_CONFIG. */
enum kiln_code kiln_keycli_write(const char *path, const void *data, size_t len,
				 struct kiln_error *err) KILN_NODISCARD;

#endif
