/* SPDX-License-Identifier: Apache-2.0
 * Small facts about this process and this system, read from where the kernel tells them. */
#ifndef KILN_GATEWAY_FACTS_H
#define KILN_GATEWAY_FACTS_H

#include <stdbool.h>
#include <stddef.h>

/* The first numbers of a one-line file. */
bool kiln_fact_number(const char *path, long *value);
bool kiln_fact_two_numbers(const char *path, long *first, long *second);

/* What follows "name" and blanks or a colon, in the first line of path that begins with name. */
bool kiln_fact_field(const char *path, const char *name, char *out, size_t size);

/* Whether a list of words has this one. */
bool kiln_fact_has_word(const char *words, const char *word);

/* 0: no seccomp, 1: strict, 2: a filter. */
int kiln_fact_seccomp(void);

/* How this distribution is told to bring its kernel up to date, or to install the rest of the
 * running kernel's modules; "" where its package manager is not known. */
const char *kiln_fact_upgrade_command(void);
const char *kiln_fact_modules_command(void);

/* Effective in this process. */
bool kiln_fact_capability(unsigned capability);

#endif
