/* SPDX-License-Identifier: Apache-2.0
 * Any text as an address. Run: fuzz_address tests/fuzz/corpus/address
 *
 * What is accepted must be within its bounds, and read the same again when written out; any bytes
 * as a socket address must give a text that ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void write_out(const struct kiln_address *a, char *text, size_t cap)
{
	if (a->is_unix)
		(void)snprintf(text, cap, "unix:%s", a->path);
	else if (strchr(a->host, ':') != NULL)
		(void)snprintf(text, cap, "[%s]:%u", a->host, a->port);
	else
		(void)snprintf(text, cap, "%s:%u", a->host, a->port);
}

static void try_text(const char *text)
{
	struct kiln_address address, again;
	struct kiln_error err = {0};
	char out[512];
	if (kiln_address_parse("--listen", text, &address, &err) != KILN_OK) {
		require(err.code == KILN_E_CONFIG && strncmp(err.message, "--listen: ", 10) == 0);
		return;
	}
	write_out(&address, out, sizeof out);
	require(kiln_address_parse("--listen", out, &again, &err) == KILN_OK);
	require(address.is_unix == again.is_unix && address.port == again.port);
	require(strcmp(address.host, again.host) == 0 && strcmp(address.path, again.path) == 0);
	if (address.port != 0 || address.is_unix)
		require(kiln_address_overlaps(&address, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	require(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	try_text(text);
	free(text);

	struct sockaddr_storage ss = {0};
	size_t len = size < sizeof ss ? size : sizeof ss;
	if (len > 0)
		memcpy(&ss, data, len);
	char shown[KILN_ADDRESS_TEXT];
	require(strlen(kiln_address_format(&ss, (socklen_t)len, shown)) < sizeof shown);
	(void)kiln_address_is_loopback(&ss);
	return 0;
}
