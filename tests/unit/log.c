/* SPDX-License-Identifier: Apache-2.0
 * Log lines: every JSON line must parse and give the value back, and no value may forge a line or a
 * field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "log/log.h"

static struct kiln_log_line l;

static void begin(enum kiln_log_format format)
{
	kiln_log_configure(format, KILN_LOG_INFO, NULL, NULL);
	kiln_log_begin(&l, KILN_LOG_INFO, "test");
}

/* Ends the line, checks what every line has to be, and cuts the newline off. */
static const char *finish(void)
{
	static char copy[KILN_LOG_LINE_MAX + 1];
	size_t len;
	const char *text = kiln_log_finish(&l, &len);
	assert_true(len > 1 && len <= KILN_LOG_LINE_MAX);
	assert_int_equal(text[len - 1], '\n');
	for (size_t i = 0; i < len - 1; i++)
		assert_true((uint8_t)text[i] >= ' ' && text[i] != 0x7f);
	memcpy(copy, text, len - 1);
	copy[len - 1] = '\0';
	return copy;
}

static json_t *finish_json(void)
{
	json_error_t error;
	const char *text = finish();
	json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (object == NULL)
		fail_msg("%s at %d in %s", error.text, error.position, text);
	assert_string_equal(json_string_value(json_object_get(object, "event")), "test");
	return object;
}

/* One value, both ways: as text line (all behind "event=test ") and as read by a JSON parser. */
static void assert_value(const void *data, size_t len, const char *text, const char *json)
{
	begin(KILN_LOG_TEXT);
	kiln_log_bytes(&l, "v", data, len);
	const char *at = strstr(finish(), "event=test ");
	assert_non_null(at);
	assert_string_equal(at + strlen("event=test "), text);

	begin(KILN_LOG_JSON);
	kiln_log_bytes(&l, "v", data, len);
	json_t *object = finish_json();
	assert_string_equal(json_string_value(json_object_get(object, "v")), json);
	assert_int_equal(json_object_size(object), 4);
	json_decref(object);
}

#define VALUE(literal, text, json) assert_value(literal, sizeof(literal) - 1, text, json)

static void plain_values(void **state)
{
	(void)state;
	VALUE("127.0.0.1:80", "v=127.0.0.1:80", "127.0.0.1:80");
	VALUE("", "v=\"\"", "");
	VALUE("two words", "v=\"two words\"", "two words");
	VALUE("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\xa5",
	      "v=\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\xa5\"",
	      "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\xa5");
}

static void values_that_would_forge(void **state)
{
	(void)state;
	VALUE("x\nlevel=error event=stop", "v=\"x\\nlevel=error event=stop\"",
	      "x\nlevel=error event=stop");
	VALUE("x event=stop", "v=\"x event=stop\"", "x event=stop");
	VALUE("a=b", "v=\"a=b\"", "a=b");
	VALUE("\" event=stop", "v=\"\\\" event=stop\"", "\" event=stop");
	VALUE("\\\" event=stop", "v=\"\\\\\\\" event=stop\"", "\\\" event=stop");
	VALUE("\",\"event\":\"stop", "v=\"\\\",\\\"event\\\":\\\"stop\"", "\",\"event\":\"stop");
	VALUE("\\", "v=\"\\\\\"", "\\");
	VALUE("\r\t\x1b[2J\x7f", "v=\"\\r\\t\\x1b[2J\\x7f\"", "\r\t\x1b[2J\x7f");
}

/* Controls beyond ASCII, line separators and overrides of direction are escaped in the line; a
 * reader of the JSON gets them back. */
static void values_that_fool_the_eye(void **state)
{
	(void)state;
	VALUE("\xc2\x85", "v=\"\\xc2\\x85\"", "\xc2\x85");
	VALUE("\xe2\x80\xae", "v=\"\\xe2\\x80\\xae\"", "\xe2\x80\xae");
	VALUE("\xe2\x80\xa8", "v=\"\\xe2\\x80\\xa8\"", "\xe2\x80\xa8");
	VALUE("\xe2\x81\xa6", "v=\"\\xe2\\x81\\xa6\"", "\xe2\x81\xa6");
	VALUE("\xef\xbb\xbf", "v=\"\\xef\\xbb\\xbf\"", "\xef\xbb\xbf");
	begin(KILN_LOG_JSON);
	kiln_log_str(&l, "v", "\xe2\x80\xae\xc2\x85");
	assert_non_null(strstr(finish(), "\"v\":\"\\u202e\\u0085\""));
}

