/* SPDX-License-Identifier: Apache-2.0
 * `kiln keys COMMAND`; see keys.h. */
#include "keys/keys.h"

#include <stdio.h>
#include <string.h>

#include "cli/suggest.h"
#include "keys/admin/admin.h"

/* argv[0] is the command's name. */
static const struct command {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *what;
} commands[] = {
    {"init", kiln_keys_admin_main, "make an empty store, and its key"},
    {"check", kiln_keys_admin_main, "look at everything in a store, also while it is served"},
    {"backup", kiln_keys_admin_main, "copy a store into one file, also while it is served"},
    {"restore", kiln_keys_admin_main, "make a store from a backup"},
    {"rotate-key", kiln_keys_admin_main, "seal a store anew, under a new key"},
    {"anchor", kiln_keys_admin_main, "make a file that knows when a store is an older copy"},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static void usage(FILE *to)
{
	(void)fputs("kiln keys: a server that keeps users' secrets behind their passwords\n\n"
		    "usage: kiln keys COMMAND [FLAGS]\n\n",
		    to);
	for (size_t i = 0; i < COMMANDS; i++)
		(void)fprintf(to, "  %-11s %s\n", commands[i].name, commands[i].what);
	(void)fputs("\n`kiln keys COMMAND --help` explains each.\n", to);
}

static int refuse(const char *name)
{
	const char *names[COMMANDS];
	for (size_t i = 0; i < COMMANDS; i++)
		names[i] = commands[i].name;
	const char *meant = kiln_word_suggest(name, names, COMMANDS);
	if (meant != NULL) {
		(void)fprintf(stderr, "kiln keys: there is no command '%s'; did you mean %s?\n",
			      name, meant);
		return 2;
	}
	(void)fprintf(stderr, "kiln keys: there is no command '%s'\n\n", name);
	usage(stderr);
	return 2;
}

int kiln_keys_main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return 0;
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].main(argc - 1, argv + 1);
	return refuse(argv[1]);
}
