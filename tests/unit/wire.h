/* SPDX-License-Identifier: Apache-2.0
 * Bytes on their way in a test: a growing queue. */
#ifndef KILN_TESTS_WIRE_H
#define KILN_TESTS_WIRE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct wire {
	uint8_t *data;
	size_t len, cap;
};

void wire_add(struct wire *wire, const void *data, size_t len);
void wire_drop(struct wire *wire, size_t len); /* from the front */
void wire_free(struct wire *wire);

#define assert_wire(wire, text)                                                                    \
	do {                                                                                       \
		assert_int_equal((wire).len, strlen(text));                                        \
		assert_memory_equal((wire).data, text, strlen(text));                              \
	} while (0)

#endif
