/* SPDX-License-Identifier: Apache-2.0
 * `kiln keys COMMAND`; see keys.h. */
#include "keys/keys.h"

#include <stdio.h>
#include <string.h>

#include "cli/suggest.h"
#include "keys/admin/admin.h"
#include "keys/client/client.h"
#include "keys/serve/serve.h"
#include "keys/serve/tokens.h"

/* argv[0] is the command's name. */
static const struct command {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *what;
} commands[] = {
    {"serve", kiln_keys_serve_main, "the key server, behind `kiln server --handoff`"},
    {"token", kiln_keys_token_main, "make tokens that let users register"},
    {"init", kiln_keys_admin_main, "make an empty store, and its key"},
    {"check", kiln_keys_admin_main, "look at everything in a store, also while it is served"},
    {"backup", kiln_keys_admin_main, "copy a store into one file, also while it is served"},
    {"restore", kiln_keys_admin_main, "make a store from a backup"},
    {"rotate-key", kiln_keys_admin_main, "seal a store anew, under a new key"},
    {"trim-audit", kiln_keys_admin_main, "remove old lines from all audit logs"},
    {"anchor", kiln_keys_admin_main, "make a file that knows when a store is an older copy"},
    {"register", kiln_keycli_main, "open an account at a key server"},
    {"login-test", kiln_keycli_main, "is the password right?"},
    {"generate", kiln_keycli_main, "make a secret, and keep it at the server"},
    {"store", kiln_keycli_main, "keep a secret at the server, which cannot read it"},
    {"import", kiln_keycli_main, "keep a secret, or a signing key, in one of three ways"},
    {"retrieve", kiln_keycli_main, "get a secret back"},
    {"export", kiln_keycli_main, "get a secret in a form for other programs"},
    {"audit", kiln_keycli_main, "what was done with the account, and tried"},
    {"delete", kiln_keycli_main, "delete a key for good"},
    {"sign", kiln_keycli_main, "sign with a key that never leaves the server"},
    {"public-key", kiln_keycli_main, "the public key of a signing key"},
    {"change-password", kiln_keycli_main, "a new password, the same secrets"},
};
#define SERVER_COMMANDS 9 /* the first ones are the operator's */
#define COMMANDS        (sizeof commands / sizeof commands[0])

static void usage(FILE *to)
{
	(void)fputs("kiln keys: a server that keeps users' secrets behind their passwords\n\n"
		    "usage: kiln keys COMMAND [FLAGS]\n\n",
		    to);
	for (size_t i = 0; i < COMMANDS; i++) {
		if (i == 0 || i == SERVER_COMMANDS)
			(void)fputs(i == 0 ? "The server:\n" : "Its users:\n", to);
		(void)fprintf(to, "  %-16s %s\n", commands[i].name, commands[i].what);
	}
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
