/* SPDX-License-Identifier: Apache-2.0
 *
 * What the client's commands print: for people, or one JSON object.
 */
#ifndef KILN_KEYS_CLIENT_PRINT_H
#define KILN_KEYS_CLIENT_PRINT_H

#include <jansson.h>

#include "keys/client/options.h"

/* An answer that is being put together. */
struct kiln_keycli_answer {
	const struct kiln_keycli_options *options;
	json_t *json; /* with --json; otherwise NULL */
};

void kiln_keycli_print_begin(struct kiln_keycli_answer *a, const struct kiln_keycli_options *o);
/* Name and value; label is the name for people, NULL: for programs only. */
void kiln_keycli_print_text(struct kiln_keycli_answer *a, const char *name, const char *label,
			    const char *value);
void kiln_keycli_print_hex(struct kiln_keycli_answer *a, const char *name, const char *label,
			   const uint8_t *data, size_t len);
void kiln_keycli_print_number(struct kiln_keycli_answer *a, const char *name, uint64_t value);
/* A sentence for people. */
void kiln_keycli_print_say(const struct kiln_keycli_answer *a, const char *format, ...)
    KILN_PRINTF(2, 3);
/* next: the line that the log goes on with, 0 when this is all. */
void kiln_keycli_print_audit(struct kiln_keycli_answer *a, const struct kiln_keys_audit *entries,
			     size_t count, uint64_t next);
/* The object goes out. False when the standard output does not take it. */
bool kiln_keycli_print_end(struct kiln_keycli_answer *a);

/* What went wrong, on stderr, or with --json on stdout; the exit status. key_id: of a key that was
 * made at the server all the same; NULL: none. */
int kiln_keycli_print_error(const struct kiln_keycli_options *o, const struct kiln_error *err,
			    uint32_t retry_after_ms, const uint8_t *key_id);

#endif
