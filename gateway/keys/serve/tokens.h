/* SPDX-License-Identifier: Apache-2.0
 * --tokens FILE: who may register, where that needs a token. */
#ifndef KILN_KEYS_SERVE_TOKENS_H
#define KILN_KEYS_SERVE_TOKENS_H

#include "keys/store/open.h"

/* Adds the file's tokens to the store, as far as they are new: a token and a date in each line, its
 * last day (UTC). Empty lines and those that begin with # do not count. A file that breaks the form
 * changes nothing. *added gets how many were new. */
enum kiln_code kiln_keyd_tokens_load(const char *path, struct kiln_store *store, uint64_t now_ms,
				     uint64_t *added, struct kiln_error *err) KILN_NODISCARD;

/* `kiln keys token`: prints lines for that file. */
int kiln_keys_token_main(int argc, char **argv);

#endif