static void values_that_are_no_utf8(void **state)
{
	(void)state;
	VALUE("\x00", "v=\"\\x00\"", "\\x00");
	VALUE("a\0b", "v=\"a\\x00b\"", "a\\x00b");
	VALUE("\xff", "v=\"\\xff\"", "\\xff");
	VALUE("\x80", "v=\"\\x80\"", "\\x80");
	VALUE("\xc3", "v=\"\\xc3\"", "\\xc3");                             /* cut off */
	VALUE("\xe2\x82", "v=\"\\xe2\\x82\"", "\\xe2\\x82");               /* cut off */
	VALUE("\xc3(", "v=\"\\xc3(\"", "\\xc3(");                          /* broken off */
	VALUE("\xc0\xaf", "v=\"\\xc0\\xaf\"", "\\xc0\\xaf");               /* overlong '/' */
	VALUE("\xe0\x80\xaf", "v=\"\\xe0\\x80\\xaf\"", "\\xe0\\x80\\xaf"); /* overlong '/' */
	VALUE("\xc0\x8a", "v=\"\\xc0\\x8a\"", "\\xc0\\x8a");               /* overlong newline */
	VALUE("\xed\xa0\x80", "v=\"\\xed\\xa0\\x80\"", "\\xed\\xa0\\x80"); /* surrogate */
	VALUE("\xf4\x90\x80\x80", "v=\"\\xf4\\x90\\x80\\x80\"", "\\xf4\\x90\\x80\\x80");
}

/* All pairs of bytes: a line stays a line and an object stays an object. */
static void every_pair_of_bytes(void **state)
{
	(void)state;
	for (unsigned pair = 0; pair < 65536; pair++) {
		uint8_t data[2] = {(uint8_t)(pair >> 8), (uint8_t)pair};
		begin(KILN_LOG_JSON);
		kiln_log_bytes(&l, "v", data, 2);
		json_t *object = finish_json();
		assert_int_equal(json_object_size(object), 4);
		json_decref(object);
		begin(KILN_LOG_TEXT);
		kiln_log_bytes(&l, "v", data, 2);
		(void)finish();
	}
}

static void numbers(void **state)
{
	(void)state;
	for (int format = KILN_LOG_TEXT; format <= (int)KILN_LOG_JSON; format++) {
		begin((enum kiln_log_format)format);
		kiln_log_u64(&l, "u", UINT64_MAX);
		kiln_log_i64(&l, "i", INT64_MIN);
		kiln_log_ms(&l, "ms", 1002003);
		kiln_log_ms(&l, "zero", 0);
		kiln_log_bool(&l, "b", true);
		kiln_log_hex(&l, "hex", "\x00\xab\xff", 3);
		if (format == (int)KILN_LOG_TEXT) {
			assert_non_null(strstr(finish(), "u=18446744073709551615 "
							 "i=-9223372036854775808 ms=1002.003 "
							 "zero=0.000 b=true hex=00abff"));
			continue;
		}
		json_t *object = finish_json();
		assert_string_equal(json_string_value(json_object_get(object, "u")),
				    "18446744073709551615");
		assert_true(json_integer_value(json_object_get(object, "i")) == INT64_MIN);
		assert_true(json_real_value(json_object_get(object, "ms")) == 1002.003);
		assert_true(json_is_true(json_object_get(object, "b")));
		assert_string_equal(json_string_value(json_object_get(object, "hex")), "00abff");
		json_decref(object);
	}
}

static void head_of_a_line(void **state)
{
	(void)state;
	char text[KILN_LOG_TIME_MAX];
	struct timespec t = {.tv_sec = 1769903999, .tv_nsec = 999999999};
	kiln_log_time(&t, text);
	assert_string_equal(text, "2026-01-31T23:59:59.999Z");

	kiln_log_configure(KILN_LOG_TEXT, KILN_LOG_INFO, "worker", "3");
	kiln_log_begin(&l, KILN_LOG_WARNING, "accept");
	const char *line = finish();
	int end = 0;
	assert_int_equal(sscanf(line, "time=%*4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*3dZ%n", &end), 0);
	assert_string_equal(line + end, " level=warning worker=3 event=accept");

	kiln_log_configure(KILN_LOG_JSON, KILN_LOG_INFO, "worker", "3");
	kiln_log_begin(&l, KILN_LOG_INFO, "test");
	json_t *object = finish_json();
	assert_int_equal(json_integer_value(json_object_get(object, "worker")), 3);
	json_decref(object);
	kiln_log_configure(KILN_LOG_JSON, KILN_LOG_INFO, "process", "supervisor");
	kiln_log_begin(&l, KILN_LOG_INFO, "test");
	object = finish_json();
	assert_string_equal(json_string_value(json_object_get(object, "process")), "supervisor");
	json_decref(object);
}

