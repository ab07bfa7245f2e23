/* SPDX-License-Identifier: Apache-2.0
 * The small parts of lib/aws: dates, text, canonical requests at their limits, regions, requests.
 */
#include "aws_test.h"

#include <time.h>

#include "aws/date.h"
#include "aws/http.h"
#include "aws/region.h"
#include "aws/sigv4.h"

static void dates_go_round(void **state)
{
	(void)state;
	for (int64_t t = 0; t < INT64_C(253402300800); t += 86400 * 11 + 12345) {
		char text[17], want[32];
		int64_t back;
		const time_t then = (time_t)t;
		struct tm parts;
		kiln_aws_date_format(t, text);
		assert_true(strftime(want, sizeof want, "%Y%m%dT%H%M%SZ", gmtime_r(&then, &parts)));
		assert_string_equal(text, want);
		assert_true(kiln_aws_date_parse(text, 16, &back));
		assert_true(back == t);
	}
	char text[17];
	kiln_aws_date_format(-1, text);
	assert_string_equal(text, "19700101T000000Z");
	kiln_aws_date_format(INT64_MAX, text);
	assert_string_equal(text, "99991231T235959Z");
}

static void iso_dates(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t seconds;
	} good[] = {
	    {"2026-01-15T12:00:00Z", NOON},      {"2026-01-15T12:00:00.999Z", NOON},
	    {"2026-01-15T12:00:00+00:00", NOON}, {"2026-01-15T17:30:00+05:30", NOON},
	    {"2026-01-15T10:00:00-0200", NOON},  {"2024-02-29T00:00:00Z", 1709164800},
	};
	static const char *const bad[] = {
	    "",
	    "2026-01-15",
	    "2026-01-15T12:00:00",
	    "2026-01-15 12:00:00Z",
	    "2026-01-15T12:00:00.Z",
	    "2026-02-29T00:00:00Z",
	    "2026-13-01T00:00:00Z",
	    "2026-01-00T00:00:00Z",
	    "1969-12-31T23:59:59Z",
	    "2026-01-15T12:00:60Z",
	    "2026-01-15T12:00:00+24:00",
	    "2026-01-15T12:00:00Zx",
	    "2026-01-15T12:00:00+0a:00",
	    "x2026-01-15T12:00:00Z",
	};
	int64_t seconds;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_true(kiln_iso_date_parse(good[i].text, strlen(good[i].text), &seconds));
		assert_true(seconds == good[i].seconds);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (kiln_iso_date_parse(bad[i], strlen(bad[i]), &seconds))
			fail_msg("'%s' was taken for a date", bad[i]);
}

static void text_has_a_limit(void **state)
{
	(void)state;
	struct kiln_text text = {.max = 4};
	struct kiln_error err;
	kiln_text_str(&text, "abcd");
	assert_int_equal(kiln_text_check(&text, "it", &err), KILN_OK);
	kiln_text_char(&text, 'e');
	kiln_text_str(&text, "");
	assert_why(kiln_text_check(&text, "it", &err), &err, KILN_E_LIMIT, "it is longer than 4");
	assert_string_equal(text.data, "abcd");
	kiln_text_clear(&text);
	assert_int_equal(text.max, 4);
	text.max = 100;
	kiln_text_encoded(&text, "aZ9-_.~/ %\xff", 11, false);
	assert_string_equal(text.data, "aZ9-_.~%2F%20%25%FF");
	kiln_text_clear(&text);
}

static void canonical_is(struct kiln_sigv4_request *request, const char *want)
{
	struct kiln_text canonical = {0}, names = {0};
	assert_int_equal(kiln_sigv4_canonical(request, &canonical, &names, NULL), KILN_OK);
	const char *end = strstr(canonical.data, "\n\n");
	assert_non_null(end);
	canonical.data[end - canonical.data] = '\0';
	assert_string_equal(canonical.data, want);
	kiln_text_clear(&canonical);
	kiln_text_clear(&names);
}

static void canonical_forms(void **state)
{
	(void)state;
	static const struct {
		const char *path, *query, *want;
	} all[] = {
	    {"", "", "GET\n/"},
	    {"/", "b=2&a=1&a=0&b", "GET\n/\na=0&a=1&b=&b=2"},
	    {"/a/./b/../c", "", "GET\n/a/c"},
	    {"/../../x", "", "GET\n/x"},
	    {"/a/..", "", "GET\n/"},
	    {"/a/../..//", "", "GET\n/"},
	    {"/a b%20c", "", "GET\n/a%20b%2520c"},
	    {"/", "&&a=%7e%zz%4&&", "GET\n/\na=~%25zz%254"},
	    {"/", "a=b=c", "GET\n/\na=b%3Dc"},
	    {"/", "a-=1&a=2", "GET\n/\na=2&a-=1"},
	};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct kiln_sigv4_request request = {.method = kiln_slice_of("GET"),
						     .path = kiln_slice_of(all[i].path),
						     .query = kiln_slice_of(all[i].query)};
		canonical_is(&request, all[i].want);
	}
}

