/* SPDX-License-Identifier: Apache-2.0
 * `kiln keys …`; see keys.h. */
#include "keys/keys.h"

#include <stdio.h>
#include <string.h>

#include "keys/client/client.h"
#include "keys/serve/serve.h"

int kiln_keys_main(int argc, char **argv)
{
	int status;
	if (argc >= 2 && strcmp(argv[1], "serve") == 0)
		return kiln_keys_serve_main(argc - 1, argv + 1);
	if (argc >= 2 && kiln_keycli_main(argc - 1, argv + 1, &status))
		return status;
	return 2;
}
