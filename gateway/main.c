/* SPDX-License-Identifier: Apache-2.0
 * The program `kiln`: one word, one capability. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aws/json.h"
#include "base/openssl_memory.h"
#include "cli/suggest.h"
#include "demo/certs_cmd.h"
#include "demo/demo.h"
#include "doctor/doctor.h"
#include "keys/keys.h"
#include "sts/sts.h"
#include "supervisor/supervisor.h"
#include "whoami/whoami.h"

static int server_main(int argc, char **argv)
{
	return kiln_supervisor_main(KILN_GATEWAY_SERVER, argc, argv);
}

static int client_main(int argc, char **argv)
{
	return kiln_supervisor_main(KILN_GATEWAY_CLIENT, argc, argv);
}

static const struct command {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *what;
} commands[] = {
    {"server", server_main, "accept TLS 1.3 and relay to a plain target"},
    {"client", client_main, "accept plain connections and relay them over TLS 1.3"},
    {"doctor", kiln_doctor_main, "what this kernel and this user can do, and how to improve it"},
    {"demo", kiln_demo_main, "see it work: certificates and AWS roles, both sides, real data"},
    {"keys", kiln_keys_main, "keep users' secrets behind their passwords: server and clients"},
    {"whoami", kiln_whoami_main, "the AWS identity that a gateway would present, and its source"},
    {"sts", kiln_sts_main, "a stand-in for AWS STS on this machine, for development"},
    {"certs", kiln_certs_main, "make throw-away certificates for a first try"},
};

static void usage(FILE *to)
{
	(void)fputs("kiln " KILN_VERSION
		    ": a TLS 1.3 gateway that hands its connections to the kernel\n\n"
		    "usage: kiln COMMAND [FLAGS]\n\n",
		    to);
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		(void)fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].what);
	(void)fputs(
	    "\n`kiln COMMAND --help` explains each. New here? `kiln demo`, then `kiln doctor`.\n",
	    to);
}

#define COMMANDS (sizeof commands / sizeof commands[0])

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

static int refuse(const char *name)
{
	const char *names[COMMANDS];
	for (size_t i = 0; i < COMMANDS; i++)
		names[i] = commands[i].name;
	const char *meant = kiln_word_suggest(name, names, COMMANDS);
	if (meant != NULL) {
		(void)fprintf(stderr, "kiln: there is no command '%s'; did you mean %s?\n", name,
			      meant);
		return 2;
	}
	(void)fprintf(stderr, "kiln: there is no command '%s'\n\n", name);
	usage(stderr);
	return 2;
}

/* `kiln help COMMAND` is `kiln COMMAND --help`. */
static int help(const char *name)
{
	char help_flag[] = "--help", command[16];
	if (name == NULL) {
		usage(stdout);
		return 0;
	}
	const struct command *found = find(name);
	if (found == NULL)
		return refuse(name);
	(void)snprintf(command, sizeof command, "%s", found->name);
	char *arguments[] = {command, help_flag, NULL};
	return found->main(2, arguments);
}

/* The next file or socket takes the lowest free number. Were it that of a standard descriptor, the
 * log's lines would go to a peer. */
static bool fill_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	if (!fill_standard_descriptors())
		return 1; /* and nobody to tell */
	if (!kiln_openssl_memory_take_over()) {
		(void)fputs("kiln: OpenSSL was in use before main()\n", stderr);
		return 1;
	}
	kiln_json_memory_take_over();
	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	const struct command *command = find(argv[1]);
	if (command != NULL)
		return command->main(argc - 1, argv + 1);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0)
		return help(argc > 2 ? argv[2] : NULL);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
		(void)puts("kiln " KILN_VERSION);
		return 0;
	}
	return refuse(argv[1]);
}
