/* SPDX-License-Identifier: Apache-2.0
 *
 * Text for JSON, which is UTF-8: names of files and messages that were cut need not be.
 */
#ifndef KILN_CLI_JSON_TEXT_H
#define KILN_CLI_JSON_TEXT_H

#include <jansson.h>

/* A string; U+FFFD stands for each byte that is no UTF-8. NULL: no memory. */
json_t *kiln_cli_json_text(const char *text);

#endif
