/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of the help that both subcommands print.
 */
#ifndef KILN_CLI_HELP_H
#define KILN_CLI_HELP_H

extern const char kiln_help_server[], kiln_help_server_flags[];
extern const char kiln_help_client[];
extern const char kiln_help_roast[], kiln_help_common[];

#endif
