/* SPDX-License-Identifier: Apache-2.0
 * What is typed at the terminal without being shown. */
#ifndef KILN_KEYS_CLIENT_TERMINAL_H
#define KILN_KEYS_CLIENT_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kiln/error.h>

/* Writes prompt to the controlling terminal and reads a line of at most max bytes from it, without
 * echo and without its newline. The terminal is as before also after a signal, which then takes its
 * course. KILN_E_UNSUPPORTED: there is no terminal. */
enum kiln_code kiln_keycli_terminal_read(const char *prompt, uint8_t *out, size_t max, size_t *len,
					 struct kiln_error *err) KILN_NODISCARD;

/* Says that something takes its time, once it does: on a terminal with a dot for each second. */
void kiln_keycli_progress_begin(const char *what);
void kiln_keycli_progress_end(void);

#endif
