/* SPDX-License-Identifier: Apache-2.0
 * jansson with Roast's rules; see json.h. */
#include "roast/json.h"

#include <string.h>
#include <strings.h>

#include "roast/base64.h"
#include "roast/writer.h"

enum kiln_code kiln_roast_json_check_keys(json_t *object, const char *const *keys,
					  struct kiln_error *err)
{
	const char *key;
	const json_t *value;
	json_object_foreach(object, key, value)
		for (size_t i = 0; keys[i] != NULL; i++)
			if (strcasecmp(key, keys[i]) == 0 && strcmp(key, keys[i]) != 0)
				return kiln_fail(err, KILN_E_ROAST_HELLO,
						 "the key %s is written in another case", keys[i]);
	return KILN_OK;
}

json_t *kiln_roast_json_read(const void *object, size_t len, const char *const *keys,
			     struct kiln_error *err)
{
	json_error_t error;
	json_t *root = json_loadb(object, len, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL) {
		(void)kiln_fail(err, KILN_E_ROAST_HELLO, "%s",
				json_error_code(&error) == json_error_duplicate_key
				    ? "the same key stands in its JSON twice"
				    : "it is no valid JSON");
		return NULL;
	}
	if (!json_is_object(root))
		(void)kiln_fail(err, KILN_E_ROAST_HELLO, "it is no JSON object");
	else if (kiln_roast_json_check_keys(root, keys, err) == KILN_OK)
		return root;
	json_decref(root);
	return NULL;
}

const char *kiln_roast_json_string(const json_t *object, const char *key, size_t max, size_t *len,
				   struct kiln_error *err)
{
	const json_t *value = json_object_get(object, key);
	*len = 0;
	if (!json_is_string(value)) {
		(void)kiln_fail(err, KILN_E_ROAST_HELLO, "%s %s", key,
				value == NULL ? "is missing" : "is no string");
		return NULL;
	}
	*len = json_string_length(value);
	if (*len <= max)
		return json_string_value(value);
	(void)kiln_fail(err, KILN_E_ROAST_HELLO, "%s has %zu bytes, more than %zu", key, *len, max);
	return NULL;
}

enum kiln_code kiln_roast_json_bytes(const json_t *object, const char *key, uint8_t *out,
				     size_t min, size_t cap, size_t *len, struct kiln_error *err)
{
	size_t text_len;
	*len = 0;
	const char *text =
	    kiln_roast_json_string(object, key, kiln_base64_length(cap), &text_len, err);
	if (text == NULL)
		return KILN_E_ROAST_HELLO;
	if (!kiln_base64_decode(text, text_len, out, cap, len))
		return kiln_fail(err, KILN_E_ROAST_HELLO,
				 "%s is no padded base64 of at most %zu bytes", key, cap);
	if (*len < min)
		return kiln_fail(err, KILN_E_ROAST_HELLO, "%s has %zu bytes, fewer than %zu", key,
				 *len, min);
	return KILN_OK;
}
