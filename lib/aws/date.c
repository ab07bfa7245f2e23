/* SPDX-License-Identifier: Apache-2.0
 * X-Amz-Date and ISO 8601 without the C library's calendar, which has time zones and locks. */
#include "aws/date.h"

#include <stdio.h>

/* Days since 1970-01-01 in the proleptic Gregorian calendar; years count from March, so that the
 * leap day is a year's last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	if (month <= 2)
		year--;
	const int64_t era = year / 400, in_era = year % 400;
	const int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static void civil_of(int64_t days, int *year, int *month, int *day)
{
	days += 719468;
	const int64_t era = days / 146097, in_era = days % 146097;
	const int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	const int64_t in_year = in_era - (365 * y + y / 4 - y / 100);
	const int64_t m = (5 * in_year + 2) / 153;
	*day = (int)(in_year - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = (int)(y + era * 400 + (*month <= 2 ? 1 : 0));
}

void kiln_aws_date_format(int64_t now, char out[17])
{
	const int64_t last = 253402300799; /* 9999-12-31T23:59:59Z */
	now = now < 0 ? 0 : now > last ? last : now;
	int year, month, day;
	civil_of(now / 86400, &year, &month, &day);
	const int second = (int)(now % 86400);
	char text[64];
	(void)snprintf(text, sizeof text, "%04d%02d%02dT%02d%02d%02dZ", year, month, day,
		       second / 3600, second / 60 % 60, second % 60);
	for (size_t i = 0; i < 17; i++)
		out[i] = text[i];
}

/* Takes digits by a pattern: 'd' is a digit, anything else stands for itself. Digits of one run
 * make one number. */
static bool take(const char *text, size_t len, const char *pattern, int *numbers)
{
	size_t n = 0;
	bool in_run = false;
	for (size_t i = 0; pattern[i] != '\0'; i++) {
		if (i >= len)
			return false;
		if (pattern[i] != 'd') {
			if (text[i] != pattern[i])
				return false;
			n += in_run ? 1 : 0;
			in_run = false;
			continue;
		}
		if (text[i] < '0' || text[i] > '9')
			return false;
		numbers[n] = (in_run ? numbers[n] * 10 : 0) + (text[i] - '0');
		in_run = true;
	}
	return true;
}

static bool seconds_of(const int n[6], int64_t *seconds)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	if (n[0] < 1970 || n[1] < 1 || n[1] > 12 || n[3] > 23 || n[4] > 59 || n[5] > 59)
		return false;
	const bool leap = (n[0] % 4 == 0 && n[0] % 100 != 0) || n[0] % 400 == 0;
	if (n[2] < 1 || n[2] > lengths[n[1] - 1] + (n[1] == 2 && leap ? 1 : 0))
		return false;
	*seconds =
	    days_of(n[0], n[1], n[2]) * 86400 + n[3] * INT64_C(3600) + n[4] * INT64_C(60) + n[5];
	return true;
}

bool kiln_aws_date_parse(const char *text, size_t len, int64_t *seconds)
{
	if (len != 16 || text[8] != 'T' || text[15] != 'Z')
		return false;
	int n[6];
	return take(text, 4, "dddd", &n[0]) && take(text + 4, 2, "dd", &n[1]) &&
	       take(text + 6, 2, "dd", &n[2]) && take(text + 9, 2, "dd", &n[3]) &&
	       take(text + 11, 2, "dd", &n[4]) && take(text + 13, 2, "dd", &n[5]) &&
	       seconds_of(n, seconds);
}

/* "Z", "+hh:mm", "-hh:mm" or the same without a colon. */
static bool offset_of(const char *text, size_t len, int *seconds)
{
	*seconds = 0;
	if (len == 1 && (text[0] == 'Z' || text[0] == 'z'))
		return true;
	int n[2];
	if (!((len == 6 && take(text + 1, 5, "dd:dd", n)) ||
	      (len == 5 && take(text + 1, 2, "dd", &n[0]) && take(text + 3, 2, "dd", &n[1]))))
		return false;
	if ((text[0] != '+' && text[0] != '-') || n[0] > 23 || n[1] > 59)
		return false;
	*seconds = (n[0] * 3600 + n[1] * 60) * (text[0] == '-' ? -1 : 1);
	return true;
}

bool kiln_iso_date_parse(const char *text, size_t len, int64_t *seconds)
{
	int n[6], offset;
	if (len < 20 || !take(text, len, "dddd-dd-ddTdd:dd:dd", n))
		return false;
	size_t i = 19;
	if (text[i] == '.') {
		const size_t digits = i + 1;
		for (i++; i < len && text[i] >= '0' && text[i] <= '9';)
			i++;
		if (i == digits)
			return false;
	}
	if (!offset_of(text + i, len - i, &offset) || !seconds_of(n, seconds))
		return false;
	*seconds -= offset;
	return true;
}
