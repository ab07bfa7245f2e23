/* SPDX-License-Identifier: Apache-2.0
 *
 * Base64 as RFC 4648 4 has it and no other way: the standard alphabet, padded, canonical, without
 * line breaks. Go skips line breaks; no Roast peer writes any.
 */
#ifndef KILN_ROAST_BASE64_H
#define KILN_ROAST_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of text for len bytes of data, without a NUL. */
static inline size_t kiln_base64_length(size_t len)
{
	return (len + 2) / 3 * 4;
}

/* Writes kiln_base64_length(len) bytes; no NUL. */
void kiln_base64_encode(char *out, const uint8_t *data, size_t len);

/* Reads text into out, at most cap bytes; *out_len gets how many. False when it is no base64, or
 * when cap is too small. */
bool kiln_base64_decode(const char *text, size_t len, uint8_t *out, size_t cap, size_t *out_len);

#endif
