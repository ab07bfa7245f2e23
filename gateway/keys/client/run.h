/* SPDX-License-Identifier: Apache-2.0
 * One command under way, for its files: input.c (what is read before anything is asked), ask.c,
 * tell.c, and client.c, which puts them together. */
#ifndef KILN_KEYS_CLIENT_RUN_H
#define KILN_KEYS_CLIENT_RUN_H

#include "keys/client/print.h"
#include "keys/client/talk.h"
#include "keys/export.h"

struct kiln_keycli_run {
	struct kiln_keycli_options options;
	struct kiln_keycli_secret password, new_password;
	struct kiln_keycli_talk talk;
	uint8_t *input;               /* secret or message; NULL: none */
	size_t input_len, input_size; /* input_size has to be wiped */
	char token[KILN_KEYS_TOKEN_MAX + 1];

	/* what came of it */
	bool asked; /* the server has done it; what fails from here on is ours */
	struct kiln_keys_secret secret;
	uint8_t public_key[KILN_KEYS_PUBLIC_LEN], signature[KILN_KEYS_SIGNATURE_LEN];
	uint8_t exported[KILN_KEYS_EXPORT_MAX];
	size_t exported_len;
	struct kiln_keys_audit *entries;
	size_t entry_count;
	uint64_t next; /* of the log; 0: this is all */
	uint32_t retry_after_ms;
	struct kiln_error err;
};

/* The token, the secret, the message: what the command takes from files. */
enum kiln_code kiln_keycli_input(struct kiln_keycli_run *run);
enum kiln_code kiln_keycli_passwords(struct kiln_keycli_run *run);

/* Of the key that is asked for. */
enum kiln_keys_kind kiln_keycli_expected(const struct kiln_keycli_run *run);

/* The one session. */
enum kiln_code kiln_keycli_ask(struct kiln_keycli_run *run);

void kiln_keycli_tell(struct kiln_keycli_run *run, struct kiln_keycli_answer *out);

#endif
