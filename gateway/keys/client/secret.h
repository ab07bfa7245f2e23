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

/* All of path (NULL: the standard input), at most max bytes. A terminal is asked with prompt and
 * without echo; NULL: refused. *data has room for max bytes; the caller wipes all of them and frees
 * it. */
enum kiln_code kiln_keycli_read(const char *path, const char *prompt, size_t max, uint8_t **data,
				size_t *len, struct kiln_error *err) KILN_NODISCARD;

/* A new file of mode 0600, whole and on the disk, or none. One that exists is KILN_E_CONFIG. */
enum kiln_code kiln_keycli_write(const char *path, const void *data, size_t len,
				 struct kiln_error *err) KILN_NODISCARD;

/* The same in the place of a file of that name, if there is one. */
enum kiln_code kiln_keycli_replace(const char *path, const void *data, size_t len,
				   struct kiln_error *err) KILN_NODISCARD;

/* Can path be made, as a new file (or, replace, take the place of an old one)? KILN_E_CONFIG: no;
 * told before anything is done at the server, rather than behind it. */
enum kiln_code kiln_keycli_writable(const char *path, bool replace,
				    struct kiln_error *err) KILN_NODISCARD;

#endif
