/* SPDX-License-Identifier: Apache-2.0
 *
 * Hexadecimal digits.
 */
#ifndef KILN_BASE_HEX_H
#define KILN_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lower case; out has 2 * len + 1 bytes. */
static inline void kiln_hex_encode(const uint8_t *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[data[i] >> 4];
		out[2 * i + 1] = digits[data[i] & 15];
	}
	out[2 * len] = '\0';
}

static inline int kiln_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* len digits (even) into len / 2 bytes; false, with out untouched from the bad pair on, for others.
 * Nothing behind the first that is no digit is looked at: text may end there. */
static inline bool kiln_hex_decode(const char *text, size_t len, uint8_t *out)
{
	for (size_t i = 0; i + 1 < len; i += 2) {
		const int high = kiln_hex_digit(text[i]);
		const int low = high >= 0 ? kiln_hex_digit(text[i + 1]) : -1;
		if (low < 0)
			return false;
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	return len % 2 == 0;
}

#endif
