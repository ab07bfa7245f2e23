/* SPDX-License-Identifier: Apache-2.0
 * Durations, sizes, counts and words of the command line, and the guesses for mistyped words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/suggest.h"
#include "cli/values.h"

static void assert_duration(const char *text, uint64_t want)
{
	uint64_t ms = 1;
	struct kiln_error err = {0};
	if (kiln_value_duration("--t", text, &ms, &err) != KILN_OK)
		fail_msg("'%s' refused: %s", text, err.message);
	assert_int_equal(ms, want);
}

static void assert_no_duration(const char *text, const char *why)
{
	uint64_t ms;
	struct kiln_error err = {0};
	assert_int_equal(kiln_value_duration("--t", text, &ms, &err), KILN_E_CONFIG);
	assert_memory_equal(err.message, "--t: ", 5);
	assert_non_null(strstr(err.message, why));
}

static void durations(void **state)
{
	(void)state;
	assert_duration("0", 0);
	assert_duration("0s", 0);
	assert_duration("500ms", 500);
	assert_duration("10s", 10000);
	assert_duration("5m", 300000);
	assert_duration("1h", 3600000);
	assert_duration("366d", KILN_DURATION_MAX_MS);
	assert_no_duration("", "no duration");
	assert_no_duration("10", "write 500ms, 10s, 5m, 1h or 0");
	assert_no_duration("s", "no duration");
	assert_no_duration("-1s", "no duration");
	assert_no_duration("+1s", "no duration");
	assert_no_duration(" 1s", "no duration");
	assert_no_duration("1.5s", "no duration");
	assert_no_duration("1 s", "no duration");
	assert_no_duration("1S", "no duration");
	assert_no_duration("1s1", "no duration");
	assert_no_duration("367d", "longer than a year");
	assert_no_duration("18446744073709551616ms", "no duration");
	assert_no_duration("18446744073709551615h", "no duration");
}

static void assert_size(const char *text, enum kiln_code want_code, uint64_t want)
{
	uint64_t bytes = 0;
	assert_int_equal(kiln_value_size("--s", text, &bytes, NULL), want_code);
	if (want_code == KILN_OK)
		assert_int_equal(bytes, want);
}

static void sizes(void **state)
{
	(void)state;
	assert_size("4096", KILN_OK, 4096);
	assert_size("64KiB", KILN_OK, 65536);
	assert_size("64K", KILN_OK, 65536);
	assert_size("256MiB", KILN_OK, 256u << 20);
	assert_size("1G", KILN_OK, 1u << 30);
	assert_size("1GiB", KILN_OK, 1u << 30);
	assert_size("", KILN_E_CONFIG, 0);
	assert_size("MiB", KILN_E_CONFIG, 0);
	assert_size("1kb", KILN_E_CONFIG, 0);
	assert_size("1 MiB", KILN_E_CONFIG, 0);
	assert_size("17179869184GiB", KILN_E_CONFIG, 0);
}

static void counts(void **state)
{
	(void)state;
	uint64_t n;
	struct kiln_error err = {0};
	assert_int_equal(kiln_value_count("--n", "7", 1, 7, &n, &err), KILN_OK);
	assert_int_equal(n, 7);
	assert_int_equal(kiln_value_count("--n", "8", 1, 7, &n, &err), KILN_E_CONFIG);
	assert_string_equal(err.message, "--n: '8' is no number from 1 to 7");
	assert_int_equal(kiln_value_count("--n", "0", 1, 7, &n, &err), KILN_E_CONFIG);
	assert_int_equal(kiln_value_count("--n", "", 0, 7, &n, &err), KILN_E_CONFIG);
	assert_int_equal(kiln_value_count("--n", "1x", 0, 7, &n, &err), KILN_E_CONFIG);
}

static void words(void **state)
{
	(void)state;
	static const char *const list[] = {"one", "two", "three", NULL};
	struct kiln_error err = {0};
	int index = -1;
	assert_int_equal(kiln_value_word("--w", "three", list, &index, &err), KILN_OK);
	assert_int_equal(index, 2);
	assert_int_equal(kiln_value_word("--w", "ONE", list, &index, &err), KILN_E_CONFIG);
	assert_string_equal(err.message,
			    "--w: 'ONE' is none of the choices; write one, two or three");
}

static void alpn(void **state)
{
	(void)state;
	char longest[300];
	memset(longest, 'x', sizeof longest);
	longest[255] = '\0';
	assert_int_equal(kiln_value_alpn("--a", "h2,http/1.1", NULL), KILN_OK);
	assert_int_equal(kiln_value_alpn("--a", longest, NULL), KILN_OK);
	longest[255] = 'x';
	longest[256] = '\0';
	assert_int_equal(kiln_value_alpn("--a", longest, NULL), KILN_E_CONFIG);
	assert_int_equal(kiln_value_alpn("--a", "", NULL), KILN_E_CONFIG);
	assert_int_equal(kiln_value_alpn("--a", "h2,", NULL), KILN_E_CONFIG);
	assert_int_equal(kiln_value_alpn("--a", ",h2", NULL), KILN_E_CONFIG);
}

static void hashes(void **state)
{
	(void)state;
	char text[66];
	memset(text, 'A', sizeof text);
	text[64] = '\0';
	assert_int_equal(kiln_value_hash("--h", text, NULL), KILN_OK);
	text[63] = '\0';
	assert_int_equal(kiln_value_hash("--h", text, NULL), KILN_E_CONFIG);
	text[63] = 'g';
	assert_int_equal(kiln_value_hash("--h", text, NULL), KILN_E_CONFIG);
	memset(text, 'a', sizeof text);
	text[65] = '\0';
	assert_int_equal(kiln_value_hash("--h", text, NULL), KILN_E_CONFIG);
}

static void distances(void **state)
{
	(void)state;
	assert_int_equal(kiln_word_distance("", ""), 0);
	assert_int_equal(kiln_word_distance("abc", ""), 3);
	assert_int_equal(kiln_word_distance("listen", "listen"), 0);
	assert_int_equal(kiln_word_distance("lisen", "listen"), 1);
	assert_int_equal(kiln_word_distance("litsen", "listen"), 1);
	assert_int_equal(kiln_word_distance("kitten", "sitting"), 3);
	char longer[65];
	memset(longer, 'a', sizeof longer);
	longer[64] = '\0';
	assert_int_equal(kiln_word_distance("a", longer), SIZE_MAX);
}

static void suggestions(void **state)
{
	(void)state;
	static const char *const known[] = {"server", "client", "doctor", "demo", "certs"};
	assert_string_equal(kiln_word_suggest("sever", known, 5), "server");
	assert_string_equal(kiln_word_suggest("cleint", known, 5), "client");
	assert_string_equal(kiln_word_suggest("doc", known, 5), "doctor");
	assert_null(kiln_word_suggest("d", known, 5));
	assert_null(kiln_word_suggest("install", known, 5));
	assert_null(kiln_word_suggest("", known, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(durations), cmocka_unit_test(sizes),       cmocka_unit_test(counts),
	    cmocka_unit_test(words),     cmocka_unit_test(alpn),        cmocka_unit_test(hashes),
	    cmocka_unit_test(distances), cmocka_unit_test(suggestions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
