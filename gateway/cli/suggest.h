/* SPDX-License-Identifier: Apache-2.0
 *
 * "Did you mean ...": the known word that is nearest to one that was mistyped.
 */
#ifndef KILN_CLI_SUGGEST_H
#define KILN_CLI_SUGGEST_H

#include <stddef.h>

/* How many letters must be inserted, removed, replaced or swapped with their neighbour to turn one
 * word into the other. Words longer than 63 bytes are infinitely far (SIZE_MAX). */
size_t kiln_word_distance(const char *a, const char *b);

/* The candidate nearest to word if it is near enough to be meant, else NULL. A word that starts
 * exactly one candidate means that one. */
const char *kiln_word_suggest(const char *word, const char *const candidates[], size_t count);

#endif
