/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of flags: durations, sizes, counts, words. Each call refuses with KILN_E_CONFIG and a
 * sentence that starts with the flag's name and shows how to write it.
 */
#ifndef KILN_CLI_VALUES_H
#define KILN_CLI_VALUES_H

#include <kiln/error.h>

/* Longest duration taken: a year, so that no sum of times overflows. */
#define KILN_DURATION_MAX_MS (UINT64_C(366) * 24 * 3600 * 1000)

/* "500ms", "10s", "5m", "1h", "2d" or a plain 0, in milliseconds. */
enum kiln_code kiln_value_duration(const char *flag, const char *text, uint64_t *ms,
				   struct kiln_error *err) KILN_NODISCARD;

/* "4096", "64KiB", "256MiB", "1GiB" (also K, M, G), in bytes. */
enum kiln_code kiln_value_size(const char *flag, const char *text, uint64_t *bytes,
			       struct kiln_error *err) KILN_NODISCARD;

/* A decimal number from min to max. */
enum kiln_code kiln_value_count(const char *flag, const char *text, uint64_t min, uint64_t max,
				uint64_t *count, struct kiln_error *err) KILN_NODISCARD;

/* One of the words, a NULL-terminated list; *index tells which. */
enum kiln_code kiln_value_word(const char *flag, const char *text, const char *const words[],
			       int *index, struct kiln_error *err) KILN_NODISCARD;

/* A comma-separated list of ALPN protocols, 1 to 255 bytes each (RFC 7301 3.1). */
enum kiln_code kiln_value_alpn(const char *flag, const char *text,
			       struct kiln_error *err) KILN_NODISCARD;

/* SHA-256 in hexadecimal. */
enum kiln_code kiln_value_hash(const char *flag, const char *text,
			       struct kiln_error *err) KILN_NODISCARD;

#endif
