/* SPDX-License-Identifier: Apache-2.0
 * kiln-keys-load: what `bench/run --mode keys` needs besides the key server.
 *
 *	kiln-keys-load fill STORE KEY-FILE COUNT      users into an empty store
 *	kiln-keys-load alone login|registration MS    OPAQUE by itself, for so long
 *	kiln-keys-load run --connect HOST:PORT ...    clients of a key server: load.c
 *
 * It shares its protocol with Kiln, unlike kiln-load: the bytes of kiln-keys/1 are checked against
 * others' programs by the tests of interoperability. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

_Noreturn void bench_die(const char *what, const struct kiln_error *err)
{
	const bool more = err != NULL && err->code != KILN_OK;
	(void)fprintf(stderr, "kiln-keys-load: %s%s%s\n", what, more ? ": " : "",
		      more ? err->message : "");
	exit(1);
}

unsigned long long bench_number(const char *text)
{
	char *end;
	const unsigned long long n = strtoull(text, &end, 10);
	if (end == text || *end != '\0')
		bench_die("not a number", NULL);
	return n;
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "fill") == 0)
		return bench_fill(argv + 2);
	if (argc == 4 && strcmp(argv[1], "alone") == 0)
		return bench_alone(argv + 2);
	if (argc > 2 && strcmp(argv[1], "run") == 0)
		return bench_load(argc - 2, argv + 2);
	(void)fputs("usage: kiln-keys-load fill STORE KEY-FILE COUNT\n"
		    "       kiln-keys-load alone login|registration MILLISECONDS\n"
		    "       kiln-keys-load run --connect HOST:PORT --cacert FILE --mode "
		    "login|registration\n"
		    "           [--users N] [--prefix TEXT] [--conns N] [--depth N] [--warmup N]\n"
		    "           {--count N | --milliseconds N} [--cpu NAME=PID,..]...\n",
		    stderr);
	return 2;
}
