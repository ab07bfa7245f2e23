/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the two JSON objects of Roast with jansson: duplicate keys refused, unknown ones ignored.
 */
#ifndef KILN_ROAST_JSON_H
#define KILN_ROAST_JSON_H

#include <jansson.h>

#include <kiln/error.h>

/* Parses one object that the scanner let through; NULL with *err filled otherwise. The keys are
 * those that mean something here: one of them in another case is refused, because Go would take it
 * and a reader that ignored it would see another message than Go does. */
json_t *kiln_roast_json_read(const void *object, size_t len, const char *const *keys,
			     struct kiln_error *err);

/* That rule alone, for an object inside. */
enum kiln_code kiln_roast_json_check_keys(json_t *object, const char *const *keys,
					  struct kiln_error *err) KILN_NODISCARD;

/* The string under key, without a NUL inside and of at most max bytes; NULL with *err filled when
 * it is missing or something else. Valid as long as the object. */
const char *kiln_roast_json_string(const json_t *object, const char *key, size_t max, size_t *len,
				   struct kiln_error *err);

/* The bytes that stand in base64 under key, at least min and at most cap. */
enum kiln_code kiln_roast_json_bytes(const json_t *object, const char *key, uint8_t *out,
				     size_t min, size_t cap, size_t *len,
				     struct kiln_error *err) KILN_NODISCARD;

#endif
