/* SPDX-License-Identifier: Apache-2.0
 * Values of flags, read strictly: what is not understood is refused, never guessed. */
#include "cli/values.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Reads digits, at least one; *rest is what follows them. False also when it overflows. */
static bool digits(const char *text, uint64_t *value, const char **rest)
{
	const char *p = text;
	uint64_t v = 0;
	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return false;
	*value = v;
	*rest = p;
	return p != text;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* Digits and one of the units; false when it is neither, or too large for 64 bits. */
static bool digits_and_unit(const char *text, const struct unit *units, uint64_t *value)
{
	const char *rest;
	if (!digits(text, value, &rest))
		return false;
	for (; units->name != NULL; units++)
		if (strcmp(rest, units->name) == 0)
			return !__builtin_mul_overflow(*value, units->factor, value);
	return false;
}

enum kiln_code kiln_value_duration(const char *flag, const char *text, uint64_t *ms,
				   struct kiln_error *err)
{
	static const struct unit units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
					    {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
	if (strcmp(text, "0") == 0) {
		*ms = 0;
		return KILN_OK;
	}
	if (!digits_and_unit(text, units, ms))
		return kiln_fail(err, KILN_E_CONFIG,
				 "%s: '%.40s' is no duration; write 500ms, 10s, 5m, 1h or 0", flag,
				 text);
	if (*ms > KILN_DURATION_MAX_MS)
		return kiln_fail(err, KILN_E_CONFIG, "%s: '%.40s' is longer than a year", flag,
				 text);
	return KILN_OK;
}

enum kiln_code kiln_value_size(const char *flag, const char *text, uint64_t *bytes,
			       struct kiln_error *err)
{
	static const struct unit units[] = {{"", 1},           {"K", 1024},       {"KiB", 1024},
					    {"M", 1u << 20},   {"MiB", 1u << 20}, {"G", 1u << 30},
					    {"GiB", 1u << 30}, {NULL, 0}};
	if (!digits_and_unit(text, units, bytes))
		return kiln_fail(err, KILN_E_CONFIG,
				 "%s: '%.40s' is no size; write bytes, or 64KiB, 256MiB, 1GiB",
				 flag, text);
	return KILN_OK;
}

enum kiln_code kiln_value_count(const char *flag, const char *text, uint64_t min, uint64_t max,
				uint64_t *count, struct kiln_error *err)
{
	const char *rest;
	if (!digits(text, count, &rest) || *rest != '\0' || *count < min || *count > max)
		return kiln_fail(err, KILN_E_CONFIG, "%s: '%.40s' is no number from %llu to %llu",
				 flag, text, (unsigned long long)min, (unsigned long long)max);
	return KILN_OK;
}

enum kiln_code kiln_value_word(const char *flag, const char *text, const char *const words[],
			       int *index, struct kiln_error *err)
{
	char list[128] = "";
	size_t used = 0;
	for (int i = 0; words[i] != NULL; i++) {
		if (strcmp(text, words[i]) == 0) {
			*index = i;
			return KILN_OK;
		}
		const char *between = i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ";
		int n = snprintf(list + used, sizeof list - used, "%s%s", between, words[i]);
		if (n > 0 && (size_t)n < sizeof list - used)
			used += (size_t)n;
	}
	return kiln_fail(err, KILN_E_CONFIG, "%s: '%.40s' is none of the choices; write %s", flag,
			 text, list);
}

enum kiln_code kiln_value_alpn(const char *flag, const char *text, struct kiln_error *err)
{
	const char *p = text;
	for (;;) {
		size_t len = strcspn(p, ",");
		if (len == 0)
			return kiln_fail(err, KILN_E_CONFIG,
					 "%s: '%.40s' names an empty protocol; write h2,http/1.1",
					 flag, text);
		if (len > 255)
			return kiln_fail(err, KILN_E_CONFIG,
					 "%s: a protocol of %zu bytes, 255 at most", flag, len);
		if (p[len] == '\0')
			return KILN_OK;
		p += len + 1;
	}
}

enum kiln_code kiln_value_hash(const char *flag, const char *text, struct kiln_error *err)
{
	size_t n = 0;
	while (isxdigit((unsigned char)text[n]))
		n++;
	if (n != 64 || text[n] != '\0')
		return kiln_fail(
		    err, KILN_E_CONFIG,
		    "%s: '%.70s' is no public key hash; write SHA-256 as 64 hexadecimal "
		    "digits",
		    flag, text);
	return KILN_OK;
}
