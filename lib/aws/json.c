/* SPDX-License-Identifier: Apache-2.0
 * Strict JSON over jansson; see json.h. */
#include "aws/json.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

json_t *kiln_json_object(const uint8_t *data, size_t len, size_t max)
{
	if (len == 0 || len > max || data[0] != '{')
		return NULL;
	return json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, NULL);
}

const char *kiln_json_text(const json_t *object, const char *key, size_t max)
{
	const json_t *value = json_object_get(object, key);
	const size_t len = json_string_length(value);
	return len >= 1 && len <= max ? json_string_value(value) : NULL;
}

static void wipe_strings(json_t *value)
{
	const char *key;
	json_t *member;
	size_t index;
	if (json_is_string(value)) {
		/* jansson lends its copy as const; the value goes right after. */
		union {
			const char *lent;
			void *own;
		} text = {.lent = json_string_value(value)};
		kiln_wipe(text.own, json_string_length(value));
	} else if (json_is_object(value)) {
		json_object_foreach(value, key, member)
			wipe_strings(member);
	} else if (json_is_array(value)) {
		json_array_foreach(value, index, member)
			wipe_strings(member);
	}
}

void kiln_json_wipe(json_t *value)
{
	if (value == NULL)
		return;
	wipe_strings(value);
	json_decref(value);
}

static void *take(size_t size)
{
	void *block = malloc(size);
	if (block == NULL)
		abort();
	return block;
}

static void give_back(void *block)
{
	if (block != NULL)
		kiln_wipe(block, malloc_usable_size(block));
	free(block);
}

void kiln_json_memory_take_over(void)
{
	json_set_alloc_funcs(take, give_back);
}