static void canonical_limits(void **state)
{
	(void)state;
	struct kiln_sigv4_header headers[KILN_SIGV4_HEADERS_MAX + 1];
	for (size_t i = 0; i <= KILN_SIGV4_HEADERS_MAX; i++)
		headers[i] = (struct kiln_sigv4_header){kiln_slice_of("a"), kiln_slice_of("b")};
	struct kiln_sigv4_request request = {.method = kiln_slice_of("GET"),
					     .headers = headers,
					     .header_count = KILN_SIGV4_HEADERS_MAX + 1};
	struct kiln_text canonical = {0}, names = {0};
	struct kiln_error err;
	assert_why(kiln_sigv4_canonical(&request, &canonical, &names, &err), &err, KILN_E_LIMIT,
		   "headers");
	char query[2 * KILN_SIGV4_PAIRS_MAX + 2];
	for (size_t i = 0; i < sizeof query; i++)
		query[i] = i % 2 == 0 ? 'a' : '&';
	request.header_count = 1;
	request.query = (struct kiln_slice){query, sizeof query};
	assert_why(kiln_sigv4_canonical(&request, &canonical, &names, &err), &err, KILN_E_LIMIT,
		   "query");
	static char path[70000];
	memset(path, 'a', sizeof path);
	request.query.len = 0;
	request.path = (struct kiln_slice){path, sizeof path};
	assert_why(kiln_sigv4_canonical(&request, &canonical, &names, &err), &err, KILN_E_LIMIT,
		   "longer than");
	kiln_text_clear(&canonical);
	kiln_text_clear(&names);
}

static void regions(void **state)
{
	(void)state;
	static const char *const plausible[] = {"us-east-7", "eusc-de-west-1", "us-gov-north-1",
						"us-isof-east-1"};
	static const char *const none[] = {"",
					   "us",
					   "us-",
					   "us-east",
					   "us-east-",
					   "us-east-100",
					   "us-east-1a",
					   "us-east-1.x",
					   "us--1",
					   "xx-east-1",
					   "us-East-1",
					   "us-gov-1",
					   "us-a-very-long-name-indeed-1"};
	assert_string_equal(kiln_aws_region_known("us-gov-west-1")->name, "aws-us-gov");
	assert_string_equal(kiln_aws_region_known("eu-isoe-west-1")->name, "aws-iso-e");
	assert_string_equal(kiln_aws_region_plausible("us-gov-north-1")->name, "aws-us-gov");
	assert_string_equal(kiln_aws_region_plausible("eusc-de-west-1")->name, "aws-eusc");
	for (size_t i = 0; i < 4; i++)
		assert_non_null(kiln_aws_region_plausible(plausible[i]));
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
		assert_null(kiln_aws_region_known(none[i]));
		assert_null(kiln_aws_region_plausible(none[i]));
	}
}

static void requests(void **state)
{
	(void)state;
	struct kiln_http_request request;
	struct kiln_error err;
	assert_why(kiln_http_request_init(&request, "GET", "http://a/\r\nX: y", &err), &err,
		   KILN_E_CONFIG, "character");
	assert_why(kiln_http_request_init(&request, "CONNECTION", "http://a/", &err), &err,
		   KILN_E_USAGE, "method");
	assert_int_equal(kiln_http_request_init(&request, "GET", "http://a/", NULL), KILN_OK);
	assert_why(kiln_http_request_header(&request, "A", "b\r\nX: y", &err), &err,
		   KILN_E_CREDENTIALS, "end of a line");
	for (unsigned i = 0; i < KILN_HTTP_HEADERS_MAX; i++)
		assert_int_equal(kiln_http_request_header(&request, "A", "b", NULL), KILN_OK);
	assert_why(kiln_http_request_header(&request, "A", "b", &err), &err, KILN_E_USAGE,
		   "too many");
	kiln_http_request_clear(&request);
	assert_null(request.url);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(dates_go_round),   cmocka_unit_test(iso_dates),
	    cmocka_unit_test(text_has_a_limit), cmocka_unit_test(canonical_forms),
	    cmocka_unit_test(canonical_limits), cmocka_unit_test(regions),
	    cmocka_unit_test(requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
