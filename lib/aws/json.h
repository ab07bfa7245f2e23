/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON of services: read whole, strictly (one object from the first byte to the last, no key
 * twice), then field by field.
 */
#ifndef KILN_AWS_JSON_H
#define KILN_AWS_JSON_H

#include <jansson.h>

#include <kiln/error.h>

/* NULL: not of that form, or too long. The first byte must be '{'. */
json_t *kiln_json_object(const uint8_t *data, size_t len, size_t max);

/* The string under key; NULL: there is none, or it is no string, or it is empty or longer than max.
 * It lives as long as the object. */
const char *kiln_json_text(const json_t *object, const char *key, size_t max);

/* Wipes every string in it, then frees it. */
void kiln_json_wipe(json_t *value);

/* Puts an allocator under jansson, for the whole process; first thing in main. It wipes what is
 * freed: the reader leaves pieces of what it read. And it ends the process when there is no memory:
 * jansson's reader (2.14) does not notice that a buffer could not grow, and goes on with a string
 * that lacks a character, which may be a role's name, or the closing quote. */
void kiln_json_memory_take_over(void);

#endif
