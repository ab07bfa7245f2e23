/* SPDX-License-Identifier: Apache-2.0
 *
 * What both tests of the command line need: parsing a line of words.
 */
#ifndef KILN_TESTS_OPTIONS_H
#define KILN_TESTS_OPTIONS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/flags.h"
#include "cli/options.h"

#define WORDS_MAX 400

static struct kiln_gateway_options o;
static char line_text[32768];

/* Splits at spaces, as a shell would, and parses. The text stays: options point into it. */
static inline enum kiln_code parse(enum kiln_gateway_mode mode, const char *line,
				   struct kiln_error *err)
{
	char *argv[WORDS_MAX], *save = NULL;
	char name[] = "kiln";
	int argc = 1;
	argv[0] = name;
	assert_true(strlen(line) < sizeof line_text);
	(void)snprintf(line_text, sizeof line_text, "%s", line);
	for (char *w = strtok_r(line_text, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
		assert_true(argc < WORDS_MAX - 1);
		argv[argc++] = w;
	}
	argv[argc] = NULL;
	memset(&o, 0xa5, sizeof o);
	return kiln_options_parse(mode, argc, argv, &o, err);
}

#define SERVER KILN_GATEWAY_SERVER
#define CLIENT KILN_GATEWAY_CLIENT
#define ENDS   "--listen :8443 --target 127.0.0.1:80 "
#define PAIR   "--cert c --key k "
#define GOOD   ENDS PAIR "--cacert ca --allow-all "
#define HASH   "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF"

#endif
