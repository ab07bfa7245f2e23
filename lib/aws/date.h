/* SPDX-License-Identifier: Apache-2.0
 *
 * Dates as AWS writes them, without a clock: strict, UTC, seconds since 1970.
 */
#ifndef KILN_AWS_DATE_H
#define KILN_AWS_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "20260115T120000Z" (X-Amz-Date). now must lie in the years 1970 to 9999, else it is clamped. */
void kiln_aws_date_format(int64_t now, char out[17]);

/* Just that form, 16 characters, an existing day; no leap second. */
bool kiln_aws_date_parse(const char *text, size_t len, int64_t *seconds);

/* ISO 8601 as credentials carry it: 2026-01-15T12:00:00Z, with fractions of a second (dropped) or
 * an offset such as +05:30. */
bool kiln_iso_date_parse(const char *text, size_t len, int64_t *seconds);

#endif
