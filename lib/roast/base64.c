/* SPDX-License-Identifier: Apache-2.0
 * RFC 4648 4, strictly; see base64.h. */
#include "roast/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
			       "="; /* number 64 */

void kiln_base64_encode(char *out, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i += 3) {
		const size_t left = len - i;
		const uint32_t word = (uint32_t)data[i] << 16 |
				      (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
				      (left > 2 ? data[i + 2] : 0);
		*out++ = alphabet[word >> 18];
		*out++ = alphabet[word >> 12 & 63];
		*out++ = alphabet[left > 1 ? word >> 6 & 63 : 64];
		*out++ = alphabet[left > 2 ? word & 63 : 64];
	}
}

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool kiln_base64_decode(const char *text, size_t len, uint8_t *out, size_t cap, size_t *out_len)
{
	*out_len = 0;
	if (len % 4 != 0)
		return false;
	for (size_t i = 0; i < len; i += 4) {
		const bool last = i + 4 == len;
		const unsigned missing =
		    last && text[i + 3] == '=' ? (text[i + 2] == '=' ? 2 : 1) : 0;
		uint32_t word = 0;
		for (unsigned k = 0; k < 4; k++) {
			const int value = k >= 4 - missing ? 0 : value_of(text[i + k]);
			if (value < 0)
				return false;
			word = word << 6 | (uint32_t)value;
		}
		/* The bits that padding leaves over are zero, or two texts would mean the same. */
		if ((word & ((1u << 8 * missing) - 1)) != 0 || cap - *out_len < 3 - missing)
			return false;
		for (unsigned k = 0; k < 3 - missing; k++)
			out[(*out_len)++] = (uint8_t)(word >> (16 - 8 * k));
	}
	return true;
}
