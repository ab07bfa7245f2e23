/* SPDX-License-Identifier: Apache-2.0
 * Recorded data of AWS and of real peers, where it is: $KILN_GOLDEN, or ../shared/golden. */
#ifndef KILN_TESTS_AWS_GOLDEN_H
#define KILN_TESTS_AWS_GOLDEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* false, having said why on standard output, when this part of the data is not there. */
bool golden_here(const char *part);

/* The whole file, NUL-terminated, to be freed; fails the test when it cannot be read. */
char *golden_read(const char *part, const char *file, size_t *len);
json_t *golden_json(const char *part, const char *file);

/* The names in a folder, sorted, at most max; each to be freed. */
size_t golden_list(const char *part, char *names[], size_t max);

#endif
