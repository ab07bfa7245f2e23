/* SPDX-License-Identifier: Apache-2.0
 * Test vectors of OPAQUE in the form of RFC 9807's own JSON: config, inputs, intermediates,
 * outputs. */
#ifndef KILN_TESTS_OPAQUE_KNOWN_H
#define KILN_TESTS_OPAQUE_KNOWN_H

#include "opaque_rig.h"

#include <jansson.h>

/* An absent field has length 0; a longer one than room fails the test. */
size_t known_hex(const json_t *object, const char *key, uint8_t *out, size_t room);

/* Just length bytes. */
void known_bytes(const json_t *object, const char *key, void *out, size_t length);

/* The field is what got is. */
void known_equal(const json_t *object, const char *key, const void *got, size_t length);

/* Runs one vector, real or fake, with its KSF; ours, of both roles, must give its bytes. */
void known_run(const json_t *vector);

#endif
