/* SPDX-License-Identifier: Apache-2.0
 * The program `kiln`: one word, one capability. */
#include <stdio.h>
#include <string.h>

#include "demo/certs_cmd.h"
#include "demo/demo.h"
#include "doctor/doctor.h"
#include "supervisor/supervisor.h"

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
    {"demo", kiln_demo_main, "see it work: throw-away certificates, both sides, real data"},
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

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].main(argc - 1, argv + 1);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
		(void)puts("kiln " KILN_VERSION);
		return 0;
	}
	(void)fprintf(stderr, "kiln: there is no command '%s'\n\n", argv[1]);
	usage(stderr);
	return 2;
}
