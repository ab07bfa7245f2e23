/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing JSON into memory of a size that is known before: as Go's encoding/json writes it, so that
 * hellos come out byte for byte as Roast's own.
 */
#ifndef KILN_ROAST_WRITER_H
#define KILN_ROAST_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kiln_roast_writer {
	char *data;
	size_t len, cap;
	bool failed; /* something did not fit, or has no place in a string */
};

void kiln_roast_put(struct kiln_roast_writer *text, const char *raw);

/* A quoted string of printable ASCII; & < > become \u0026 \u003c \u003e, as Go does for HTML. */
void kiln_roast_put_string(struct kiln_roast_writer *text, const char *value);

/* A quoted string: the data in base64, as Go writes []byte. */
void kiln_roast_put_base64(struct kiln_roast_writer *text, const uint8_t *data, size_t len);

#endif
