/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as values of a log line. Run: fuzz_log tests/fuzz/corpus/log
 *
 * The first byte chooses how the rest is cut into two values. The line must stay one line of
 * printable bytes and UTF-8, and its JSON must parse and keep its event. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "log/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static const char *write_line(enum kiln_log_format format, const uint8_t *data, size_t size,
			      size_t cut, size_t *len)
{
	static struct kiln_log_line l;
	kiln_log_configure(format, KILN_LOG_INFO, "worker", "1");
	kiln_log_begin(&l, KILN_LOG_INFO, "test");
	kiln_log_bytes(&l, "a", data, cut);
	kiln_log_bytes(&l, "b", data + cut, size - cut);
	kiln_log_str(&l, "last", "one");
	return kiln_log_finish(&l, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	size_t cut = data[0] % size, len;
	data++;
	size--;
	for (int format = KILN_LOG_TEXT; format <= (int)KILN_LOG_JSON; format++) {
		const char *text = write_line((enum kiln_log_format)format, data, size, cut, &len);
		require(len > 1 && len <= KILN_LOG_LINE_MAX && text[len - 1] == '\n');
		for (size_t i = 0; i < len - 1; i++)
			require((uint8_t)text[i] >= ' ' && text[i] != 0x7f);
		if (format == (int)KILN_LOG_TEXT)
			continue;
		json_error_t error;
		json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
		require(object != NULL);
		require(strcmp(json_string_value(json_object_get(object, "event")), "test") == 0);
		require(strcmp(json_string_value(json_object_get(object, "last")), "one") == 0);
		json_decref(object);
	}
	return 0;
}