static void levels(void **state)
{
	(void)state;
	size_t len;
	kiln_log_configure(KILN_LOG_TEXT, KILN_LOG_WARNING, NULL, NULL);
	assert_false(kiln_log_wanted(KILN_LOG_INFO));
	kiln_log_begin(&l, KILN_LOG_INFO, "unwanted");
	kiln_log_str(&l, "a", "b");
	(void)kiln_log_finish(&l, &len);
	assert_int_equal(len, 0);
	kiln_log_begin(&l, KILN_LOG_ERROR, "wanted");
	assert_non_null(strstr(finish(), "level=error event=wanted"));
	assert_string_equal(kiln_log_level_name(KILN_LOG_DEBUG), "debug");
}

static void errors(void **state)
{
	(void)state;
	struct kiln_error err = {0};
	(void)kiln_fail(&err, KILN_E_TLS_ALERT, "the peer said %s", "no");
	err.alert = 48;
	begin(KILN_LOG_TEXT);
	kiln_log_str(&l, "absent", NULL);
	kiln_log_error(&l, &err);
	assert_non_null(strstr(finish(), "event=test code=tls_alert error=\"the peer said no\" "
					 "alert=unknown_ca"));
}

static void long_values_are_cut(void **state)
{
	(void)state;
	uint8_t hostile[2000];
	static const uint8_t fill[] = {'a', '"', '\n', 0, 0xff, 0xe2};
	for (size_t f = 0; f < sizeof fill; f++) {
		memset(hostile, fill[f], sizeof hostile);
		begin(KILN_LOG_JSON);
		kiln_log_bytes(&l, "v", hostile, sizeof hostile);
		kiln_log_str(&l, "path", "ktls"); /* still there, whatever came before */
		json_t *object = finish_json();
		assert_true(json_is_true(json_object_get(object, "log_truncated")));
		assert_string_equal(json_string_value(json_object_get(object, "path")), "ktls");
		assert_true(json_string_length(json_object_get(object, "v")) > 80);
		json_decref(object);
	}
	begin(KILN_LOG_TEXT);
	kiln_log_hex(&l, "v", hostile, sizeof hostile);
	assert_non_null(strstr(finish(), " log_truncated=true"));
}

static void full_lines_are_marked(void **state)
{
	(void)state;
	char value[300];
	memset(value, '"', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	for (int format = KILN_LOG_TEXT; format <= (int)KILN_LOG_JSON; format++) {
		for (size_t first = 0; first < sizeof value; first++) {
			begin((enum kiln_log_format)format);
			kiln_log_bytes(&l, "first", value, first);
			char key[] = "k0";
			for (; key[1] <= '9'; key[1]++)
				kiln_log_str(&l, key, value);
			if (format == (int)KILN_LOG_TEXT) {
				assert_non_null(strstr(finish(), " log_truncated=true"));
				continue;
			}
			json_t *object = finish_json();
			assert_true(json_is_true(json_object_get(object, "log_truncated")));
			json_decref(object);
		}
	}
}

static void limits_repetition(void **state)
{
	(void)state;
	struct kiln_log_limit limit = {0};
	uint64_t suppressed = 99;
	assert_true(kiln_log_limit_pass(&limit, 0, 1000, &suppressed));
	assert_int_equal(suppressed, 0);
	for (uint64_t now = 1; now < 1000; now += 10)
		assert_false(kiln_log_limit_pass(&limit, now, 1000, &suppressed));
	assert_true(kiln_log_limit_pass(&limit, 1000, 1000, &suppressed));
	assert_int_equal(suppressed, 100);
	assert_false(kiln_log_limit_pass(&limit, 1999, 1000, &suppressed));
	assert_true(kiln_log_limit_pass(&limit, 9000, 1000, &suppressed));
	assert_int_equal(suppressed, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain_values),
	    cmocka_unit_test(values_that_would_forge),
	    cmocka_unit_test(values_that_fool_the_eye),
	    cmocka_unit_test(values_that_are_no_utf8),
	    cmocka_unit_test(every_pair_of_bytes),
	    cmocka_unit_test(numbers),
	    cmocka_unit_test(head_of_a_line),
	    cmocka_unit_test(levels),
	    cmocka_unit_test(errors),
	    cmocka_unit_test(long_values_are_cut),
	    cmocka_unit_test(full_lines_are_marked),
	    cmocka_unit_test(limits_repetition),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
