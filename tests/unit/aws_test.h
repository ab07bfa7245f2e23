/* SPDX-License-Identifier: Apache-2.0
 * What the tests of lib/aws share: cmocka, and refusals that say why. */
#ifndef KILN_TESTS_AWS_TEST_H
#define KILN_TESTS_AWS_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kiln/error.h>

/* The call was refused with this code, for a reason that names this. */
static inline void assert_why(enum kiln_code code, const struct kiln_error *err,
			      enum kiln_code want, const char *reason)
{
	if (code != want)
		fail_msg("%s instead of %s (%s)", kiln_code_name(code), kiln_code_name(want),
			 code != KILN_OK ? err->message : reason);
	assert_int_equal(err->code, want);
	if (strstr(err->message, reason) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err->message, reason);
}

/* 2026-01-15T12:00:00Z */
#define NOON INT64_C(1768478400)

#endif
