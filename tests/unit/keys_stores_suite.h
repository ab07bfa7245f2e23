/* SPDX-License-Identifier: Apache-2.0
 *
 * What the suites over both databases have in common: NAME sqlite|postgresql. Each test has an
 * empty store, which is open.
 */
#ifndef KILN_TESTS_KEYS_STORES_SUITE_H
#define KILN_TESTS_KEYS_STORES_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "keys/store/internal.h"
#include "keys_stores_rig.h"

extern struct rig rig;
extern struct kiln_error err;

#define OK(call)        assert_int_equal((call), KILN_STORE_OK)
#define IS(call, value) assert_int_equal((call), KILN_STORE_##value)
#define S               rig.store

bool suite_is_sqlite(void);

/* Nothing is damaged, and there are so many. */
void suite_check_clean(uint64_t users, uint64_t lines);

int suite_make(void **state);
int suite_take_down(void **state);
#define T(f) cmocka_unit_test_setup_teardown(f, suite_make, suite_take_down)

/* main's: which database. */
void suite_choose(int argc, char **argv);

#endif
